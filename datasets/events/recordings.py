"""Read the recordings of a part through tonic's reader: checked, compact, and those read last kept in memory."""

import tempfile
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import cache, raw
from .published import Clock, DamagedError, ReaderError, needs

BUDGET = 2**30
"""Bytes of recordings and of their cells that a process keeps in memory, of all data sets together."""


class Events(NamedTuple):
    """Events [E] in the order of time."""

    t: NDArray[Any]
    """us since the recording began."""
    x: NDArray[Any]
    """From 0 on, as y and p are."""
    y: NDArray[Any]
    p: NDArray[Any]


DTYPES = (np.int32, np.uint16, np.uint16, np.uint8)
"""The types of the events' columns."""


class Memory:
    """Tuples of arrays by key. All memories share BUDGET bytes, and the tuples used last stay."""

    used: ClassVar[OrderedDict[tuple["Memory", Any], int]] = OrderedDict()
    """Bytes of every tuple of every memory, the one used last at the end."""
    total: ClassVar[int] = 0

    def __init__(self) -> None:
        self.entries: dict[Any, tuple[Any, ...]] = {}

    def get(self, key: Any, make: Callable[[], Any]) -> Any:
        """Return the tuple of a key, and make it first if it is not in memory. Nothing stays of one whose making
        fails."""
        if key in self.entries:
            self.used.move_to_end((self, key))
            return self.entries[key]
        entry = self.entries[key] = make()
        self.used[self, key] = size(entry)
        Memory.total += size(entry)
        while Memory.total > BUDGET and len(self.used) > 1:
            memory, oldest = next(iter(self.used))
            memory.drop(oldest)
        return entry

    def drop(self, key: Any) -> None:
        """Forget the tuple of a key."""
        del self.entries[key]
        Memory.total -= self.used.pop((self, key))

    def clear(self) -> None:
        """Forget all tuples."""
        for key in list(self.entries):
            self.drop(key)


def reader(name: str, folder: Path | None, **options: Any) -> Any:
    """Return tonic's reader of that name on the files in `folder`, which has the reader's name. It never downloads.

    Without a folder the reader knows of no files yet, and must be given them: its own list would stumble over, or take
    in, whatever else lies in the folders. Raises ReaderError if tonic is not installed, and DamagedError if it cannot
    read the files.
    """
    try:
        # Inside, because tonic (GPL-3) is optional and takes seconds to import.
        from tonic import datasets  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise ReaderError(needs("tonic")) from None
    # tonic fetches archives that it does not see, also where they were unpacked and removed.
    local = type(name, (getattr(datasets, name),), {"download": lambda self: None})
    with tempfile.TemporaryDirectory() if folder is None else nullcontext(folder.parent) as parent:
        try:
            return local(str(parent), **options)
        except Exception as error:  # a damaged file can raise almost anything
            raise DamagedError(f"{folder}: {one_line(error)}") from error


class Recordings:
    """The recordings of a part: `labels` [n], `groups` [n] (speakers or subjects; None if unknown), events by index."""

    def __init__(
        self,
        source: Any,
        files: Sequence[Path],
        labels: NDArray[np.int32],
        groups: NDArray[Any] | None,
        sensor: tuple[int, int, int],
        columns: Callable[[Path, int], Mapping[str, NDArray[Any]]],
        limits: Mapping[str, int],
        clock: Clock,
        cache_folder: Path | None = None,
    ) -> None:
        """source: tonic's reader. files: the file of each recording. sensor: width, height, polarities. columns: reads
        a recording's columns before any cast, by file and index; raises DamagedError for a file that has none. limits:
        of each column but the time. clock: of the time. cache_folder: for recordings that are slow to read again."""
        self.source, self.files, self.labels, self.groups = source, files, labels, groups
        self.sensor, self.columns, self.limits, self.clock = sensor, columns, limits, clock
        self.cache_folder = cache_folder
        self.memory, self.cells_memory = Memory(), Memory()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Events:
        """Return the events of a recording. Raises DamagedError, which names the file, and then nothing of it stays in
        memory."""
        return self.memory.get(int(index), lambda: self.read(index))

    def forget(self) -> None:
        """Drop the recordings and their cells from memory."""
        self.memory.clear()
        self.cells_memory.clear()

    def read(self, index: int, anew: bool = False) -> Events:
        """Read the events of a recording from the cache, else, or if `anew`, through tonic. Raises DamagedError."""
        if self.cache_folder is None:
            return self.decode(index)
        # Before reading: of a file that is replaced meanwhile nothing stays.
        path, stamp = self.cache_folder / str(index), cache.stamp(self.files[index])
        if not anew and (columns := cache.load(path, stamp, DTYPES)) is not None:
            return Events(*columns)
        events = self.decode(index)
        cache.save(path, stamp, events)
        return events

    def decode(self, index: int) -> Events:
        """Read the events of a recording through tonic, once its columns are checked. Raises DamagedError."""
        where = f"{self.files[index]}: recording {index}"
        try:
            raw.check(self.columns(self.files[index], index), self.limits, self.clock, where)
            events, _ = self.source[index]
        except DamagedError:
            raise
        except Exception as error:  # a damaged file can raise almost anything
            raise DamagedError(f"{where}: {one_line(error)}") from error
        return packed(events, self.sensor, where)


def size(columns: tuple[Any, ...]) -> int:
    """Return the bytes of some arrays."""
    return sum(column.nbytes for column in columns)


def one_line(error: Exception) -> str:
    """Return the first line of an error's message, or its name."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def packed(events: NDArray[Any], sensor: tuple[int, int, int], where: str) -> Events:
    """Pack tonic's structured events into 9 bytes each, in order of time.

    Raises DamagedError, which begins with `where`, for an event that the sensor cannot have sent.
    """
    names = events.dtype.names or ()
    y = events["y"] if "y" in names else np.zeros(len(events), np.uint16)
    # With a single polarity tonic writes 1 for all.
    p = events["p"].astype(np.int64) if sensor[2] > 1 else np.zeros(len(events), np.int64)
    t = events["t"]
    columns = (("x", events["x"], sensor[0]), ("y", y, sensor[1]), ("p", p, sensor[2]), ("t", t, 2**31))
    for name, column, limit in columns:
        outside = np.flatnonzero((column < 0) | (column >= limit))
        if len(outside):
            first = outside[0]
            raise DamagedError(
                f"{where}: event {first} has {name} = {column[first]}, which must be from 0 to {limit - 1}"
            )
    compact = Events(t.astype(np.int32), events["x"].astype(np.uint16), y.astype(np.uint16), p.astype(np.uint8))
    if (np.diff(compact.t) >= 0).all():
        return compact
    order = np.argsort(compact.t, kind="stable")
    return Events(*(column[order] for column in compact))
