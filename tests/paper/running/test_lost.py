"""Jobs that run out of memory: the run goes on, they are counted and not run again unasked, and nothing hides them."""

import itertools
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.pictures import text_of

from drtrl_bench.case import Case
from drtrl_bench.cli import reproduce
from drtrl_bench.paper import apart, listing, lost, records, reproduction, runner
from drtrl_bench.paper.drawing import every, names

SOURCE = """
import os, signal

ERRORS = {
    "python": MemoryError(),
    "numpy": MemoryError("Unable to allocate 9.00 GiB for an array"),
    "jax": RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9663676416 bytes.\\nmore"),
    "torch": RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"),
    "gpu": RuntimeError("CUDA out of memory. Tried to allocate 9.00 GiB"),
    "another": RuntimeError("shapes do not match"),
}
SIZES = {"cpu": ("none", "jax", "torch"), "paper": ("none", "killed", "python")}

def jobs(size):
    return [{"seed": seed, "neurons": 4000, "steps": 200, "error": error} for seed, error in enumerate(size)]

LEFT = []

def compute(job):
    LEFT.append(job)
    if job["error"] == "killed" or job["error"] == "second killed" and job["seed"] == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if job["error"] == "crowded" and len(LEFT) > 2:
        raise MemoryError
    if job["error"] in ERRORS:
        raise ERRORS[job["error"]]
    return [{"value": job["seed"], "process": os.getpid()}]
"""
SAID = {
    "python": "out of memory",
    "numpy": "Unable to allocate 9.00 GiB for an array",
    "jax": "RESOURCE_EXHAUSTED: Out of memory allocating 9663676416 bytes.",
    "torch": "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory",
    "gpu": "CUDA out of memory. Tried to allocate 9.00 GiB",
}
KILLED = "ended by the system for lack of memory, in: start"


@pytest.fixture
def greedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An experiment whose jobs run out of memory in every way, in a file that another process can import, too."""
    file, find = tmp_path / "greedy.py", runner.provenance.file_of
    file.write_text(SOURCE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(listing, "EXPERIMENTS", {"greedy": "greedy"})
    monkeypatch.setattr(runner.provenance, "file_of", lambda name: file if name == "greedy" else find(name))
    monkeypatch.setattr(runner.environment, "describe", lambda: {"cpu": "test", "env_hash": "e" * 16})
    monkeypatch.setattr(runner.environment, "checkout", lambda: {"commit": "c" * 40, "dirty": False})
    runner.texts.cache_clear()
    yield listing.module("greedy")
    runner.texts.cache_clear()


@pytest.fixture
def ends_for_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's count of processes that it ended for memory rises."""
    monkeypatch.setattr(apart.supervised, "oom_kills", itertools.count().__next__)


@pytest.mark.parametrize("error", SAID)
def test_every_way_to_run_out_of_memory_is_a_row(greedy: Any, error: str) -> None:
    assert lost.attempt(greedy.compute, {"error": error}) == [{"status": "oom", "reason": SAID[error]}]


def test_another_error_is_none_of_memory(greedy: Any) -> None:
    with pytest.raises(RuntimeError, match="shapes do not match"):
        lost.attempt(greedy.compute, {"error": "another"})


def test_the_run_goes_on_and_asks_again_only_if_told(greedy: Any, tmp_path: Path) -> None:
    path, said = tmp_path / "greedy.jsonl", []

    def run(retry: bool = False) -> list[Any]:
        runner.run("greedy", "cpu", path, lambda *_: None, said.append, retry)
        return [line["rows"][0].get("reason") for line in records.read(path)[0]]

    assert run() == [None, SAID["jax"], SAID["torch"]]
    assert said[0] == f"greedy: out of memory at N = 4000, T = 200: {SAID['jax']}; it goes on"
    assert len(run()) == 3
    assert run(retry=True) == [None, *[SAID["jax"], SAID["torch"]] * 2]
    assert len(said) == 4
    standing = reproduce.standing("greedy", "cpu", records.read(path)[0])
    assert standing.startswith("3 of 3 jobs done, 2 of them out of memory, ")


def test_at_the_papers_size_jobs_have_another_process(
    greedy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(greedy, "SIZES", {"cpu": ("none",), "paper": ("none",)})
    here = []
    for size in greedy.SIZES:
        path = tmp_path / f"{size}.jsonl"
        runner.run("greedy", size, path, lambda *_: None, print)
        here.append(records.read(path)[0][0]["rows"][0]["process"] == os.getpid())
    assert here == [True, False]


def test_a_process_that_the_system_ends_is_a_row_and_the_run_goes_on(
    greedy: Any, tmp_path: Path, ends_for_memory: None
) -> None:
    path = tmp_path / "greedy.jsonl"
    runner.run("greedy", "paper", path, lambda *_: None, print)
    first, *others = (line["rows"][0] for line in records.read(path)[0])
    assert first["value"] == 0
    assert others == [lost.row(KILLED), lost.row("out of memory")]


def processes(error: str) -> list[Any]:
    """The rows of three seeds, in which the process of each is told by a number."""
    found = [rows[0] for rows, _ in apart.each("greedy", [{"seed": seed, "error": error} for seed in range(3)])]
    known = list(dict.fromkeys(row["process"] for row in found if "process" in row))
    return [known.index(row["process"]) if "process" in row else row for row in found]


def test_seeds_share_a_process_until_the_system_ends_it(greedy: Any, ends_for_memory: None) -> None:
    assert processes("none") == [0, 0, 0]
    assert processes("second killed") == [0, lost.row(KILLED), 1]


def test_what_earlier_jobs_left_in_memory_is_not_held_against_a_job(greedy: Any) -> None:
    assert processes("crowded") == [0, 0, 1]


def test_what_is_done_is_kept_when_a_process_is_interrupted(greedy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*words: Any, **options: Any) -> None:
        whole(*words, **options)
        raise KeyboardInterrupt

    whole = apart.supervised.run
    monkeypatch.setattr(apart.supervised, "run", run)
    results = apart.each("greedy", [{"seed": 7, "error": "none"}])
    assert next(results)[0][0]["value"] == 7
    with pytest.raises(KeyboardInterrupt):
        next(results)


def test_who_ends_a_process_otherwise_stops_the_run(greedy: Any, tmp_path: Path) -> None:
    """Or what somebody stopped would pass for what memory does not hold."""
    said = re.escape("ended from outside (SIGKILL), not for memory; the same command goes on from here")
    with pytest.raises(apart.EndedError, match=said):
        runner.run("greedy", "paper", tmp_path / "greedy.jsonl", lambda *_: None, print)
    assert len(records.read(tmp_path / "greedy.jsonl")[0]) == 1


def test_an_error_of_a_process_is_known_by_its_last_words(greedy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    end = apart.supervised.Ended(
        -6, "terminate called after throwing an instance of\n  what():  std::bad_alloc", "start"
    )
    monkeypatch.setattr(apart.supervised, "run", lambda *_, **__: end)
    said = [lost.row("  what():  std::bad_alloc")]
    assert apart.rows("greedy", {}, Case(threads=1), print) == said
    assert [found for found, _ in apart.each("greedy", [{}])] == [said]


def test_where_memory_ran_out_is_said_by_what_tells_jobs_apart() -> None:
    jobs = [{"study": "sweeps", "neurons": N, "steps": 200, "seed": seed} for N in (10, 4000) for seed in (0, 1)]
    jobs += [{"neurons": 50, "steps": 9, "framework": framework} for framework in ("jax", "torch")]
    assert lost.told([jobs[2], jobs[3], jobs[5]], jobs) == {
        "sweeps": "N = 4000, T = 200 (2 of 4 jobs of sweeps)",
        "": "PyTorch, N = 50, T = 9 (1 of 2 jobs)",
    }


def committed(name: str, gone: Callable[[Any], bool], kept: Callable[[Any], bool] = lambda job: True) -> Any:
    """The rows of the committed results, as if memory had run out in some of their jobs."""
    lines, environments = records.read(Path(__file__).parents[3] / "results" / "paper" / f"{name}.jsonl")
    found = [line for line in records.newest(lines, name, runner.jobs_of(name, "cpu")) if kept(line["job"])]
    found = [line | {"rows": [lost.row("killed")]} if gone(line["job"]) else line for line in found]
    assert any(map(lost.ran_out, found))
    return records.frame(found, environments, "cpu")


def drawn(name: str, rows: Any) -> dict[str, str]:
    """Draw an experiment, and return the text of each figure."""
    figures = listing.module(name).figures(rows)
    assert list(figures) == names.names(name, rows)
    return {title: " ".join(text_of(figure).split()) for title, (figure, _) in figures.items()}


def test_figures_and_verdicts_of_a_sweep_without_its_largest_networks() -> None:
    """Of one model alone, so that the others have a point where it has none."""
    rows = committed(
        "weight_gradient",
        lambda job: (job["neurons"], job["cell"]) == (100, "alif_delta"),
        lambda job: job["study"] == "sweeps" and job["seed"] < 2,
    )
    where = "alif_delta, N = 100, T = 100 (2 of 56 jobs of sweeps)"
    assert rows.attrs["lost"] == {"sweeps": where}
    for text in drawn("weight_gradient", rows).values():
        assert f"left out, as it ran out of memory: {where}" in text
    assert f"; out of memory: {where}" in reproduction.run("weight_gradient", rows)[-2]
    assert not any("out of memory" in verdict.why for verdict in reproduction.judge("weight_gradient", rows))


def test_a_yes_without_some_of_its_jobs_is_open_and_a_no_stands() -> None:
    gone = committed("connectome", lambda job: job["neurons"] < 5000)
    whole = [verdict.outcome for verdict in listing.module("connectome").verdicts(gone)]
    assert whole == ["cannot be judged here", "not at reduced size", *["only at reduced size"] * 2]
    judged = reproduction.judge("connectome", gone)
    assert [each.outcome for each in judged] == ["cannot be judged here", whole[1], *["cannot be judged here"] * 2]
    assert judged[2].open_as == "some jobs ran out of memory"
    assert judged[1].why.startswith("ran out of memory at N = 1000 2000, T = 200 (21 of 26 jobs of fidelity); limit: ")
    assert judged[2].why.startswith("ran out of memory at N = 1000 2000, T = 200 (4 of 6 jobs of memory); limit: ")


@pytest.mark.parametrize(
    ("study", "figures"), [("fidelity", ["connectome_activity"]), ("memory", ["connectome", "connectome_activity"])]
)
def test_a_connectome_of_which_only_the_other_study_was_held(study: str, figures: list[str]) -> None:
    rows = committed("connectome", lambda job: job["study"] == study)
    assert list(drawn("connectome", rows)) == figures
    outcomes = {verdict.claim.study: verdict.outcome for verdict in reproduction.judge("connectome", rows)}
    assert outcomes[study] == "cannot be judged here"


def test_an_experiment_of_which_memory_held_nothing_is_open(tmp_path: Path) -> None:
    rows = committed("connectome", lambda job: True)
    judged = reproduction.judge("connectome", rows)
    assert {each.outcome for each in judged} == {"cannot be judged here"}
    assert judged[0].why.startswith("ran out of memory at N = 1000 2000 5000, T = 200 (26 of 26 jobs of fidelity)")
    assert every.of_experiment(("connectome", rows, tmp_path)) == names.names("connectome", rows) == []
    said = "| cannot be judged here: its jobs ran out of memory | nothing was measured | ran out of memory"
    assert said in reproduction.table([("connectome", rows, judged)])


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in listing.EXPERIMENTS if name != "memory_speed"])
def test_every_experiment_is_drawn_and_judged_without_what_takes_most(name: str) -> None:
    """The longest sequences and largest networks; of trainings those by BPTT, whose memory grows with the steps."""
    jobs = runner.jobs_of(name, "cpu")
    if "rule" in jobs[0]:
        rows = committed(name, lambda job: job["rule"] == "bptt" and job["framework"] == "jax")
    else:
        taken = {job.get("neurons", 0) * job.get("steps", 1) for job in jobs}
        largest = max(taken) if len(taken) > 1 else None
        rows = committed(
            name,
            lambda job: (
                job.get("cell") == jobs[0].get("cell") and job["seed"] == 0
                if largest is None
                else job.get("neurons", 0) * job.get("steps", 1) == largest
            ),
        )
    reproduction.judge(name, rows)
    drawn(name, rows)
