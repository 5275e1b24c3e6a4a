"""Computes the rows of jobs in processes of their own.

`rows` is for experiments of time and memory, whose modules have `case(job)`: it says on how many threads and on which
device the process of a job runs, and which algorithm, framework and data set it depends on; nothing else is measured on
the machine meanwhile. `each` is for jobs that may take more memory than there is: several in a process, as they may
share what they compute, and a new process where the system ended one.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from drtrl_bench import start
from drtrl_bench.measure import environment
from drtrl_bench.paper import lost
from drtrl_bench.paper.experiment import Job, Row
from drtrl_bench.process import locks, result, scratch, supervised

LIMIT_S = 3600.0
"""Seconds after which the process of a job that measures a case is stopped."""
Took = dict[str, Any]
"""When something started, and its seconds: the fields of a result."""


class EndedError(OSError):
    """A process that ended without rows; `reason` says why, and in which stage."""

    def __init__(self, module: str, stage: str, reason: str) -> None:
        super().__init__(f"a job of {module} ended in {stage}: {reason}; the same command goes on from here")
        self.reason = f"{reason}, in: {stage}"


def clocked(call: Callable[[], Any]) -> tuple[Any, Took]:
    """Call a function; return its value, and what it took."""
    started, clock, cpu = datetime.now(UTC), time.perf_counter(), cpu_seconds()
    value = call()
    took = {"duration_s": round(time.perf_counter() - clock, 3), "cpu_s": round(cpu_seconds() - cpu, 3)}
    return value, {"started": started.isoformat(timespec="seconds")} | took


def cpu_seconds() -> float:
    """Return the processor's seconds that this process has taken, and those of its children that have ended."""
    return sum(os.times()[:4])


def rows(module: str, job: Job, case: Any, say: Callable[[str], None]) -> list[Row]:
    """Compute the rows of a job of a module; one with the status "oom" if memory runs out, or the system says so.

    Raises EndedError if the process ends without rows for another reason.
    """
    with scratch.folder() as folder, locks.measuring(say):
        task, answer = written(folder, module, [job], case.threads)
        end = supervised.run(start.command(__name__), environment.child(case), standard_input=task, limit_s=LIMIT_S)
        if why := lacking(end):
            return [lost.row(why)]
        if end.timed_out or end.code:
            raise EndedError(module, end.stage, f"stopped after {LIMIT_S:g} s" if end.timed_out else why_ended(end))
        return result.read(answer, ("rows", "started", "duration_s", "cpu_s"))["rows"]


def each(module: str, jobs: list[Job]) -> Iterator[tuple[list[Row], Took]]:
    """Compute jobs of a module one after the other in a process of their own, and yield what came of each at its end.

    The process has this one's environment, and all the time that it takes. A job that runs out of memory is tried again
    in a new one, unless it was the first of its process: those before it may have left something. Raises EndedError if
    a process ends without rows for another reason, and what interrupts this one, after what is done is yielded.
    """
    left = list(jobs)
    while left:
        interrupted = end = None
        took: Took = {}
        with scratch.folder() as folder:
            task, answer = written(folder, module, left, None)
            run = partial(supervised.run, start.command(__name__), dict(os.environ), standard_input=task)
            try:
                end, took = clocked(run)
            except BaseException as error:  # as a signal: what is done is kept
                interrupted = error
            done = [json.loads(line) for line in complete(answer)]
        yield from ((of_job.pop("rows"), of_job) for of_job in done)
        left = left[len(done) :]
        if interrupted:
            raise interrupted
        assert end
        why = lacking(end)
        if left and not done and why:
            yield [lost.row(why)], took
            left = left[1:]
        elif left and (end.code or not done) and not why:
            raise EndedError(module, end.stage, why_ended(end))


def written(folder: Path, module: str, jobs: list[Job], threads: int | None) -> tuple[Path, Path]:
    """Write what a process is to do into a folder, and return the files of the task and of its answer."""
    task, answer = folder / "task.json", folder / "rows.jsonl"
    task.write_text(json.dumps({"module": module, "jobs": jobs, "threads": threads, "rows": str(answer)}))
    return task, answer


def complete(path: Path) -> list[str]:
    """Return the lines of a file that were written to their end; none if there is no file."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    return [line for line in lines if line.endswith("\n")]


def lacking(end: supervised.Ended) -> str | None:
    """Return the words by which a process ended for lack of memory; None if it ended otherwise."""
    if end.for_memory:
        return f"ended by the system for lack of memory, in: {end.stage}"
    return end.reason if end.code and not end.timed_out and lost.LACKING.search(end.reason) else None


def why_ended(end: supervised.Ended) -> str:
    """Say why a process ended that had time and memory."""
    return f"ended from outside ({end.outside}), not for memory" if end.outside else end.reason


def main() -> None:
    """Compute the rows of the jobs on standard input, and append a line for each to the file that the task names.

    Stops at a job that runs out of memory after others.
    """
    task = json.load(sys.stdin)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: task["threads"]])
    compute = importlib.import_module(task["module"]).compute
    with Path(task["rows"]).open("a", encoding="utf-8") as file:
        for number, job in enumerate(task["jobs"]):
            job_rows, took = clocked(partial(lost.attempt, compute, job))
            if number and lost.ran_out({"rows": job_rows}):
                return
            file.write(json.dumps({"rows": job_rows} | took, allow_nan=False) + "\n")
            file.flush()


if __name__ == "__main__":
    main()
