"""Runs with real children: what ends as which row, what is run again, and what never carries a number."""

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.copies import copied
from support.problems import FRAMEWORKS, needs

from drtrl_bench import lookup, provenance, registry, start
from drtrl_bench.case import Case, Plan
from drtrl_bench.measure import environment, problem, refusal, runner
from drtrl_bench.process.supervised import Ended
from drtrl_bench.records import reading

pytestmark = pytest.mark.xdist_group("torch")
SMALL = Case(dataset="bernoulli", features=5, cell="leaky_rnn", neurons=4, batch=2, steps=7, chunk=3, threads=1)
ROOT = Path(__file__).resolve().parents[3]


def run(path: Path, *cases: Case, limit_s: float = 90.0) -> list[Any]:
    plan = Plan("p", "", cases, limit_s=limit_s, budget_s=0.01)
    return runner.run(plan, path, lambda text, line: None)


def no_children(*arguments: Any, **options: Any) -> None:
    raise AssertionError("a finished case was started again")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRTRL_BENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.mark.parametrize("child", [pytest.param(f, marks=needs(f)) for f in FRAMEWORKS])
def test_a_measured_row_has_everything_and_is_not_run_again(
    child: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.jsonl"
    case = replace(SMALL, framework=child)
    (line,) = run(path, case)
    assert line["status"] == "ok", line["reason"]
    assert line["gate"]["error"] < line["gate"]["limit"] == 1e-10
    assert len(line["time"]["samples_s"]) >= 5
    assert line["time"]["median_s"] > 0 < line["time"]["forward_s"]
    assert line["memory"]["working_bytes"] > 0 < line["memory"]["analytic_bytes"]
    assert set(line["fidelity"]["per_parameter"]) == {"layer0.x", "layer0.r", "layer0.b", "readout.x"}
    assert set(line["fidelity"]["per_layer"]) == {"layer0", "readout"}
    assert line["data"] == {"label": "bernoulli (synthetic)", "synthetic": True, "fingerprint": None}
    assert [r["environment"]["env_hash"] for r in reading.read(path)] == [line["env_hash"]]

    monkeypatch.setattr(runner, "measure", no_children)
    assert run(path, case) == [line]
    monkeypatch.setattr(runner, "implementation_sha", lambda case: "changed")
    with pytest.raises(AssertionError, match="started again"):
        run(path, case)


def test_another_machine_measures_again_and_is_described_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, started = tmp_path / "r.jsonl", []

    def measure(case: Case, plan: Plan, folder: Path) -> dict[str, Any]:
        started.append(case.seed)
        return {"status": "ok", "reason": None}

    def on(machine: str, *cases: Case) -> list[str]:
        """The machines of the records that a run on one of them returns."""
        described = {"env_hash": f"hash of {machine}", "cpu": machine, "versions": {}}
        monkeypatch.setattr(environment, "describe", lambda: described)
        return [line["env_hash"] for line in run(path, *cases)]

    monkeypatch.setattr(runner, "measure", measure)
    other = replace(SMALL, seed=1)
    assert on("one", SMALL) == ["hash of one"]
    assert on("two", SMALL) == ["hash of two"]
    assert on("two", SMALL) == ["hash of two"]
    assert on("one", SMALL) == ["hash of one"]
    assert started == [0, 0], "each machine measures once"
    assert sorted(on("two", SMALL, other)) == ["hash of two"] * 2
    assert started == [0, 0, 1]
    assert [(r["env_hash"], r["environment"]["cpu"]) for r in reading.read(path)] == [
        ("hash of one", "one"),
        ("hash of two", "two"),
        ("hash of two", "two"),
    ]
    assert [line["cpu"] for line in reading.lines(path) if line["kind"] == "environment"] == ["one", "two"]


@pytest.mark.parametrize(
    ("ended", "again"),
    [
        *(({"status": status}, False) for status in ("ok", "skip", "wrong", "oom", "timeout")),
        ({"status": "error"}, True),
        ({"status": "oom", "refused": True}, True),
        ({"status": "oom", "refused": False}, False),
    ],
)
def test_what_would_end_the_same_is_not_run_again(
    ended: dict[str, Any], again: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Case] = []
    monkeypatch.setattr(runner, "measure", lambda case, *_: started.append(case) or ended | {"reason": "made up"})
    for _ in range(2):
        run(tmp_path / "r.jsonl", SMALL)
    assert len(started) == 1 + again


def test_each_round_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "measure", lambda case, plan, folder: {"status": "ok", "reason": None})
    started: list[str] = []
    for rounds in (1, 3, 3):
        plan = Plan("p", "", (SMALL,), rounds=rounds)
        found = runner.run(plan, tmp_path / "r.jsonl", lambda text, line: started.append(text) if text else None)
        assert sorted(line["round"] for line in found) == list(range(rounds))
    assert len(started) == len(reading.read(tmp_path / "r.jsonl")) == 3


def test_a_record_names_the_run_and_the_files_that_it_is_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "measure", lambda case, plan, folder: {"status": "timeout", "reason": "made up"})
    monkeypatch.setattr(runner.data, "fingerprint", lambda name: f"files of {name}")
    cases = [replace(SMALL, seed=i) for i in range(3)]
    first = run(tmp_path / "r.jsonl", *cases[:2])
    both = run(tmp_path / "r.jsonl", *cases)
    assert {line["data"]["fingerprint"] for line in both} == {"files of bernoulli"}
    assert len({line["run"] for line in first}) == 1
    assert [line["run"] == first[0]["run"] for line in sorted(both, key=lambda line: line["case"]["seed"])] == [
        True,
        True,
        False,
    ]


def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, cases, started = tmp_path / "r.jsonl", [replace(SMALL, seed=i) for i in range(4)], []

    def measure(case: Case, plan: Plan, folder: Path) -> dict[str, Any]:
        started.append(case.seed)
        if len(started) == 3:
            raise KeyboardInterrupt
        return {"status": "error" if len(started) == 1 else "timeout", "reason": "made up"}

    monkeypatch.setattr(runner, "measure", measure)
    with pytest.raises(KeyboardInterrupt):
        run(path, *cases)
    failed, kept, interrupted = started
    started[:] = [-1, -1, -1]
    assert len(run(path, *cases)) == 4
    assert kept not in started
    assert {failed, interrupted} <= set(started), "an error is tried again"


def test_order_is_shuffled_anew_in_every_round_and_the_same_next_time() -> None:
    plan = Plan("p", "", tuple(replace(SMALL, seed=i) for i in range(12)), rounds=2)
    first, second = ([c.seed for n, c in runner.schedule(plan) if n == number] for number in (0, 1))
    assert sorted(first) == sorted(second) == list(range(12))
    assert first != second
    assert runner.schedule(plan) == runner.schedule(plan)
    assert runner.schedule(replace(plan, order_seed=1)) != runner.schedule(plan)


@needs("torch")
def test_too_slow_is_a_row(tmp_path: Path) -> None:
    (line,) = run(tmp_path / "r.jsonl", replace(SMALL, framework="torch"), limit_s=0.2)
    assert (line["status"], line["time"]) == ("timeout", {})
    assert "0.2 s" in line["reason"]


def test_a_case_that_was_too_slow_is_tried_again_with_more_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, started = tmp_path / "r.jsonl", []

    def measure(case: Case, plan: Plan, folder: Path) -> dict[str, Any]:
        started.append(plan.limit_s)
        return {"status": "timeout", "reason": "made up"}

    monkeypatch.setattr(runner, "measure", measure)
    for limit_s in (1.0, 1.0, 0.5, 2.0):
        run(path, SMALL, limit_s=limit_s)
    assert started == [1.0, 2.0]


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 torn", "pickle"])
def test_a_damaged_problem_is_made_again_and_never_unpickled(damage: bytes | str, tmp_path: Path) -> None:
    path = problem.prepared(SMALL, tmp_path)
    whole = problem.read(path)
    if isinstance(damage, bytes):
        path.write_bytes(damage)
    else:
        with np.load(path) as stored:
            arrays = dict(stored)
        arrays["inputs"] = np.array([Trap(tmp_path / "sprung")], dtype=object)
        np.savez(path, **arrays)  # pyright: ignore[reportArgumentType]
    assert problem.prepared(SMALL, tmp_path) == path
    np.testing.assert_array_equal(problem.read(path).inputs, whole.inputs)
    assert not (tmp_path / "sprung").exists()


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@needs("torch")
def test_impossible_size_is_refused_with_the_number(tmp_path: Path) -> None:
    (line,) = run(tmp_path / "r.jsonl", replace(SMALL, algorithm="rtrl", neurons=5000, framework="torch"))
    assert line["status"] == "oom"
    assert "GiB available" in line["reason"]
    assert line["memory"] == {}


@needs("torch")
def test_a_refusal_for_memory_is_reconsidered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, case = tmp_path / "r.jsonl", replace(SMALL, framework="torch")
    with monkeypatch.context() as little:
        little.setattr(refusal, "available_bytes", lambda: 2**20)
        (line,) = run(path, case)
        assert (line["status"], line["refused"]) == ("oom", True)
    (line,) = run(path, case)
    assert line["status"] == "ok"


@needs("torch")
def test_more_threads_than_cores_is_a_row(tmp_path: Path) -> None:
    (line,) = run(tmp_path / "r.jsonl", replace(SMALL, framework="torch", threads=4096))
    assert line["status"] == "skip"
    assert "4096 threads" in line["reason"]
    assert "set threads" in line["reason"]


@needs("torch")
def test_an_unsolved_problem_is_tried_once_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [replace(SMALL, dataset="digits", features=7, framework="torch", chunk=K) for K in (1, 2)]
    started: list[str] = []
    child = runner.child

    def counted(module: str, *arguments: Any) -> dict[str, Any]:
        started.append(module)
        return child(module, *arguments)

    monkeypatch.setattr(runner, "child", counted)
    lines = run(tmp_path / "r.jsonl", *cases)
    assert {line["status"] for line in lines} == {"error"}
    assert all("its float64 reference" in line["reason"] for line in lines)
    assert started == ["drtrl_bench.measure.problem"], "once, and no case of it is measured"


@needs("torch")
def test_a_case_that_is_too_slow_says_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import time; print('stage: timing', flush=True); time.sleep(60)"
    instead_of_measuring(code, monkeypatch)
    (line,) = run(tmp_path / "r.jsonl", replace(SMALL, framework="torch"), limit_s=2)
    assert line["reason"] == "stopped after 2 s, in: timing"


@pytest.mark.parametrize("code", ["import os; os.kill(os.getpid(), 6)", "1 / 0"])
def test_a_child_that_dies_is_a_row(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    instead_of_measuring(code, monkeypatch)
    (line,) = run(tmp_path / "r.jsonl", replace(SMALL, framework="torch"))
    assert line["status"] == "error"
    assert ("ZeroDivisionError" if "/" in code else "SIGABRT") in line["reason"]


def test_ended_by_another_signal_says_which() -> None:
    assert runner.outcome(Ended(-signal.SIGSEGV, ""))[1].startswith("ended by SIGSEGV")


def test_the_reason_of_an_error_is_its_exception() -> None:
    """Not the last line of a long message, nor what JAX says about tracebacks after it."""
    log = """stage: timing
Traceback (most recent call last):
  File "x.py", line 3, in advance
ValueError: an older one

During handling of the above exception, another exception occurred:

jax.errors.ScanTypeError: scan carry input and output must have the same structure,
  the input has 2 leaves
--------------------
For simplicity, JAX has removed its internal frames from the traceback of the following exception.
"""
    expected = "jax.errors.ScanTypeError: scan carry input and output must have the same structure,"
    assert runner.outcome(Ended(1, log)) == ("error", expected)
    assert runner.outcome(Ended(1, "usage: x\nno such option")) == ("error", "no such option")
    assert runner.outcome(Ended(1, "")) == ("error", "no output")


def instead_of_measuring(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The measuring child runs `code`."""
    real = runner.command

    def other(module: str) -> list[str]:
        return [sys.executable, "-c", code] if module == "drtrl_bench.measure.worker" else real(module)

    monkeypatch.setattr(runner, "command", other)


REPORTING = """
import json, os, sys
from drtrl_bench.measure import worker

def measure(case, whole, budget_s):
    import torch
    from drtrl_bench.measure import backend_torch
    backend_torch.Backend(case, whole, case.dtype)
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "JAX_PLATFORMS", "CUDA_VISIBLE_DEVICES")
    said = {name: os.environ.get(name) for name in names}
    said |= {"torch": torch.get_num_threads(), "budget_s": budget_s}
    said["cores"] = " ".join(map(str, sorted(os.sched_getaffinity(0))))
    return {"status": "ok", "reason": None, "time": said}

worker.measure = measure
worker.main()
"""


@needs("torch")
@pytest.mark.parametrize("threads", [1, 2])
def test_a_child_has_the_threads_that_the_case_asks_for(
    threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the measuring process itself sees it, whatever the environment says."""
    mine = sorted(os.sched_getaffinity(0))
    if threads > len(mine):
        pytest.skip(f"this process may use {len(mine)} cores")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("JAX_PLATFORMS", "tpu")
    instead_of_measuring(REPORTING, monkeypatch)
    (line,) = run(tmp_path / "r.jsonl", replace(SMALL, framework="torch", threads=threads))
    assert line["status"] == "ok", line["reason"]
    asked = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), "JAX_PLATFORMS": "cpu"}
    asked |= {"CUDA_VISIBLE_DEVICES": "", "torch": threads, "budget_s": 0.01}
    assert line["time"] == {**asked, "cores": " ".join(map(str, mine[:threads]))}
    assert line["case"]["threads"] == threads


def with_edit(folder: Path, monkeypatch: pytest.MonkeyPatch, file: str, old: str, new: str) -> None:
    """Children import a copy of the implementations with one edit."""
    copied(folder)
    source = (folder / "implementations" / file).read_text()
    assert source.count(old) == 1
    (folder / "implementations" / file).write_text(source.replace(old, new))
    monkeypatch.setattr(start, "HERE", folder / "drtrl_bench")


@needs("torch")
@pytest.mark.parametrize("factor", ["1.000001", "float('nan')", "float('inf')"])
def test_a_wrong_gradient_has_no_time_and_no_memory(
    factor: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_edit(
        tmp_path,
        monkeypatch,
        "algorithms/approximate/drtrl_torch.py",
        "within[k] + execution.trace_step(",
        f"{factor} * within[k] + execution.trace_step(",
    )
    (line,) = run(tmp_path / "r.jsonl", replace(SMALL, framework="torch"))
    assert line["status"] == "wrong", line["reason"]
    assert "gradient check" in line["reason"]
    assert line["time"] == line["memory"] == line["fidelity"] == {}
    assert json.loads(json.dumps(line, allow_nan=False)) == line


@needs("torch")
def test_what_float64_cannot_have_is_compared_in_float32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trace in bfloat16 has a way of its own to move, where LIF neurons have one state."""
    stored = replace(SMALL, framework="torch", cell="lif_delta", trace_dtype="bfloat16", chunk=4, scale_x=30.0)
    (right,) = run(tmp_path / "right.jsonl", stored)
    assert right["status"] == "ok", right["reason"]
    assert 0 < right["gate"]["plain_error"] < right["gate"]["plain_limit"]
    with_edit(tmp_path, monkeypatch, "engine/trace_torch.py", "eps_b.copy_(updated)", "eps_b.copy_(0.9 * updated)")
    (wrong,) = run(tmp_path / "wrong.jsonl", stored)
    assert wrong["status"] == "wrong", "the gate in float64 does not go that way"
    assert "off the plain gradient" in wrong["reason"]
    assert wrong["time"] == wrong["memory"] == wrong["fidelity"] == {}


@needs("jax")
def test_a_silent_network_is_wrong_and_says_what_to_do(tmp_path: Path) -> None:
    (line,) = run(tmp_path / "r.jsonl", replace(SMALL, cell="lif_delta", scale_x=0.0001, framework="jax"))
    assert line["status"] == "wrong"
    assert "scale_x" in line["reason"]
    assert line["time"] == {}


@needs("torch")
def test_a_problem_that_cannot_be_drawn_is_a_row(tmp_path: Path) -> None:
    (line,) = run(tmp_path / "r.jsonl", replace(SMALL, dataset="digits", features=7, framework="torch"))
    assert line["status"] == "error"
    assert "512 input lines, not 7" in line["reason"]


def test_every_name_of_the_registry_exists() -> None:
    for name in registry.ALGORITHMS:
        for framework in FRAMEWORKS:
            assert provenance.sources(name, framework, "digits")
    for cell in registry.CELLS:
        assert len(lookup.network(cell, "leaky", 2)) == 3


@needs("torch")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("algorithm", "steps", "chunk"),
    [
        ("drtrl", 45, 20),  # of two blocks, and a last one of a few steps
        ("bptt", 20, 20),
        ("rtrl", 6, 2),
        ("drtrl_window", 6, 2),
        ("random_feedback", 6, 2),
        ("es_drtrl", 6, 2),
        ("bptt_checkpointed", 6, 6),
        ("bptt_native", 20, 20),
    ],
)
def test_a_compiled_case_is_measured(algorithm: str, steps: int, chunk: int, tmp_path: Path) -> None:
    case = replace(SMALL, framework="torch", algorithm=algorithm, mode="compile", steps=steps, chunk=chunk)
    (line,) = run(tmp_path / "r.jsonl", case, limit_s=500)
    assert line["status"] == "ok", line["reason"]
    assert line["time"]["phases"]["compile_s"] > 0


def test_a_child_gets_the_seconds_of_its_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs: dict[str, Any] = {}

    def child(module: str, job: dict[str, Any], case: Case, limit_s: float, folder: Path) -> dict[str, Any]:
        jobs[module] = job | {"limit_s": limit_s}
        return {"problem": "solved"}

    monkeypatch.setattr(runner, "child", child)
    monkeypatch.setattr(runner, "refusal", lambda case: None)
    runner.measure(SMALL, Plan("p", "", (SMALL,), limit_s=7.0, budget_s=0.125), tmp_path)
    assert jobs["drtrl_bench.measure.worker"] == {"problem": "solved", "budget_s": 0.125, "limit_s": 7.0}


def test_cores_are_those_that_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container or under taskset there are fewer than the machine has."""
    monkeypatch.setattr(environment.os, "sched_getaffinity", lambda _: {1, 4, 6})
    monkeypatch.setattr(environment.os, "cpu_count", lambda: 64)
    assert environment.describe()["cores"] == 3
