"""Bins: tonic's, or of a window; pooled lines; counts in either form."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from support.damages import retyped
from support.genuine import WRITERS, Known

from drtrl_bench import data

binning, splits, recordings = (data.module(f"events.{name}") for name in ("binning", "splits", "recordings"))
WORDS = (700, 1, 1)
"""The sensor of spoken words."""
NAMES = tuple(WRITERS)


@pytest.mark.parametrize("name", ["nmnist", "dvs_gesture"])
@pytest.mark.parametrize("steps", [1, 7, 100])
def test_bins_are_tonic_s(known: dict[str, Known], name: str, steps: int) -> None:
    transforms = pytest.importorskip("tonic.transforms")
    module = data.events(name)
    inputs, targets = module.batch(steps, 6, 5)
    held, available = module.recordings("train")
    for lane, index in enumerate(splits.drawn(available, 6, 5)):
        frames = transforms.ToFrame(sensor_size=data.module(name).SENSOR, n_time_bins=steps)(held.source[index][0])
        np.testing.assert_array_equal(inputs[:, lane], frames.reshape(steps, -1))
        assert (targets[:, lane] == held.labels[index]).all()


@pytest.mark.parametrize("factor", [2, 4, 32])
def test_pooling_is_tonic_s_downsampling(known: dict[str, Known], factor: int) -> None:
    transforms = pytest.importorskip("tonic.transforms")
    module = data.events("dvs_gesture")
    side = 128 // factor
    inputs, _ = module.batch(5, 3, 0, features=2 * side * side)
    held, available = module.recordings("train")
    for lane, index in enumerate(splits.drawn(available, 3, 0)):
        small = transforms.Downsample(spatial_factor=1 / factor)(held.source[index][0])
        frames = transforms.ToFrame(sensor_size=(side, side, 2), n_time_bins=5)(small)
        np.testing.assert_array_equal(inputs[:, lane], frames.reshape(5, -1))


@pytest.mark.parametrize(("name", "features"), [("shd", 350), ("shd", 70), ("nmnist", 578), ("nmnist", 162)])
def test_pooling_loses_no_event(known: dict[str, Known], name: str, features: int) -> None:
    module = data.dataset(name)
    whole, pooled = module.batch(9, 4, 0)[0], module.batch(9, 4, 0, features=features)[0]
    assert pooled.shape == (9, 4, features)
    np.testing.assert_array_equal(whole.sum(axis=2), pooled.sum(axis=2))


def test_features_that_no_pooling_gives_are_refused(known: dict[str, Known]) -> None:
    with pytest.raises(ValueError, match=r"features is 500.*578"):
        data.dataset("nmnist").batch(9, 4, 0, features=500)


@pytest.mark.parametrize("name", ["shd", "ssc"])
def test_words_are_binned_by_14_ms_from_the_first_bin_on(known: dict[str, Known], name: str) -> None:
    module = data.events(name)
    inputs, _ = module.batch(100, 4, 2)
    held, available = module.recordings("train")
    for lane, index in enumerate(splits.drawn(available, 4, 2)):
        expected = np.zeros((100, 700))
        np.add.at(expected, (held[index].t // 14_000, held[index].x), 1)
        np.testing.assert_array_equal(inputs[:, lane], expected)


@pytest.mark.parametrize("name", ["shd", "ssc"])
@pytest.mark.parametrize("augment", [False, True])
def test_a_window_within_a_word_is_a_part(known: dict[str, Known], name: str, augment: bool) -> None:
    module = data.dataset(name)
    whole, _ = module.batch(14, 6, 2, augment=augment)
    part, _ = module.batch(2, 6, 2, window=(0.1, 0.3), augment=augment)
    np.testing.assert_array_equal(part, whole[1:3])
    assert whole[3:].any()
    late, _ = module.batch(1, 6, 2, window=(0.3, 1.4), augment=augment)
    np.testing.assert_array_equal(late[0], whole[3:].sum(axis=0))


@pytest.mark.parametrize("steps", [1, 3, 100, 333])
def test_no_event_is_out_of_range(steps: int) -> None:
    """Neither the first instant nor the last: the first bin is used, and none is after the last."""
    t = np.array([0, 1, 699_999, 700_000, 1_399_999, 1_400_000, 1_400_001, 5_000_000])
    edges = binning.bins(t, binning.Binning(steps, WORDS, 700, (0.0, 1.4), late=True))
    assert len(edges) == steps + 1
    assert (edges[0], edges[-1]) == (0, len(t))
    assert edges[1] > 0
    assert edges[-2] < edges[-1]
    assert (np.diff(edges) >= 0).all()
    assert binning.bins(t, binning.Binning(steps, WORDS, 700, (0.0, 1.4)))[-1] == 5


@pytest.mark.parametrize("steps", [3, 7, 333])
def test_bins_of_no_whole_us_share_the_window_evenly(steps: int) -> None:
    bounds = 200_000 + np.arange(steps + 1) * 300_001 / steps
    t = np.unique(np.concatenate([np.floor(bounds), np.ceil(bounds)]).astype(np.int32))
    edges = binning.bins(t, binning.Binning(steps, WORDS, 700, (0.2, 0.500001)))
    assert edges[-1] == (t < 500_001).sum()
    expected = (t[: edges[-1]].astype(int) - 200_000) * steps // 300_001
    np.testing.assert_array_equal(np.diff(edges), np.bincount(expected, minlength=steps))


def test_a_window_is_a_part(known: dict[str, Known]) -> None:
    module = data.dataset("nmnist")
    whole, _ = module.batch(30, 3, 0, window=(0.0, 0.3))
    part, _ = module.batch(10, 3, 0, window=(0.1, 0.2))
    np.testing.assert_array_equal(part, whole[10:20])
    for window in ((0.2, 0.1), (-0.1, 0.1)):
        with pytest.raises(ValueError, match="window"):
            module.batch(10, 3, 0, window=window)


def test_first_saccade_ends_after_100_ms(known: dict[str, Known]) -> None:
    module = data.dataset("nmnist")
    first, _ = module.batch(10, 3, 0, first_saccade=True, window=(0.0, 0.3))
    whole, _ = module.batch(30, 3, 0, window=(0.0, 0.3))
    np.testing.assert_array_equal(first.sum(axis=0), whole[:10].sum(axis=0))


@pytest.mark.parametrize("name", NAMES)
def test_binary_is_whether_there_are_events(known: dict[str, Known], name: str) -> None:
    counts, _ = data.dataset(name).batch(2, 3, 0)
    binary, _ = data.dataset(name).batch(2, 3, 0, binary=True)
    np.testing.assert_array_equal(binary, counts > 0)


def test_slices_are_whole_and_do_not_overlap(known: dict[str, Known]) -> None:
    module = data.events("dvs_gesture")
    inputs, targets = module.batch(4, 3, 0, slices=0.5)
    held, available = module.recordings("train")
    for lane, index in enumerate(splits.drawn(available, 3, 0)):
        assert targets[:, lane].tolist() == 4 * [known["dvs_gesture"]["train"][index][1]]
        t = held[index].t - held[index].t[0]
        counts = [
            [((t >= 500_000 * s + 125_000 * k) & (t < 500_000 * s + 125_000 * (k + 1))).sum() for k in range(4)]
            for s in range(t[-1] // 500_000)
        ]
        assert inputs[:, lane].sum(axis=1).tolist() in counts
    with pytest.raises(ValueError, match=r"\.npy is shorter"):
        module.batch(4, 3, 0, slices=2.5)
    with pytest.raises(ValueError, match="one of the two"):
        module.batch(4, 3, 0, slices=0.5, window=(0.0, 1.0))


@pytest.mark.parametrize("window", [(0.0, float("inf")), (0.0, 1e9), (float("nan"), 1.0), (0.5, 0.5), (0.1, 0.1000001)])
def test_a_window_without_bins_is_refused(window: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="window must"):
        binning.bins(np.arange(5, dtype=np.int32), binning.Binning(3, WORDS, 700, window))


@pytest.mark.parametrize("slices", [0.0, -1.0, 1e-9, float("nan"), float("inf"), 3000.0])
def test_slices_that_no_recording_has_are_refused(known: dict[str, Known], slices: float) -> None:
    with pytest.raises(ValueError, match=r"slices must last|shorter than a slice"):
        data.dataset("dvs_gesture").batch(4, 3, 0, slices=slices)


def test_a_silent_recording_is_silent() -> None:
    silent = recordings.Events(*(np.zeros(0, dtype) for dtype in (np.int32, np.uint16, np.uint16, np.uint8)))
    for window in (None, (0.0, 1.0)):
        assert len(binning.cells(silent, binning.Binning(5, (4, 4, 2), 32, window)).step) == 0


@pytest.mark.parametrize("numbers", [(2, 2, 2), (8, 8, 8), (900, 900, 900), (2, 900, 8)])
def test_a_batch_holds_the_counts_in_either_form(numbers: tuple[int, int, int]) -> None:
    lanes, expected, lines = [], np.zeros((10, 3, 20), int), 20
    for lane, number in enumerate(numbers):
        rng = np.random.default_rng(lane)
        t, x = np.sort(rng.integers(0, 1_000_000, number)), rng.integers(0, lines, number)
        columns = (column.astype(dtype) for column, dtype in zip((t, x, 0 * x, 0 * x), recordings.DTYPES, strict=True))
        bins = binning.Binning(10, (lines, 1, 1), lines, (0.0, 1.0))
        lanes.append(binning.cells(recordings.Events(*columns), bins))
        np.add.at(expected, (t // 100_000, np.full(number, lane), x), 1)
        assert isinstance(lanes[-1], binning.AllCells) == (number == 900)
        assert recordings.size(lanes[-1]) <= 2 * min(10 * lines, 12 * (expected[:, lane] > 0).sum())
    for binary in (False, True):
        batch = binning.Sparse(lanes, np.zeros(3, np.int32), 10, lines, binary)
        for start, stop in ((0, 10), (0, 3), (3, 10), (9, 10), (4, 4)):
            part = expected[start:stop]
            for dtype in (np.float32, np.uint8):
                dense = batch.dense(start, stop, dtype)
                assert dense.dtype == dtype
                np.testing.assert_array_equal(dense, part > 0 if binary else part)


@pytest.mark.parametrize("number", [2_000, 70_000])
def test_binning_takes_memory_for_events_and_not_for_cells(number: int) -> None:
    """Whatever the number of bins, some 100 bytes for each event."""
    rng = np.random.default_rng(0)
    t, x = np.sort(rng.integers(0, 1_000_000, number)), rng.integers(0, 700, number)
    columns = [column.astype(dtype) for column, dtype in zip((t, x, 0 * x, 0 * x), recordings.DTYPES, strict=True)]
    for steps in (10, 50, 200, 1_000, 10_000):
        tracemalloc.start()
        binning.cells(recordings.Events(*columns), binning.Binning(steps, WORDS, 700, (0.0, 1.0)))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 150 * number + 32 * steps + 2**16, steps


@pytest.mark.parametrize("number", [200, 256])
def test_a_bin_of_many_events_is_counted_or_refused(number: int) -> None:
    zeros = np.zeros(number, int)
    events = recordings.Events(*(zeros.astype(dtype) for dtype in recordings.DTYPES))
    lanes = [binning.cells(events, binning.Binning(1, (2, 1, 1), 2, (0.0, 1.0)))]
    batch = binning.Sparse(lanes, np.zeros(1, np.int32), 1, 2)
    np.testing.assert_array_equal(batch.dense(0, 1, np.int32), [[[number, 0]]])
    narrow = np.int8 if number < 256 else np.uint8
    with pytest.raises(ValueError, match=f"a bin holds {number} events, too many for {np.dtype(narrow)}"):
        batch.dense(0, 1, narrow)


# By hand


@pytest.mark.parametrize(
    ("window", "late", "edges"),
    [
        ((0.0, 1.0), False, [0, 2, 3, 3, 4]),
        ((0.0, 1.0), True, [0, 2, 3, 3, 6]),  # what comes after the window is in the last bin
        ((0.25, 0.5), False, [2, 3, 3, 3, 3]),  # neither what is before, nor what is after
        ((0.25, 0.5), True, [2, 3, 3, 3, 6]),
        ((1.0, 1.2), False, [4, 5, 5, 5, 5]),  # closed below, open above
    ],
)
def test_window_edges_by_hand(window: tuple[float, float], late: bool, edges: list[int]) -> None:
    t = np.array([0, 249_999, 250_000, 999_999, 1_000_000, 1_200_000], np.int32)
    assert binning.bins(t, binning.Binning(4, WORDS, 700, window, late)).tolist() == edges


def test_bins_without_a_window_by_hand() -> None:
    """From the first event on, in whole us; the last event, and what is left over before it, in none."""
    assert binning.bins(np.array([10, 20, 30, 40, 50], np.int32), binning.Binning(2, WORDS, 700)).tolist() == [0, 2, 4]
    t = np.array([10, 11, 12, 13, 20, 21], np.int32)
    assert binning.bins(t, binning.Binning(4, WORDS, 700)).tolist() == [0, 2, 4, 4, 4]


def test_lines_by_hand() -> None:
    """Polarity, row, column; pooled, by neighbours in both directions; what sticks out is a line of its own."""
    events = recordings.Events(
        *(np.array(column, dtype) for column, dtype in zip(
            ([0, 1, 2], [3, 0, 4], [1, 2, 3], [1, 0, 0]), recordings.DTYPES, strict=True
        ))
    )  # fmt: skip

    def lines(sensor: tuple[int, int, int], features: int) -> list[int]:
        bins = binning.Binning(3, sensor, features, (0.0, 3e-6))
        batch = binning.Sparse([binning.cells(events, bins)], np.zeros(1, np.int32), 3, features)
        return [int(np.flatnonzero(row)[0]) for row in batch.dense(0, 3, np.uint8)[:, 0]]

    assert lines((5, 4, 2), 40) == [20 + 5 * 1 + 3, 5 * 2, 5 * 3 + 4]
    assert lines((5, 4, 2), 12) == [6 + 3 * 0 + 1, 3 * 1, 3 * 1 + 2]  # 3 x 2 of 2 x 2 pixels
    assert lines((5, 1, 1), 5) == [3, 0, 4]
    assert lines((5, 1, 1), 3) == [1, 0, 2]


@pytest.mark.parametrize(("end", "last"), [(1.4, 2), (2.0, 1), (1.2, 0)])
def test_late_spikes_of_a_word_are_in_the_last_bin(
    end: float, last: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    """Of 1.39 and 1.5 s: both, the one that is there, or none in a window that ends before 1.4 s."""
    WRITERS["shd"](tmp_path)
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path))
    retyped("times", np.float64, lambda t: [0.0, 0.1, 1.39, 1.5])(tmp_path / "SHD" / "shd_test.h5")
    retyped("units", np.uint16, lambda units: [0, 1, 2, 3])(tmp_path / "SHD" / "shd_test.h5")
    inputs, _ = data.dataset("shd").batch(4, 1, 0, split="test", window=(0.0, end))
    expected = {1.4: [[0, 1], [], [], [2, 3]], 2.0: [[0, 1], [], [2], [3]], 1.2: [[0, 1], [], [], []]}[end]
    assert [np.flatnonzero(step).tolist() for step in inputs[:, 0]] == expected
    assert len(expected[-1]) == last


def test_any_of_the_slices_is_drawn() -> None:
    """Eight events a quarter of a second apart: three whole slices of half a second, two events in each."""
    t = np.arange(8, dtype=np.int32) * 250_000 + 1000
    recording = recordings.Events(t, np.arange(8), np.zeros(8, np.int64), np.zeros(8, np.int64))
    rng, sliced = np.random.default_rng(0), data.module("dvs_gesture").sliced
    found = [sliced(rng, recording, 0.5, Path("a")) for _ in range(40)]
    assert {tuple(part.x.tolist()) for part in found} == {(0, 1), (2, 3), (4, 5)}
    assert {tuple(part.t.tolist()) for part in found} == {(0, 250_000)}
