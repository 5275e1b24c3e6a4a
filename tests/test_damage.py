"""Damaged files: refused by name, in one line, and nothing of them kept."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command_line import command
from damages import (
    a_pickle,
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
    no_events,
    no_keys,
    no_labels,
    other_lengths,
    three_columns,
)
from genuine import WRITERS

from drtrl_bench import registry

place = registry.dataset("events.place")
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
