"""The process between the harness and one of its children: ends that child, and all that it started, whatever happens.

`supervised.py` starts this file by its path, without the package: it costs a bare interpreter, which sleeps while the
child works. The child ends with it when the time is up, and when the harness is gone: standard input is a pipe that
nobody else holds open, and Linux says so, too. What the child left running is ended with it. It takes processes in that
lost their parent, so that on Linux one with a session of its own is found as well; elsewhere the child's process group
must do.

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
"""Bytes that are kept of the beginning of a log, and of its end."""
STAGE = b"stage: "
"""How a line of the log begins that says what the child is doing."""
PATIENCE_S = 10.0
"""Seconds after which a process that SIGKILL does not end, as in a broken driver, is left to itself."""
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
LINUX = sys.platform == "linux"
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


class Log:
    """What a child has printed: the beginning, the end, and the last stage, in bounded memory."""

    def __init__(self) -> None:
        self.head, self.tail, self.stage, self.line = b"", b"", b"", b""
        self.left_out = 0

    def add(self, part: bytes) -> None:
        whole = self.line + part
        if STAGE in whole:
            ended = whole.split(b"\n")[:-1]
            self.stage = next((line[len(STAGE) :][:200] for line in ended[::-1] if line.startswith(STAGE)), self.stage)
        self.line = whole[whole.rfind(b"\n") + 1 :][-512:]
        room = KEPT - len(self.head)
        self.head += part[:room]
        rest = self.tail + part[room:]
        self.tail = rest[-KEPT:]
        self.left_out += len(rest) - len(self.tail)

    def text(self) -> str:
        gap = f"\n[{self.left_out} bytes left out]\n".encode() if self.left_out else b""
        return (self.head + gap + self.tail).decode(errors="replace")


def prctl(option: int, value: int) -> None:
    """Sets an option of this process, on Linux."""
    if LINUX:
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def started(command: list[str], standard_input: str, output: int, errors_only: bool) -> int:
    """Starts the child in a session of its own, and returns its process id."""
    mine = os.getpid()
    if child := os.fork():
        return child
    try:
        os.setsid()
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != mine:  # it ended before that was said
            os._exit(1)
        for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python, and a program inherits what is ignored
            signal.signal(ignored, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(os.open(standard_input, os.O_RDONLY) if standard_input else nothing, 0)
        os.dup2(nothing if errors_only else output, 1)
        os.dup2(output, 2)
        os.execvp(command[0], command)
    except OSError as error:
        os.write(output, f"{command[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)


def children() -> list[int]:
    """The processes whose parent this process is, on Linux."""
    mine, found = str(os.getpid()), []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError), open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                if file.read().rpartition(")")[2].split()[1] == mine:
                    found.append(int(name))
    return found


class Warden:
    """One child, from its start to the end of the last process that it started."""

    def __init__(self, child: int) -> None:
        self.child = child
        self.code: int | None = None
        self.peak_bytes = 0
        self.stopped = False

    def reap(self) -> bool:
        """Takes note of what has ended or was stopped; False if no process is left."""
        while True:
            try:
                pid, status, used = os.wait4(-1, os.WNOHANG | os.WUNTRACED)
            except ChildProcessError:
                return False
            if not pid:
                return True
            if os.WIFSTOPPED(status):
                self.stopped |= pid == self.child
            elif pid == self.child:
                self.code = os.waitstatus_to_exitcode(status)
                self.peak_bytes = used.ru_maxrss * (1024 if LINUX else 1)

    def end_all(self) -> None:
        """Ends every process that is left; one that loses its parent comes here, and is ended in its turn."""
        until = time.monotonic() + PATIENCE_S
        if self.code is None or not LINUX:
            with suppress(OSError):
                os.killpg(self.child, signal.SIGKILL)
        while self.reap() and time.monotonic() < until:
            for pid in children() if LINUX else ():
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.002)


def watched(warden: Warden, log: Log, output: int, wake: int, limit_s: float) -> bool:
    """Waits until the child has ended, or must; True if its time was up."""
    until = time.monotonic() + limit_s
    poll = select.poll()
    for each in (0, output, wake):
        poll.register(each, select.POLLIN)
    while warden.code is None and not warden.stopped:
        left = until - time.monotonic()
        if left <= 0:
            return True
        for number, _ in poll.poll(min(1000 * left, 2**30)):
            if number == 0:  # the harness says nothing more, so it is gone or has no more use for the child
                return False
            if number == output:
                if part := os.read(output, 2**20):
                    log.add(part)
                else:
                    poll.unregister(output)  # the child has closed it
            elif set(os.read(wake, 512)) & set(ENDING):
                return False
            else:
                warden.reap()
    return False


def rest(log: Log, output: int) -> None:
    """Reads what is left in the pipe."""
    os.set_blocking(output, False)
    with suppress(BlockingIOError):
        while part := os.read(output, 2**20):
            log.add(part)


def main(limit_s: str, standard_input: str, errors_only: str, *command: str) -> None:
    """limit_s: seconds, or "inf". standard_input: a file, or empty. errors_only: "1" if standard output is not kept."""
    wake, woken = os.pipe()
    for end in (wake, woken):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    for each in (signal.SIGCHLD, *ENDING):
        signal.signal(each, lambda number, frame: None)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    output, written = os.pipe()
    if LINUX:
        with suppress(OSError):  # so that a child that prints much waits less
            fcntl.fcntl(written, fcntl.F_SETPIPE_SZ, 2**20)
    warden, log = Warden(started(list(command), standard_input, written, errors_only == "1")), Log()
    os.close(written)
    print(warden.child, flush=True)
    timed_out = watched(warden, log, output, wake, float(limit_s))
    ended = warden.code
    warden.end_all()
    rest(log, output)
    report: dict[str, Any] = {"code": ended, "stopped": warden.stopped, "timed_out": timed_out}
    report |= {"peak_bytes": warden.peak_bytes, "stage": log.stage.decode(errors="replace"), "log": log.text()}
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    with suppress(BrokenPipeError):  # nobody is left to read it
        main(*sys.argv[1:])
