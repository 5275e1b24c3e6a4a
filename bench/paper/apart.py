"""Computes the rows of a job in a process of its own, while nothing else is measured on the machine.

For experiments of time and memory, whose modules have `case(job)`: it says on how many threads and on which device the
process runs, and which algorithm, framework and data set it depends on.
"""

import importlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from drtrl_bench import start
from drtrl_bench.measure import environment
from drtrl_bench.process import locks, result, scratch, supervised

LIMIT_S = 3600.0
"""Seconds after which the process of a job is stopped."""


class EndedError(OSError):
    """A process that ended without rows; `reason` says why, and in which stage."""

    def __init__(self, module: str, stage: str, reason: str) -> None:
        super().__init__(f"a job of {module} ended in {stage}: {reason}; the same command goes on from here")
        self.reason = f"{reason}, in: {stage}"


def rows(module: str, job: dict[str, Any], case: Any, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Compute the rows of a job of a module; one row with the status "oom" if the system ends it for lack of memory.

    Raises EndedError if the process ends without rows for another reason.
    """
    with scratch.folder() as folder, locks.measuring(say):
        task, answer = folder / "task.json", folder / "rows.json"
        task.write_text(json.dumps({"module": module, "job": job, "threads": case.threads, "rows": str(answer)}))
        end = supervised.run(start.command(__name__), environment.child(case), standard_input=task, limit_s=LIMIT_S)
        if end.for_memory:
            return [{"status": "oom", "reason": f"ended by the system for lack of memory, in: {end.stage}"}]
        if end.timed_out or end.code:
            reason = f"stopped after {LIMIT_S:g} s" if end.timed_out else end.reason
            raise EndedError(module, end.stage, reason)
        return result.read(answer, ("rows",))["rows"]


def main() -> None:
    """Compute the rows of the job on standard input, and write them to the file that the task names."""
    task = json.load(sys.stdin)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: task["threads"]])
    computed = importlib.import_module(task["module"]).compute(task["job"])
    Path(task["rows"]).write_text(json.dumps({"rows": computed}, allow_nan=False), encoding="utf-8")


if __name__ == "__main__":
    main()
