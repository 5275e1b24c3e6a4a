"""End a command on a signal: in the same way for each signal, with all processes that the command started."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
TIDYING_S = 10.0
"""Seconds after a signal in which a second one is ignored: the command is still tidying up."""


class Stopped(BaseException):
    """A signal has ended the command. Not a KeyboardInterrupt, which libraries take for themselves."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        self.advice = ""
        """What the user should do next, if not merely the same command again."""

    def __str__(self) -> str:
        text = f"interrupted by {signal.Signals(self.number).name}"
        return f"{text}; {self.advice}" if self.advice else text

    @property
    def exit_code(self) -> int:
        """Return the exit code that a shell gives a command that this signal ended."""
        return 128 + self.number


class Stopping:
    """Handle signals: raise `Stopped`, once for all signals that come together."""

    def __init__(self) -> None:
        self.since = float("-inf")

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if time.monotonic() - self.since > TIDYING_S:
            self.since = time.monotonic()
            raise Stopped(number)


def install() -> None:
    """Let each signal of ENDING end this process in the same way; under nohup SIGHUP stays ignored."""
    stopping = Stopping()
    for number in ENDING:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, stopping)


def run(command: Callable[[], object]) -> None:
    """Run a command; a signal that ends the command gives one line on standard error and exit code 128 + its number."""
    install()
    try:
        command()
    except Stopped as stopped:
        with suppress(OSError):  # a terminal that is gone
            print(stopped, file=sys.stderr, flush=True)
        raise SystemExit(stopped.exit_code) from None


@contextmanager
def advising(advice: str) -> Iterator[None]:
    """Give a command that a signal stops within this context its advice: what the user should do next."""
    try:
        yield
    except Stopped as stopped:
        stopped.advice = advice
        raise
