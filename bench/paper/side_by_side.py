"""Runs experiments side by side: each in a process of its own, on a core of its own.

Most networks here are too small to keep a second core busy. Experiments of time and memory, whose modules have
`case(job)`, are not among them: beside them nothing else may run.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from drtrl_bench import start
from drtrl_bench.paper import apart, listing, runner
from drtrl_bench.process import scratch, supervised

OFTEN_S = 0.5
"""Seconds between two looks at what the processes have written."""


class Process:
    """Run one experiment in a process on a core, and follow its progress and its lines of text."""

    def __init__(self, task: dict[str, Any], folder: Path) -> None:
        self.name, self.end, self.read = task["name"], None, 0
        self.core, self.written = task["core"], folder / f"{self.name}.jsonl"
        given = folder / f"{self.name}.json"
        given.write_text(json.dumps(task | {"written": str(self.written)}))
        self.thread = threading.Thread(target=self.run, args=(given,), daemon=True)
        self.thread.start()

    def run(self, given: Path) -> None:
        """Run the process to its end. Where this one ends first, its warden ends the process, too."""
        self.end = supervised.run(start.command(__name__), dict(os.environ), standard_input=given)

    def tell(self, progress: runner.Progress, say: runner.Say) -> None:
        """Pass on what was written since the last call."""
        lines = apart.complete(self.written)
        for line in map(json.loads, lines[self.read :]):
            say(line) if isinstance(line, str) else progress(*line)
        self.read = len(lines)

    def failure(self) -> str:
        """Say why the process did not end well; "" if it did."""
        if self.end and not self.end.code:
            return ""
        reason = apart.lacking(self.end) or apart.why_ended(self.end) if self.end else "its process was not started"
        return f"{self.name}: {reason}"


def run(
    names: list[str],
    size: str,
    files: dict[str, Path],
    workers: int,
    progress: dict[str, runner.Progress],
    say: runner.Say,
    retry: bool = False,
) -> None:
    """Run the jobs of experiments that have no result in their file, at most `workers` experiments at a time.

    The longest begin first. Where one fails, the others are run all the same. Raises OSError with the reasons then.
    """
    runner.provide([job for name in names for job in runner.jobs_of(name, size)], say)
    waiting = sorted(names, key=lambda name: listing.module(name).ABOUT.cpu_seconds or 0)
    cores, running, failures = sorted(os.sched_getaffinity(0)), [], []
    idle = [cores[number % len(cores)] for number in range(workers)]
    with scratch.folder() as folder:
        while waiting or running:
            while waiting and idle:
                name = waiting.pop()
                task = {"name": name, "module": listing.EXPERIMENTS[name], "size": size, "retry": retry}
                running.append(Process(task | {"file": str(files[name]), "core": idle.pop(0)}, folder))
            time.sleep(OFTEN_S)
            for process in list(running):
                ended = not process.thread.is_alive()
                process.tell(progress[process.name], say)
                if ended:
                    running.remove(process)
                    idle.append(process.core)
                    failures += filter(None, [process.failure()])
    if failures:
        raise OSError("; ".join(failures))


def main() -> None:
    """Run the experiment that standard input names on one core, and write down how far it is."""
    task = json.load(sys.stdin)
    os.sched_setaffinity(0, {task["core"]})
    listing.EXPERIMENTS[task["name"]] = task["module"]

    def write(line: Any) -> None:
        with Path(task["written"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def told(*of: Any) -> None:
        write(of)

    runner.run(task["name"], task["size"], Path(task["file"]), told, write, task["retry"])


if __name__ == "__main__":
    main()
