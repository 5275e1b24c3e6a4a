"""Count the events of recordings in bins of time: compact on the host, dense where they are needed."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import cache as cache_files
from .recordings import Events, Recordings, size

Window = tuple[float, float] | None
"""Seconds from and to; None is from a recording's first event to its last."""
LONGEST = 2**31 / 1e6
"""Seconds after which a recording can have no event: its times are us in 4 bytes."""


@dataclass(frozen=True)
class Binning:
    """How the events of a recording are counted: in `steps` bins of time on `features` lines."""

    steps: int
    sensor: tuple[int, int, int]
    """Width, height, polarities."""
    features: int
    """Fewer than the sensor has pixels and polarities: neighbouring pixels are pooled."""
    window: Window = None
    """The time that the bins cover."""
    late: bool = False
    """Whether the last bin counts what comes after the window, too."""

    @property
    def pools(self) -> bool:
        """Whether neighbouring pixels share a line."""
        return self.features != prod(self.sensor)

    def file_name(self, index: int) -> str:
        """Name the cache's file of a recording in these bins."""
        return " ".join(map(str, (index, self.steps, self.sensor, self.features, self.window, self.late)))


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
"""The types of the columns of `Cells` and of `AllCells`."""
PER_EVENT = 64
"""Bytes of counts per event up to which all cells are counted, which is quicker than to sort the events. Sorting takes
about as many bytes."""


@dataclass(frozen=True)
class Sparse:
    """A batch of binned recordings that is not dense yet, and its classes [B]."""

    lanes: Sequence[Cells | AllCells]
    classes: NDArray[np.int32]
    steps: int
    lines: int
    binary: bool = False

    def dense(self, start: int, stop: int, dtype: Any) -> NDArray[Any]:
        """Return steps start to stop - 1 as [K, B, lines]. Raises ValueError if a count does not fit the type."""
        out = np.zeros((stop - start, len(self.lanes), self.lines), dtype)
        flat, row = out.reshape(-1), np.int64(len(self.lanes) * self.lines)
        for lane, cells in enumerate(self.lanes):
            if isinstance(cells, AllCells):
                wanted = slice(start * self.lines, stop * self.lines)
            else:
                wanted = slice(*np.searchsorted(cells.step, (start, stop)))
            counts = cells.counts[wanted]
            if not self.binary and np.issubdtype(dtype, np.integer) and counts.max(initial=0) > np.iinfo(dtype).max:
                raise ValueError(f"a bin holds {counts.max()} events, too many for {np.dtype(dtype)}: take more steps")
            if self.binary:
                counts = counts != 0
            if isinstance(cells, AllCells):
                out[:, lane] = counts.reshape(-1, self.lines)
            else:
                where = (cells.step[wanted] - start) * row + (cells.line[wanted] + lane * self.lines)
                flat[where] = counts
        return out

    def targets(self, start: int, stop: int) -> NDArray[np.int32]:
        """Return the classes at steps start to stop - 1, the same at every step: [K, B]."""
        return np.tile(self.classes, (stop - start, 1))


def bins(t: NDArray[np.int32], binning: Binning) -> NDArray[np.int64]:
    """Find where bins begin and end [steps + 1]: bin k has events edges[k] to edges[k + 1] - 1.

    t: times in us, in order. With a window: equal bins from its start, each closed below. Without: as tonic's
    ToFrame(n_time_bins=steps), bins of whole us from the first event on, the last event in none. Raises ValueError for
    a window that is none.
    """
    numbers, window = np.arange(binning.steps + 1), binning.window
    if window is None:
        return np.searchsorted(t, t[0] + numbers * ((t[-1] - t[0]) // binning.steps)) if len(t) else 0 * numbers
    if not 0 <= window[0] < window[1] <= LONGEST:
        raise ValueError(f"window must be two times in seconds, rising and from 0 to {LONGEST:g}, not {window}")
    start, stop = (round(1e6 * edge) for edge in window)
    if start == stop:
        raise ValueError(f"window must last a us at least, not {window}")
    # Rounded up: an event before a bin's first whole us is in the bin below.
    edges = np.searchsorted(t, start - numbers * (start - stop) // binning.steps)
    if binning.late:
        edges[-1] = len(t)
    return edges


@cache
def pooling(sensor: tuple[int, int, int], features: int) -> int:
    """Return how many neighbouring pixels in each direction share a line, so that there are `features` lines.

    Raises ValueError, which names the nearest possible numbers of lines.
    """
    w, h, p = sensor
    known = {p * -(-h // f) * -(-w // f): f for f in range(max(w, h), 0, -1)}
    if features not in known:
        near = sorted(known, key=lambda lines: abs(lines - features))[:3]
        raise ValueError(
            f"features is {features}; pooling leaves {', '.join(map(str, sorted(known)[::-1][:5]))} ..., "
            f"nearest {', '.join(map(str, sorted(near)))}"
        )
    return known[features]


def cells(events: Events, binning: Binning) -> Cells | AllCells:
    """Count a recording's events in bins, on lines numbered by polarity, row and column, flattened in this order."""
    steps, sensor, features = binning.steps, binning.sensor, binning.features
    f = pooling(sensor, features)
    w, h = -(-sensor[0] // f), -(-sensor[1] // f)
    edges = bins(events.t, binning)
    _, x, y, p = (column[edges[0] : edges[-1]] for column in events)
    # In the smallest type that numbers all lines: these arrays pass through the processor's cache several times.
    number = np.min_scalar_type(features).type
    if f > 1:
        x, y = x // f, y // f
    line = x if (h, sensor[2]) == (1, 1) else (p * number(h) + y) * number(w) + x
    first = np.repeat(np.arange(0, steps * features, features), np.diff(edges))
    return counted(first + line, steps, features)


def counted(numbers: NDArray[np.int64], steps: int, features: int) -> Cells | AllCells:
    """Count how often each of the numbers step * features + line occurs."""
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


def batch(recordings: Recordings, chosen: NDArray[np.int64], binning: Binning, binary: bool = False) -> Sparse:
    """Bin the chosen recordings, each only once for as long as its cells stay in memory.

    binary: 1 where there are events, in place of their number. Raises ValueError if there are no steps.
    """
    check_steps(binning.steps)
    lanes = [
        recordings.cells_memory.get((int(i), binning), lambda i=i: cached_cells(recordings, int(i), binning))
        for i in chosen
    ]
    return Sparse(lanes, recordings.labels[chosen], binning.steps, binning.features, binary)


def check_steps(steps: int) -> None:
    """Raise ValueError if there are no steps."""
    if steps < 1:
        raise ValueError(f"steps must be at least 1, not {steps}")


def cached_cells(recordings: Recordings, index: int, binning: Binning) -> Cells | AllCells:
    """Return the cells of a recording: from the cache, where pooling leaves few for its events, else binned now."""
    if recordings.cache_folder is None or not binning.pools:
        return cells(recordings[index], binning)
    path, stamp = recordings.cache_folder / binning.file_name(index), cache_files.stamp(recordings.files[index])
    if (columns := cache_files.load(path, stamp, *FORMS.values())) is not None:
        return (Cells if len(columns) > 1 else AllCells)(*columns)
    binned = cells(recordings[index], binning)
    # Many would be read no quicker than binned, and take the disk's space anew for every choice of bins.
    if 2 * size(binned) < size(recordings[index]):
        cache_files.save(path, stamp, binned)
    return binned
