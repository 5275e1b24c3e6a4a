"""Prints for every command: results and progress on standard output, complaints on standard error."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from drtrl_bench.view import display

console = display.Console()
complaints = display.Console(stderr=True, soft_wrap=True)
OFTEN_S = 15.0
"""Seconds between two lines of progress of an experiment, where there is no terminal."""


class UsageError(Exception):
    """An error that the user can put right: shown as one line, exit code 2."""


def announce(text: str) -> None:
    """Print a line of progress."""
    console.print(text, soft_wrap=True)


@contextmanager
def progress_of_several() -> Iterator[Callable[[str, int, int, float | None], None]]:
    """Yield a function that shows how far experiments are, which run one after the other or side by side.

    The function takes an experiment's name, its finished jobs, all its jobs, and the seconds that are left, if known.
    On a terminal each experiment that is not done has a bar, elsewhere a line now and then.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}
        last: dict[str, float] = {}

        def told(name: str, done: int, total: int, left: float | None) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=None)
            bars.update(tasks[name], completed=done, total=total, visible=done < total)
            now = time.monotonic()
            if not console.is_terminal and (done == total or now - last.get(name, 0.0) > OFTEN_S):
                last[name] = now
                announce(f"{name}: {done} of {total} jobs done" + (f", about {left:.0f} s left" if left else ""))

        yield told
