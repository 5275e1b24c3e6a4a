"""Loaders: genuine files used as they lie, damaged ones refused by name, splits without a leak, bins as tonic's."""

import os
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from genuine import WRITERS, Known

from drtrl_bench import learning, problem, registry, runner
from drtrl_bench.case import Case, Plan

place, binning, splits, augmentation, recordings = (
    registry.dataset(f"events.{name}") for name in ("place", "binning", "splits", "augmentation", "recordings")
)
NAMES = tuple(WRITERS)
PARTS = [(name, part) for name in NAMES for part in registry.dataset(name).PUBLISHED.archives]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Known]]:
    """All data sets, in their genuine layouts, with what is in them."""
    base = tmp_path_factory.mktemp("data")
    return base, {name: write(base) for name, write in WRITERS.items()}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DRTRL_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DRTRL_BENCH_DATA", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def known(written: tuple[Path, dict[str, Known]], monkeypatch: pytest.MonkeyPatch) -> dict[str, Known]:
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(written[0]))
    return written[1]


# Genuine files


@pytest.mark.parametrize(("name", "part"), PARTS)
def test_tonic_s_reader_gives_what_was_written(known: dict[str, Known], name: str, part: str) -> None:
    held = registry.dataset(name).opened(part)[0]
    expected = known[name][part]
    assert len(held) == len(expected)
    for index, (events, label) in enumerate(expected):
        e = held[index]
        assert held.labels[index] == label
        found = np.stack([e.x, e.y, e.p, e.t], axis=1).astype(np.int64)
        order = (found[:, 0], found[:, 1], found[:, 2], found[:, 3])
        theirs = tuple(events.T)
        np.testing.assert_array_equal(found[np.lexsort(order)], events[np.lexsort(theirs)])
        assert (np.diff(e.t) >= 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_files_put_in_place_are_used(name: str, cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = registry.dataset(name)
    published = module.PUBLISHED
    with pytest.raises(place.MissingError):
        module.batch(10, 2, 0)
    assert f"{published.name} (no files)" == module.LABEL
    assert registry.unavailable(name)
    WRITERS[name](cache / "data")  # where they are looked for without being told
    assert registry.unavailable(name) is None
    assert module.batch(10, 2, 0)[0].any()
    # They are fewer than were published, and so do not go by the published name alone.
    assert f"{published.name} layout (other recordings)" == module.LABEL
    assert module.SYNTHETIC is False
    counts = {split: published.count(place.part(published, split)) for split in published.archives}
    monkeypatch.setattr(module, "PUBLISHED", replace(published, counts=counts))
    assert published.name == module.LABEL


@pytest.mark.parametrize("name", NAMES)
def test_missing_is_one_line_that_helps(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path / "mine"))
    published = registry.dataset(name).PUBLISHED
    for split, archive in published.archives.items():
        with pytest.raises(place.MissingError) as caught:
            registry.dataset(name).batch(10, 2, 0, split=split)
        said = str(caught.value)
        assert "\n" not in said
        assert said.startswith(f"no {split} files of {published.name}")
        for word in (archive.file, archive.md5, published.size, published.stand_in, f"data make {name}"):
            assert word in said
        assert str(tmp_path / "mine" / published.folder / archive.unpacked) in said


@pytest.mark.parametrize("name", NAMES)
def test_a_part_that_is_missing_beside_others_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    WRITERS[name](tmp_path)
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path))
    module = registry.dataset(name)
    archive = module.PUBLISHED.archives["test"]
    path = tmp_path / module.PUBLISHED.folder / archive.unpacked
    path.rename(tmp_path / "elsewhere")
    with pytest.raises(place.MissingError) as caught:
        module.batch(10, 2, 0, split="test")
    for word in (archive.file, archive.md5, str(path)):
        assert word in str(caught.value)
    assert "data make" not in str(caught.value)  # it would not be looked at
    assert "\n" not in str(caught.value)
    assert learning.unavailable(name) == str(caught.value)  # though there is something to train on
    (tmp_path / "elsewhere").rename(path)
    assert learning.unavailable(name) is None


def test_a_part_that_a_stand_in_lacks_is_made_again() -> None:
    what = registry.dataset("nmnist").PUBLISHED
    folder, _ = registry.dataset("events.making").make(what, lambda *_: None, {"train": 1, "test": 1})
    shutil.rmtree(folder / "Test")
    with pytest.raises(place.MissingError, match=f"no test files.*{folder}.*data make nmnist"):
        place.part(what, "test")


def test_a_data_folder_that_is_none_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(NotADirectoryError, match="nowhere: no such folder"):
        registry.dataset("shd").batch(10, 2, 0)
    for words in (["data", "list"], ["run", "quick"]):
        done = command(*words)
        assert done.returncode == 2
        assert done.stderr.splitlines() == [f"drtrl-bench: $DRTRL_BENCH_DATA {tmp_path / 'nowhere'}: no such folder"]
    assert "nowhere" in (learning.unavailable("shd") or "")


def test_archives_are_those_tonic_knows() -> None:
    datasets = pytest.importorskip("tonic.datasets")
    for name in NAMES:
        published = registry.dataset(name).PUBLISHED
        reader = getattr(datasets, published.folder)
        for split, archive in published.archives.items():
            assert archive.md5 == getattr(reader, f"{split}_md5")


def test_genuine_files_win_over_a_stand_in(known: dict[str, Known]) -> None:
    registry.dataset("events.making").make(
        registry.dataset("nmnist").PUBLISHED, lambda *_: None, {"train": 1, "test": 1}
    )
    assert registry.dataset("nmnist").LABEL == "N-MNIST layout (other recordings)"


# What a record says of its data


def test_other_files_are_another_measurement(
    written: tuple[Path, dict[str, Known]], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(dataset="nmnist", algorithm="bptt", steps=8, batch=2, features=162, neurons=3, chunk=8)
    registry.dataset("events.making").make(
        registry.dataset("nmnist").PUBLISHED, lambda *_: None, {"train": 1, "test": 1}
    )
    keys = [runner.implementation_sha(case)]
    paths = [problem.prepared(case, cache)]
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(written[0]))
    keys.append(runner.implementation_sha(case))
    paths.append(problem.prepared(case, cache))
    assert keys[0] != keys[1]
    assert paths[0] != paths[1]
    assert not np.array_equal(problem.read(paths[0]).inputs, problem.read(paths[1]).inputs)


def test_a_case_without_files_is_a_row_that_says_so(tmp_path: Path) -> None:
    plan = Plan("p", "", (Case(dataset="shd"),))
    (line,) = runner.run(plan, tmp_path / "r.jsonl", lambda text, line: None)
    assert line["status"] == "skip"
    assert "drtrl-bench data make shd" in line["reason"]
    assert line["data"] == {"label": "SHD (no files)", "synthetic": False}


def test_a_record_names_what_was_loaded(
    known: dict[str, Known], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "measure", lambda *_: {"status": "timeout", "reason": "not measured"})
    plan = Plan("p", "", (Case(dataset="shd"), Case(dataset="dms")))
    lines = runner.run(plan, tmp_path / "r.jsonl", lambda text, line: None)
    labels = {line["case"]["dataset"]: line["data"] for line in lines}
    assert labels["shd"] == {"label": "SHD layout (other recordings)", "synthetic": False}
    assert labels["dms"] == {"label": "delayed match-to-sample (synthetic)", "synthetic": True}


@pytest.mark.slow
def test_event_data_goes_through_a_whole_case(known: dict[str, Known], tmp_path: Path) -> None:
    plan = Plan(
        "p", "", (Case(dataset="dvs_gesture", features=128, steps=10, batch=2, neurons=4, threads=1, scale_x=30),)
    )
    (line,) = runner.run(plan, tmp_path / "r.jsonl", lambda text, line: None)
    assert line["data"]["label"] == "DVS-Gesture layout (other recordings)"
    assert line["status"] == "ok", line["reason"]


# Damage


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-3])


def cut_in_half(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def garbage(file: Path) -> None:
    file.write_bytes(b"\xff" * 1001)


def far_pixel(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[0] = 34
    file.write_bytes(content)


def far_pixel_npy(file: Path) -> None:
    events = np.load(file)
    events[3, 1] = 128
    np.save(file, events)


def early(file: Path) -> None:
    events = np.load(file)
    events[0, 3] = -1
    np.save(file, events)


def no_events(file: Path) -> None:
    np.save(file, np.zeros((0, 4), np.int64))


def three_columns(file: Path) -> None:
    np.save(file, np.load(file)[:, :3])


def a_pickle(file: Path) -> None:
    np.save(file, np.array([{}], object), allow_pickle=True)


def edited(change: Callable[[Any], None]) -> Callable[[Path], None]:
    def damage(file: Path) -> None:
        import h5py

        with h5py.File(file, "r+") as content:
            change(content)

    return damage


def far_unit(content: Any) -> None:
    units = content["spikes/units"][0]
    units[5] = 700
    content["spikes/units"][0] = units


def fewer_units(content: Any) -> None:
    content["spikes/units"][0] = content["spikes/units"][0][:-1]


def no_labels(content: Any) -> None:
    del content["labels"]


def other_lengths(content: Any) -> None:
    labels = content["labels"][:-1]
    del content["labels"]
    content["labels"] = labels


def far_label(content: Any) -> None:
    content["labels"][-1] = 35


def no_keys(content: Any) -> None:
    del content["extra/keys"]


EDITS = (far_label, no_keys, far_unit, fewer_units, no_labels, other_lengths)
WORDS = [cut_in_half, empty, garbage, *map(edited, EDITS)]
DAMAGES = [
    *(("shd", "shd_train.h5", damage) for damage in WORDS),
    *(("ssc", "ssc_valid.h5", damage) for damage in WORDS[:5]),
    *(("nmnist", "Train/0/00000.bin", damage) for damage in (cut, empty, garbage, far_pixel)),
    *(
        ("dvs_gesture", "ibmGestureTrain/user01_led/0.npy", damage)
        for damage in (cut, empty, garbage, far_pixel_npy, early, no_events, three_columns, a_pickle)
    ),
]


@pytest.mark.parametrize(("name", "file", "damage"), DAMAGES)
def test_a_damaged_file_is_named_and_nothing_of_it_kept(
    name: str, file: str, damage: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    WRITERS[name](tmp_path / "data")
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path / "data"))
    module = registry.dataset(name)
    path = tmp_path / "data" / module.PUBLISHED.folder / file
    whole = path.read_bytes()
    damage(path)
    split = "valid" if "valid" in file else "train"
    for _ in range(2):  # it does not pass the second time
        with pytest.raises(place.DamagedError) as caught:
            _ = module.opened(split)[0][0]
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert module.LABEL.endswith("layout (other recordings)")
    assert not cache.exists()
    path.unlink()  # or HDF5, which tonic leaves open, would go on with the old file
    path.write_bytes(whole)
    assert len(module.opened(split)[0][0].t) == 60


@pytest.mark.parametrize(("name", "folder"), [("nmnist", "Train"), ("dvs_gesture", "ibmGestureTrain")])
def test_a_folder_without_recordings_is_named(
    name: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = registry.dataset(name)
    path = tmp_path / module.PUBLISHED.folder / folder
    path.mkdir(parents=True)
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path))
    with pytest.raises(place.DamagedError, match=folder):
        module.batch(5, 1, 0)


def test_a_class_that_does_not_exist_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    WRITERS["dvs_gesture"](tmp_path)
    folder = tmp_path / "DVSGesture" / "ibmGestureTrain" / "user01_led"
    shutil.copy(folder / "0.npy", folder / "11.npy")
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path))
    with pytest.raises(place.DamagedError, match=r"11\.npy"):
        registry.dataset("dvs_gesture").batch(5, 1, 0)


@pytest.mark.parametrize(("name", "needed"), [("shd", "h5py"), ("shd", "tonic"), ("nmnist", "tonic")])
def test_a_reader_that_is_not_installed_is_one_line(
    name: str, needed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    WRITERS[name](tmp_path)
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path))
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / f"{needed}.py").write_text(f"raise ModuleNotFoundError('No module named {needed}')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "none"))
    advice = "pip install -c constraints.txt -e '.[events]'"
    done = command("data", "check", name)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.splitlines() == [f"drtrl-bench: {needed} reads these files: {advice}"]
    listed = command("data", "list")
    assert listed.returncode == 0, listed.stderr
    assert (advice in listed.stdout) == (needed == "h5py")  # without tonic files can be counted


@pytest.mark.parametrize("name", ["shd", "dvs_gesture"])
def test_recordings_of_one_speaker_are_a_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    WRITERS[name](tmp_path)
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path))
    if name == "shd":
        path = tmp_path / "SHD" / "shd_train.h5"
        edited(lambda content: content["extra/speaker"].write_direct(np.zeros(160, np.uint16)))(path)
    else:
        path = tmp_path / "DVSGesture" / "ibmGestureTrain"
        for user in (2, 3):
            shutil.rmtree(path / f"user{user:02d}_led")
    done = command("data", "check", name)
    assert done.returncode == 1, done.stderr
    assert f"{path}: holding out a speaker or subject needs two" in done.stdout
    assert not done.stderr


def test_check_names_every_damaged_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    WRITERS["nmnist"](tmp_path)
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path))
    folder = tmp_path / "NMNIST"
    files = [
        folder / "Train" / "0" / "00001.bin",
        folder / "Train" / "7" / "00002.bin",
        *(folder / "Test").rglob("*.bin"),
    ]
    for file in files:
        cut(file)
    done = command("data", "check", "nmnist")
    assert done.returncode == 1, done.stderr
    assert not done.stderr
    for file in files:
        assert f"{file}: 297 bytes" in done.stdout
    (row,) = (line.split() for line in done.stdout.splitlines() if line.split()[:2] == ["train", "28"])
    assert row[2] == "60000"


def test_check_says_whether_it_compared_checksums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    WRITERS["nmnist"](tmp_path)
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path))
    folder = tmp_path / "NMNIST"
    (folder / "train.zip").write_bytes(b"as tonic calls it")
    done = command("data", "check", "nmnist")
    assert done.returncode == 1, done.stderr
    assert f"{folder / 'train.zip'}: md5 is" in done.stdout
    assert f"{folder / 'Test.zip'}: archive not there: checksum not compared" in done.stdout
    (folder / "train.zip").rename(folder / "Train.zip")
    assert f"{folder / 'Train.zip'}: md5 is" in command("data", "check", "nmnist").stdout


def command(*words: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"}
    return subprocess.run([sys.executable, "-m", "drtrl_bench", *words], capture_output=True, text=True, env=env)


def test_nothing_is_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """tonic would, because the archives are not there and the recordings are few; in a folder that no reader knows."""
    import urllib.request

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a download")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr(urllib.request, "urlretrieve", refuse)
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path))
    for name in NAMES:
        WRITERS[name](tmp_path)
        registry.dataset(name).batch(5, 2, 0)


# What was decoded once


DECODED = ("shd", "ssc", "dvs_gesture")


def put(name: str, base: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Path]:
    """The training part's recordings in files of their own, and the file of the first."""
    WRITERS[name](base)
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(base))
    held = registry.dataset(name).opened("train")[0]
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
    held.kept.clear()
    monkeypatch.setattr(held, "source", None)
    assert_same(held[3], first)
    with pytest.raises(place.DamagedError):  # or this test would see nothing
        _ = held[4]


@pytest.mark.parametrize("name", DECODED)
def test_a_changed_file_is_decoded_anew(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held, file = put(name, tmp_path / "data", monkeypatch)
    before = held[0]
    change(file)
    held.kept.clear()
    assert (held[0].x != before.x).sum() == 1


@pytest.mark.parametrize("name", DECODED)
def test_a_file_damaged_after_it_was_decoded_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, file = put(name, tmp_path / "data", monkeypatch)
    _ = held[0]
    held.kept.clear()
    cut_in_half(file)
    with pytest.raises(place.DamagedError, match=str(file)):
        _ = held[0]


@pytest.mark.parametrize("name", DECODED)
def test_a_file_gone_after_it_was_decoded_is_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held, file = put(name, tmp_path / "data", monkeypatch)
    _ = held[0]
    held.kept.clear()
    file.unlink()
    with pytest.raises(place.DamagedError, match=str(file)):
        _ = held[0]


@pytest.mark.parametrize("left", [0, 10, 20, 24, -9, -1], ids=lambda n: f"{n} bytes")
def test_what_was_decoded_and_cut_off_is_not_used(left: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held, _ = put("dvs_gesture", tmp_path / "data", monkeypatch)
    first = held[0]
    held.kept.clear()
    (decoded,) = held.decoded.iterdir()
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
    assert not list(held.decoded.iterdir())
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
        held.kept.clear()


@pytest.mark.parametrize("form", [binning.AllCells, binning.Cells])
def test_cells_that_are_few_are_kept_beside_the_events(
    form: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, file = put("dvs_gesture", tmp_path / "data", monkeypatch)
    index, few, many = np.array([0]), (3, 2), (60, 8192)
    if form is binning.Cells:
        monkeypatch.setattr(binning, "CELL", 0)  # so few events would else be smaller as counts
    first = binning.binned(held, index, *few)
    change(file)
    held.kept.clear()
    held.kept_cells.clear()
    changed = binning.binned(held, index, *few).lanes[0]
    assert isinstance(changed, form)
    assert not np.array_equal(changed.counts, first.lanes[0].counts)
    binning.binned(held, index, *many)
    held.kept.clear()
    held.kept_cells.clear()
    monkeypatch.setattr(held, "read", None)  # the events are not read for them
    assert_same(binning.binned(held, index, *few).lanes[0], changed)
    with pytest.raises(TypeError):
        binning.binned(held, index, *many)


def test_statistics_are_of_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded, statistics = registry.dataset("events.decoded"), registry.dataset("events.statistics")
    held, file = put("dvs_gesture", tmp_path / "data", monkeypatch)
    decoded.save(held.decoded / "0", decoded.stamp(file), [column[:7] for column in held[0]])
    held.kept.clear()
    assert len(held[0].t) == 7
    assert statistics.statistics(held, [0])["events"] == 60


@pytest.mark.parametrize("number", [20, 900])
def test_density_is_the_share_of_cells_in_use(number: int) -> None:
    t, x = 10 * np.arange(number), np.arange(number) % 4
    columns = (column.astype(dtype) for column, dtype in zip((t, x, 0 * t, 0 * t), recordings.DTYPES, strict=True))
    events = recordings.Events(*columns)
    held = SimpleNamespace(sensor=(4, 1, 1), read=lambda index, anew: events)
    statistics = registry.dataset("events.statistics")
    width = t[-1] // 100
    used = {(at // width, line) for at, line in zip(t, x, strict=True) if at < 100 * width}
    assert statistics.statistics(held, [0])["density"] == pytest.approx(len(used) / 400)


# Splits


@pytest.mark.parametrize("name", NAMES)
def test_splits_share_no_recording(known: dict[str, Known], name: str) -> None:
    """By the events themselves, which all differ."""
    module = registry.dataset(name)
    seen: dict[str, set[bytes]] = {}
    for split in ("train", "valid", "test"):
        held, available = module.opened(split)
        seen[split] = {b"".join(column.tobytes() for column in held[i]) for i in available}
        assert len(seen[split]) == len(available) > 0
    assert not seen["train"] & seen["valid"]
    assert not (seen["train"] | seen["valid"]) & seen["test"]
    assert sum(map(len, seen.values())) == sum(map(len, known[name].values()))


@pytest.mark.parametrize("name", ["shd", "dvs_gesture"])
def test_validation_is_on_other_speakers_and_subjects(known: dict[str, Known], name: str) -> None:
    held, train = registry.dataset(name).opened("train")
    _, valid = registry.dataset(name).opened("valid")
    assert not set(held.groups[train]) & set(held.groups[valid])
    assert set(held.labels[valid]) == set(held.labels)


def test_validation_has_all_digits(known: dict[str, Known]) -> None:
    held, valid = registry.dataset("nmnist").opened("valid")
    np.testing.assert_array_equal(np.bincount(held.labels[valid]), 1)
    labels = np.repeat(np.arange(10), 600)
    np.testing.assert_array_equal(np.bincount(labels[splits.stratified(labels)]), 60)


def test_a_single_speaker_cannot_be_held_out() -> None:
    with pytest.raises(ValueError, match="needs two"):
        splits.by_group(np.zeros(5))
    held = splits.by_group(np.repeat(np.arange(10), 3))
    assert held.sum() == 6


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_draws_from_its_split(known: dict[str, Known], name: str) -> None:
    module = registry.dataset(name)
    for split in ("train", "valid", "test"):
        held, available = module.opened(split)
        _, targets = module.batch(2, len(available), 0, split=split)
        np.testing.assert_array_equal(np.sort(targets[0]), np.sort(held.labels[available]))
        with pytest.raises(ValueError, match=f"between 1 and {len(available)}"):
            module.batch(2, len(available) + 1, 0, split=split)
    with pytest.raises(ValueError, match="train, valid, test"):
        module.batch(2, 1, 0, split="validation")


# Bins


@pytest.mark.parametrize("name", ["nmnist", "dvs_gesture"])
@pytest.mark.parametrize("steps", [1, 7, 100])
def test_bins_are_tonic_s(known: dict[str, Known], name: str, steps: int) -> None:
    transforms = pytest.importorskip("tonic.transforms")
    module = registry.dataset(name)
    inputs, targets = module.batch(steps, 6, 5)
    held, available = module.opened("train")
    for lane, index in enumerate(splits.drawn(available, 6, 5)):
        frames = transforms.ToFrame(sensor_size=module.SENSOR, n_time_bins=steps)(held.source[index][0])
        np.testing.assert_array_equal(inputs[:, lane], frames.reshape(steps, -1))
        assert (targets[:, lane] == held.labels[index]).all()


@pytest.mark.parametrize("factor", [2, 4, 32])
def test_pooling_is_tonic_s_downsampling(known: dict[str, Known], factor: int) -> None:
    transforms = pytest.importorskip("tonic.transforms")
    module = registry.dataset("dvs_gesture")
    side = 128 // factor
    inputs, _ = module.batch(5, 3, 0, features=2 * side * side)
    held, available = module.opened("train")
    for lane, index in enumerate(splits.drawn(available, 3, 0)):
        small = transforms.Downsample(spatial_factor=1 / factor)(held.source[index][0])
        frames = transforms.ToFrame(sensor_size=(side, side, 2), n_time_bins=5)(small)
        np.testing.assert_array_equal(inputs[:, lane], frames.reshape(5, -1))


@pytest.mark.parametrize(("name", "features"), [("shd", 350), ("shd", 70), ("nmnist", 578), ("nmnist", 162)])
def test_pooling_loses_no_event(known: dict[str, Known], name: str, features: int) -> None:
    module = registry.dataset(name)
    whole, pooled = module.batch(9, 4, 0)[0], module.batch(9, 4, 0, features=features)[0]
    assert pooled.shape == (9, 4, features)
    np.testing.assert_array_equal(whole.sum(axis=2), pooled.sum(axis=2))


def test_features_that_no_pooling_gives_are_refused(known: dict[str, Known]) -> None:
    with pytest.raises(ValueError, match=r"features is 500.*578"):
        registry.dataset("nmnist").batch(9, 4, 0, features=500)


def test_words_are_binned_by_14_ms_from_the_first_bin_on(known: dict[str, Known]) -> None:
    module = registry.dataset("shd")
    inputs, _ = module.batch(100, 4, 2)
    held, available = module.opened("train")
    for lane, index in enumerate(splits.drawn(available, 4, 2)):
        expected = np.zeros((100, 700))
        np.add.at(expected, (held[index].t // 14_000, held[index].x), 1)
        np.testing.assert_array_equal(inputs[:, lane], expected)


@pytest.mark.parametrize("name", ["shd", "ssc"])
@pytest.mark.parametrize("augment", [False, True])
def test_a_window_within_a_word_is_a_part(known: dict[str, Known], name: str, augment: bool) -> None:
    module = registry.dataset(name)
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
    edges = binning.bins(t, steps, (0.0, 1.4), True)
    assert len(edges) == steps + 1
    assert (edges[0], edges[-1]) == (0, len(t))
    assert edges[1] > 0
    assert edges[-2] < edges[-1]
    assert (np.diff(edges) >= 0).all()
    assert binning.bins(t, steps, (0.0, 1.4), False)[-1] == 5


@pytest.mark.parametrize("steps", [3, 7, 333])
def test_bins_of_no_whole_us_share_the_window_evenly(steps: int) -> None:
    bounds = 200_000 + np.arange(steps + 1) * 300_001 / steps
    t = np.unique(np.concatenate([np.floor(bounds), np.ceil(bounds)]).astype(np.int32))
    edges = binning.bins(t, steps, (0.2, 0.500001), False)
    assert edges[-1] == (t < 500_001).sum()
    expected = (t[: edges[-1]].astype(int) - 200_000) * steps // 300_001
    np.testing.assert_array_equal(np.diff(edges), np.bincount(expected, minlength=steps))


def test_a_window_is_a_part(known: dict[str, Known]) -> None:
    module = registry.dataset("nmnist")
    whole, _ = module.batch(30, 3, 0, window=(0.0, 0.3))
    part, _ = module.batch(10, 3, 0, window=(0.1, 0.2))
    np.testing.assert_array_equal(part, whole[10:20])
    for window in ((0.2, 0.1), (-0.1, 0.1)):
        with pytest.raises(ValueError, match="window"):
            module.batch(10, 3, 0, window=window)


def test_first_saccade_ends_after_100_ms(known: dict[str, Known]) -> None:
    module = registry.dataset("nmnist")
    first, _ = module.batch(10, 3, 0, first_saccade=True, window=(0.0, 0.3))
    whole, _ = module.batch(30, 3, 0, window=(0.0, 0.3))
    np.testing.assert_array_equal(first.sum(axis=0), whole[:10].sum(axis=0))


@pytest.mark.parametrize("name", NAMES)
def test_binary_is_whether_there_are_events(known: dict[str, Known], name: str) -> None:
    counts, _ = registry.dataset(name).batch(2, 3, 0)
    binary, _ = registry.dataset(name).batch(2, 3, 0, binary=True)
    np.testing.assert_array_equal(binary, counts > 0)


def test_slices_are_whole_and_do_not_overlap(known: dict[str, Known]) -> None:
    module = registry.dataset("dvs_gesture")
    inputs, _ = module.batch(4, 3, 0, slices=0.5)
    held, available = module.opened("train")
    for lane, index in enumerate(splits.drawn(available, 3, 0)):
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
        binning.bins(np.arange(5, dtype=np.int32), 3, window, False)


@pytest.mark.parametrize("slices", [0.0, -1.0, 1e-9, float("nan"), float("inf"), 3000.0])
def test_slices_that_no_recording_has_are_refused(known: dict[str, Known], slices: float) -> None:
    with pytest.raises(ValueError, match=r"slices must last|shorter than a slice"):
        registry.dataset("dvs_gesture").batch(4, 3, 0, slices=slices)


def test_a_silent_recording_is_silent() -> None:
    silent = recordings.Events(*(np.zeros(0, dtype) for dtype in (np.int32, np.uint16, np.uint16, np.uint8)))
    for window in (None, (0.0, 1.0)):
        assert len(binning.cells(silent, 5, (4, 4, 2), 32, window, False).step) == 0


@pytest.mark.parametrize("numbers", [(2, 2, 2), (8, 8, 8), (900, 900, 900), (2, 900, 8)])
def test_a_batch_holds_the_counts_in_either_form(numbers: tuple[int, int, int]) -> None:
    lanes, expected, lines = [], np.zeros((10, 3, 20), int), 20
    for lane, number in enumerate(numbers):
        rng = np.random.default_rng(lane)
        t, x = np.sort(rng.integers(0, 1_000_000, number)), rng.integers(0, lines, number)
        columns = (column.astype(dtype) for column, dtype in zip((t, x, 0 * x, 0 * x), recordings.DTYPES, strict=True))
        lanes.append(binning.cells(recordings.Events(*columns), 10, (lines, 1, 1), lines, (0.0, 1.0), False))
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
        binning.cells(recordings.Events(*columns), steps, (700, 1, 1), 700, (0.0, 1.0), False)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 150 * number + 32 * steps + 2**16, steps


@pytest.mark.parametrize("number", [200, 256])
def test_a_bin_of_many_events_is_counted_or_refused(number: int) -> None:
    zeros = np.zeros(number, int)
    events = recordings.Events(*(zeros.astype(dtype) for dtype in recordings.DTYPES))
    batch = binning.Sparse([binning.cells(events, 1, (2, 1, 1), 2, (0.0, 1.0), False)], np.zeros(1, np.int32), 1, 2)
    np.testing.assert_array_equal(batch.dense(0, 1, np.int32), [[[number, 0]]])
    narrow = np.int8 if number < 256 else np.uint8
    with pytest.raises(ValueError, match=f"a bin holds {number} events, too many for {np.dtype(narrow)}"):
        batch.dense(0, 1, narrow)


# Augmentation


def words(seed: int, number: int = 400) -> Any:
    rng = np.random.default_rng(seed)
    zeros = np.zeros(number, np.uint16)
    t = np.sort(rng.integers(200_000, 800_000, size=number)).astype(np.int32)
    return recordings.Events(t, rng.integers(200, 500, size=number).astype(np.uint16), zeros, zeros.astype(np.uint8))


def test_a_blend_keeps_a_third_around_the_common_mean() -> None:
    parts = [words(seed, 2000) for seed in range(3)]
    parts[1] = parts[1]._replace(x=parts[1].x + np.uint16(60), t=parts[1].t + np.int32(90_000))
    blend = augmentation.blended(np.random.default_rng(0), parts)
    assert len(blend.t) == pytest.approx(0.33 * 6000, rel=0.05)
    assert blend.x.mean() == pytest.approx(np.mean([p.x.mean() for p in parts]), abs=5)
    assert blend.t.mean() == pytest.approx(np.mean([p.t.mean() for p in parts]), abs=15_000)
    assert (np.diff(blend.t) >= 0).all()


def test_moving_shifts_dilates_and_jitters() -> None:
    word = words(0, 2000)
    shifts, dilations, spreads = [], [], []
    for seed in range(300):
        moved = augmentation.moved(np.random.default_rng(seed), word)
        shifts.append(moved.x.mean() - word.x.mean())
        dilations.append(moved.t.mean() / word.t.mean())
        spreads.append(moved.x.var() - word.x.var())
    assert -41 < min(shifts) < -35
    assert 35 < max(shifts) < 41
    assert 0.949 < min(dilations) < 0.97
    assert 1.18 < max(dilations) < 1.201
    assert np.median(dilations) == pytest.approx(np.sqrt(0.95 * 1.2), abs=0.02)
    assert np.mean(spreads) == pytest.approx(16, abs=8)


def test_what_leaves_the_cochlea_or_the_time_is_gone() -> None:
    kept = augmentation.inside(np.array([5.0, -1, 3, 1.4e6, 1, 2]), np.array([0.0, 5, 700, 5, -1, 699]))
    assert kept.t.tolist() == [2, 5]
    assert kept.x.tolist() == [699, 0]


def test_augmented_batches_are_of_the_training_split(known: dict[str, Known]) -> None:
    module = registry.dataset("shd")
    plain, augmented, again = (module.batch(50, 8, 3, augment=a) for a in (False, True, True))
    np.testing.assert_array_equal(plain[1], augmented[1])
    np.testing.assert_array_equal(augmented[0], again[0])
    assert not np.array_equal(plain[0], augmented[0])
    for split in ("valid", "test"):
        with pytest.raises(ValueError, match="for training"):
            module.batch(50, 2, 3, split=split, augment=True)


def test_a_blend_takes_no_recording_of_another_split(known: dict[str, Known], monkeypatch: pytest.MonkeyPatch) -> None:
    module = registry.dataset("shd")
    held, available = module.opened("train")
    taken: list[int] = []
    get = type(held).__getitem__
    monkeypatch.setattr(type(held), "__getitem__", lambda self, index: taken.append(int(index)) or get(self, index))
    module.batch(50, 20, 0, augment=True)
    assert len(taken) == 60
    assert set(taken) <= set(available.tolist())


# Memory


def test_recordings_read_last_are_kept_within_a_budget(
    known: dict[str, Known], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = registry.dataset("nmnist").opened("test")[0]
    forget()
    one = recordings.size(held[0])
    monkeypatch.setattr(recordings, "BUDGET", 5 * one)
    for index in range(len(held)):
        _ = held[index]
    assert list(held.kept.found) == list(range(len(held) - 5, len(held)))
    assert recordings.Kept.total == 5 * one
    _ = held[len(held) - 5]  # used again, so the next one goes
    _ = held[0]
    assert set(held.kept.found) == {0, len(held) - 5, *range(len(held) - 3, len(held))}
    forget()
    assert recordings.Kept.total == 0


def test_all_data_sets_share_the_budget(known: dict[str, Known], monkeypatch: pytest.MonkeyPatch) -> None:
    forget()
    monkeypatch.setattr(recordings, "BUDGET", 5000)
    for name in NAMES:
        registry.dataset(name).batch(20, 8, 0)
        stores = {store for store, _ in recordings.Kept.used}
        kept = [one for store in stores for one in store.found.values()]
        assert sum(map(recordings.size, kept)) == recordings.Kept.total
        assert 4000 < recordings.Kept.total <= 5000
        assert len(kept) == len(recordings.Kept.used)
    forget()


def forget() -> None:
    for store in {store for store, _ in recordings.Kept.used}:
        store.clear()


def test_a_batch_is_the_same_from_memory(known: dict[str, Known]) -> None:
    module = registry.dataset("dvs_gesture")
    held, _ = module.opened("train")
    held.kept.clear()
    held.kept_cells.clear()
    first = module.batch(9, 5, 0, features=2048)
    held.kept.clear()  # only the cells are left
    again, other = module.batch(9, 5, 0, features=2048), module.batch(8, 5, 0, features=2048)
    np.testing.assert_array_equal(first[0], again[0])
    assert not np.array_equal(other[0], first[0][:8])


def test_cards_are_complete() -> None:
    folder = registry.DATASETS / "cards"
    assert {file.stem for file in folder.glob("*.md")} == set(registry.datasets())
    for name in NAMES:
        card = (folder / f"{name}.md").read_text(encoding="utf-8")
        published = registry.dataset(name).PUBLISHED
        for word in (published.stand_in, *(a.md5 for a in published.archives.values())):
            assert word in card
