"""Runs the jobs of an experiment that have no result yet, and appends a result for each.

A job has a result if its file has one of the same job, the same sources and the same data: so an interrupted run goes
on where it stopped, and a changed implementation reruns what depends on it. The sources of a job are `compute`, what it
uses of its own module, and the modules that these import, without comments and docstrings; figures and verdicts are
none of them. Where a module has `case(job)`, a job is computed apart (`apart.py`), and the sources of that case, by the
registry's names, count as well. So is a job of size paper, which memory may not hold: one that runs out of memory has a
result, too (`lost.py`), and the run goes on.
"""

import json
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

from drtrl_bench import data, lookup, protocols, provenance, registry
from drtrl_bench.case import Case, digest
from drtrl_bench.measure import environment
from drtrl_bench.paper import apart, listing, lost, records
from drtrl_bench.paper.excerpt import used
from drtrl_bench.paper.experiment import Job, Row
from drtrl_bench.paper.records import Line
from drtrl_bench.process import locks
from drtrl_bench.records import appending

RECORDINGS = {"train": 160, "valid": 40, "test": 100}
"""Recordings of each part of a stand-in that is made because there are no files, as many of each class. Without a part
of its own, validation is on a fifth of the training part."""
Progress = Callable[[int, int, float | None], None]
"""Called before each job with the number that are finished, the number of all, and about how many seconds are left."""
Say = Callable[[str], None]
"""Called with a line of text."""


@cache
def texts(module: str, dataset: str | None, framework: str | None) -> tuple[str, ...]:
    """Return the code of all that the rows of a job depend on: `compute`, and the modules behind it.

    A module that ends in the name of another framework is none of them.
    """
    path = provenance.file_of(module)
    assert path is not None
    own = used(path.read_text(encoding="utf-8"), "compute")
    imported = provenance.imported(own, module.rpartition(".")[0])
    others = tuple(f"_{name}" for name in registry.FRAMEWORKS if framework and name != framework)
    project = [name for name in imported if provenance.file_of(name) and not (others and name.endswith(others))]
    if dataset:
        project += [f"{provenance.PACKAGE}.{name}" for name in provenance.dataset_module(dataset)]
    return (provenance.code(own), *map(provenance.code_of, provenance.closure(*project).values()))


@cache
def texts_of_case(algorithm: str, framework: str, dataset: str) -> tuple[str, ...]:
    """Return the code of the modules that the names of a case stand for, and of those that measure a case."""
    files = provenance.sources(algorithm, framework, dataset)
    return tuple(map(provenance.code_of, files.values()))


def implementation_sha(name: str, job: Job) -> str:
    """Return the hash of the sources and of the data's files that a job's rows depend on."""
    dataset = job.get("dataset")
    return digested(*sources(name, job), *(data.label_and_fingerprint(dataset) if dataset else []))


@cache
def digested(*parts: str) -> str:
    """Return the hash of code and of what names data: most jobs of an experiment have the same."""
    return digest(parts)


def sources(name: str, job: Job) -> list[str]:
    """Return the code that a job's rows depend on."""
    code = [*texts(listing.EXPERIMENTS[name], job.get("dataset"), job.get("framework"))]
    if case := case_of(name, job):
        code += texts_of_case(case.algorithm, case.framework, case.dataset)
    return code


def of_older_code(name: str, lines: list[Line]) -> int:
    """Count the results whose code is not the code that is here, on the data that they name; so of any machine."""
    count = 0
    for line in lines:
        label, fingerprint = (line["data"].get(key) for key in ("label", "fingerprint"))
        of_data = [label, fingerprint] if fingerprint else []
        count += digested(*sources(name, line["job"]), *of_data) != line["implementation_sha"]
    return count


def case_of(name: str, job: Job) -> Case | None:
    """Return the case that a job measures; None for an experiment whose rows depend on no machine."""
    of_job = getattr(listing.module(name), "case", None)
    return of_job and of_job(job)


def rows_of(name: str, job: Job, say: Say) -> list[Row]:
    """Compute the rows of a job: here, or in a process of its own if it measures a case.

    If it runs out of memory, its only row says so; here, the system may end the whole run.
    """
    if case := case_of(name, job):
        return apart.rows(listing.EXPERIMENTS[name], job, case, say)
    return lost.attempt(listing.module(name).compute, job)


def computed(name: str, jobs: list[Job], say: Say, large: bool) -> Iterator[Line]:
    """Compute jobs, and yield of each the fields of its result.

    large: memory may not hold them, so that those that share what they compute, as they differ in seed and framework
    alone, have a process of their own, one after the other. One that measures a case has its own, and its turn, anyway.
    """
    large = large and not hasattr(listing.module(name), "case")
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        alike = {key: value for key, value in job.items() if not large or key not in ("seed", "framework", "until")}
        groups.setdefault(json.dumps(alike, sort_keys=True), []).append(job)
    for group in groups.values():
        own = (apart.clocked(partial(rows_of, name, job, say)) for job in group)
        results = apart.each(listing.EXPERIMENTS[name], group) if large else own
        for of_job, (rows, took) in zip([origin(name, job) for job in group], results, strict=True):
            yield of_job | {"rows": rows} | took


def origin(name: str, job: Job) -> Line:
    """Return the fields of a result that are known before: the job, and the sources and data that are here now."""
    key, sha = records.key_of(name, job), implementation_sha(name, job)
    return {"job": job, "job_key": key, "implementation_sha": sha, "data": described(job)}


def described(job: Job) -> dict[str, Any]:
    """Describe the data of a job: its label, whether it is synthetic, and the hash of its files."""
    if not (dataset := job.get("dataset")):
        return {"label": "drawn numbers (synthetic)", "synthetic": True, "fingerprint": None}
    chosen = data.dataset(dataset)
    return {"label": chosen.LABEL, "synthetic": chosen.SYNTHETIC, "fingerprint": data.fingerprint(dataset) or None}


def provide(jobs: list[Job], say: Say) -> None:
    """Make a small stand-in, which is synthetic, of each data set that the jobs need and that has no files.

    Raises OSError for a data set that cannot be read for another reason, or has too few recordings for a job.
    """
    for name in dict.fromkeys(job["dataset"] for job in jobs if job.get("dataset")):
        events = data.dataset(name).events
        if (reason := data.unavailable(name)) and events and not location(events):
            published = events.published
            per_class = {part: -(-number // published.classes) for part, number in RECORDINGS.items()}
            say(f"no files of {published.name}: making a small stand-in, {published.stand_in}, once; it takes minutes")
            data.module("events.make_stand_in").make(published, partial(told, say, published.name), per_class)
            reason = data.unavailable(name)
        if reason:
            raise OSError(reason)
        most = max(job.get("samples", 0) for job in jobs if job.get("dataset") == name)
        if events and most and (available := len(events.recordings("train")[1])) < most:
            more = f"drtrl-bench data make {name} --train {-(-2 * most // events.CLASSES)}, or the genuine files"
            raise OSError(f"{events.LABEL} has {available} recordings for training, a job needs {most}: {more}")


def told(say: Say, name: str, part: str, done: int, number: int) -> None:
    """Say now and then how many recordings of a part are made."""
    if done and (done == number or done % 50 == 0):
        say(f"{name}, {part}: {done} of {number} recordings")


def location(events: protocols.EventDataset) -> Any:
    """Find the files of a data set, genuine ones or a stand-in's; None if there are none."""
    return data.module("events.availability").location(events.published)


def jobs_of(name: str, size: str) -> list[Job]:
    """List the jobs of an experiment, as they are read back from a file."""
    module = listing.module(name)
    return json.loads(json.dumps(module.jobs(module.SIZES[size])))


def finished(name: str, jobs: list[Job], lines: list[Line]) -> list[Line]:
    """Return the last result of each job that is of these sources and data, in the order of the jobs."""
    shas = {records.key_of(name, job): implementation_sha(name, job) for job in jobs}
    current = [line for line in lines if shas.get(line["job_key"]) == line["implementation_sha"]]
    return records.newest(current, name, jobs)


def possible(jobs: list[Job], say: Say) -> list[Job]:
    """Return the jobs whose framework is installed, after a line of text for each framework that is not."""
    lacking = {name: lookup.missing(name) for name in dict.fromkeys(job.get("framework") for job in jobs) if name}
    for reason in filter(None, lacking.values()):
        say(f"left out: {reason}")
    return [job for job in jobs if not lacking.get(job.get("framework"))]


def run(name: str, size: str, path: Path, progress: Progress, say: Say, retry: bool = False) -> None:
    """Run the jobs of an experiment that have no result at `path`, and append a result for each.

    retry: whether to run those again, too, that ran out of memory.

    Raises HeldError if another process writes this file, OSError for a data set that cannot be read.
    """
    jobs = possible(jobs_of(name, size), say)
    with locks.writing(path):
        provide(jobs, say)
        lines, environments = records.read(path)
        there = finished(name, jobs, lines)
        known = {line["job_key"] for line in there if not (retry and lost.ran_out(line))}
        todo, here = [job for job in jobs if records.key_of(name, job) not in known], environment.describe()
        done, durations = len(jobs) - len(todo), 0.0
        results = computed(name, todo, say, large=size == "paper")
        for number in range(len(todo)):
            progress(done + number, len(jobs), durations / number * (len(todo) - number) if number else None)
            if here["env_hash"] not in environments:
                environments[here["env_hash"]] = here | {"kind": "environment", "schema_version": records.VERSION}
                appending.append_data(path, encoded(environments[here["env_hash"]]))
            kind = {"kind": "result", "schema_version": records.VERSION, "experiment": name, "size": size}
            line = kind | next(results) | {"env_hash": here["env_hash"]} | environment.checkout()
            durations += line["duration_s"]
            appending.append_data(path, encoded(line))
            if lost.ran_out(line):
                say(f"{name}: out of memory at {lost.place([line['job']])}: {line['rows'][-1]['reason']}; it goes on")
        progress(len(jobs), len(jobs), None)


def encoded(line: Line) -> bytes:
    """Return a line as bytes, with its line feed. Raises ValueError for nan and infinity."""
    return json.dumps(line, allow_nan=False).encode() + b"\n"
