"""Running jobs: what is finished is not run again, what a job depends on is, and a job's rows are whole or absent."""

import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from drtrl_bench.paper import experiment, listing, records, runner

SOURCE = """
import math
from drtrl_bench.paper.measures import intervals

SIZES = {"cpu": 3}
FACTOR, UNUSED = 2, 5

def jobs(size):
    return [{"seed": seed} for seed in range(size)]

def compute(job: SIZES):
    return [{"value": scaled(job["seed"])}]

def scaled(value):
    return FACTOR * value

def verdicts(rows):
    return UNUSED
"""


@pytest.fixture
def doubling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An experiment of three jobs, whose module lies in a file that a test may change."""
    file, find = tmp_path / "doubling.py", runner.provenance.file_of
    file.write_text(SOURCE, encoding="utf-8")
    made: Any = types.ModuleType("doubling")
    exec(SOURCE, made.__dict__)
    made.file, made.calls, plain = file, [], made.compute
    made.compute = lambda job: made.calls.append(job["seed"]) or plain(job)
    monkeypatch.setitem(sys.modules, "doubling", made)
    monkeypatch.setattr(listing, "EXPERIMENTS", {"doubling": "doubling"})
    monkeypatch.setattr(runner.provenance, "file_of", lambda name: file if name == "doubling" else find(name))
    monkeypatch.setattr(runner.environment, "describe", lambda: {"cpu": "test", "env_hash": "e" * 16})
    monkeypatch.setattr(runner.environment, "checkout", lambda: {"commit": "c" * 40, "dirty": False})
    runner.texts.cache_clear()
    yield made
    runner.texts.cache_clear()


def run(path: Path) -> None:
    runner.texts.cache_clear()
    runner.run("doubling", "cpu", path, lambda *_: None, print)


def values(path: Path) -> list[float]:
    lines, _ = records.read(path)
    found = runner.finished("doubling", runner.jobs_of("doubling", "cpu"), lines)
    return [line["rows"][0]["value"] for line in found]


def test_all_jobs_are_run_once(doubling: Any, tmp_path: Path) -> None:
    path = tmp_path / "rows" / "doubling.jsonl"
    run(path)
    run(path)
    assert doubling.calls == [0, 1, 2]
    assert values(path) == [0, 2, 4]
    first, *rest = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert (first["kind"], [line["kind"] for line in rest]) == ("environment", ["result"] * 3)
    assert rest[1]["commit"] == "c" * 40
    assert rest[1]["duration_s"] >= 0
    assert rest[1]["cpu_s"] >= 0
    assert rest[1]["data"] == {"label": "drawn numbers (synthetic)", "synthetic": True, "fingerprint": None}


def test_an_interrupted_run_goes_on_where_it_stopped(
    doubling: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, whole = tmp_path / "doubling.jsonl", doubling.compute

    def stops(job: Any) -> Any:
        if job["seed"] == 1:
            raise KeyboardInterrupt
        return whole(job)

    monkeypatch.setattr(doubling, "compute", stops)
    with pytest.raises(KeyboardInterrupt):
        run(path)
    assert len(values(path)) == 1
    monkeypatch.setattr(doubling, "compute", whole)
    run(path)
    assert doubling.calls == [0, 1, 2]
    assert values(path) == [0, 2, 4]


def test_a_line_cut_short_is_removed_and_its_job_run_again(doubling: Any, tmp_path: Path) -> None:
    path = tmp_path / "doubling.jsonl"
    run(path)
    path.write_bytes(path.read_bytes()[:-20])
    assert len(values(path)) == 2
    run(path)
    assert doubling.calls == [0, 1, 2, 2]
    assert values(path) == [0, 2, 4]
    assert all(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize(
    ("old", "new", "again"),
    [
        ("return FACTOR * value", "return value * FACTOR", True),
        ("FACTOR, UNUSED = 2, 5", "FACTOR, UNUSED = 3, 5", True),
        ("return UNUSED", "return 0", False),
        ("return FACTOR * value", "return FACTOR * value  # twice", False),
        ('SIZES = {"cpu": 3}', 'SIZES = {"cpu": 3, "paper": 9}', False),
        ("import math\n", "import json\n", False),
    ],
)
def test_a_changed_source_reruns_what_depends_on_it(
    doubling: Any, tmp_path: Path, old: str, new: str, again: bool
) -> None:
    path = tmp_path / "doubling.jsonl"
    run(path)
    assert SOURCE.count(old) == 1
    doubling.file.write_text(SOURCE.replace(old, new), encoding="utf-8")
    run(path)
    assert doubling.calls == [0, 1, 2] * (1 + again)


def test_a_module_behind_compute_is_one_of_its_sources(doubling: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only once `compute` uses what is imported."""
    job = {"seed": 0}
    plain = runner.implementation_sha("doubling", job)
    doubling.file.write_text(SOURCE.replace("FACTOR * value", "intervals.median([value])"), encoding="utf-8")
    runner.texts.cache_clear()
    with_median = runner.implementation_sha("doubling", job)
    assert with_median != plain
    closure = runner.provenance.closure

    def edited(*modules: str) -> dict[str, Path]:
        files = closure(*modules)
        assert ("drtrl_bench.paper.measures.intervals" in files) == (len(modules) > 0)
        return {name: doubling.file if name.endswith("intervals") else file for name, file in files.items()}

    monkeypatch.setattr(runner.provenance, "closure", edited)
    runner.texts.cache_clear()
    assert runner.implementation_sha("doubling", job) != with_median


@pytest.mark.parametrize("name", listing.EXPERIMENTS)
def test_lists_captions_and_figures_are_no_sources(name: str) -> None:
    """Or each new experiment, and each word of a caption, would run all jobs again."""
    files = behind(name)
    assert not {"drtrl_bench.paper.experiment", "drtrl_bench.paper.report", "drtrl_bench.paper.runner"} & files
    assert not any(file.startswith(("drtrl_bench.figures", "drtrl_bench.paper.drawing")) for file in files)


def behind(name: str) -> set[str]:
    """The modules whose text decides the rows of an experiment, besides its own."""
    module = listing.EXPERIMENTS[name]
    path = runner.provenance.file_of(module)
    assert path is not None
    own = runner.used(path.read_text(encoding="utf-8"), "compute")
    imported = runner.provenance.imported(own, "drtrl_bench.paper")
    return set(runner.provenance.closure(*(each for each in imported if runner.provenance.file_of(each))))


RULES = ("exact.bptt", "approximate.drtrl", "approximate.es_drtrl", "approximate.no_trace")
TASKS = [name for name, module in listing.EXPERIMENTS.items() if ".tasks." in module]


@pytest.mark.parametrize("name", [*TASKS, "weight_gradient", "lag"])
def test_rules_and_cells_are_sources_of_what_compares_rules(name: str) -> None:
    """And all that a rule imports, as the trace and the blocks in which it is computed."""
    files = behind(name)
    needed = [f"algorithms.{rule}" for rule in RULES] + ["cells.cells", "engine.trace", "engine.blocks"]
    needed += ["algorithms.approximate.random_feedback", "training.fit"] if name in TASKS else []
    assert len(needed) > 6
    for each in needed:
        for framework in ("jax",) if name == "lag" else ("jax", "torch"):
            assert f"drtrl_bench.implementations.{each}_{framework}" in files


def test_how_trainings_are_listed_is_no_source_of_them() -> None:
    for name in TASKS:
        assert "drtrl_bench.paper.learning.listing" not in behind(name)
        assert "drtrl_bench.paper.learning.training_jax" in behind(name)


def test_the_rules_on_synapses_are_sources_of_the_connectome() -> None:
    files = behind("connectome")
    for rule in ("bptt", "drtrl", "es_drtrl"):
        for framework in ("jax", "torch"):
            assert f"drtrl_bench.implementations.sparse.{rule}_{framework}" in files


def test_the_cells_and_the_engine_are_sources_of_the_jacobians() -> None:
    files = behind("jacobian")
    for name in ("cells.cells_jax", "cells.cells_torch", "cells.spec", "engine.adjoint_jax", "engine.network_torch"):
        assert f"drtrl_bench.implementations.{name}" in files


def test_a_job_of_one_framework_does_not_depend_on_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    module = listing.EXPERIMENTS["jacobian"]
    runner.texts.cache_clear()
    for framework, other in (("jax", "torch"), ("torch", "jax")):
        texts = runner.texts(module, None, framework)
        assert any(f"import adjoint_{framework}" in each or f"adjoint_{framework} import" in each for each in texts)
        assert not any(f"import adjoint_{other}" in each or f"adjoint_{other} import" in each for each in texts)


def test_a_job_of_a_framework_that_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner.lookup, "missing", lambda name: f"{name} is not installed" if name == "torch" else None)
    jobs, said = [{"framework": "jax"}, {"framework": "torch"}, {}], []
    assert runner.possible(jobs, said.append) == [{"framework": "jax"}, {}]
    assert said == ["left out: torch is not installed"]


def test_a_number_that_is_none_is_no_row(doubling: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doubling, "compute", lambda job: [{"value": float("nan")}])
    with pytest.raises(ValueError, match="not JSON compliant"):
        run(tmp_path / "doubling.jsonl")


@pytest.mark.parametrize("name", listing.EXPERIMENTS)
def test_every_committed_line_is_read_and_of_a_job_of_today(name: str) -> None:
    """A result of numbers that no size has any more would lie beside a table in which nothing was run."""
    path = Path(__file__).parents[2] / "results" / "paper" / f"{name}.jsonl"
    if not path.exists():
        pytest.skip("not run yet, as the table says")
    results, environments = records.read(path)
    assert len(results) + len(environments) == len(path.read_text(encoding="utf-8").splitlines()) > 10
    assert {line["experiment"] for line in results} == {name}
    keys = {records.key_of(name, job) for size in experiment.SIZES for job in runner.jobs_of(name, size)}
    assert {line["job_key"] for line in results} <= keys
