"""End a child of the harness, and all processes that the child started, whatever happens to the harness.

`supervised.py` starts this file by its path, without the package: it costs a bare interpreter, which sleeps while the
child works. The warden ends the child when the time is up, and when the harness is gone: standard input is a pipe that
nobody else holds open, and Linux sends a signal, too. What the child left running is ended with the child. The warden
adopts processes that lost their parent, so that on Linux one with a session of its own is found as well; elsewhere the
child's process group must do.

The first line of standard output is the child's process id, the second a report as JSON. Of what the child prints, the
beginning and the end are kept.
"""

import ctypes
import fcntl
import json
import os
import select
import signal
import sys
import time
from contextlib import suppress
from typing import Any

KEPT = 2**15
"""Bytes of a log that are kept: so many of its beginning, and so many of its end."""
STAGE = b"stage: "
"""The beginning of a line of the log that names the child's stage."""
PATIENCE_S = 10.0
"""Seconds after which a process that SIGKILL does not end, as in a broken driver, is left to itself."""
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
LINUX = sys.platform == "linux"
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


class Log:
    """Keep of what a child prints the beginning, the end and the last stage, in bounded memory."""

    def __init__(self) -> None:
        self.head, self.tail, self.stage, self.line = b"", b"", b"", b""
        self.left_out = 0

    def add(self, data: bytes) -> None:
        """Add what the child has printed since the last call."""
        text = self.line + data
        if STAGE in text:
            lines = text.split(b"\n")[:-1]
            self.stage = next((line[len(STAGE) :][:200] for line in lines[::-1] if line.startswith(STAGE)), self.stage)
        self.line = text[text.rfind(b"\n") + 1 :][-512:]
        room = KEPT - len(self.head)
        self.head += data[:room]
        rest = self.tail + data[room:]
        self.tail = rest[-KEPT:]
        self.left_out += len(rest) - len(self.tail)

    def text(self) -> str:
        """Return the beginning and the end, with the number of bytes left out between them."""
        gap = f"\n[{self.left_out} bytes left out]\n".encode() if self.left_out else b""
        return (self.head + gap + self.tail).decode(errors="replace")


def prctl(option: int, value: int) -> None:
    """Set an option of this process, on Linux."""
    if LINUX:
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def start(command: list[str], standard_input: str, output: int, errors_only: bool) -> int:
    """Start the child in a session of its own, and return its process id."""
    parent = os.getpid()
    if child := os.fork():
        return child
    try:
        os.setsid()
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent ended before the option was set
            os._exit(1)
        for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python, and a program inherits what is ignored
            signal.signal(ignored, signal.SIG_DFL)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(os.open(standard_input, os.O_RDONLY) if standard_input else null, 0)
        os.dup2(null if errors_only else output, 1)
        os.dup2(output, 2)
        os.execvp(command[0], command)
    except OSError as error:
        os.write(output, f"{command[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)


def children() -> list[int]:
    """Return the ids of this process's children, on Linux."""
    parent, processes = str(os.getpid()), []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError), open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                if file.read().rpartition(")")[2].split()[1] == parent:
                    processes.append(int(name))
    return processes


class Warden:
    """Follow one child, from its start to the end of the last process that the child started."""

    def __init__(self, child: int) -> None:
        self.child = child
        self.code: int | None = None
        self.peak_bytes = 0
        self.stopped = False

    def reap(self) -> bool:
        """Note which processes have ended or were stopped; return False if no process is left."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG | os.WUNTRACED)
            except ChildProcessError:
                return False
            if not pid:
                return True
            if os.WIFSTOPPED(status):
                self.stopped |= pid == self.child
            elif pid == self.child:
                self.code = os.waitstatus_to_exitcode(status)
                self.peak_bytes = usage.ru_maxrss * (1024 if LINUX else 1)

    def end_all(self) -> None:
        """End every process that is left; one that loses its parent becomes a child of this process, and is next."""
        deadline = time.monotonic() + PATIENCE_S
        if self.code is None or not LINUX:
            with suppress(OSError):
                os.killpg(self.child, signal.SIGKILL)
        while self.reap() and time.monotonic() < deadline:
            for pid in children() if LINUX else ():
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.002)


def watch(warden: Warden, log: Log, output: int, wake: int, limit_s: float) -> bool:
    """Wait until the child has ended or must be ended; return whether its time was up."""
    deadline = time.monotonic() + limit_s
    poll = select.poll()
    for file in (0, output, wake):
        poll.register(file, select.POLLIN)
    while warden.code is None and not warden.stopped:
        left = deadline - time.monotonic()
        if left <= 0:
            return True
        for number, _ in poll.poll(min(1000 * left, 2**30)):
            if number == 0:  # the harness has closed the pipe, so it is gone or has no more use for the child
                return False
            if number == output:
                if data := os.read(output, 2**20):
                    log.add(data)
                else:
                    poll.unregister(output)  # the child has closed its end
            elif set(os.read(wake, 512)) & set(ENDING):
                return False
            else:
                warden.reap()
    return False


def rest(log: Log, output: int) -> None:
    """Read into the log what is left in the pipe."""
    os.set_blocking(output, False)
    with suppress(BlockingIOError):
        while data := os.read(output, 2**20):
            log.add(data)


def main(limit_s: str, standard_input: str, errors_only: str, *command: str) -> None:
    """Run a command to its end, and print its process id and the report.

    limit_s: seconds, or "inf". standard_input: a file, or empty. errors_only: "1" if standard output is not kept.
    """
    wake, wake_writer = os.pipe()
    for end in (wake, wake_writer):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, *ENDING):
        signal.signal(number, lambda _number, _frame: None)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    output, output_writer = os.pipe()
    if LINUX:
        with suppress(OSError):  # so that a child that prints much waits less
            fcntl.fcntl(output_writer, fcntl.F_SETPIPE_SZ, 2**20)
    warden, log = Warden(start(list(command), standard_input, output_writer, errors_only == "1")), Log()
    os.close(output_writer)
    print(warden.child, flush=True)
    timed_out = watch(warden, log, output, wake, float(limit_s))
    code = warden.code
    warden.end_all()
    rest(log, output)
    report: dict[str, Any] = {"code": code, "stopped": warden.stopped, "timed_out": timed_out}
    report |= {"peak_bytes": warden.peak_bytes, "stage": log.stage.decode(errors="replace"), "log": log.text()}
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    with suppress(BrokenPipeError):  # nobody is left to read the report
        main(*sys.argv[1:])
