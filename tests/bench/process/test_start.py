"""A process of the project imports the project's own files: not the current folder's, and not another clone's."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from support.copies import ROOT, copied
from support.problems import needs

from drtrl_bench import data, start
from drtrl_bench.case import Case, Plan
from drtrl_bench.gate import revisions
from drtrl_bench.measure import runner
from drtrl_bench.records.record import Record

pytestmark = pytest.mark.xdist_group("torch")
SMALL = Case(
    dataset="bernoulli",
    features=5,
    framework="torch",
    cell="leaky_rnn",
    neurons=4,
    batch=2,
    steps=7,
    chunk=3,
    threads=1,
)
FOREIGN = "raise SystemExit('foreign: ' + __file__)\n"
NAMES = ("random.py", "torch.py", "numpy.py", "bench/__init__.py", "bench/__main__.py", "drtrl_bench/__init__.py")
"""What may lie in a user's folder and is called like something that is imported."""


def trap(folder: Path, *names: str) -> Path:
    """A folder of files that end whoever imports them."""
    for name in names or NAMES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(FOREIGN, encoding="utf-8")
    return folder


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with such files in it."""
    here = trap(tmp_path / "here")
    monkeypatch.chdir(here)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setenv("DRTRL_BENCH_CACHE", str(tmp_path / "cache"))
    return here


def measured(tmp_path: Path, case: Case = SMALL) -> Record:
    plan = Plan("p", "", (case,), limit_s=90, budget_s=0.01)
    (found,) = runner.run(plan, tmp_path / "r.jsonl", lambda text, line: None)
    return found


@needs("torch")
def test_a_case_is_measured_wherever_the_user_stands(
    foreign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep)  # an empty word stands for the current folder
    found = measured(tmp_path)
    assert found["status"] == "ok", found["reason"]


def clone(to: Path) -> Path:
    """A copy of the project in which D-RTRL is wrong."""
    to.mkdir()
    path = copied(to) / "implementations/algorithms/approximate/drtrl_torch.py"
    source, right = path.read_text(encoding="utf-8"), "within[k] + execution.trace_step("
    assert source.count(right) == 1
    path.write_text(source.replace(right, f"2 * {right}"), encoding="utf-8")
    return to


@needs("torch")
def test_the_clone_that_is_run_is_the_one_that_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not the one in which the user stands, or which PYTHONPATH names."""
    other = clone(tmp_path / "clone")
    monkeypatch.setenv("PYTHONPATH", str(other))
    monkeypatch.setenv("DRTRL_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(other)
    found = measured(tmp_path)
    assert found["status"] == "ok", found["reason"]


def test_a_command_is_the_one_of_its_files(foreign: Path, tmp_path: Path) -> None:
    """Run as a command: of a copy that calls itself otherwise, and of this one."""
    copy = copied(tmp_path)
    version = (copy / "bench" / "__init__.py").read_text(encoding="utf-8")
    (copy / "bench" / "__init__.py").write_text(version.replace('"0.1.0"', '"9.9.9"'), encoding="utf-8")
    said = []
    for command in (
        start.command("drtrl_bench", "--version"),
        [sys.executable, "-P", str(copy / "drtrl_bench" / "start.py"), "drtrl_bench", "--version"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        said.append(done.stdout)
    assert said == ["drtrl-bench 0.1.0\n", "drtrl-bench 9.9.9\n"]


@needs("torch")
def test_a_revision_is_measured_wherever_the_user_stands(foreign: Path, tmp_path: Path) -> None:
    """By the files of its own folder, although the user's lie in the way."""
    tree, folder = clone(tmp_path / "tree"), tmp_path / "folder"
    folder.mkdir()
    (found,) = revisions.measure_once(tree, SMALL, Plan("p", "", (), limit_s=90, budget_s=0.01), folder, print)
    assert found["status"] == "wrong", found["reason"]


ONCE = """
import json, sys
from pathlib import Path
from drtrl_bench.gate import revisions
from drtrl_bench.case import Case, Plan

case, folder = Case(**json.loads(sys.argv[1])), Path(sys.argv[2])
plan = Plan("p", "", (), limit_s=90, budget_s=0.01)
print(revisions.measure_once(revisions.ROOT, case, plan, folder, print)[0]["status"])
"""


@needs("torch")
def test_what_else_lies_in_the_checkout_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`compare HEAD~1` measures the checkout as it is, where users keep files of their own."""
    checkout = clone(tmp_path / "checkout")
    trap(checkout, "random.py", "torch.py", "numpy.py")
    (checkout / "bench" / "once.py").write_text(ONCE, encoding="utf-8")
    monkeypatch.chdir(checkout)
    monkeypatch.setenv("DRTRL_BENCH_CACHE", str(tmp_path / "cache"))
    words = ["drtrl_bench.once", json.dumps(asdict(SMALL)), str(tmp_path)]
    command = [sys.executable, "-P", str(checkout / "drtrl_bench" / "start.py"), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "wrong\n"), done.stderr


def test_the_speakers_of_a_stand_in_import_nothing_foreign(foreign: Path) -> None:
    speech: Any = data.module("stand_ins.speech")
    with speech.worker() as process:
        process.communicate("")
    assert process.returncode == 0


STARTERS: dict[str, Callable[[], list[str]]] = {
    "case": lambda: start.command("drtrl_bench.measure.worker"),
    "checkout": lambda: revisions.harness(revisions.ROOT, "run"),
    "revision": lambda: revisions.harness(ROOT / "elsewhere", "run"),
}


@pytest.mark.parametrize("name", STARTERS)
def test_every_process_is_started_safely(name: str) -> None:
    assert STARTERS[name]()[:2] == [sys.executable, "-P"]
