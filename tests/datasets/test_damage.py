"""Damaged files: refused by name, in one line, and nothing of them kept."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.command_line import command
from support.damages import (
    a_pickle,
    at,
    column,
    cut,
    cut_in_half,
    early,
    edited,
    empty,
    far_label,
    far_pixel,
    far_pixel_npy,
    far_unit,
    fewer_units,
    garbage,
    labels,
    neighbours_swapped,
    no_events,
    no_keys,
    no_labels,
    one_unit,
    other_lengths,
    retyped,
    rewritten,
    shuffled,
    stored,
    three_columns,
    twice,
)
from support.genuine import WRITERS, needs_tonic

from drtrl_bench import data

published = data.module("events.published")
pytestmark = pytest.mark.usefixtures("cache")

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
    module = data.events(name)
    path = tmp_path / "data" / module.published.folder / file
    whole = path.read_bytes()
    damage(path)
    split = "valid" if "valid" in file else "train"
    for _ in range(2):  # it does not pass the second time
        with pytest.raises(published.DamagedError) as caught:
            _ = module.recordings(split)[0][0]
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert module.LABEL.endswith("layout (other recordings)")
    assert not cache.exists()
    path.unlink()  # or HDF5, which tonic leaves open, would go on with the old file
    path.write_bytes(whole)
    assert len(module.recordings(split)[0][0].t) == 60


SPOKEN = ("shd", "shd_train.h5")
SEEN = ("nmnist", "Train/0/00000.bin")
MOVED = ("dvs_gesture", "ibmGestureTrain/user01_led/0.npy")
PLAUSIBLE = {
    "3 times and 1 unit": (SPOKEN, edited(one_unit), "recording 0: holds 3 t, 1 unit, which must be as many"),
    "unit + 65536": (SPOKEN, retyped("units", np.int64, at(2, 65541)), "event 2 has unit = 65541, .* from 0 to 699"),
    "unit -1": (SPOKEN, retyped("units", np.int16, at(0, -1)), "event 0 has unit = -1, .* from 0 to 699"),
    "unit 3.5": (SPOKEN, retyped("units", np.float32, at(1, 3.5)), "event 1 has unit = 3.5, .* a whole number"),
    "units of a byte": (SPOKEN, retyped("units", np.uint8), "unit is of type uint8, which cannot hold 0 to 699"),
    "words in ms": (SPOKEN, retyped("times", np.float32, lambda t: 1e3 * t), "a recording lasts 0.316 to 1.4 s"),
    "words in us": (
        SPOKEN,
        retyped("times", np.int64, lambda t: 1e6 * t.astype(float)),
        "a recording lasts 0.316 to 1.4 s",
    ),
    "words an hour later": (SPOKEN, retyped("times", np.float64, lambda t: 3600 + t), "from 3600.* in another unit"),
    "half floats that overflow": (SPOKEN, retyped("times", np.float16, at(-1, np.inf)), "t = inf s, .* 0 or later"),
    "a time that is none": (SPOKEN, retyped("times", np.float16, at(7, np.nan)), "event 7 has t = nan s"),
    "a time before the word": (SPOKEN, retyped("times", np.float16, at(0, -0.5)), "event 0 has t = -0.5 s"),
    "times out of order": (SPOKEN, retyped("times", np.float16, shuffled), "event 30 has t = .* in the order of time"),
    "a label of 3.5": (SPOKEN, labels(lambda of: np.where(of == 3, 3.5, of)), "recording 24 has label = 3.5"),
    "label -1": (SPOKEN, labels(lambda of: of - 1), "recording 0 has label = -1, which must be from 0 to 19"),
    "a label + 65536": (SPOKEN, labels(lambda of: of + 65536), "recording 0 has label = 65536"),
    "labels one-hot": (SPOKEN, labels(lambda of: np.eye(20)[of]), "labels, .* not 160 x 20, 160, 160, 160"),
    "words of a second in ms": (("ssc", "ssc_train.h5"), retyped("times", np.float32, lambda t: 1e3 * t), "lasts 1 s"),
    "a column beside the camera": (
        SEEN,
        rewritten(lambda e: np.add(e, [[0], [34], [0], [0]])),
        "has y = .* from 0 to 33",
    ),
    "saccades in ms": (SEEN, rewritten(lambda e: e // [[1], [1], [1], [1000]]), "lasts 0.3 s: in another unit"),
    "saccades of 5 s": (SEEN, rewritten(lambda e: e * [[1], [1], [1], [17]]), "lasts 0.3 s: in another unit"),
    "saccades 4 s later": (
        SEEN,
        rewritten(lambda e: np.add(e, [[0], [0], [0], [4_000_000]])),
        "from 4.* in another unit",
    ),
    "a recording twice": (SEEN, twice, "event 60 has t = .* in the order of time"),
    "polarity -1 and 1": (MOVED, column(2, lambda p: 2 * p - 1), "has p = -1, which must be from 0 to 1"),
    "polarity 1 and 2": (MOVED, column(2, lambda p: p + 1), "has p = 2, which must be from 0 to 1"),
    "x + 65536": (MOVED, column(0, lambda x: x + 65536), "event 0 has x = 65.*, which must be from 0 to 127"),
    "x of a float 65536 too far": (MOVED, column(0, lambda x: x + 65536, np.float64), "event 0 has x = 65"),
    "x + 0.5": (MOVED, column(0, lambda x: x + 0.5, np.float64), "event 0 has x = .*.5, which must be a whole number"),
    "an x that is none": (MOVED, column(0, at(5, np.nan), np.float64), "event 5 has x = nan"),
    "ms in 2 bytes": (MOVED, stored(lambda e: e.astype(np.uint16)), "numbers of type uint16, and not of 4 bytes"),
    "ms in 2 signed bytes": (MOVED, stored(lambda e: e.astype(np.int16)), "numbers of type int16, and not of 4 bytes"),
    "complex events": (MOVED, stored(lambda e: e.astype(np.complex128)), "numbers of type complex128"),
    "gestures in us": (MOVED, column(3, lambda t: 1000 * t), "lasts 6 s: in another unit"),
    "gestures in s": (MOVED, column(3, lambda t: t / 1000, np.float64), "lasts 6 s: in another unit"),
    "a clock that wrapped": (MOVED, column(3, lambda t: (t + 64_536) % 65_536), "in the order of time"),
    "a gesture twice": (MOVED, stored(lambda e: np.concatenate([e, e])), "event 60 has t = .* in the order of time"),
}
"""What tonic's reader and a cast would turn into events: the file, what is done to it, and what must be said."""


@pytest.mark.parametrize("kind", PLAUSIBLE)
def test_what_a_cast_would_make_plausible_is_named(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    (name, file), damage, said = PLAUSIBLE[kind]
    WRITERS[name](tmp_path)
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path))
    path = tmp_path / data.events(name).published.folder / file
    damage(path)
    with pytest.raises(published.DamagedError, match=said) as caught:
        _ = data.events(name).recordings("train")[0][0]
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert not cache.exists()


GENUINE = {
    "words in single floats": (SPOKEN, retyped("times", np.float32)),
    "words in doubles": (SPOKEN, retyped("times", np.float64)),
    "words until 1.4 s": (SPOKEN, retyped("times", np.float16, at(-1, 1.3994))),
    "a word without a spike": (SPOKEN, lambda file: [retyped(k, np.uint16, lambda c: c[:0])(file) for k in COLUMNS]),
    "units in 8 bytes": (SPOKEN, retyped("units", np.int64)),
    "neighbours swapped": (SEEN, rewritten(neighbours_swapped)),
    "saccades at the far corner": (SEEN, rewritten(lambda e: e * [[0], [0], [1], [1]] + [[33], [33], [0], [0]])),
    "gestures in 4 bytes": (MOVED, stored(lambda e: e.astype(np.int32))),
    "gestures in unsigned 4 bytes": (MOVED, stored(lambda e: e.astype(np.uint32))),
    "gestures in single floats": (MOVED, stored(lambda e: e.astype(np.float32))),
    "gestures in doubles": (MOVED, stored(lambda e: e.astype(np.float64))),
    "gestures of 18 s": (MOVED, column(3, lambda t: 9 * t)),
    "gestures a minute later": (MOVED, column(3, lambda t: t + 60_000)),
}
COLUMNS = ("times", "units")


@pytest.mark.parametrize("kind", GENUINE)
def test_what_genuine_files_may_hold_is_read(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (name, file), change = GENUINE[kind]
    WRITERS[name](tmp_path)
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path))
    change(tmp_path / data.events(name).published.folder / file)
    events = data.events(name).recordings("train")[0][0]
    assert len(events.t) == (0 if kind == "a word without a spike" else 60)
    assert (np.diff(events.t) >= 0).all()


def test_a_row_of_overflow_moves_what_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the format's authors read it: y = 240 is no event, and 8,192 us pass."""
    WRITERS["nmnist"](tmp_path)
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path))
    path = tmp_path / "NMNIST" / "Train" / "0" / "00000.bin"
    path.write_bytes(bytes([5, 6, 0x80, 0, 1, 9, 240, 0, 0, 0, 7, 8, 0, 0xEA, 0x60]))
    held = data.events("nmnist").recordings("train")[0]
    t, x, y, p = held[0]
    assert (x.tolist(), y.tolist(), p.tolist(), t.tolist()) == ([5, 7], [6, 8], [1, 0], [1, 60_000 + 8_192])
    path.write_bytes(bytes([5, 6, 0, 0, 1, *(2000 * [9, 240, 0, 0, 0]), 7, 8, 0, 0xEA, 0x60]))
    with pytest.raises(published.DamagedError, match="in another unit"):
        _ = held.read(0)


@pytest.mark.parametrize(("name", "folder"), [("nmnist", "Train"), ("dvs_gesture", "ibmGestureTrain")])
def test_a_folder_without_recordings_is_named(
    name: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = data.events(name)
    path = tmp_path / module.published.folder / folder
    path.mkdir(parents=True)
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path))
    with pytest.raises(published.DamagedError, match=folder):
        module.batch(5, 1, 0)


def test_times_after_an_overflow_by_hand(tmp_path: Path) -> None:
    """Of N-MNIST: x, y, a bit of polarity and 23 of time; row 240 is no event, and what follows is 8192 us later."""
    rows = [(1, 2, 0x80, 0, 5), (0, 240, 0, 0, 0), (3, 4, 0, 1, 2), (0, 240, 0, 0, 0), (5, 6, 0x81, 0, 1)]
    (tmp_path / "a.bin").write_bytes(bytes(number for row in rows for number in row))
    found = data.module("nmnist").columns(tmp_path / "a.bin", 0)
    assert {name: column.tolist() for name, column in found.items()} == {
        "x": [1, 3, 5],
        "y": [2, 4, 6],
        "t": [5, 258 + 8192, 65537 + 2 * 8192],
    }


def test_a_class_that_does_not_exist_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    WRITERS["dvs_gesture"](tmp_path)
    folder = tmp_path / "DVSGesture" / "ibmGestureTrain" / "user01_led"
    shutil.copy(folder / "0.npy", folder / "11.npy")
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path))
    with pytest.raises(published.DamagedError, match=r"11\.npy"):
        data.dataset("dvs_gesture").batch(5, 1, 0)


@pytest.mark.parametrize(
    ("name", "needed"), [pytest.param("shd", "h5py", marks=needs_tonic), ("shd", "tonic"), ("nmnist", "tonic")]
)
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


@needs_tonic
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


@needs_tonic
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


@needs_tonic
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
