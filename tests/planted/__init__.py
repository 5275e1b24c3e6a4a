"""Errors planted outside the implementations, by what they are in: one module, one list of `Planted`."""

from typing import NamedTuple


class Planted(NamedTuple):
    """One edit, or the same error in several files, and the fast test that must fail on it."""

    error: str
    file: str
    """Of the project, as in "bench/measure/stats.py"; `old` stands in it once."""
    old: str
    new: str
    test: str
    """As pytest names it, without parameters or with: "tests/test_stats.py::test_name[torch]"."""
    also: tuple[tuple[str, str, str], ...] = ()
    """More edits of the same error: file, old and new of each."""
