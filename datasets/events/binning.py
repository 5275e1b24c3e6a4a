"""Events of a batch in bins of time: sparse on the host, dense where they are needed."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .recordings import Events

FEW_CELLS = 20
"""Up to so many cells per event they are counted all."""
Window = tuple[float, float] | None
"""Seconds from and to; None is from a recording's first event to its last."""


@dataclass(frozen=True)
class Sparse:
    """A batch of binned recordings as its events [E], in any order, and its classes [B]."""

    step: NDArray[Any]
    place: NDArray[Any]
    """Lane times lines plus line."""
    classes: NDArray[np.int32]
    steps: int
    lines: int
    binary: bool = False

    @cached_property
    def ordered(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Step and place in the order of time."""
        order = np.argsort(self.step, kind="stable")
        return self.step[order], self.place[order]

    def dense(self, start: int, stop: int, dtype: Any) -> NDArray[Any]:
        """Steps start to stop - 1 as [K, B, lines]. ValueError if a count does not fit the type."""
        size, step, place = len(self.classes), self.step, self.place
        if (start, stop) != (0, self.steps):
            step, place = self.ordered
            first, last = np.searchsorted(step, (start, stop))
            step, place = step[first:last] - start, place[first:last]
        shape = (stop - start, size, self.lines)
        cell = step * np.int64(size * self.lines) + place
        # Counting is for few cells, sorting for few events.
        if np.prod(shape) < FEW_CELLS * len(cell):
            return self.fitting(np.bincount(cell, minlength=np.prod(shape)), dtype).reshape(shape)
        out = np.zeros(shape, dtype)
        where, counts = np.unique(cell, return_counts=True)
        out.reshape(-1)[where] = self.fitting(counts, dtype)
        return out

    def fitting(self, counts: NDArray[np.int64], dtype: Any) -> NDArray[Any]:
        """Counts in a type that can hold them, or whether there are any."""
        if self.binary:
            return (counts > 0).astype(dtype)
        if np.issubdtype(dtype, np.integer) and counts.max(initial=0) > np.iinfo(dtype).max:
            raise ValueError(f"a bin holds {counts.max()} events, too many for {np.dtype(dtype)}: take more steps")
        return counts.astype(dtype)

    def targets(self, start: int, stop: int) -> NDArray[np.int32]:
        """The classes [K, B], at every step."""
        return np.tile(self.classes, (stop - start, 1))


def bins(t: NDArray[np.int32], steps: int, window: Window, late: bool) -> tuple[NDArray[Any], slice]:
    """The bins of those events that are in one, and which these are; times in us and in order.

    With a window: `steps` equal bins from its start, each closed below; with `late`, what comes after the window goes
    to the last bin. Without: as tonic's ToFrame(n_time_bins=steps), bins of whole us from the first event on, the
    last event in none. Bin 0 is used, and no event has bin number `steps`.
    """
    if window is None:
        if len(t) == 0:
            return t, slice(0)
        width = (t[-1] - t[0]) // steps
        inside = slice(0, int(np.searchsorted(t, t[0] + steps * width)))
        return (t[inside] - t[0]) // max(width, 1), inside
    start, stop = (round(1e6 * edge) for edge in window)
    if not 0 <= start < stop:
        raise ValueError(f"window must be two times in seconds, from 0 on and rising, not {window}")
    first, last = np.searchsorted(t, (start, stop))
    inside = slice(int(first), len(t) if late else int(last))
    return np.minimum((t[inside].astype(np.int64) - start) * steps // (stop - start), steps - 1), inside


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


def binned(
    recordings: Sequence[Events],
    classes: NDArray[np.int32],
    steps: int,
    sensor: tuple[int, int, int],
    features: int,
    window: Window = None,
    binary: bool = False,
    late: bool = False,
) -> Sparse:
    """A batch in `steps` bins on `features` lines: polarity, row, column, flattened in this order."""
    if steps < 1:
        raise ValueError(f"steps must be at least 1, not {steps}")
    f = pooling(sensor, features)
    w, h = -(-sensor[0] // f), -(-sensor[1] // f)
    column = (np.arange(sensor[0]) // f).astype(np.int32)
    row = (np.arange(sensor[1]) // f * w).astype(np.int32)
    step, place = [], []
    for lane, events in enumerate(recordings):
        found, inside = bins(events.t, steps, window, late)
        polarity = (lane * features + np.arange(sensor[2]) * (h * w)).astype(np.int32)
        step.append(found)
        place.append(polarity[events.p[inside]] + row[events.y[inside]] + column[events.x[inside]])
    return Sparse(np.concatenate(step), np.concatenate(place), classes, steps, features, binary)
