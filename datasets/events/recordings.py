"""Recordings of a split through tonic's own reader: checked, compact, and the ones read last kept in memory."""

import tempfile
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import decoded, raw
from .place import Clock, DamagedError, ReaderError, needs

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
"""Of the events' columns."""


class Kept:
    """Tuples of arrays by key. All that are kept share BUDGET bytes, and the ones used last stay."""

    used: ClassVar[OrderedDict[tuple["Kept", Any], int]] = OrderedDict()
    """Bytes of everything kept, the one used last at the end."""
    total: ClassVar[int] = 0

    def __init__(self) -> None:
        self.found: dict[Any, tuple[Any, ...]] = {}

    def get(self, key: Any, make: Callable[[], Any]) -> Any:
        """What is kept under a key, made if it is not. What cannot be made is not kept."""
        if key in self.found:
            self.used.move_to_end((self, key))
            return self.found[key]
        made = self.found[key] = make()
        self.used[self, key] = size(made)
        Kept.total += size(made)
        while Kept.total > BUDGET and len(self.used) > 1:
            store, oldest = next(iter(self.used))
            store.drop(oldest)
        return made

    def drop(self, key: Any) -> None:
        del self.found[key]
        Kept.total -= self.used.pop((self, key))

    def clear(self) -> None:
        for key in list(self.found):
            self.drop(key)


def reader(name: str, folder: Path | None, **options: Any) -> Any:
    """tonic's reader of that name on the files in `folder`, which is called as the reader is. It never downloads.

    Without a folder the reader knows of no files yet, and is to be told: its own list would stumble over, or take in,
    whatever else lies in the folders. Raises ReaderError if tonic is not installed, and DamagedError if it cannot read
    the files.
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
            raise DamagedError(f"{folder}: {said(error)}") from error


class Recordings:
    """What a reader holds: `labels` [n], `groups` [n] (speakers, subjects; None if unknown), and events by index."""

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
        decoded: Path | None = None,
    ) -> None:
        """files: where each recording comes from. columns: those of a recording, by file and index, before any cast;
        raises DamagedError for a file that has none. limits: of each column but the time. clock: of the time. decoded:
        folder for recordings as they were read, where reading them again would be slow."""
        self.source, self.files, self.labels, self.groups = source, files, labels, groups
        self.sensor, self.columns, self.limits, self.clock = sensor, columns, limits, clock
        self.decoded = decoded
        self.kept, self.kept_cells = Kept(), Kept()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Events:
        """The events of a recording. Raises DamagedError, which names the file, and then keeps nothing of it."""
        return self.kept.get(int(index), lambda: self.read(index))

    def read(self, index: int, anew: bool = False) -> Events:
        """From where it was decoded, else, or anew, through tonic."""
        if self.decoded is None:
            return self.decode(index)
        # Before reading: of a file that is replaced meanwhile nothing stays.
        path, stamp = self.decoded / str(index), decoded.stamp(self.files[index])
        if not anew and (columns := decoded.load(path, stamp, DTYPES)) is not None:
            return Events(*columns)
        events = self.decode(index)
        decoded.save(path, stamp, events)
        return events

    def decode(self, index: int) -> Events:
        where = f"{self.files[index]}: recording {index}"
        try:
            raw.check(self.columns(self.files[index], index), self.limits, self.clock, where)
            events, _ = self.source[index]
        except DamagedError:
            raise
        except Exception as error:  # a damaged file can raise almost anything
            raise DamagedError(f"{where}: {said(error)}") from error
        return checked(events, self.sensor, where)


def size(columns: tuple[Any, ...]) -> int:
    return sum(column.nbytes for column in columns)


def said(error: Exception) -> str:
    """An error in one line."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def checked(events: NDArray[Any], sensor: tuple[int, int, int], where: str) -> Events:
    """tonic's structured events in 9 bytes each, in order of time. Raises DamagedError if it cannot have sent them."""
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
    packed = Events(t.astype(np.int32), events["x"].astype(np.uint16), y.astype(np.uint16), p.astype(np.uint8))
    if (np.diff(packed.t) >= 0).all():
        return packed
    order = np.argsort(packed.t, kind="stable")
    return Events(*(column[order] for column in packed))
