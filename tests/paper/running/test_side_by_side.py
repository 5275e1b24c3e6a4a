"""Experiments side by side: each on a core, the longest first; one that fails, a signal, and what runs alone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from drtrl_bench import provenance
from drtrl_bench.cli import app
from drtrl_bench.paper import listing, records, runner, side_by_side

SOURCE = """
import os, pathlib, time
from types import SimpleNamespace
from drtrl_bench import provenance

file_of = provenance.file_of  # which looks in the package alone
provenance.file_of = lambda name: pathlib.Path(__file__) if name == __name__ else file_of(name)

SIZES = {{"cpu": 1, "paper": 1}}
ABOUT = SimpleNamespace(cpu_seconds={seconds})
NAME, FOLDER = "{name}", pathlib.Path("{folder}")

def jobs(size):
    return [{{"seed": 0}}]

def compute(job):
    (FOLDER / f"{{NAME}}.begun").write_text(str(os.getpid()))
    begun = time.time()
    {work}
    return [{{"cores": sorted(os.sched_getaffinity(0)), "begun": begun}}]
"""
MEETS = """
    while len(list(FOLDER.glob("*.begun"))) < 2:
        assert time.time() < begun + 60, "the other one has not begun"
        time.sleep(0.01)
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that writes the module of an experiment, for this process and for those that it starts."""
    modules = tmp_path / "modules"
    modules.mkdir()
    monkeypatch.syspath_prepend(str(modules))
    monkeypatch.setenv("PYTHONPATH", str(modules))
    monkeypatch.setattr(listing, "EXPERIMENTS", {})
    monkeypatch.setattr(provenance, "file_of", provenance.file_of)  # the modules replace it

    def written(name: str, work: str = "pass", seconds: float = 1.0) -> None:
        module = f"beside_{tmp_path.name}_{name}".replace("-", "_")
        text = SOURCE.format(name=name, folder=tmp_path, work=work.strip(), seconds=seconds)
        (modules / f"{module}.py").write_text(text, encoding="utf-8")
        listing.EXPERIMENTS[name] = module

    yield written
    runner.texts.cache_clear()


def run(folder: Path, names: list[str], workers: int, told: list[Any]) -> dict[str, Any]:
    """Run experiments, and return the only row of each that has one."""
    files = {name: folder / f"{name}.jsonl" for name in names}
    progress = {name: lambda *of, name=name: told.append((name, *of)) for name in names}
    try:
        side_by_side.run(names, "cpu", files, workers, progress, told.append)
    finally:
        rows = {name: [line["rows"] for line in records.read(path)[0]] for name, path in files.items()}
    return {name: of[0][0] for name, of in rows.items() if of}


def test_two_run_at_a_time_each_on_one_core(write: Any, tmp_path: Path) -> None:
    write("one", MEETS)
    write("two", MEETS)
    told: list[Any] = []
    rows = run(tmp_path, ["one", "two"], 2, told)
    cores = [rows[name]["cores"] for name in ("one", "two")]
    assert [len(each) for each in cores] == [1, 1]
    assert len({*cores[0], *cores[1]}) == min(2, len(os.sched_getaffinity(0)))
    assert {("one", 0, 1, None), ("one", 1, 1, None), ("two", 0, 1, None), ("two", 1, 1, None)} == set(told)
    # the same again: nothing is left to run, so nobody waits for the other
    (tmp_path / "one.begun").unlink()
    assert run(tmp_path, ["one"], 2, []) == {"one": rows["one"]}


def test_the_longest_begins_first_and_the_next_when_a_core_is_idle(write: Any, tmp_path: Path) -> None:
    for name, seconds in (("short", 1), ("long", 30), ("middle", 10)):
        write(name, seconds=seconds)
    rows = run(tmp_path, ["short", "long", "middle"], 1, [])
    assert sorted(rows, key=lambda name: rows[name]["begun"]) == ["long", "middle", "short"]


def test_one_that_fails_says_why_and_the_others_are_kept(write: Any, tmp_path: Path) -> None:
    write("good")
    write("bad", "raise ValueError('no such cell')", seconds=9)
    with pytest.raises(OSError, match=r"^bad: ValueError: no such cell$"):
        run(tmp_path, ["good", "bad"], 1, [])
    assert len(records.read(tmp_path / "good.jsonl")[0]) == 1


def test_lines_of_text_are_passed_on(write: Any, tmp_path: Path) -> None:
    write("one", "raise MemoryError('no room')")
    told: list[Any] = []
    assert run(tmp_path, ["one"], 1, told) == {"one": {"status": "oom", "reason": "no room"}}
    assert any("out of memory" in line for line in told if isinstance(line, str))


def test_what_is_measured_runs_last_and_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(side_by_side, "run", lambda names, *of: calls.append(("beside", names, of[2])))
    monkeypatch.setattr(runner, "run", lambda name, *_: calls.append(name))
    names = ["rank1_theory", "memory_speed", "rank1_time"]
    CliRunner().invoke(app.app, ["reproduce", *names, "--records", str(tmp_path), "--out", str(tmp_path)])
    cores = len(os.sched_getaffinity(0))
    beside = ["rank1_time", "rank1_theory"]
    assert calls == ([("beside", beside, cores), "memory_speed"] if cores > 1 else [*beside, "memory_speed"])
    for more in (["--workers", "1"], ["--size", "paper"], ["--workers", "3", "--records", str(tmp_path / "one.jsonl")]):
        calls.clear()
        CliRunner().invoke(app.app, ["reproduce", *names, "--records", str(tmp_path), "--out", str(tmp_path), *more])
        assert calls == ["rank1_time", "rank1_theory", "memory_speed"]  # in the paper's order, in this process


def test_a_signal_ends_all_that_run_side_by_side(write: Any, tmp_path: Path) -> None:
    write("one", f"{MEETS}\n    time.sleep(600)")
    write("two", f"{MEETS}\n    time.sleep(600)")
    files = {name: str(tmp_path / f"{name}.jsonl") for name in ("one", "two")}
    script = f"""
import pathlib
from drtrl_bench.paper import listing, side_by_side
from drtrl_bench.process import signals

listing.EXPERIMENTS = {listing.EXPERIMENTS!r}
files = {{name: pathlib.Path(path) for name, path in {files!r}.items()}}
told = dict.fromkeys(files, lambda *_: None)
signals.run(lambda: side_by_side.run(["one", "two"], "cpu", files, 2, told, print))
"""
    with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True) as process:
        marks = [tmp_path / f"{name}.begun" for name in files]
        deadline = time.monotonic() + 60
        while not all(mark.exists() and mark.read_text() for mark in marks):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, complaint = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM
    assert complaint == "interrupted by SIGTERM\n"
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{mark.read_text()}").exists() for mark in marks):
        assert time.monotonic() < deadline
        time.sleep(0.05)
