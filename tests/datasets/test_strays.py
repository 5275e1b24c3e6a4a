"""What else lies in the folders of a data set: passed over or named, the same by count, reader and check."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.command_line import command
from support.genuine import WRITERS, needs_tonic

from drtrl_bench import data

availability, published = data.module("events.availability"), data.module("events.published")
pytestmark = pytest.mark.usefixtures("cache")
FOLDERS = {"nmnist": ("Train", "3", "00000.bin"), "dvs_gesture": ("ibmGestureTrain", "user02_led", "3.npy")}
"""Part, folder and file of a recording."""
PASSED = ("._{file}", ".DS_Store", "Thumbs.db", "desktop.ini", "README.txt", ".{file}.part")
PASSED_FOLDERS = (".ipynb_checkpoints", "@eaDir", "__MACOSX", "lost+found", "#recycle", ".Trash-0")


def put(name: str, base: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A part of a data set, and one of its recordings."""
    WRITERS[name](base)
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(base))
    part, folder, file = FOLDERS[name]
    path = base / data.events(name).published.folder / part
    return path, path / folder / file


def read(name: str) -> tuple[int, list[str], bytes, list[int]]:
    """What count and reader see of the training part, and all events and labels."""
    module = data.events(name)
    held = module.recordings("train")[0]
    data.module(name).part_recordings.cache_clear()
    events = b"".join(column.tobytes() for i in range(len(held)) for column in held.read(i, anew=True))
    number = module.published.count(availability.part_path(module.published, "train"))
    return number, [str(file) for file in held.files], events, held.labels.tolist()


@pytest.mark.parametrize("name", FOLDERS)
def test_hidden_and_system_entries_are_passed_over(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part, file = put(name, tmp_path, monkeypatch)
    before = read(name)
    assert before[0] == len(before[1])
    for folder in (part, file.parent):
        for stray in PASSED:
            (folder / stray.format(file=file.name)).write_bytes(b"no recording")
        for stray in PASSED_FOLDERS:
            shutil.copytree(file.parent, folder / stray, ignore=shutil.ignore_patterns("[.@_#l]*"))
        (folder / ".gone").symlink_to(tmp_path / "nowhere")
    assert read(name) == before


def beside(name: str) -> dict[str, Any]:
    """What is done to a part and a recording in it, by what must be named."""
    inside = {"nmnist": "00000", "dvs_gesture": "0"}[name]
    return {
        "backup_1": lambda part, file: shutil.copytree(file.parent, part / "backup_1"),
        "10": lambda part, file: shutil.copytree(file.parent, part / "10"),
        "empty": lambda part, file: (part / "empty").mkdir(),
        f"loose{file_type(name)}": lambda part, file: shutil.copy(file, part / f"loose{file_type(name)}"),
        "3 (copy)": lambda part, file: shutil.copytree(file.parent, part / "3 (copy)"),
        "older": lambda part, file: shutil.copytree(file.parent, file.parent / "older"),
        f"folder{file_type(name)}": lambda part, file: (file.parent / f"folder{file_type(name)}").mkdir(),
        f"gone{file_type(name)}": lambda part, file: (file.parent / f"gone{file_type(name)}").symlink_to("nowhere"),
        f"{inside}{file_type(name)}": lambda part, file: replaced(file.parent / f"{inside}{file_type(name)}"),
        "00009.BIN" if name == "nmnist" else "9.NPY": lambda part, file: shutil.copy(
            file, file.parent / ("00009.BIN" if name == "nmnist" else "9.NPY")
        ),
        "a file as a folder": lambda part, file: file_as_folder(part, "7" if name == "nmnist" else "user07_led"),
        "a pipe": lambda part, file: (file.unlink(), os.mkfifo(file)),
        "4": lambda part, file: (part / "4_gone" if name == "dvs_gesture" else part / "x").symlink_to("nowhere"),
    }


def file_type(name: str) -> str:
    return Path(FOLDERS[name][2]).suffix


def file_as_folder(part: Path, name: str) -> None:
    """What an archive that was unpacked badly leaves."""
    shutil.rmtree(part / name, ignore_errors=True)
    (part / name).write_bytes(b"")


def replaced(file: Path) -> None:
    file.unlink()
    file.symlink_to("nowhere")


STRANGE = [(name, stray) for name in FOLDERS for stray in beside(name)]


@pytest.mark.parametrize(("name", "stray"), STRANGE)
def test_what_looks_like_data_is_named(name: str, stray: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part, file = put(name, tmp_path, monkeypatch)
    beside(name)[stray](part, file)
    said = []
    for ask in (lambda: data.events(name).recordings("train"), lambda: data.events(name).published.count(part)):
        with pytest.raises(published.DamagedError) as caught:
            ask()
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert said[0].startswith(str(part))
    assert "move it away" in said[0] or "nowhere, where there is nothing" in said[0]
    assert "\n" not in said[0]
    assert data.dataset(name).LABEL.endswith("layout (other recordings)")


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize("whole", [True, False], ids=["folder", "recording"])
def test_nothing_counts_twice(name: str, whole: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder or a recording that is there by a link as well."""
    part, file = put(name, tmp_path, monkeypatch)
    folders = sorted(part.iterdir())
    first, second = (folders[0], folders[-1]) if whole else (file.parent / sorted(os.listdir(file.parent))[0], file)
    if not whole and first == second:
        second = file.parent / "00002.bin"
    shutil.rmtree(second) if whole else second.unlink()
    second.symlink_to(first)
    for ask in (lambda: data.events(name).recordings("train"), lambda: data.events(name).published.count(part)):
        with pytest.raises(published.DamagedError) as caught:
            ask()
        assert str(caught.value) == f"{second}: the same as {first}, by a link; remove one of the two"


@needs_tonic
@pytest.mark.parametrize(("name", "lacking"), [("nmnist", "7"), ("dvs_gesture", "10")])
def test_a_class_without_recordings_is_named(
    name: str, lacking: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, _ = put(name, tmp_path, monkeypatch)
    if name == "nmnist":
        shutil.rmtree(part / lacking)
    for file in part.rglob(f"{lacking}.npy"):
        file.unlink()
    done = command("data", "check", name)
    assert done.returncode == 0, done.stdout + done.stderr
    warned = [line for line in done.stdout.splitlines() if "warning" in line]
    assert warned == [f"  train: warning: no recording of class {lacking}"]


@pytest.mark.parametrize("text", ['{"of": "x"}', "[1]", "{}", "5", "null", '{"of": 1, "stand_in": 2, "synthetic": 3}'])
def test_a_marker_of_another_form_makes_nothing_genuine(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("nmnist", tmp_path, monkeypatch)
    file = tmp_path / "NMNIST" / "STAND_IN.json"
    file.write_text(text)
    for ask in (lambda: data.dataset("nmnist").LABEL, lambda: data.dataset("nmnist").batch(5, 1, 0)):
        with pytest.raises(published.DamagedError) as caught:
            ask()
        said = "'stand_in'" if text == '{"of": "x"}' else "'of'"
        told = (
            f"{file}: says no {said}, which every stand-in's does; move {file.parent} away and make the stand-in again"
        )
        assert str(caught.value) == told
    done = command("list")
    assert done.returncode == 0, done.stderr
    assert "STAND_IN.json" in "".join(done.stdout.split())
    assert "SHD (no files)" in done.stdout, "the rest is listed"


@pytest.mark.parametrize(("what", "said"), [(os.mkfifo, "a pipe or a device"), (os.mkdir, "a folder")])
@pytest.mark.parametrize(
    ("name", "file"), [pytest.param("shd", "SHD/shd_train.h5", marks=needs_tonic), ("nmnist", "NMNIST/STAND_IN.json")]
)
def test_what_is_no_file_is_not_waited_for(
    name: str, file: str, what: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    WRITERS[name](tmp_path)
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path))
    (tmp_path / file).unlink(missing_ok=True)
    what(tmp_path / file)
    done = command("data", "check", name, timeout=60)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"  {tmp_path / file}: {said}, and not a file; move it away\n" in done.stdout


@pytest.mark.parametrize("name", FOLDERS)
def test_our_list_is_tonic_s(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing else lies there: files, labels and subjects as tonic's own walk finds them."""
    datasets = pytest.importorskip("tonic.datasets")
    put(name, tmp_path, monkeypatch)
    module = data.events(name)
    held = module.recordings("train")[0]
    tonic_s = type(module.published.folder, (getattr(datasets, module.published.folder),), {"download": lambda _: None})
    walked = tonic_s(str(tmp_path), train=True)
    theirs = sorted(zip(map(os.path.realpath, walked.data), walked.targets, strict=True))
    assert sorted(zip(map(os.path.realpath, held.files), held.labels.tolist(), strict=True)) == theirs
    if name == "dvs_gesture":
        users = dict(zip(map(os.path.realpath, walked.data), walked.users, strict=True))
        assert [users[os.path.realpath(file)] for file in held.files] == held.groups.tolist()


@pytest.mark.parametrize(("name", "taken", "number"), [("nmnist", "7", 3), ("dvs_gesture", "user02_led", 11)])
def test_a_folder_that_goes_takes_its_recordings_along(
    name: str, taken: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within one process: what was listed before is not the answer."""
    part, _ = put(name, tmp_path, monkeypatch)
    before = len(data.events(name).recordings("train")[0])
    shutil.rmtree(part / taken)
    assert len(data.events(name).recordings("train")[0]) == before - number == data.events(name).published.count(part)


@pytest.mark.parametrize("name", FOLDERS)
def test_folders_and_recordings_may_be_links(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part, file = put(name, tmp_path / "data", monkeypatch)
    before = read(name)
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    other = next(folder for folder in sorted(part.iterdir()) if folder != file.parent)
    other.rename(tmp_path / "folder")
    other.symlink_to(tmp_path / "folder")
    assert read(name) == before


@pytest.mark.parametrize("name", [*FOLDERS, "shd"])
@pytest.mark.parametrize("whole", [True, False], ids=["data set", "part"])
def test_a_data_set_that_is_a_link_to_nothing_is_no_missing_one(
    name: str, whole: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in would take its place, though the disk is only not mounted."""
    WRITERS[name](tmp_path / "data")
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path / "data"))
    what = data.events(name).published
    path = tmp_path / "data" / what.folder / ("" if whole else what.archives["train"].unpacked)
    path.rename(tmp_path / "away")
    path.symlink_to(tmp_path / "not mounted")
    with pytest.raises(published.DamagedError, match=re.escape(f"{path}: a link to {tmp_path / 'not mounted'}, where")):
        data.dataset(name).batch(5, 1, 0)
    done = command("data", "list")
    assert done.returncode == 0, done.stderr
    assert f"{path}: a link to" in done.stdout
    assert "bernoulli (synthetic)" in done.stdout
    done = command("list")
    assert done.returncode == 0, done.stderr
    assert "alinkto" in "".join(done.stdout.split())
    assert "bernoulli (synthetic)" in done.stdout


@needs_tonic
def test_check_goes_on_to_the_next_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("dvs_gesture", "nmnist", "shd"):  # in the order of checking
        WRITERS[name](tmp_path)
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path))
    (tmp_path / "DVSGesture" / "ibmGestureTrain" / "backup").mkdir()
    (tmp_path / "NMNIST" / "STAND_IN.json").write_text("{")
    done = command("data", "check")
    assert done.returncode == 1, done.stdout + done.stderr
    assert not done.stderr
    lines = done.stdout.splitlines()
    for said in (
        f"  {tmp_path / 'DVSGesture' / 'ibmGestureTrain' / 'backup'}: no part of the data set, which has",
        f"  {tmp_path / 'NMNIST' / 'STAND_IN.json'}: not JSON",
        "SSC (no files): not checked",
    ):
        assert sum(line.startswith(said) for line in lines) == 1, done.stdout
    rows = [line.split()[:2] for line in lines if line.split()[:1] in (["train"], ["test"])]
    assert rows == [["test", "11"], ["train", "160"], ["test", "160"]]  # of DVS-Gesture and SHD


@needs_tonic
def test_check_of_a_set_without_files_goes_on_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    WRITERS["nmnist"](tmp_path)
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path))
    done = command("data", "check", "dvs_gesture", "nmnist", "shd")
    assert done.returncode == 2
    assert [row.split()[:2] for row in done.stdout.splitlines() if row.split()[:1] == ["train"]] == [["train", "30"]]
    said = done.stdout + done.stderr
    assert "no train files of DVS-Gesture" in said
    assert "no train files of SHD" in said
    assert len(done.stderr.splitlines()) == 1


# Readers that are not installed

ABSENT = """
import sys
from importlib import metadata

absent = {absent!r}
for name in absent:
    sys.modules[name] = None
found = metadata.Distribution.from_name.__func__


def from_name(cls, name):
    if name in absent:
        raise metadata.PackageNotFoundError(name)
    return found(cls, name)


metadata.Distribution.from_name = classmethod(from_name)
{more}
"""
"""For the child's start: packages that are as if they were not installed, their metadata included."""


def without(*packages: str, folder: Path, monkeypatch: pytest.MonkeyPatch, more: str = "") -> None:
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(ABSENT.format(absent=packages, more=more))
    monkeypatch.setenv("PYTHONPATH", str(folder))


ADVICE = r"{} reads these files: pip install \S.*\[events\]'"


@pytest.mark.parametrize(
    ("package", "names"), [("tonic", ("shd", "ssc", "nmnist", "dvs_gesture")), ("h5py", ("shd", "ssc"))]
)
def test_without_a_reader_every_set_says_what_to_install(
    package: str, names: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in names:
        WRITERS[name](tmp_path)
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path))
    without(package, folder=tmp_path / "start", monkeypatch=monkeypatch)
    for words in (names[:1], names[1:]):
        done = command("data", "check", *words)
        assert done.returncode == 2, done.stdout + done.stderr
        assert re.fullmatch("drtrl-bench: " + ADVICE.format(package), done.stderr.strip()), done.stderr
        assert not done.stdout
    plan = tmp_path / "plan.toml"
    fields = "steps = 4\nbatch = 2\nneurons = 3\nchunk = 4\nframework = 'torch'\n"
    plan.write_text(f"[defaults]\n{fields}[[grid]]\nalgorithm = 'bptt'\ndataset = {list(names)}\n")
    records = tmp_path / "r.jsonl"
    done = command("run", str(plan), "--records", str(records))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    lines = [line for line in map(json.loads, records.read_text().splitlines()) if line["kind"] == "record"]
    assert sorted(line["case"]["dataset"] for line in lines) == sorted(names)
    for line in lines:
        assert line["status"] == "skip"
        assert re.fullmatch(ADVICE.format(package), line["reason"])


@pytest.mark.parametrize(
    ("package", "said"), [("h5py", ADVICE.format("h5py")), ("espeakng_loader", "espeak-ng is missing: .pip install .*")]
)
def test_without_what_makes_it_a_stand_in_is_not_begun(
    package: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    """Neither hours of conversion nor a traceback."""
    if package != "h5py":
        pytest.importorskip("h5py")  # which is asked for first
    system = "import ctypes\nctypes.CDLL = lambda *_: (_ for _ in ()).throw(OSError())"  # nor the system's espeak-ng
    without(package, folder=tmp_path / "start", monkeypatch=monkeypatch, more=system * (package != "h5py"))
    done = command("data", "make", "shd")
    assert done.returncode == 2, done.stdout + done.stderr
    assert re.fullmatch("drtrl-bench: " + said, done.stderr.strip()), done.stderr
    assert not done.stdout
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_without_tonic_nothing_asks_for_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the check that comes first is passed over, as in a notebook."""
    decoded = data.module("events.cache")
    decoded.makers.cache_clear()

    def absent(name: str) -> str:
        raise decoded.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(decoded.metadata, "version", absent)
    put("nmnist", tmp_path, monkeypatch)
    WRITERS["shd"](tmp_path)
    try:
        with pytest.raises(published.ReaderError, match=ADVICE.format("tonic")):
            data.dataset("shd").batch(5, 1, 0)
    finally:
        decoded.makers.cache_clear()
