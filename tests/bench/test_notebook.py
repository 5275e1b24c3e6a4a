"""`run_case` and `run_plan`: the same numbers as the command's, as frames, and nothing of the caller is changed."""

import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.lines import environment as described
from support.lines import line, write
from support.problems import needs

import drtrl_bench
from drtrl_bench.case import Case, Plan
from drtrl_bench.measure import environment, runner
from drtrl_bench.plan import PlanError
from drtrl_bench.plugins import PluginError
from drtrl_bench.records import frames, reading

pytestmark = pytest.mark.xdist_group("torch")
SMALL: dict[str, Any] = {
    "framework": "torch",
    "cell": "gru",
    "dataset": "bernoulli",
    "features": 5,
    "neurons": 4,
    "batch": 2,
    "steps": 7,
    "chunk": 3,
    "threads": 1,
}
PLAN = """
budget_s = 0.01
[[grid]]
algorithm = ["drtrl", "bptt"]
framework = "torch"
cell = "gru"
dataset = "bernoulli"
features = 5
neurons = 4
batch = 2
steps = 7
chunk = [3, 0]
threads = 1
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRTRL_BENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Case, Plan]]:
    """What would have been measured; each case ends as `ok`, with a cosine of its own."""
    seen: list[tuple[Case, Plan]] = []

    def measure(case: Case, plan: Plan, folder: Path) -> dict[str, Any]:
        seen.append((case, plan))
        return {"status": "ok", "reason": None, "fidelity": {"overall": {"cosine": len(seen) / 100}}}

    monkeypatch.setattr(runner, "measure", measure)
    return seen


@needs("torch")
def test_a_case_is_measured_in_a_thread_and_its_frame_is_that_of_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a notebook's kernel may run it; only the main thread of a process may change how it takes signals."""
    monkeypatch.setenv("MPLBACKEND", "module://nothing.of.this.name")
    handlers = [signal.getsignal(ending) for ending in (signal.SIGINT, signal.SIGTERM)]
    before = dict(os.environ)
    path = tmp_path / "r.jsonl"
    with ThreadPoolExecutor(1) as thread:
        what: dict[str, Any] = {"algorithm": "drtrl", "records": path, "budget_s": 0.01, "progress": False, **SMALL}
        frame = thread.submit(lambda: drtrl_bench.run_case(**what)).result()
    assert frame[["algorithm", "status", "neurons"]].to_numpy().tolist() == [["drtrl", "ok", 4]]
    assert frame.loc[0, "time_s"] > 0 < frame.loc[0, "working_bytes"]
    pd.testing.assert_frame_equal(frame, drtrl_bench.load(path))
    assert list(frame.attrs["environments"]) == [environment.describe()["env_hash"]]
    assert [signal.getsignal(ending) for ending in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert dict(os.environ) == before


def test_a_notebooks_backend_does_not_reach_the_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    monkeypatch.setenv("HOME", "/somewhere")
    child = environment.child(Case())
    assert "MPLBACKEND" not in child
    assert child["HOME"] == "/somewhere"


def test_lists_make_a_grid_and_finished_cases_are_found_again(
    measured: list[tuple[Case, Plan]], tmp_path: Path
) -> None:
    def run(**changed: Any) -> pd.DataFrame:
        what = SMALL | {"algorithm": ("drtrl", "bptt"), "chunk": range(2, 4), "neurons": np.int64(6)} | changed
        return drtrl_bench.run_case(**what, records=tmp_path / "r.jsonl", progress=False, limit_s=7, budget_s=0.25)

    frame = run()
    assert {(c.algorithm, c.chunk, c.neurons) for c, _ in measured} == {
        ("drtrl", 2, 6),
        ("drtrl", 3, 6),
        ("bptt", 2, 6),
        ("bptt", 3, 6),
    }
    assert {(plan.limit_s, plan.budget_s, plan.rounds) for _, plan in measured} == {(7, 0.25, 1)}
    assert sorted(frame["cosine"]) == [0.01, 0.02, 0.03, 0.04]
    assert sorted(run()["cosine"]) == [0.01, 0.02, 0.03, 0.04]
    assert len(measured) == 4
    assert sorted(run(rounds=2)["cosine"]) == [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08]
    assert sorted(run(again=True)["cosine"]) == [0.09, 0.1, 0.11, 0.12]


def test_without_a_file_everything_is_measured_and_nothing_is_left(
    measured: list[tuple[Case, Plan]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        drtrl_bench.run_case(**SMALL, progress=False)
    assert len(measured) == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("how", ["path", "text", "object"])
def test_a_plan_is_a_path_or_an_object(how: str, measured: list[tuple[Case, Plan]], tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(PLAN)
    cases = tuple(Case(**SMALL | {"algorithm": a, "chunk": K}) for a in ("drtrl", "bptt") for K in (3, 0))
    plan = {"path": tmp_path / "own.toml", "text": str(tmp_path / "own.toml"), "object": Plan("own", "", cases)}[how]
    frame = drtrl_bench.run_plan(plan, progress=False)
    assert sorted(zip(frame["algorithm"], frame["chunk"], strict=True)) == [
        *(("bptt", 3), ("bptt", 7)),
        *(("drtrl", 3), ("drtrl", 7)),
    ]
    assert set(frame["plan"]) == {"own"}
    assert len(drtrl_bench.run_plan(plan, only=["drtrl", "K=7"], progress=False)) == 1
    assert len(drtrl_bench.run_plan(plan, only="bptt", progress=False)) == 2


def test_a_plan_of_the_project_is_called_by_name(measured: list[tuple[Case, Plan]]) -> None:
    frame = drtrl_bench.run_plan("quick", only=["rtrl", "jax", "T=64"], progress=False)
    assert frame[["algorithm", "framework", "steps", "plan"]].to_numpy().tolist() == [["rtrl", "jax", 64, "quick"]]


def test_progress_is_printed_or_not(measured: list[tuple[Case, Plan]], capsys: pytest.CaptureFixture[str]) -> None:
    drtrl_bench.run_case(**SMALL, progress=False)
    assert capsys.readouterr().out == ""

    def skipped(case: Case, plan: Plan, folder: Path) -> dict[str, Any]:
        return {"status": "skip", "reason": "made up"}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "measure", skipped)
        drtrl_bench.run_case(**SMALL)
    said = capsys.readouterr().out.splitlines()
    assert said == ["[1/1] drtrl torch gru leaky bernoulli T=7 K=3 N=4 B=2 L=1 float32 cpu", "    skip: made up"]


BAD: list[tuple[dict[str, Any], str]] = [
    (
        {"algorithm": "drtlr"},
        "run_case: arguments: algorithm 'drtlr': unknown; did you mean drtrl or rtrl or es_drtrl?",
    ),
    ({"neuron": 3}, "run_case: arguments: key 'neuron': unknown; did you mean neurons?"),
    ({"neurons": 0}, "run_case: arguments: neurons is 0; it must be a whole number from 1 to 1,000,000"),
    ({"neurons": 2.5}, "run_case: arguments: neurons is 2.5; it must be a whole number from 1 to 1,000,000"),
    ({"steps": []}, "run_case: arguments: steps is an empty list, which leaves no case"),
    ({"limit_s": 0}, "run_case: limit_s is 0; it must be a number above 0 and up to 604,800"),
    ({"limit_s": "3"}, "run_case: limit_s is '3'; it must be a number above 0 and up to 604,800"),
    ({"rounds": 0}, "run_case: rounds is 0; it must be a whole number from 1 to 10,000"),
    ({"rounds": 1.5}, "run_case: rounds is 1.5; it must be a whole number from 1 to 10,000"),
    ({"budget_s": -1}, "run_case: budget_s is -1; it must be a number from 0 to 604,800"),
    ({"budget_s": float("nan")}, "run_case: budget_s is nan; it must be a number from 0 to 604,800"),
]


@pytest.mark.parametrize(("what", "said"), BAD, ids=[str(what) for what, _ in BAD])
def test_what_cannot_be_run_is_one_line(what: dict[str, Any], said: str) -> None:
    with pytest.raises(PlanError, match=f"^{re.escape(said)}$"):
        drtrl_bench.run_case(**what)


def test_a_plan_that_cannot_be_run_is_one_line() -> None:
    with pytest.raises(PlanError, match=r"^plan 'quik': unknown; did you mean quick\?$"):
        drtrl_bench.run_plan("quik")
    with pytest.raises(PlanError, match=r"^no case of plan 'quick' matches -k drtlr: "):
        drtrl_bench.run_plan("quick", only=["drtlr"])
    with pytest.raises(PlanError, match=r"^run_plan: own: cell 'gruu': unknown; did you mean "):
        drtrl_bench.run_plan(Plan("own", "", (Case(cell="gruu"),)))
    with pytest.raises(PluginError, match=r"^plugin nothing\.py: no such file$"):
        drtrl_bench.run_plan("quick", plugins=["nothing.py"])


def test_what_measures_is_there_without_its_weight() -> None:
    code = (
        "import sys, drtrl_bench; assert {'load', 'run_case', 'run_plan'} <= set(dir(drtrl_bench)); "
        "assert 'drtrl_bench.measure.problem' not in sys.modules; from drtrl_bench import run_case, run_plan; "
        "print(run_case.__doc__.splitlines()[0]); "
        "print([name for name in ('jax', 'torch', 'pandas', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "Measure one case, or the grid that lists of values make, and return a frame with a row for each.",
        "[]",
    ]
    with pytest.raises(AttributeError, match="no attribute 'run_cases'"):
        _ = drtrl_bench.run_cases  # pyright: ignore[reportAttributeAccessIssue]


def test_an_interrupted_call_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, started = tmp_path / "r.jsonl", []

    def measure(case: Case, plan: Plan, folder: Path) -> dict[str, Any]:
        started.append(case.seed)
        if len(started) == 3:
            raise KeyboardInterrupt
        return {"status": "ok", "reason": None}

    monkeypatch.setattr(runner, "measure", measure)
    what = SMALL | {"seed": [0, 1, 2, 3], "records": path, "progress": False}
    with pytest.raises(KeyboardInterrupt):
        drtrl_bench.run_case(**what)
    assert len(reading.read(path)) == 2
    assert len(drtrl_bench.run_case(**what)) == 4
    assert sorted(started) == sorted([0, 1, 2, 3, started[2]])


def test_a_row_has_the_environment_that_its_record_names(tmp_path: Path) -> None:
    mine, other = line(Case(), env_hash="e2"), line(Case(seed=1))
    path = write(tmp_path, [mine, other], [described(), described("e2", cpu="Intel Xeon")])
    frame = frames.of_run([mine, other, line(Case(seed=2), env_hash="e3")], path)
    assert frame["processor"].tolist()[:2] == ["Intel Xeon", "AMD EPYC"]
    assert frame["processor"].isna().tolist() == [False, False, True]
