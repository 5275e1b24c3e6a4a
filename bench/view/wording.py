"""Writes the fields of a case in words: the algorithm with its segments, and a 0 that stands for no number."""

from typing import Any

from drtrl_bench.view import caption, display
from drtrl_bench.view.caption import Frame

PROBLEM = tuple(name for name in caption.FIELDS if name != "segments")
"""The fields that have a column or a heading where rows differ in them; segments stand behind the algorithm's name."""
NOT_SET = {"features": "own", "limit_mib": "no"}
"""Words for a 0 that stands for no number: for the data set's own number of input lines, and for no limit."""


def varying(rows: Frame) -> list[str]:
    """Return the fields of `PROBLEM` in which these rows differ."""
    return [name for name in caption.varying(rows) if name in PROBLEM]


def algorithm(name: str, segments: int) -> str:
    """Write an algorithm with its number of segments, if a plan gave one: ("bptt_native", 23) -> "bptt_native/23"."""
    return display.shown(f"{name}/{segments}" if segments else name)


def cell(name: str, value: Any) -> str:
    """Write the value of a field as a cell shows it: ("features", 0) -> "own"."""
    return NOT_SET[name] if name in NOT_SET and not value else caption.plain(value)


def phrase(name: str, value: Any) -> str:
    """Write a field as a heading shows it: ("neurons", 64) -> "N = 64"."""
    return caption.FIELDS[name][1].format(cell(name, value))
