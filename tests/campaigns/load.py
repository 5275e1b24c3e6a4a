"""Times the commands on record files and plans of a size that users reach after a year: processor time and memory.

Each row is one command in a process of its own (`compare`, `show`, `report`), or one function that every command
calls (an append, the search for a plan's next case). The limits are goals, in MiB of the process's peak and in seconds
of user time of the machine that they are set on: the quickest of three attempts counts, over how much slower this
machine is.
The records are copies of committed ones under other seeds: synthetic, as many as the row says.

    python tests/campaigns/load.py [--only WORDS]
"""

import argparse
import os
import resource
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from shutil import rmtree
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.bulk import finished_but_one, many, sixty
from support.lines import line
from support.pace import least

from drtrl_bench import plan as plans
from drtrl_bench.case import Case
from drtrl_bench.measure import runner
from drtrl_bench.records import appending


class Goal(NamedTuple):
    """What a row may take."""

    row: str
    act: Callable[[Path], list[str] | Callable[[], None]]
    """Prepares a folder; gives the command's words, or a function to call."""
    seconds: float
    mebibytes: float = 1_000
    times: int = 1
    """Calls of the function; its seconds are one call's."""


def compared(folder: Path) -> list[str]:
    old, new = many(folder / "old.jsonl", 480, rounds=4), many(folder / "new.jsonl", 480, rounds=4)
    return ["compare", str(old), str(new)]


def appended(folder: Path) -> Callable[[], None]:
    path = folder / "r.jsonl"
    content = appending.encode(line(Case()))
    with path.open("wb") as file:
        for _ in range(288_000_000 // len(content)):
            file.write(content)
    entry = line(Case())
    appending.append(path, entry)
    return lambda: appending.append(path, entry)


def resumed(folder: Path) -> Callable[[], None]:
    """A run of a plan whose cases are finished but the last: it ends where that one would be measured."""
    plan_file, path, _ = finished_but_one(folder)

    def stop(text: str, entry: Any) -> None:
        assert text.startswith("[5000/5000]"), text
        raise InterruptedError

    def run() -> None:
        with suppress(InterruptedError):
            runner.run(plans.read(plan_file), path, stop)

    return run


GOALS = (
    Goal("compare, 480 cases x 4 rounds", compared, 3),
    Goal("show, 2,000 cases", lambda folder: ["show", str(many(folder / "r.jsonl", 2_000))], 2),
    Goal("show, 100,000 lines of 60 cases", lambda folder: ["show", str(sixty(folder / "r.jsonl", 100_000))], 5, 500),
    Goal(
        "report, 2,000 cases",
        lambda folder: ["report", str(many(folder / "r.jsonl", 2_000)), "--out", str(folder / "page")],
        20,
    ),
    Goal("append to a file of 288 MB", appended, 0.005, times=20),
    Goal("plan of 5,000 cases, 4,999 finished: to the next", resumed, 2),
)


def took(act: list[str] | Callable[[], None], times: int, folder: Path) -> tuple[float, float]:
    """Runs a command or a function in a forked process; gives seconds of user time and MiB at its peak.

    Raises RuntimeError if the command ends with an error.
    """
    child = os.fork()
    if child == 0:
        with (folder / "output").open("wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        if isinstance(act, list):
            os.execv(sys.executable, [sys.executable, "-m", "drtrl_bench", *act])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        for _ in range(times):
            act()
        spent = resource.getrusage(resource.RUSAGE_SELF).ru_utime - before
        (folder / "spent").write_text(repr(spent / times))
        os._exit(0)
    _, status, usage = os.wait4(child, 0)
    # compare of the same records says "the same": 0; anything but an error will do
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        raise RuntimeError((folder / "output").read_text(errors="replace")[-2_000:])
    spent = usage.ru_utime if isinstance(act, list) else float((folder / "spent").read_text())
    return spent, usage.ru_maxrss / 1024


def spent(goal: Goal, folder: Path, mebibytes: list[float]) -> float:
    """Seconds of a row once more, from an empty folder; its MiB are added to the list."""
    rmtree(folder)
    folder.mkdir()
    seconds, peak = took(goal.act(folder), goal.times, folder)
    mebibytes.append(peak)
    return seconds


def main() -> int:
    """Runs the rows; the exit code says whether one is over its goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="rows whose name contains this")
    asked = parser.parse_args()
    over = 0
    for goal in GOALS:
        if asked.only not in goal.row:
            continue
        mebibytes: list[float] = []
        with tempfile.TemporaryDirectory() as temporary:
            seconds = least(partial(spent, goal, Path(temporary), mebibytes), goal.seconds)
        late = seconds > goal.seconds or mebibytes[0] > goal.mebibytes
        over += late
        print(
            f"{'OVER  ' if late else 'within'} {goal.row}: {seconds:.3g} s (goal {goal.seconds:g}), "
            f"{mebibytes[0]:.0f} MiB (goal {goal.mebibytes:.0f})",
            flush=True,
        )
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
