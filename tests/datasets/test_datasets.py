"""The data sets: their common interface, the events made from digits, the binning and the cache."""

import importlib
import itertools
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.genuine import WRITERS

FOLDER = Path(__file__).resolve().parents[2] / "datasets"
NAMES = sorted(file.stem for file in FOLDER.glob("*.py"))
TASKS = ("copying", "dms", "evidence", "integrator")
STEPS = {"evidence": 44}
"""Where fewer are too few."""
fresh = itertools.count()
LENGTHS = (1, 2, 7, 32, 100, 128, 333, 512, 1000)


def load(name: str, folder: Path = FOLDER) -> ModuleType:
    """One data set, in a package as the harness makes one; a new module, with nothing loaded yet, at every call."""
    package = ModuleType(f"fresh_datasets_{next(fresh)}")
    package.__path__ = [str(folder), str(FOLDER)]
    sys.modules[package.__name__] = package
    return importlib.import_module(f"{package.__name__}.{name}")


def offered(name: str) -> Any:
    """The data set that a module offers, or is."""
    module = load(name)
    return getattr(module, "DATASET", module)


@pytest.fixture(scope="module", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of this run's own, so that a test neither reads nor fills the user's; and small files of each set."""
    folder = tmp_path_factory.mktemp("cache")
    for write in WRITERS.values():
        write(folder / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRTRL_BENCH_CACHE", str(folder))
        patch.delenv("DRTRL_BENCH_DATA", raising=False)
        yield folder


@pytest.fixture(scope="module")
def digits() -> ModuleType:
    return load("digits")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], tuple[ModuleType, list[int]]]:
    """Makes `digits` afresh with its first 5 digits only, a cache in tmp_path, and a count of its conversions."""
    monkeypatch.setenv("DRTRL_BENCH_CACHE", str(tmp_path))

    def make() -> tuple[ModuleType, list[int]]:
        module = load("digits")
        images, targets = module.glyphs()
        convert, conversions = module.convert, []

        def counting(images: NDArray[np.float64]) -> Any:
            conversions.append(len(images))
            return convert(images)

        monkeypatch.setattr(module, "glyphs", lambda: (images[:5], targets[:5]))
        monkeypatch.setattr(module, "convert", counting)
        return module, conversions

    return make


# The interface


@pytest.mark.parametrize("name", NAMES)
def test_interface(name: str) -> None:
    module = offered(name)
    assert isinstance(module.LABEL, str)
    assert ("synthetic" in module.LABEL) == module.SYNTHETIC
    steps = STEPS.get(name, 12)
    inputs, targets = module.batch(steps, 9, 3)
    assert inputs.shape == (steps, 9, module.FEATURES)
    assert inputs.dtype == np.float32
    assert targets.shape == (steps, 9)
    assert targets.dtype == np.int32
    assert set(np.unique(targets)) <= set(range(-1, module.CLASSES))
    assert inputs.any()
    if name not in TASKS:
        assert (targets == targets[0]).all()
        assert (targets >= 0).all()
        assert (inputs >= 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_seed_decides(name: str) -> None:
    steps = STEPS.get(name, 8)
    one, same, other = (offered(name).batch(steps, 6, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one[0], same[0])
    np.testing.assert_array_equal(one[1], same[1])
    assert not np.array_equal(one[0], other[0])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("steps", "size"), [(0, 4), (4, 0), (-1, 4)])
def test_impossible_sizes(name: str, steps: int, size: int) -> None:
    with pytest.raises(ValueError, match=r"at least 1|between 1 and"):
        offered(name).batch(steps, size, 0)


# Bernoulli


def test_bernoulli_rate_and_features() -> None:
    inputs, targets = load("bernoulli").batch(200, 50, 0, features=30, rate=0.25)
    assert inputs.shape == (200, 50, 30)
    assert set(np.unique(inputs)) == {0.0, 1.0}
    # 300,000 draws: six standard deviations are 0.005.
    assert inputs.mean() == pytest.approx(0.25, abs=0.005)
    assert len(np.unique(targets)) == 10


def test_bernoulli_longer_sequence_continues_shorter() -> None:
    module = load("bernoulli")
    short, long = module.batch(5, 4, 7), module.batch(9, 4, 7)
    np.testing.assert_array_equal(long[0][:5], short[0])
    np.testing.assert_array_equal(long[1][:5], short[1])


@pytest.mark.parametrize(("steps", "size", "features"), [(1, 1, 1), (50, 1, 9), (513, 3, 333), (3, 2, 40_000)])
def test_bernoulli_draws_classes_and_then_spikes(steps: int, size: int, features: int) -> None:
    """What is drawn in blocks and kept as bits is what one call draws."""
    rng = np.random.default_rng(5)
    classes = rng.integers(10, size=size)
    spikes = rng.random((steps, size, features), np.float32) < 0.1
    inputs, targets = load("bernoulli").batch(steps, size, 5, features)
    np.testing.assert_array_equal(inputs, spikes)
    np.testing.assert_array_equal(targets, np.broadcast_to(classes, (steps, size)))


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_bernoulli_impossible_rate(rate: float) -> None:
    with pytest.raises(ValueError, match="rate must be"):
        load("bernoulli").batch(2, 2, 0, rate=rate)


@pytest.mark.parametrize(("rate", "spikes"), [(0.0, 0), (1.0, 60)])
def test_bernoulli_of_no_chance(rate: float, spikes: int) -> None:
    inputs, _ = load("bernoulli").batch(4, 3, 0, features=5, rate=rate)
    assert inputs.sum() == spikes


def test_bernoulli_written_out() -> None:
    """Of seed 3: a class of 8, then single floats of PCG64 below 0.5."""
    inputs, targets = load("bernoulli").batch(2, 1, 3, features=4, rate=0.5)
    assert targets.tolist() == [[8], [8]]
    assert inputs[:, 0].tolist() == [[1, 1, 1, 1], [0, 0, 0, 1]]


# Digits: the events


def test_events_are_valid(digits: ModuleType) -> None:
    for index in range(0, digits.SAMPLES, 50):
        events = digits.events(index)
        assert events.dtype == np.dtype([("x", int), ("y", int), ("t", int), ("p", int)])
        assert 300 < len(events) < 3000
        assert (np.diff(events["t"]) >= 0).all()
        assert events["t"].min() >= 0
        assert events["t"].max() < 300_000
        assert {int(events["x"].min()), int(events["y"].min())} <= set(range(16))
        assert {int(events["x"].max()), int(events["y"].max())} <= set(range(16))
        assert set(np.unique(events["p"])) == {0, 1}


def test_every_digit_is_there(digits: ModuleType) -> None:
    images, targets = digits.glyphs()
    assert images.shape == (digits.SAMPLES, 8, 8)
    np.testing.assert_array_equal(digits.labels(), targets)
    assert min(len(digits.events(index)) for index in range(digits.SAMPLES)) > 300


def test_three_saccades_show_in_the_rate(digits: ModuleType) -> None:
    times = np.concatenate([digits.events(index)["t"] for index in range(100)])
    rate, _ = np.histogram(times, 30, (0, 300_000))
    turns = rate[[0, 9, 10, 19, 20, 29]]
    middles = rate[[4, 5, 14, 15, 24, 25]]
    assert middles.min() > 3 * turns.max()


def test_brighter_pixels_lead_the_way(digits: ModuleType) -> None:
    """Where the digit goes pixels get brighter, where it comes from darker: so the saccades point as TRIANGLE says."""
    ways = np.diff(digits.TRIANGLE, axis=0)
    recordings = [digits.events(index) for index in range(100)]
    for saccade, (right, down) in enumerate(ways):
        part = np.concatenate([r[r["t"] // digits.SACCADE == saccade] for r in recordings])
        on, off = part[part["p"] == 1], part[part["p"] == 0]
        assert np.sign(on["x"].mean() - off["x"].mean()) == np.sign(right)
        if down:
            assert np.sign(on["y"].mean() - off["y"].mean()) == np.sign(down)


def test_the_digit_walks_the_triangle(digits: ModuleType) -> None:
    """Right and down, right and up, left: 1.5 and 3, 1.5 and 3, 3 pixels, 100 looks each."""
    corners = [[-1.5, -1.5], [0.0, 1.5], [1.5, -1.5], [-1.5, -1.5]]
    np.testing.assert_allclose(digits.path()[[0, 100, 200, 300]], corners, atol=1e-12)
    # And a displacement is to the right, or downwards: a spot of one pixel is seen where it stands.
    for offset in (-1.5, 0.0, 1.5):
        seen = digits.spread(offset)[:, 3]  # half a pixel left of the middle, enlarged 1.5 times
        assert (seen @ np.arange(16)) / seen.sum() - 7.5 == pytest.approx(offset - 0.75, abs=0.01)


def test_in_each_saccade_brightening_leads(digits: ModuleType) -> None:
    recordings = [digits.events(index) for index in range(100)]
    for saccade, (right, down) in enumerate([(1, 1), (1, -1), (-1, 0)]):
        part = np.concatenate([r[r["t"] // 100_000 == saccade] for r in recordings])
        on, off = part[part["p"] == 1], part[part["p"] == 0]
        assert np.sign(on["x"].mean() - off["x"].mean()) == right
        if down:
            assert np.sign(on["y"].mean() - off["y"].mean()) == down


def test_no_pixel_passes_two_thresholds_between_looks(digits: ModuleType) -> None:
    """What `convert` takes for granted, at the sharpest edge there is: full ink beside none."""
    edges = np.array([[0] * k + [16] * (8 - k) for k in range(9)], float)
    for axis in (0, 1):
        light = [np.log(digits.BACKGROUND + edges @ digits.spread(place[axis]).T) for place in digits.path()]
        assert np.abs(np.diff(light, axis=0)).max() < digits.THRESHOLD / 2


def test_conversion_repeats_itself(digits: ModuleType) -> None:
    images, _ = digits.glyphs()
    (one, first), (same, _) = digits.convert(images[:20]), digits.convert(images[:20])
    np.testing.assert_array_equal(one, same)
    assert first[0] == 0
    assert first[-1] == len(one)


def test_blank_scene_is_silent(digits: ModuleType) -> None:
    packed, first = digits.convert(np.zeros((2, 8, 8)))
    assert len(packed) == 0
    assert first.tolist() == [0, 0, 0]


# Digits: the frames


def recording(digits: ModuleType, times: list[int]) -> NDArray[Any]:
    """One event per given time (us), each at another pixel."""
    events: NDArray[Any] = np.zeros(len(times), digits.EVENT)
    events["t"] = times
    events["x"] = np.arange(len(times)) % 16
    events["y"] = np.arange(len(times)) // 16 % 16
    events["p"] = np.arange(len(times)) % 2
    return events


def tonic_frames(digits: ModuleType, events: NDArray[Any], steps: int) -> NDArray[Any]:
    transforms = pytest.importorskip("tonic.transforms")
    return transforms.ToFrame(sensor_size=digits.SENSOR, n_time_bins=steps)(events)


@pytest.mark.parametrize("steps", LENGTHS)
def test_binning_equals_tonic(digits: ModuleType, steps: int) -> None:
    for index in range(0, digits.SAMPLES, 60):
        events = digits.events(index)
        expected = tonic_frames(digits, events, steps)
        ours = digits.frames(events, steps)
        assert ours.dtype == expected.dtype
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize(
    "times",
    [[], [5], [5, 5, 5], [0, 1], [3, 4, 5, 6, 7], [0, 10, 20, 30, 40], [0, 9, 10, 11, 19, 20, 21, 40], [7, 1_000_006]],
    ids=len,
)
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 50])
def test_binning_equals_tonic_at_the_borders(digits: ModuleType, times: list[int], steps: int) -> None:
    events = recording(digits, times)
    np.testing.assert_array_equal(digits.frames(events, steps), tonic_frames(digits, events, steps))


def test_binning_equals_tonic_on_random_events(digits: ModuleType) -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        events = recording(digits, sorted(rng.integers(rng.integers(1, 500), size=rng.integers(1, 60)).tolist()))
        steps = int(rng.integers(1, 40))
        np.testing.assert_array_equal(digits.frames(events, steps), tonic_frames(digits, events, steps))


@pytest.mark.parametrize("steps", LENGTHS)
def test_counts_are_conserved(digits: ModuleType, steps: int) -> None:
    """Every event is in exactly one bin, except those in the last us that do not make up a whole us per bin."""
    for index in range(0, digits.SAMPLES, 100):
        events = digits.events(index)
        span = events["t"][-1] - events["t"][0]
        end = events["t"][0] + span // steps * steps
        frames = digits.frames(events, steps)
        assert frames.sum() == (events["t"] < end).sum()
        late = events[events["t"] >= end]
        missing = np.zeros(digits.SENSOR[::-1], int)
        np.add.at(missing, (late["p"], late["y"], late["x"]), 1)
        whole = np.zeros(digits.SENSOR[::-1], int)
        np.add.at(whole, (events["p"], events["y"], events["x"]), 1)
        np.testing.assert_array_equal(frames.sum(axis=0) + missing, whole)
        assert 1 <= len(late) < 0.05 * len(events)


def test_batch_draws_without_replacement(digits: ModuleType) -> None:
    inputs, targets = digits.batch(1, digits.SAMPLES, 0)
    np.testing.assert_array_equal(np.bincount(targets[0]), np.bincount(digits.labels()))
    total = sum(len(digits.events(index)) for index in range(digits.SAMPLES))
    # One bin holds everything but each recording's last instant.
    assert total - 10 * digits.SAMPLES < inputs.sum() < total


def test_batch_features_are_flattened_frames(digits: ModuleType) -> None:
    index = int(np.random.default_rng(4).choice(digits.SAMPLES, 1, replace=False)[0])
    inputs, targets = digits.batch(10, 1, 4)
    np.testing.assert_array_equal(inputs[:, 0].reshape(10, 2, 16, 16), digits.frames(digits.events(index), 10))
    assert targets[0, 0] == digits.labels()[index]


def test_more_samples_than_digits(digits: ModuleType) -> None:
    with pytest.raises(ValueError, match="1797") as caught:
        digits.batch(4, 1798, 0)
    assert "\n" not in str(caught.value)


def test_classes_are_separable(digits: ModuleType) -> None:
    """The nearest class mean of the summed frames already tells most digits apart; chance is 0.1."""
    inputs, targets = digits.batch(32, 1200, 0)
    counts, classes = inputs.sum(axis=0), targets[0]
    means = np.stack([counts[:800][classes[:800] == digit].mean(axis=0) for digit in range(10)])
    distance = ((counts[800:, None] - means) ** 2).sum(axis=2)
    assert (distance.argmin(axis=1) == classes[800:]).mean() > 0.7


# Digits: the cache


class Bomb:
    """Leaves a trace when unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trace),)


def damage_pickle(file: Path) -> None:
    np.savez(file, **dict.fromkeys(("events", "first", "labels"), np.array([Bomb(file.parent / "trace")])))


def damage_bare_pickle(file: Path) -> None:
    file.write_bytes(pickle.dumps(Bomb(file.parent / "trace")))


def damage_cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def damage_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)


def damage_empty(file: Path) -> None:
    file.write_bytes(b"")


def damage_array(file: Path) -> None:
    with file.open("wb") as out:
        np.save(out, np.zeros(3))


def damage_incomplete(file: Path) -> None:
    np.savez(file, labels=np.zeros(5, np.int32))


def test_cache_is_read(few: Any, tmp_path: Path) -> None:
    (one, first), (two, second) = few(), few()
    expected, again = one.events(3), two.events(3)
    np.testing.assert_array_equal(expected, again)
    np.testing.assert_array_equal(one.labels(), two.labels())
    assert (first, second) == ([5], [])
    assert list(tmp_path.iterdir()) == [one.cache_file()]
    with np.load(one.cache_file(), allow_pickle=False) as stored:
        assert sorted(stored) == ["events", "first", "labels"]


@pytest.mark.parametrize(
    "damage",
    [damage_pickle, damage_bare_pickle, damage_cut, damage_byte, damage_empty, damage_array, damage_incomplete],
    ids=lambda damage: damage.__name__,
)
def test_damaged_cache_is_rebuilt_and_never_unpickled(few: Any, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    whole, _ = few()
    expected = whole.events(3)
    damage(whole.cache_file())
    module, conversions = few()
    np.testing.assert_array_equal(module.events(3), expected)
    assert conversions == [5]
    assert not (tmp_path / "trace").exists()
    mended, conversions = few()
    np.testing.assert_array_equal(mended.events(3), expected)
    assert conversions == []


def test_bomb_would_go_off(tmp_path: Path) -> None:
    """Or else the test above proves nothing."""
    damage_bare_pickle(tmp_path / "file")
    pickle.loads((tmp_path / "file").read_bytes())
    assert (tmp_path / "trace").exists()


def test_unwritable_cache_is_no_failure(few: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Under a file no folder can be made, not even by root.
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DRTRL_BENCH_CACHE", str(tmp_path / "file" / "cache"))
    module, conversions = few()
    assert len(module.events(0)) > 300
    assert len(module.events(4)) > 300
    assert conversions == [5]


def test_interrupted_write_leaves_nothing(few: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    module, _ = few()
    monkeypatch.setattr(os, "replace", full)
    assert len(module.events(0)) > 300
    assert list(tmp_path.iterdir()) == []


def test_cache_without_variable_is_in_home(digits: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DRTRL_BENCH_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert digits.cache_file().parent == tmp_path / ".cache" / "drtrl-bench"


def test_cache_in_home_is_found(digits: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DRTRL_BENCH_CACHE", "~/kept")
    assert digits.cache_file().parent == tmp_path / "kept"


def test_changed_conversion_has_another_cache(digits: ModuleType, tmp_path: Path) -> None:
    source = (FOLDER / "digits.py").read_text()
    for old, new in [("THRESHOLD = 0.3", "THRESHOLD = 0.25"), ("d**2", "d**3")]:
        assert old in source
        (tmp_path / "digits.py").write_text(source.replace(old, new))
        assert load("digits", tmp_path).cache_file() != digits.cache_file()
    (tmp_path / "digits.py").write_text(source)
    assert load("digits", tmp_path).cache_file() == digits.cache_file()
