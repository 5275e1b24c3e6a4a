"""Computes the rows of a job in a process of its own.

For experiments of time and memory, whose modules have `case(job)`: it says on how many threads and on which device the
process runs, and which algorithm, framework and data set it depends on; nothing else is measured on the machine
meanwhile. And for jobs that may take more memory than there is: if the system ends the process, the run goes on.
"""

import importlib
import json
import os
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from drtrl_bench import start
from drtrl_bench.measure import environment
from drtrl_bench.paper import lost
from drtrl_bench.process import locks, result, scratch, supervised

LIMIT_S = 3600.0
"""Seconds after which the process of a job is stopped, if it measures a case."""


class EndedError(OSError):
    """A process that ended without rows; `reason` says why, and in which stage."""

    def __init__(self, module: str, stage: str, reason: str) -> None:
        super().__init__(f"a job of {module} ended in {stage}: {reason}; the same command goes on from here")
        self.reason = f"{reason}, in: {stage}"


def rows(module: str, job: dict[str, Any], case: Any, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Compute the rows of a job of a module; one row with the status "oom" if memory runs out, or the system says so.

    case: the one that is measured; None for a job that measures none, which has this process's environment, all the
    time that it takes, and no need of a quiet machine. Raises EndedError if the process ends without rows for another
    reason.
    """
    with scratch.folder() as folder, locks.measuring(say) if case else nullcontext():
        task, answer = folder / "task.json", folder / "rows.json"
        threads = case.threads if case else None
        task.write_text(json.dumps({"module": module, "job": job, "threads": threads, "rows": str(answer)}))
        variables, limit_s = (environment.child(case), LIMIT_S) if case else (dict(os.environ), float("inf"))
        end = supervised.run(start.command(__name__), variables, standard_input=task, limit_s=limit_s)
        if end.for_memory:
            return [lost.row(f"ended by the system for lack of memory, in: {end.stage}")]
        if end.timed_out or end.code:
            reason = f"stopped after {limit_s:g} s" if end.timed_out else end.reason
            if end.outside:
                reason = f"ended from outside ({end.outside}), not for memory"
            if not end.timed_out and lost.LACKING.search(end.reason):
                return [lost.row(reason)]
            raise EndedError(module, end.stage, reason)
        if case:
            return result.read(answer, ("rows",))["rows"]
        return json.loads(answer.read_text(encoding="utf-8"))["rows"]  # of whatever length: the paper's size has many


def main() -> None:
    """Compute the rows of the job on standard input, and write them to the file that the task names."""
    task = json.load(sys.stdin)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: task["threads"]])
    computed = lost.attempt(importlib.import_module(task["module"]).compute, task["job"])
    Path(task["rows"]).write_text(json.dumps({"rows": computed}, allow_nan=False), encoding="utf-8")


if __name__ == "__main__":
    main()
