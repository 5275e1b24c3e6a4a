"""Measure the jobs of a table one after the other, each in a process of its own, and write the table after each.

A row has the hash of its job, and that of its sources: what it depends on besides its job. A job that has a row of the
present sources is not measured again; rows of other sources stay in the file, and nothing is computed from them. A job
that fails, or runs out of memory, has a row as well: its status and the reason, without a cost. The network of jobs
that are left lies beside the table, and is removed after the last of them.
"""

import csv
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from time import perf_counter
from typing import Any

from drtrl_bench import provenance, registry
from drtrl_bench.case import Case, digest
from drtrl_bench.datasets.connectomes.generated import PAIRS
from drtrl_bench.experiments import brain_cost, brain_files
from drtrl_bench.experiments.loading import machine, say, write
from drtrl_bench.files import textfile
from drtrl_bench.measure import environment
from drtrl_bench.paper import apart, lost
from drtrl_bench.process import locks

Job = dict[str, Any]
Row = dict[str, Any]
MOST_BYTES = 2**20
"""The most bytes that a table of an earlier run may have."""
START_S, PAIR_S = 6.0, 1.2e-5
"""Seconds that a job takes, roughly, and those it takes more for each pair; a run corrects both by what it took."""


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Lock the folder of the tables, which is made if it is missing. Raises HeldError if another process has it.

    The folder and not a table: a table is replaced each time that it is written, and a lock stays with the old file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if not locks.acquire(opened, wait=False):
            advice = "wait until that has ended, or name another folder: --out"
            raise locks.HeldError(f"{folder} is being written by {locks.holder(opened)}; {advice}")
        yield
    finally:
        os.close(opened)


def read(path: Path) -> list[Row]:
    """Return the rows of a table, whose values are text; none if there is no table."""
    return list(csv.DictReader(StringIO(textfile.read(path, MOST_BYTES), newline=""))) if path.is_file() else []


def sources(module: str, framework: str, rule: str) -> str:
    """Return the hash of what a row depends on besides its job: the machine, the versions and the project's sources."""
    named = (f"experiments.{module}", *brain_cost.modules(framework, rule), registry.module_name(rule, framework))
    code = map(provenance.code_of, provenance.project_files(*named).values())
    return digest([environment.describe()["env_hash"], *code])


def identities(module: str, jobs: list[Job]) -> list[Row]:
    """Return the columns that tell whether a job is measured, for each: the hashes of the job and of its sources."""
    series = {(job["framework"], job["rule"]) for job in jobs}
    hashes = {each: sources(module, *each) for each in series}
    return [{"job": digest(job), "sources": hashes[job["framework"], job["rule"]]} for job in jobs]


def measure(module: str, job: Job, threads: int, folder: Path) -> Row:
    """Return the row of a job, measured in a process of its own; without a cost if that ends without one.

    folder: where the network of the job is kept.
    """
    case = Case(framework=job["framework"], threads=threads)
    try:
        network = brain_files.drawn(folder, job, case)
        (row,) = apart.rows(f"drtrl_bench.experiments.{module}", job | {"network": str(network)}, case, say)
    except apart.EndedError as error:
        row = {"status": "oom" if lost.LACKING.search(error.reason) else "error", "reason": error.reason}
    return job | {"status": "ok"} | row


def title(job: Job) -> str:
    """Name a job: its rule, framework, network, the rank of its factors if it trains those, and chunk."""
    network = f"{job['neurons']:,} neurons" if job["neurons"] else "FlyWire's neurons"
    network += f", rank {job['rank']}" if "rank" in job else ""
    return f"{job['rule']}, {job['framework']}, {network}, K = {job['chunk']}"


def expected_s(job: Job) -> float:
    """Return roughly the seconds that a job takes."""
    return START_S + PAIR_S * (job["pairs"] or PAIRS)


def left(jobs: list[Job], took: list[tuple[float, float]]) -> str:
    """Say how long jobs take, from the seconds that others were expected to take and took."""
    expected, taken = (sum(each) for each in zip(*took, strict=True)) if took else (1.0, 1.0)
    seconds = taken / expected * sum(map(expected_s, jobs))
    return f"about {seconds:.0f} s left" if seconds < 100 else f"about {seconds / 60:.0f} min left"


def table(
    path: Path, module: str, jobs: list[Job], threads: int, tell: Callable[[Row], str], retry: bool = False
) -> list[Row]:
    """Measure the jobs that have no row in the table yet, write it after each, and return its rows of these sources.

    tell: the function that says in a line what a row with a cost tells. retry: whether to measure those jobs again
    whose row has no cost.
    """
    rows = read(path)
    there = [next((row for row in rows if own.items() <= row.items()), None) for own in identities(module, jobs)]
    todo = [job for job, row in zip(jobs, there, strict=True) if row is None or (retry and row["status"] != "ok")]
    brain_files.remove_others(path.parent, todo)
    took: list[tuple[float, float]] = []
    for number, (job, row) in enumerate(zip(jobs, there, strict=True), 1):
        at, when = f"{number}/{len(jobs)}: ", ", as measured before"
        if job in todo:
            say(f"{at}{title(job)}: starts, {left(todo, took)}")
            (own,), origin = identities(module, [job]), machine()  # of what it starts with: it may take an hour
            start = perf_counter()
            row, when = measure(module, job, threads, path.parent) | own | origin, ""
            if row["status"] == "ok":
                took.append((expected_s(job), perf_counter() - start))
            todo.remove(job)
            rows = [each for each in rows if not own.items() <= each.items()] + [row]
            write(path, rows)
            brain_files.remove_others(path.parent, todo)
        assert row is not None
        say(at + (tell(row) if row["status"] == "ok" else f"{title(job)}: {row['status']}: {row['reason']}") + when)
    now = {own["sources"] for own in identities(module, jobs)}
    return [row for row in rows if row.get("sources") in now]
