"""Signals that end a command: each ends it in the same way, with what it started, and leaves nothing over."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
TIDYING_S = 10.0
"""Seconds after a signal in which another changes nothing: what the first one ended is being tidied up."""


class Stopped(BaseException):
    """A signal has ended the command. Not a KeyboardInterrupt, which libraries take for themselves."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        self.advice = ""
        """What to do next, where that is more than the same command again."""

    def __str__(self) -> str:
        said = f"interrupted by {signal.Signals(self.number).name}"
        return f"{said}; {self.advice}" if self.advice else said

    @property
    def exit_code(self) -> int:
        """As a shell has it."""
        return 128 + self.number


class Stopping:
    """The handler: raises `Stopped`, once for all signals that come together."""

    def __init__(self) -> None:
        self.since = float("-inf")

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if time.monotonic() - self.since > TIDYING_S:
            self.since = time.monotonic()
            raise Stopped(number)


def install() -> None:
    """Lets every such signal end this process alike, however it was started; but nohup stays what it is."""
    stopping = Stopping()
    for each in ENDING:
        if each != signal.SIGHUP or signal.getsignal(each) != signal.SIG_IGN:
            signal.signal(each, stopping)


def taken(command: Callable[[], object]) -> None:
    """Runs a command; a signal that ends it is one line on standard error, and exit code 128 + its number."""
    install()
    try:
        command()
    except Stopped as stopped:
        with suppress(OSError):  # a terminal that is gone
            print(stopped, file=sys.stderr, flush=True)
        raise SystemExit(stopped.exit_code) from None


@contextmanager
def advising(advice: str) -> Iterator[None]:
    """Says what to do next of a command that is stopped within."""
    try:
        yield
    except Stopped as stopped:
        stopped.advice = advice
        raise
