"""Events of a batch in bins of time: compact on the host, dense where they are needed."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import decoded
from .recordings import Events, Recordings, size

Window = tuple[float, float] | None
"""Seconds from and to; None is from a recording's first event to its last."""


LONGEST = 2**31 / 1e6
"""Seconds after which a recording can have no event: its times are us in 4 bytes."""


class Cells(NamedTuple):
    """The cells of a recording that are not empty, in the order of time."""

    step: NDArray[np.int32]
    line: NDArray[np.int32]
    counts: NDArray[np.int32]


class AllCells(NamedTuple):
    """All cells of a recording [T * lines], quicker to make and to lay out; where none holds more than 255 events and
    this takes at most twice the memory."""

    counts: NDArray[np.uint8]


CELL = 12
"""Bytes of a cell in `Cells`."""
FORMS = {Cells: 3 * (np.int32,), AllCells: (np.uint8,)}
"""The types of their columns."""
PER_EVENT = 64
"""Bytes of counts per event for which all cells are counted, which is quicker than to sort events. What sorting takes
is about as much."""


@dataclass(frozen=True)
class Sparse:
    """A batch of binned recordings that is not dense yet, and its classes [B]."""

    lanes: Sequence[Cells | AllCells]
    classes: NDArray[np.int32]
    steps: int
    lines: int
    binary: bool = False

    def dense(self, start: int, stop: int, dtype: Any) -> NDArray[Any]:
        """Steps start to stop - 1 of `steps` as [K, B, lines]. ValueError if a count does not fit the type."""
        out = np.zeros((stop - start, len(self.lanes), self.lines), dtype)
        flat, row = out.reshape(-1), np.int64(len(self.lanes) * self.lines)
        for lane, one in enumerate(self.lanes):
            if isinstance(one, AllCells):
                part = slice(start * self.lines, stop * self.lines)
            else:
                part = slice(*np.searchsorted(one.step, (start, stop)))
            counts = one.counts[part]
            if not self.binary and np.issubdtype(dtype, np.integer) and counts.max(initial=0) > np.iinfo(dtype).max:
                raise ValueError(f"a bin holds {counts.max()} events, too many for {np.dtype(dtype)}: take more steps")
            if self.binary:
                counts = counts != 0
            if isinstance(one, AllCells):
                out[:, lane] = counts.reshape(-1, self.lines)
            else:
                where = (one.step[part] - start) * row + (one.line[part] + lane * self.lines)
                flat[where] = counts
        return out

    def targets(self, start: int, stop: int) -> NDArray[np.int32]:
        """The classes [K, B], at every step."""
        return np.tile(self.classes, (stop - start, 1))


def bins(t: NDArray[np.int32], steps: int, window: Window, late: bool) -> NDArray[np.int64]:
    """Where bins begin and end [steps + 1]: bin k is of events edges[k] to edges[k + 1] - 1; times in us and in order.

    With a window: `steps` equal bins from its start, each closed below; with `late`, what comes after the window goes
    to the last bin. Without: as tonic's ToFrame(n_time_bins=steps), bins of whole us from the first event on, the
    last event in none.
    """
    numbers = np.arange(steps + 1)
    if window is None:
        return np.searchsorted(t, t[0] + numbers * ((t[-1] - t[0]) // steps)) if len(t) else 0 * numbers
    if not 0 <= window[0] < window[1] <= LONGEST:
        raise ValueError(f"window must be two times in seconds, rising and from 0 to {LONGEST:g}, not {window}")
    start, stop = (round(1e6 * edge) for edge in window)
    if start == stop:
        raise ValueError(f"window must last a us at least, not {window}")
    # Rounded up: an event before a bin's first whole us is in the bin below.
    edges = np.searchsorted(t, start - numbers * (start - stop) // steps)
    if late:
        edges[-1] = len(t)
    return edges


@cache
def pooling(sensor: tuple[int, int, int], features: int) -> int:
    """How many neighbouring pixels in each direction share a line, so that there are `features` lines."""
    w, h, p = sensor
    known = {p * -(-h // f) * -(-w // f): f for f in range(max(w, h), 0, -1)}
    if features not in known:
        near = sorted(known, key=lambda lines: abs(lines - features))[:3]
        raise ValueError(
            f"features is {features}; pooling leaves {', '.join(map(str, sorted(known)[::-1][:5]))} ..., "
            f"nearest {', '.join(map(str, sorted(near)))}"
        )
    return known[features]


def cells(
    events: Events, steps: int, sensor: tuple[int, int, int], features: int, window: Window, late: bool
) -> Cells | AllCells:
    """A recording in `steps` bins on `features` lines: polarity, row, column, flattened in this order."""
    f = pooling(sensor, features)
    w, h = -(-sensor[0] // f), -(-sensor[1] // f)
    edges = bins(events.t, steps, window, late)
    _, x, y, p = (column[edges[0] : edges[-1]] for column in events)
    # In the smallest type that numbers all lines: these arrays pass through the processor's cache several times.
    number = np.min_scalar_type(features).type
    if f > 1:
        x, y = x // f, y // f
    line = x if (h, sensor[2]) == (1, 1) else (p * number(h) + y) * number(w) + x
    first = np.repeat(np.arange(0, steps * features, features), np.diff(edges))
    return counted(first + line, steps, features)


def counted(numbers: NDArray[np.int64], steps: int, features: int) -> Cells | AllCells:
    """How often each of the numbers step * features + line occurs."""
    kind = np.min_scalar_type(len(numbers))
    if kind.itemsize * steps * features > PER_EVENT * len(numbers):
        where, counts = np.unique(numbers, return_counts=True)
    else:
        every = np.zeros(steps * features, kind)
        np.add.at(every, numbers, kind.type(1))
        occurs = every != 0
        if every.max() < 256 and len(every) < 2 * CELL * np.count_nonzero(occurs):
            return AllCells(every.astype(np.uint8, copy=False))
        where = np.flatnonzero(occurs)
        counts = every[where]
    step = where // features
    return Cells(step.astype(np.int32), (where - step * features).astype(np.int32), counts.astype(np.int32))


def binned(
    held: Recordings,
    chosen: NDArray[np.int64],
    steps: int,
    features: int,
    window: Window = None,
    binary: bool = False,
    late: bool = False,
) -> Sparse:
    """A batch of recordings, each binned once for as long as it is kept in memory."""
    if steps < 1:
        raise ValueError(f"steps must be at least 1, not {steps}")
    how = (steps, held.sensor, features, window, late)
    lanes = [held.kept_cells.get((int(i), *how), lambda i=i: decoded_cells(held, int(i), how)) for i in chosen]
    return Sparse(lanes, held.labels[chosen], steps, features, binary)


def decoded_cells(held: Recordings, index: int, how: tuple[Any, ...]) -> Cells | AllCells:
    """The cells of a recording; where pooling leaves few for its events, from where they were kept beside them."""
    features = how[2]
    if held.decoded is None or features == prod(held.sensor):
        return cells(held[index], *how)
    path = held.decoded / " ".join(map(str, (index, *how)))
    stamp = decoded.stamp(held.files[index])
    if (columns := decoded.load(path, stamp, *FORMS.values())) is not None:
        return (Cells if len(columns) > 1 else AllCells)(*columns)
    found = cells(held[index], *how)
    # Many would be read no quicker than binned, and take the disk's space anew for every choice of bins.
    if 2 * size(found) < size(held[index]):
        decoded.save(path, stamp, found)
    return found
