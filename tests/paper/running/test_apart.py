"""Jobs that are computed in a process of their own: their rows, their sources, and how such a process may end."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from drtrl_bench.case import Case
from drtrl_bench.paper import apart, listing, runner
from drtrl_bench.paper.studies import rank1_theory
from drtrl_bench.process.supervised import Ended

CASE = Case(threads=1)
MODULE = "drtrl_bench.paper.studies.rank1_theory"
JOB: dict[str, Any] = rank1_theory.jobs(rank1_theory.Size(R=20, m=3, n=2, cells_p=2, cells_sigma=2, seeds=1))[0]


def test_rows_are_those_of_compute_and_come_from_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    expected = rank1_theory.compute(JOB)
    monkeypatch.setattr(rank1_theory, "compute", lambda job: pytest.fail("it was computed here"))
    assert apart.rows(MODULE, JOB, CASE, said.append) == expected
    assert said == []


def test_a_job_that_fails_says_why_in_one_line() -> None:
    said = f"a job of {MODULE} ended in start: KeyError: 'seed'; the same command goes on"
    with pytest.raises(apart.EndedError, match=said) as ended:
        apart.rows(MODULE, {"drawn": "bernoulli"} | {k: v for k, v in JOB.items() if k != "seed"}, CASE, print)
    assert isinstance(ended.value, OSError)
    assert ended.value.reason == "KeyError: 'seed', in: start"


def test_a_process_that_the_system_ends_for_memory_has_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    end = Ended(-9, "", "timing", for_memory=True)
    monkeypatch.setattr(apart.supervised, "run", lambda *_, **__: end)
    (row,) = apart.rows(MODULE, JOB, CASE, print)
    assert row == {"status": "oom", "reason": "ended by the system for lack of memory, in: timing"}


def test_what_a_case_names_is_a_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The algorithm's module is named by the registry alone."""
    module = SimpleNamespace(case=lambda job: Case(algorithm=job["rule"], dataset="bernoulli"))
    monkeypatch.setitem(sys.modules, "timed", module)  # type: ignore[arg-type]
    monkeypatch.setattr(listing, "EXPERIMENTS", {"timed": "timed"})
    monkeypatch.setattr(runner, "texts", lambda *_: ("same",))
    runner.texts_of_case.cache_clear()
    before = {rule: runner.implementation_sha("timed", {"rule": rule}) for rule in ("drtrl", "es_drtrl")}
    assert before["drtrl"] != before["es_drtrl"]
    sources = runner.provenance.sources

    def edited(*names: str) -> dict[str, Path]:
        here = tmp_path / "edited.py"
        here.write_text("other", encoding="utf-8")
        return {name: here if name.endswith(".es_drtrl_jax") else path for name, path in sources(*names).items()}

    monkeypatch.setattr(runner.provenance, "sources", edited)
    runner.texts_of_case.cache_clear()
    assert runner.implementation_sha("timed", {"rule": "drtrl"}) == before["drtrl"]
    assert runner.implementation_sha("timed", {"rule": "es_drtrl"}) != before["es_drtrl"]
    runner.texts_of_case.cache_clear()


def test_only_an_experiment_with_a_case_is_computed_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "rows", lambda module, job, case, say: [{"apart": (module, case.algorithm)}])
    job = {"algorithm": "drtrl", "framework": "jax", "steps": 10}
    answer = [{"apart": ("drtrl_bench.paper.studies.memory_speed", "drtrl")}]
    assert runner.rows_of("memory_speed", job, print) == answer
    assert runner.rows_of("rank1_theory", JOB, print) == rank1_theory.compute(JOB)


def test_seconds_of_a_process_apart_count(monkeypatch: pytest.MonkeyPatch) -> None:
    before = apart.cpu_seconds()
    apart.rows(MODULE, JOB, CASE, print)
    assert apart.cpu_seconds() - before > 0.1  # to import NumPy alone
