"""Events of a batch in bins of time: sparse on the host, dense where they are needed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .recordings import Events

Window = tuple[float, float] | None
"""Seconds from and to; None is from a recording's first event to its last."""


@dataclass(frozen=True)
class Sparse:
    """A batch of binned recordings as its events [E], in order of time, and its classes [B]."""

    step: NDArray[np.int32]
    place: NDArray[np.int64]
    """Lane times lines plus line."""
    classes: NDArray[np.int32]
    steps: int
    lines: int
    binary: bool = False

    def dense(self, start: int, stop: int, dtype: Any) -> NDArray[Any]:
        """Steps start to stop - 1 as [K, B, lines]. ValueError if a count does not fit the type."""
        size = len(self.classes)
        first, last = np.searchsorted(self.step, (start, stop))
        out = np.zeros((stop - start, size, self.lines), dtype)
        cell = (self.step[first:last] - np.int64(start)) * (size * self.lines) + self.place[first:last]
        where, counts = np.unique(cell, return_counts=True)
        if self.binary:
            counts = np.minimum(counts, 1)
        elif np.issubdtype(dtype, np.integer) and counts.max(initial=0) > np.iinfo(dtype).max:
            raise ValueError(f"a bin holds {counts.max()} events, too many for {np.dtype(dtype)}: take more steps")
        out.reshape(-1)[where] = counts
        return out

    def targets(self, start: int, stop: int) -> NDArray[np.int32]:
        """The classes [K, B], at every step."""
        return np.tile(self.classes, (stop - start, 1))


def bins(t: NDArray[Any], steps: int, window: Window, late: bool) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The bin of each event (us, in order) and whether it is in one.

    With a window: `steps` equal bins from its start, each closed below; with `late`, what comes after the window goes
    to the last bin. Without: as tonic's ToFrame(n_time_bins=steps), bins of whole us from the first event on, the
    last event in none. Bin 0 is used, and no event has bin number `steps`.
    """
    t = t.astype(np.int64)
    if window is None:
        if len(t) == 0:
            return t, np.zeros(0, bool)
        width = (t[-1] - t[0]) // steps
        return (t - t[0]) // max(width, 1), t < t[0] + steps * width
    start, stop = (round(1e6 * edge) for edge in window)
    if not 0 <= start < stop:
        raise ValueError(f"window must be two times in seconds, from 0 on and rising, not {window}")
    found = (t - start) * steps // (stop - start)
    if late:
        found = np.minimum(found, steps - 1)
    return found, (t >= start) & (found < steps)


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
    step, place = [], []
    for lane, events in enumerate(recordings):
        found, inside = bins(events.t, steps, window, late)
        line = (events.p.astype(np.int64) * h + events.y // f) * w + events.x // f
        step.append(found[inside].astype(np.int32))
        place.append(line[inside] + lane * features)
    all_steps = np.concatenate(step)
    order = np.argsort(all_steps, kind="stable")
    return Sparse(all_steps[order], np.concatenate(place)[order], classes, steps, features, binary)
