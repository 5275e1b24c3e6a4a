"""Loaders: genuine files used as they lie, what a record says of them, missing ones with what to get."""

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.command_line import command
from support.genuine import WRITERS, Known, needs_tonic

from drtrl_bench import data
from drtrl_bench.case import Case, Plan
from drtrl_bench.experiments import learning
from drtrl_bench.measure import problem, runner

availability, errors = data.module("events.availability"), data.module("events.published")
NAMES = tuple(WRITERS)
PARTS = [(name, part) for name in NAMES for part in data.events(name).published.archives]
pytestmark = pytest.mark.usefixtures("cache")

# Genuine files


@pytest.mark.parametrize(("name", "part"), PARTS)
def test_tonic_s_reader_gives_what_was_written(known: dict[str, Known], name: str, part: str) -> None:
    held = data.events(name).recordings(part)[0]
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


@needs_tonic
@pytest.mark.parametrize("name", NAMES)
def test_files_put_in_place_are_used(name: str, cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module: Any = data.events(name)
    published = module.published
    with pytest.raises(errors.MissingError):
        module.batch(10, 2, 0)
    assert f"{published.name} (no files)" == module.LABEL
    assert data.unavailable(name)
    WRITERS[name](cache / "data")  # where they are looked for without being told
    assert data.unavailable(name) is None
    assert module.batch(10, 2, 0)[0].any()
    # They are fewer than were published, and so do not go by the published name alone.
    assert f"{published.name} layout (other recordings)" == module.LABEL
    assert module.SYNTHETIC is False
    counts = {split: published.count(availability.part_path(published, split)) for split in published.archives}
    assert published.name == replace(module, published=replace(published, counts=counts)).LABEL
    for split, number in counts.items():  # one part short of a recording, the others whole
        short = replace(module, published=replace(published, counts=counts | {split: number + 1}))
        assert f"{published.name} layout (other recordings)" == short.LABEL


@pytest.mark.parametrize("name", NAMES)
def test_missing_is_one_line_that_helps(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path / "mine"))
    published = data.events(name).published
    for split, archive in published.archives.items():
        with pytest.raises(errors.MissingError) as caught:
            data.dataset(name).batch(10, 2, 0, split=split)
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
    module = data.events(name)
    archive = module.published.archives["test"]
    path = tmp_path / module.published.folder / archive.unpacked
    path.rename(tmp_path / "elsewhere")
    with pytest.raises(errors.MissingError) as caught:
        module.batch(10, 2, 0, split="test")
    for word in (archive.file, archive.md5, str(path)):
        assert word in str(caught.value)
    assert "data make" not in str(caught.value)  # it would not be looked at
    assert "\n" not in str(caught.value)
    assert learning.unavailable(name) == str(caught.value)  # though there is something to train on
    (tmp_path / "elsewhere").rename(path)
    assert learning.unavailable(name) is None


def test_a_part_that_a_stand_in_lacks_is_made_again() -> None:
    what = data.events("nmnist").published
    folder, _ = data.module("events.make_stand_in").make(what, lambda *_: None, {"train": 1, "test": 1})
    shutil.rmtree(folder / "Test")
    with pytest.raises(errors.MissingError, match=f"no test files.*{folder}.*data make nmnist"):
        availability.part_path(what, "test")


def test_a_data_folder_that_is_none_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(NotADirectoryError, match="nowhere: no such folder"):
        data.dataset("shd").batch(10, 2, 0)
    for words in (["data", "list"], ["run", "quick"]):
        done = command(*words)
        assert done.returncode == 2
        assert done.stderr.splitlines() == [f"drtrl-bench: $DRTRL_BENCH_DATA {tmp_path / 'nowhere'}: no such folder"]
    assert "nowhere" in (learning.unavailable("shd") or "")


def test_archives_are_those_tonic_knows() -> None:
    datasets = pytest.importorskip("tonic.datasets")
    for name in NAMES:
        published = data.events(name).published
        reader = getattr(datasets, published.folder)
        for split, archive in published.archives.items():
            assert archive.md5 == getattr(reader, f"{split}_md5")


def test_genuine_files_win_over_a_stand_in(known: dict[str, Known]) -> None:
    data.module("events.make_stand_in").make(data.events("nmnist").published, lambda *_: None, {"train": 1, "test": 1})
    assert data.dataset("nmnist").LABEL == "N-MNIST layout (other recordings)"


# What a record says of its data


def test_other_files_are_another_measurement(
    written: tuple[Path, dict[str, Known]], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(dataset="nmnist", algorithm="bptt", steps=8, batch=2, features=162, neurons=3, chunk=8)
    data.module("events.make_stand_in").make(data.events("nmnist").published, lambda *_: None, {"train": 1, "test": 1})
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
    assert "drtrl-bench data make shd" in str(line["reason"])
    assert line["data"] == {"label": "SHD (no files)", "synthetic": False, "fingerprint": None}


def test_a_record_names_what_was_loaded(
    known: dict[str, Known], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "measure", lambda *_: {"status": "timeout", "reason": "not measured"})
    plan = Plan("p", "", (Case(dataset="shd"), Case(dataset="dms")))
    lines = runner.run(plan, tmp_path / "r.jsonl", lambda text, line: None)
    labels = {line["case"]["dataset"]: line["data"] for line in lines}
    files = labels["shd"].pop("fingerprint")
    assert re.fullmatch("[0-9a-f]{16}", str(files))
    assert labels["shd"] == {"label": "SHD layout (other recordings)", "synthetic": False}
    assert labels["dms"] == {"label": "delayed match-to-sample (synthetic)", "synthetic": True, "fingerprint": None}


@needs_tonic
@pytest.mark.slow
def test_event_data_goes_through_a_whole_case(known: dict[str, Known], tmp_path: Path) -> None:
    plan = Plan(
        "p", "", (Case(dataset="dvs_gesture", features=128, steps=10, batch=2, neurons=4, threads=1, scale_x=30),)
    )
    (line,) = runner.run(plan, tmp_path / "r.jsonl", lambda text, line: None)
    assert line["data"]["label"] == "DVS-Gesture layout (other recordings)"
    assert line["status"] == "ok", line["reason"]


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
        data.dataset(name).batch(5, 2, 0)


def test_cards_are_complete() -> None:
    folder = data.FOLDER / "cards"
    assert {file.stem for file in folder.glob("*.md")} == {*data.datasets(), "connectomes"}, "no data set of a case"
    for name in NAMES:
        card = (folder / f"{name}.md").read_text(encoding="utf-8")
        published = data.events(name).published
        for word in (published.stand_in, *(a.md5 for a in published.archives.values())):
            assert word in card
