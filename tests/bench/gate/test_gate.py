"""The gate on real revisions: errors planted in a copy of the project, committed, and measured against the original."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.copies import ROOT, copied
from support.problems import needs

from drtrl_bench.gate import revisions, verdict

pytestmark = [pytest.mark.slow, needs("torch"), pytest.mark.xdist_group("torch"), pytest.mark.timeout(900)]
FILTER = ("-k", "torch", "-k", "drtrl", "-k", "lif_delta")


def git(*words: str, cwd: Path) -> None:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, *words], cwd=cwd, check=True, capture_output=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with the project as it is."""
    copied(tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)  # which tells a checkout from a wheel
    git("init", "-b", "main", cwd=tmp_path)
    commit(tmp_path)
    return tmp_path


def commit(project: Path) -> None:
    git("add", "-A", cwd=project)
    git("commit", "-m", "a change", "--allow-empty", cwd=project)


def plant(project: Path, file: str, old: str, new: str) -> None:
    path = project / file
    assert path.read_text().count(old) == 1
    path.write_text(path.read_text().replace(old, new))
    commit(project)


def compare(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {
        "PYTHONPATH": str(project),
        "COLUMNS": "100",
        "DRTRL_BENCH_CACHE": str(project.parent / "cache"),
    }
    command = [sys.executable, "-m", "drtrl_bench", "compare", "main~1", "main", "--gate", *words]
    return subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, check=False)


CALL = "return network_torch.gradient(bound, self.net, *self.arguments, chunk=self.chunk)"
SLOW = f"""import time; began = time.perf_counter()
        found = {CALL.removeprefix("return ")}
        took = time.perf_counter() - began
        while time.perf_counter() - began < 1.5 * took: pass
        return found"""


PLANTED = [
    ("bench/measure/backend_torch.py", CALL, SLOW, "slower"),
    ("bench/measure/backend_torch.py", CALL, f"kept = torch.zeros(20_000); {CALL}", "larger"),
    (
        "bench/measure/backend_torch.py",
        "for layer in problem.params]",
        "for layer in problem.params]\n        if dtype == 'float32': params[0]['x'] += 1e-3",
        "less exact",
    ),
    (
        "implementations/algorithms/approximate/drtrl_torch.py",
        "within[k] + execution.trace_step(",
        "1.001 * within[k] + execution.trace_step(",
        "wrong",
    ),
    (
        "implementations/algorithms/approximate/drtrl_torch.py",
        "within[k] + execution.trace_step(",
        "1 / 0 + turn(",
        "crashed",
    ),
    ("bench/registry.py", '"lif_delta": ("LIF", {"reset": "soft"}),', "", "vanished"),
]
"""File, text and what takes its place, and the verdict."""


@pytest.mark.parametrize(("file", "old", "new", "said"), PLANTED)
def test_a_planted_regression_is_caught(project: Path, file: str, old: str, new: str, said: str) -> None:
    plant(project, file, old, new)
    git("checkout", "--detach", "main~1", cwd=project)  # the harness that compares is the one from before
    done = compare(project, *FILTER)
    assert done.returncode == verdict.REGRESSION, done.stdout + done.stderr
    assert said in done.stdout


def test_no_change_is_no_regression(project: Path) -> None:
    commit(project)
    done = compare(project, *FILTER)
    assert done.returncode == verdict.OK, done.stdout + done.stderr
    assert "0 regressions" in done.stdout


def test_nothing_measured_fails(project: Path) -> None:
    plant(
        project,
        "implementations/algorithms/approximate/drtrl_torch.py",
        "within[k] + execution.trace_step(",
        "1 / 0 + turn(",
    )
    commit(project)
    assert compare(project, *FILTER).returncode == verdict.NOTHING


def test_a_shallow_clone_says_so(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    commit(project)
    shallow = tmp_path_factory.mktemp("shallow") / "clone"
    git("clone", "--depth", "1", f"file://{project}", str(shallow), cwd=project)
    done = compare(shallow, *FILTER)
    assert done.returncode == 2
    assert "shallow" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_where_a_change_left_main(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revisions, "ROOT", project)
    commit(project)
    assert revisions.base() == revisions.resolve("HEAD~1"), "on main itself: the commit before"
    git("checkout", "-b", "change", cwd=project)
    commit(project)
    commit(project)
    assert revisions.base() == revisions.resolve("main")
