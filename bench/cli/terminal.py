"""Prints for every command: results on standard output, complaints on standard error."""

from drtrl_bench.view import display

console = display.Console()
complaints = display.Console(stderr=True, soft_wrap=True)


class UsageError(Exception):
    """An error that the user can put right: shown as one line, exit code 2."""


def announce(text: str) -> None:
    """Print a line of progress."""
    console.print(text, soft_wrap=True)
