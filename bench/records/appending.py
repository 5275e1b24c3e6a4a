"""Appends lines to record files, whole or not at all, beside other processes that do; mends what a crash left."""

import fcntl
import json
import os
import struct
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from drtrl_bench.files import regular
from drtrl_bench.records import parsing, reading
from drtrl_bench.records.parsing import CorruptLine
from drtrl_bench.records.record import Line
from drtrl_bench.view.escape import shown

PATIENCE_S = 60.0
"""How long to wait for another process that appends, which takes it milliseconds."""


def append(path: Path, line: Line) -> None:
    """Adds one line and makes sure it is on disk, so that a crash loses at most the line being written.

    Takes as long for a long file as for a short one. Raises ValueError for what no reader would take, OSError for a
    place that is not a file or is full; the file is then as it was.
    """
    data = encoded(line)
    path.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(path) as (file, alone):
        end, removed = mended(file, alone)
        try:
            write(file, data)
        except OSError:
            os.ftruncate(file, end)
            raise
        os.fsync(file)
    told(path, removed)
    if end == 0:  # the file is new, its folders may be, and what is new is found again only if its folder is on disk
        for folder in path.absolute().parents:
            synced(folder)


def encoded(line: Line) -> bytes:
    """The bytes of a line, its end included. Raises ValueError for what no reader would take."""
    text = json.dumps(line, allow_nan=False)
    if "\\ud" in text:  # from a file's name, which need not be UTF-8
        text = json.dumps(json.loads(json.dumps(line, ensure_ascii=False).encode("utf-8", errors="replace")))
    if problem := parsing.complaint(json.loads(text)):
        raise ValueError(f"no line of a record file: {problem}")
    return text.encode() + b"\n"


@contextmanager
def exclusive(path: Path) -> Iterator[tuple[int, bool]]:
    """A record file, opened to be appended to, and whether no other process does so meanwhile."""
    file = regular.descriptor(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
    try:
        yield file, locked(file, path)
    finally:
        os.close(file)


def locked(file: int, path: Path) -> bool:
    """Waits for the lock on an open file's content; False where the file system has none.

    It is apart from `flock`'s, with which a whole run keeps others away, and is lost only when this very descriptor is
    closed.
    """
    until, whole = time.monotonic() + PATIENCE_S, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    while True:
        try:
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, whole)
        except BlockingIOError:
            if time.monotonic() > until:
                raise OSError(f"{shown(path)}: locked by another program for {PATIENCE_S:g} s") from None
            time.sleep(0.002)
        except OSError:
            return False
        else:
            return True


def write(file: int, data: bytes) -> None:
    """Writes all of the data."""
    while data:
        data = data[os.write(file, data) :]


def synced(folder: Path) -> None:
    """Makes sure that what is in a folder is on disk, where the file system can."""
    with suppress(OSError):
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def mended(file: int, alone: bool) -> tuple[int, int]:
    """Makes the last line of a file a whole one; returns the file's length, and how many bytes were cut off.

    What a crash left of a line is: no record is in it. A line that only lacks its end gets it, and so does whatever a
    run has not written.
    """
    size = os.fstat(file).st_size
    if size == 0 or os.pread(file, 1, size - 1) == b"\n":
        return size, 0
    start = last_start(file, size)
    tail = os.pread(file, size - start, start) if size - start <= parsing.LONGEST else b""
    if alone and tail and parsing.torn(tail):
        os.ftruncate(file, start)
        os.fsync(file)
        return start, size - start
    write(file, b"\n")
    return size + 1, 0


def told(path: Path, removed: int) -> None:
    """Warns of what was cut off; once the new line is on disk, since a warning may be an error."""
    if removed:
        said = f"the last line was cut short, probably by a crash; its {removed} bytes are removed, the rest is kept"
        warnings.warn(f"{shown(path)}: {said}", CorruptLine, stacklevel=3)


def last_start(file: int, size: int, block: int = 2**16) -> int:
    """Where the last line of a file begins; looks no further back than the longest line reaches."""
    at = size
    while at > 0 and size - at <= parsing.LONGEST:
        before = max(at - block, 0)
        if (found := os.pread(file, at - before, before).rfind(b"\n")) >= 0:
            return before + found + 1
        at = before
    return at


def prepare(path: Path) -> None:
    """Makes a file ready to be appended to: mends its last line.

    Raises OSError for what is not a file, and for a file that has content but no line of a record file: it is
    somebody's, named by mistake.
    """
    if not path.exists():
        return
    with regular.opened(path) as file:
        start = file.read(2**16) or b""  # None from what has nothing yet, as /proc/kmsg
    if start.strip() and not parsing.torn(start):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CorruptLine)
            if next(reading.lines(path), None) is None:
                raise OSError(f"{shown(path)}: not a record file; name another, or a new one, to keep records in")
    with exclusive(path) as (descriptor, alone):
        _, removed = mended(descriptor, alone)
    told(path, removed)
