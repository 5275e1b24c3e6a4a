"""Runs a command so that nothing of it outlives it, its time or this process: see `warden.py`, which stands between."""

import json
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from drtrl_bench.measure import memory
from drtrl_bench.process import warden

BACKSTOP_S = 30.0
"""Seconds after a command's limit at which its warden is given up, as when somebody stopped it."""
MOST = 2**20
"""Bytes of a warden's report."""
OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
"""Signals that a process does not send itself when it crashes."""
MARK = "SUPERVISED_FROM"
"""The environment variable by which what a command started is found where somebody ended the warden."""
PEAK = 0.9
"""Of the memory that was free: a process that held more, and was killed, was killed for it."""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    """As `subprocess` has it: the exit code, or minus the signal."""
    log: str
    """The beginning and the end of what it printed."""
    stage: str = "start"
    """What it said last that it was doing."""
    timed_out: bool = False
    stopped: bool = False
    """Whether it was not ended but stopped, as by SIGSTOP, and therefore ended."""
    for_memory: bool = False
    """Whether the system killed it because memory ran out."""

    @property
    def outside(self) -> str | None:
        """What somebody outside did to it, or None."""
        if self.timed_out or self.for_memory:
            return None
        if self.stopped:
            return "stopped"
        return signal.Signals(-self.code).name if -self.code in OUTSIDE else None


def run(
    command: list[str],
    env: dict[str, str],
    *,
    folder: Path | None = None,
    standard_input: Path | None = None,
    limit_s: float = float("inf"),
    errors_only: bool = False,
) -> Ended:
    """Runs a command to its end, at most for `limit_s`; with everything that it started, it is gone afterwards.

    folder: where it runs. errors_only: keep only what it prints to standard error.
    """
    kills, free = oom_kills(), memory.available_bytes()
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    between = [sys.executable, "-I", "-S", str(Path(warden.__file__).resolve())]
    options = [repr(float(limit_s)), str(standard_input or ""), "1" if errors_only else ""]
    with subprocess.Popen(
        [*between, *options, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=env | {MARK: mark},
        cwd=folder,
        start_new_session=True,
    ) as process:
        said = b""
        try:
            said = answer(process, limit_s)
        finally:
            end(process, said, mark)
    _, _, text = said.partition(b"\n")
    try:
        report = json.loads(text)
    except ValueError:
        if text.strip():
            raise RuntimeError(f"the process beside {command[:3]} failed: {text.decode(errors='replace')}") from None
        return Ended(-signal.SIGKILL, "")  # somebody ended the process between, and so the command
    code = report["code"] if report["code"] is not None else -signal.SIGKILL
    for_memory = code == -signal.SIGKILL and (oom_kills() > kills or report["peak_bytes"] > PEAK * free)
    how = (report["stage"] or "start", report["timed_out"], report["stopped"], for_memory)
    return Ended(code, report["log"], *how)


def answer(process: subprocess.Popen[bytes], limit_s: float) -> bytes:
    """What a warden prints until it ends, in bounded memory and time."""
    assert process.stdout
    until, said = time.monotonic() + limit_s + BACKSTOP_S, b""
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ)
        while (left := until - time.monotonic()) > 0 and len(said) < MOST:
            if ready.select(None if left == float("inf") else left):
                part = os.read(process.stdout.fileno(), 2**16)
                if not part:
                    break
                said += part
    return said


def end(process: subprocess.Popen[bytes], said: bytes, mark: str) -> None:
    """Lets a warden end its child, and ends both where it does not."""
    assert process.stdin
    with suppress(OSError):
        process.stdin.close()
    try:
        process.wait(warden.PATIENCE_S + 5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.returncode:
        child, _, _ = said.partition(b"\n")
        with suppress(OSError, ValueError):
            os.killpg(int(child), signal.SIGKILL)
        for each in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):
                if f"{MARK}={mark}\0".encode() in each.read_bytes():
                    os.kill(int(each.parent.name), signal.SIGKILL)


def oom_kills() -> int:
    """How many processes the system has ended for memory: of this control group if it says so, or of the machine."""
    for path in (*groups(Path("/proc/self/cgroup")), Path("/proc/vmstat")):
        with suppress(OSError):
            if found := re.search(r"^oom_kill (\d+)$", path.read_text(), re.MULTILINE):
                return int(found[1])
    return 0


def groups(listed: Path) -> list[Path]:
    """The files in which this process's control groups count: of version 2, and of version 1."""
    try:
        lines = [line.split(":", 2) for line in listed.read_text().splitlines()]
    except OSError:
        return []
    found = []
    for _, controllers, path in lines:
        if not controllers:
            found += [memory.CONTROL_GROUP / path.lstrip("/") / "memory.events", memory.CONTROL_GROUP / "memory.events"]
        elif controllers == "memory":
            folder = memory.CONTROL_GROUP / "memory"
            found += [folder / path.lstrip("/") / "memory.oom_control", folder / "memory.oom_control"]
    return found
