"""Run a command under a warden (`warden.py`), so that nothing outlives the command, its time or this process."""

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
"""Seconds after a command's limit at which its warden is given up, as when somebody stopped the warden."""
MOST = 2**20
"""The most bytes of a warden's report."""
OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
"""Signals that a process does not send itself when it crashes."""
MARK = "SUPERVISED_FROM"
"""The environment variable that marks all processes of a command, to find them where somebody ended the warden."""
PEAK = 0.9
"""Share of the free memory; a process that used more, and was killed, was killed for its memory."""
EXCEPTION = re.compile(r"[\w.]+(Error|Exception)\b")
"""How the line of a traceback begins that names its exception."""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    """As `subprocess` has it: the exit code, or minus the signal."""
    log: str
    """The beginning and the end of what the command printed."""
    stage: str = "start"
    """The last stage that the command named."""
    timed_out: bool = False
    stopped: bool = False
    """Whether the command was ended because somebody had paused it, as with SIGSTOP."""
    for_memory: bool = False
    """Whether the system killed the command because memory ran out."""

    @property
    def reason(self) -> str:
        """The exception of a traceback, which more lines of its own and JAX's advice may follow; or the last line."""
        lines = [line for line in self.log.splitlines() if line.strip() and not line.startswith("stage: ")]
        exceptions = [line for line in lines if EXCEPTION.match(line)] if self.code > 0 else []
        return (exceptions or lines or ["no output"])[-1][:200]

    @property
    def outside(self) -> str | None:
        """Return what somebody outside did to the command: a signal's name, "stopped", or None."""
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
    """Run a command to its end, for at most `limit_s` seconds; no process that the command started is left afterwards.

    folder: the working directory. errors_only: keep only what the command prints to standard error.
    """
    kills, free = oom_kills(), memory.available_bytes()
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    supervisor = [sys.executable, "-I", "-S", str(Path(warden.__file__).resolve())]
    options = [repr(float(limit_s)), str(standard_input or ""), "1" if errors_only else ""]
    with subprocess.Popen(
        [*supervisor, *options, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=env | {MARK: mark},
        cwd=folder,
        start_new_session=True,
    ) as process:
        output = b""
        try:
            output = answer(process, limit_s)
        finally:
            end(process, output, mark)
    _, _, text = output.partition(b"\n")
    try:
        report = json.loads(text)
    except ValueError:
        if text.strip():
            raise RuntimeError(f"the process beside {command[:3]} failed: {text.decode(errors='replace')}") from None
        return Ended(-signal.SIGKILL, "")  # somebody ended the warden, and so the command
    code = report["code"] if report["code"] is not None else -signal.SIGKILL
    for_memory = code == -signal.SIGKILL and (oom_kills() > kills or report["peak_bytes"] > PEAK * free)
    ending = (report["stage"] or "start", report["timed_out"], report["stopped"], for_memory)
    return Ended(code, report["log"], *ending)


def answer(process: subprocess.Popen[bytes], limit_s: float) -> bytes:
    """Return what a warden prints until it ends, in bounded memory and time."""
    assert process.stdout
    deadline, output = time.monotonic() + limit_s + BACKSTOP_S, b""
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ)
        while (left := deadline - time.monotonic()) > 0 and len(output) < MOST:
            if ready.select(None if left == float("inf") else left):
                data = os.read(process.stdout.fileno(), 2**16)
                if not data:
                    break
                output += data
    return output


def end(process: subprocess.Popen[bytes], output: bytes, mark: str) -> None:
    """Let a warden end its child, and end both where the warden does not."""
    assert process.stdin
    with suppress(OSError):
        process.stdin.close()
    try:
        process.wait(warden.PATIENCE_S + 5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.returncode:
        child, _, _ = output.partition(b"\n")
        with suppress(OSError, ValueError):
            os.killpg(int(child), signal.SIGKILL)
        for environ in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):
                if f"{MARK}={mark}\0".encode() in environ.read_bytes():
                    os.kill(int(environ.parent.name), signal.SIGKILL)


def oom_kills() -> int:
    """Return how many processes the system has killed for memory, in this control group or on the machine."""
    for path in (*groups(Path("/proc/self/cgroup")), Path("/proc/vmstat")):
        with suppress(OSError):
            if match := re.search(r"^oom_kill (\d+)$", path.read_text(), re.MULTILINE):
                return int(match[1])
    return 0


def groups(listing: Path) -> list[Path]:
    """Return the files in which a listing's control groups, of version 1 or 2, count the killed processes."""
    try:
        lines = [line.split(":", 2) for line in listing.read_text().splitlines()]
    except OSError:
        return []
    files = []
    for _, controllers, path in lines:
        if not controllers:
            files += [memory.CONTROL_GROUP / path.lstrip("/") / "memory.events", memory.CONTROL_GROUP / "memory.events"]
        elif controllers == "memory":
            folder = memory.CONTROL_GROUP / "memory"
            files += [folder / path.lstrip("/") / "memory.oom_control", folder / "memory.oom_control"]
    return files
