"""One trial of a campaign: the command on one input, in a process of its own that is forked once all is imported."""

import io
import os
import resource
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import NamedTuple

from drtrl_bench.cli import app
from drtrl_bench.process import locks

os.environ[locks.SETTING] = "none"  # nothing is measured, so what others measure is not waited for
LIMIT_S, CLOCK_S = 10.0, 60.0
"""Seconds that a trial may take of the processor, and by the clock, which on a busy machine goes faster."""
MOST_BYTES = 600 * 2**20
"""Of memory that a trial may have held at its peak."""
ADDRESSES = 4 * 2**30
"""Bytes that a trial can ask for, so that one without an end does not take the machine's."""


class Outcome(NamedTuple):
    """How the command ended."""

    code: int
    """Its exit code; negative for the signal that ended it."""
    said: str
    """On standard error."""
    processor_s: float
    clock_s: float
    peak_bytes: int


def command(words: Sequence[str], folder: Path, before: Callable[[], None] = lambda: None) -> Outcome:
    """Runs the command in a folder, in a forked process, after `before` in that process."""
    out, err = folder / "stdout", folder / "stderr"
    sys.stdout.flush()
    sys.stderr.flush()
    began = time.perf_counter()
    child = os.fork()
    if child == 0:
        forked(words, folder, out, err, before)
    status, usage = ended(child, began)
    took = time.perf_counter() - began
    said = err.read_text(encoding="utf-8", errors="replace")
    peak = usage.ru_maxrss * 1024
    return Outcome(os.waitstatus_to_exitcode(status), said, usage.ru_utime + usage.ru_stime, took, peak)


def rehearse(*words: str) -> None:
    """Runs the command in this process, so that what it imports and parses once is there when a trial is forked."""
    with redirect_stdout(io.StringIO()):
        app.app(list(words), prog_name="drtrl-bench", standalone_mode=False)


def forked(words: Sequence[str], folder: Path, out: Path, err: Path, before: Callable[[], None]) -> None:
    """Is the command, in the forked process, and ends it."""
    code = 99
    try:
        os.chdir(folder)
        for path, stream in ((out, 1), (err, 2)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
        resource.setrlimit(resource.RLIMIT_CPU, (int(3 * LIMIT_S), int(3 * LIMIT_S)))
        before()
        sys.argv = ["drtrl-bench", *words]
        app.main()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 0
    except BaseException:
        traceback.print_exc()
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def ended(child: int, began: float) -> tuple[int, resource.struct_rusage]:
    """Waits for a process, and ends it when its time is over."""
    while True:
        done, status, usage = os.wait4(child, os.WNOHANG)
        if done:
            return status, usage
        if time.perf_counter() - began > CLOCK_S:
            os.kill(child, 9)
        time.sleep(0.002)


def fault(outcome: Outcome, codes: Iterable[int]) -> str | None:
    """What is wrong with how the command ended, or None: a line and an exit code are all that bad input gives."""
    lines = [line for line in outcome.said.splitlines() if line.strip() and not line.startswith("warning: ")]
    if outcome.processor_s > LIMIT_S or outcome.clock_s > CLOCK_S:
        return f"hang: {outcome.processor_s:.1f} s of the processor, {outcome.clock_s:.1f} s by the clock"
    if "Traceback" in outcome.said:
        return f"traceback: {lines[-1][:200]}"
    if outcome.code not in codes:
        return f"exit code {outcome.code}: {outcome.said[-300:]!r}"
    if outcome.code == 2 and len(lines) != 1:
        return f"{len(lines)} lines for one fault: {outcome.said[:300]!r}"
    if not all(line.isprintable() for line in lines):
        return f"control characters: {outcome.said[:300]!r}"
    if outcome.code == 2 and len(lines[0]) > 2_000:
        return f"a line of {len(lines[0]):,} characters: {lines[0][:100]!r}"
    if outcome.peak_bytes > MOST_BYTES:
        return f"memory: {outcome.peak_bytes / 2**20:.0f} MiB"
    return None


def report(what: str, trials: Iterable[tuple[str, Outcome, str | None]]) -> int:
    """Prints how many trials there were, what failed, and what the slowest and the largest took; the exit code.

    What was done before an interruption is counted, too.
    """
    done: list[Outcome] = []
    faults: list[str] = []
    asked: list[int] = []  # an exception could be lost in what Python does around a fork
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda number, _: asked.append(number))
    for name, outcome, wrong in trials:
        done.append(outcome)
        if wrong:
            faults.append(wrong)
            print(f"FAILED {name}: {wrong}", flush=True)
        if asked:
            what = f"interrupted: {what}"
            break
    slowest = max((outcome.processor_s for outcome in done), default=0)
    longest = max((outcome.clock_s for outcome in done), default=0)
    largest = max((outcome.peak_bytes for outcome in done), default=0)
    codes = Counter(outcome.code for outcome in done)
    kinds = {kind: sum(each.startswith(kind) for each in faults) for kind in ("traceback", "hang", "memory")}
    ends = ", ".join(f"{codes[code]} x {code}" for code in sorted(codes))
    print(
        f"{what}: {len(done)} trials, {len(faults)} failures ({kinds['traceback']} tracebacks, {kinds['hang']} over "
        f"{LIMIT_S:.0f} s, {kinds['memory']} over {MOST_BYTES >> 20} MiB); exit codes {ends}; at most {slowest:.1f} s "
        f"of the processor, {longest:.1f} s by the clock, {largest / 2**20:.0f} MiB"
    )
    return 1 if faults or what.startswith("interrupted") else 0
