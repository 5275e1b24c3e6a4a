"""Recordings: decoded once, kept in memory within a budget, and described."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.damages import cut_in_half, edited
from support.genuine import WRITERS, Known

from drtrl_bench import data

published, binning, recordings = (data.module(f"events.{name}") for name in ("published", "binning", "recordings"))
NAMES = tuple(WRITERS)
pytestmark = pytest.mark.usefixtures("cache")

# What was decoded once


DECODED = ("shd", "ssc", "dvs_gesture")


def put(name: str, base: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Path]:
    """The training part's recordings in files of their own, and the file of the first."""
    WRITERS[name](base)
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(base))
    held = data.events(name).recordings("train")[0]
    return held, held.files[0]


def change(file: Path) -> None:
    """One event of the first recording, with the size and the time of the file as before."""
    before = file.stat()
    if file.suffix == ".npy":
        events = np.load(file)
        events[0, [0, 2]] = [127, 1] - events[0, [0, 2]]
        np.save(file, events)
    else:
        edited(unit_moved)(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size


def unit_moved(content: Any) -> None:
    units = content["spikes/units"][0]
    units[0] = 699 - units[0]
    content["spikes/units"][0] = units


def assert_same(one: Any, other: Any) -> None:
    for a, b in zip(one, other, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", DECODED)
def test_a_recording_goes_through_tonic_once(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held, _ = put(name, tmp_path / "data", monkeypatch)
    first = held[3]
    held.memory.clear()
    monkeypatch.setattr(held, "source", None)
    assert_same(held[3], first)
    with pytest.raises(published.DamagedError):  # or this test would see nothing
        _ = held[4]


@pytest.mark.parametrize("name", DECODED)
def test_a_changed_file_is_decoded_anew(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held, file = put(name, tmp_path / "data", monkeypatch)
    before = held[0]
    change(file)
    held.memory.clear()
    assert (held[0].x != before.x).sum() == 1


@pytest.mark.parametrize("name", DECODED)
def test_a_file_damaged_after_it_was_decoded_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, file = put(name, tmp_path / "data", monkeypatch)
    _ = held[0]
    held.memory.clear()
    cut_in_half(file)
    with pytest.raises(published.DamagedError, match=str(file)):
        _ = held[0]


@pytest.mark.parametrize("name", DECODED)
def test_a_file_gone_after_it_was_decoded_is_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held, file = put(name, tmp_path / "data", monkeypatch)
    _ = held[0]
    held.memory.clear()
    file.unlink()
    with pytest.raises(published.DamagedError, match=str(file)):
        _ = held[0]


@pytest.mark.parametrize("left", [0, 10, 20, 24, -9, -1], ids=lambda n: f"{n} bytes")
def test_what_was_decoded_and_cut_off_is_not_used(left: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held, _ = put("dvs_gesture", tmp_path / "data", monkeypatch)
    first = held[0]
    held.memory.clear()
    (decoded,) = held.cache_folder.iterdir()
    whole = decoded.read_bytes()
    decoded.write_bytes(whole[:left])
    assert_same(held[0], first)
    assert decoded.read_bytes() == whole


def test_an_interrupted_decoding_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held, _ = put("shd", tmp_path / "data", monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            _ = held[0]
    assert not list(held.cache_folder.iterdir())
    assert len(held[0].t) == 60


def interrupted(*_: Any) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("name", DECODED)
def test_a_cache_that_cannot_be_written_is_done_without(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DRTRL_BENCH_CACHE", str(tmp_path / "file"))
    held, _ = put(name, tmp_path / "data", monkeypatch)
    for _ in range(2):
        assert len(held[0].t) == 60
        held.memory.clear()


@pytest.mark.parametrize("form", [binning.AllCells, binning.Cells])
def test_cells_that_are_few_are_kept_beside_the_events(
    form: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, file = put("dvs_gesture", tmp_path / "data", monkeypatch)
    index = np.array([0])
    few, many = (binning.Binning(steps, (128, 128, 2), lines) for steps, lines in ((3, 2), (60, 8192)))
    if form is binning.Cells:
        monkeypatch.setattr(binning, "CELL", 0)  # so few events would else be smaller as counts
    first = binning.batch(held, index, few)
    change(file)
    held.forget()
    changed = binning.batch(held, index, few).lanes[0]
    assert isinstance(changed, form)
    assert not np.array_equal(changed.counts, first.lanes[0].counts)
    binning.batch(held, index, many)
    held.forget()
    monkeypatch.setattr(held, "read", None)  # the events are not read for them
    assert_same(binning.batch(held, index, few).lanes[0], changed)
    with pytest.raises(TypeError):
        binning.batch(held, index, many)


def test_statistics_are_of_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded, statistics = data.module("events.cache"), data.module("events.statistics")
    held, file = put("dvs_gesture", tmp_path / "data", monkeypatch)
    decoded.save(held.cache_folder / "0", decoded.stamp(file), [column[:7] for column in held[0]])
    held.memory.clear()
    assert len(held[0].t) == 7
    assert statistics.statistics(held, [0])["events"] == 60


def test_rates_and_shares_are_of_all_events_together() -> None:
    """Two recordings that differ, by hand: 3 events in 1 s and 2 in 3 s on 4 lines, 2 of the 5 on."""
    columns = (([0, 5, 1_000_000], [0, 1, 2], [0, 0, 0], [1, 1, 0]), ([0, 3_000_000], [0, 1], [0, 0], [0, 0]))
    both = [
        recordings.Events(*(np.array(c, dtype) for c, dtype in zip(each, recordings.DTYPES, strict=True)))
        for each in columns
    ]
    held = SimpleNamespace(sensor=(4, 1, 1), read=lambda index, anew: both[index])
    of_both = data.module("events.statistics").statistics(held, [0, 1])
    assert of_both["rate_hz"] == pytest.approx(5 / 4 / 4)
    assert of_both["on"] == pytest.approx(2 / 5)
    assert (of_both["events"], of_both["seconds"]) == (2.5, 2.0)


@pytest.mark.parametrize("number", [20, 900])
def test_density_is_the_share_of_cells_in_use(number: int) -> None:
    t, x = 10 * np.arange(number), np.arange(number) % 4
    columns = (column.astype(dtype) for column, dtype in zip((t, x, 0 * t, 0 * t), recordings.DTYPES, strict=True))
    events = recordings.Events(*columns)
    held = SimpleNamespace(sensor=(4, 1, 1), read=lambda index, anew: events)
    statistics = data.module("events.statistics")
    width = t[-1] // 100
    used = {(at // width, line) for at, line in zip(t, x, strict=True) if at < 100 * width}
    assert statistics.statistics(held, [0])["density"] == pytest.approx(len(used) / 400)


# Memory


def test_recordings_read_last_are_kept_within_a_budget(
    known: dict[str, Known], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = data.events("nmnist").recordings("test")[0]
    forget()
    one = recordings.size(held[0])
    monkeypatch.setattr(recordings, "BUDGET", 5 * one)
    for index in range(len(held)):
        _ = held[index]
    assert list(held.memory.entries) == list(range(len(held) - 5, len(held)))
    assert recordings.Memory.total == 5 * one
    _ = held[len(held) - 5]  # used again, so the next one goes
    _ = held[0]
    assert set(held.memory.entries) == {0, len(held) - 5, *range(len(held) - 3, len(held))}
    forget()
    assert recordings.Memory.total == 0


def test_all_data_sets_share_the_budget(known: dict[str, Known], monkeypatch: pytest.MonkeyPatch) -> None:
    forget()
    monkeypatch.setattr(recordings, "BUDGET", 5000)
    for name in NAMES:
        data.dataset(name).batch(20, 8, 0)
        stores = {store for store, _ in recordings.Memory.used}
        kept = [one for store in stores for one in store.entries.values()]
        assert sum(map(recordings.size, kept)) == recordings.Memory.total
        assert 4000 < recordings.Memory.total <= 5000
        assert len(kept) == len(recordings.Memory.used)
    forget()


def forget() -> None:
    for store in {store for store, _ in recordings.Memory.used}:
        store.clear()


def test_a_batch_is_the_same_from_memory(known: dict[str, Known]) -> None:
    module = data.events("dvs_gesture")
    held, _ = module.recordings("train")
    held.forget()
    first = module.batch(9, 5, 0, features=2048)
    held.memory.clear()  # only the cells are left
    again, other = module.batch(9, 5, 0, features=2048), module.batch(8, 5, 0, features=2048)
    np.testing.assert_array_equal(first[0], again[0])
    assert not np.array_equal(other[0], first[0][:8])
