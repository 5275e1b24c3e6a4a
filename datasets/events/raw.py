"""Check a recording's columns as they lie in its file, before anything is cast: a cast makes damage plausible."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .published import Clock, DamagedError

SLACK = 10.0
"""How many times longer than the longest published recording, or shorter than the shortest, one may be: a time in
another unit is a thousand times off."""
BACK = 0.01
"""Seconds by which an event may be earlier than the one before it in its file: neighbours may be swapped; a clock that
wrapped, or two recordings in one file, go back further."""
UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}


def check(columns: Mapping[str, NDArray[Any]], limits: Mapping[str, int], clock: Clock, where: str) -> None:
    """Check columns of events: `t`, the time, by the clock, and each other column by its limit.

    where: the file and the recording, in words. Raises DamagedError if they are no events.
    """
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{number} {name}" for name, number in lengths.items())
        raise DamagedError(f"{where}: holds {listed}, which must be as many")
    for name, limit in limits.items():
        check_numbers(name, columns[name], limit, where)
    check_times(columns["t"], clock, where)


def check_numbers(name: str, column: NDArray[Any], limit: int, where: str, entry: str = "event") -> None:
    """Check that a column has whole numbers from 0 to limit - 1, in a type that can hold them all.

    entry: what the column has a number of, in words. Raises DamagedError.
    """
    kind = column.dtype.kind
    most = {"b": 1, "f": 2 ** (np.finfo(column.dtype).nmant + 1) if kind == "f" else 0}.get(kind)
    if kind in "iu":
        most = np.iinfo(column.dtype).max
    if most is None or most < limit - 1:
        raise DamagedError(f"{where}: {name} is of type {column.dtype}, which cannot hold 0 to {limit - 1}")
    inside = (column >= 0) & (column < limit)
    if len(outside := np.flatnonzero(~inside)):
        first = outside[0]
        raise DamagedError(
            f"{where}: {entry} {first} has {name} = {column[first]}, which must be from 0 to {limit - 1}"
        )
    if kind == "f" and len(fractions := np.flatnonzero(column != np.floor(column))):
        first = fractions[0]
        raise DamagedError(f"{where}: {entry} {first} has {name} = {column[first]}, which must be a whole number")


def check_times(t: NDArray[Any], clock: Clock, where: str) -> None:
    """Check that times are in order, and not longer or shorter than a recording can be. Raises DamagedError."""
    if t.dtype.kind not in "iuf":
        raise DamagedError(f"{where}: t is of type {t.dtype}, which must be numbers")
    if len(t) == 0:
        return
    seconds = t.astype(np.float64) * UNITS[clock.unit]
    if len(outside := np.flatnonzero(~(np.isfinite(seconds) & (seconds >= 0)))):
        first = outside[0]
        raise DamagedError(f"{where}: event {first} has t = {t[first]} {clock.unit}, which must be 0 or later")
    if len(backward := np.flatnonzero(np.diff(seconds) < -BACK)):
        first = backward[0] + 1
        raise DamagedError(
            f"{where}: event {first} has t = {t[first]} {clock.unit}, and the one before it {t[first - 1]}: "
            "they must be in the order of time"
        )
    last = seconds.max()
    span = last - seconds.min()
    low, high = clock.shortest / SLACK, SLACK * clock.longest
    if max(span, last if clock.from_zero else 0) > high or (len(t) > 1 and span < low):
        published = (
            f"{clock.longest:g}" if clock.shortest == clock.longest else f"{clock.shortest:g} to {clock.longest:g}"
        )
        raise DamagedError(
            f"{where}: from {seconds.min():g} to {last:g} s if its times are {clock.unit}, and a recording lasts "
            f"{published} s: in another unit?"
        )
