"""Appends whole lines to record files, beside other processes that do, and mends a last line that a crash cut short."""

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
"""How long to wait for another process to append, which takes milliseconds."""


def append(path: Path, line: Line) -> None:
    """Append one line and wait until it is on disk, so that a crash loses at most the line being written.

    The time does not grow with the file. Raises ValueError for a line that no reader would take, OSError for a path
    that is not a file and for a full disk; the file is then as it was.
    """
    warn_of_removed(path, append_data(path, encode(line)))


def append_data(path: Path, data: bytes) -> int:
    """Append one line as bytes, as `append` does; return how many bytes of a last line cut short were removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path) as (file, alone):
        end, removed = mend_last_line(file, alone)
        try:
            write(file, data)
        except OSError:
            os.ftruncate(file, end)
            raise
        os.fsync(file)
    if end == 0:  # the file is new and its folders may be; after a power cut only a folder on disk knows a new file
        for folder in path.absolute().parents:
            sync(folder)
    return removed


def encode(line: Line) -> bytes:
    """Return a line as bytes, with its line feed. Raises ValueError for a line that no reader would take."""
    text = json.dumps(line, allow_nan=False)
    if "\\ud" in text:  # from a file's name, which need not be UTF-8
        text = json.dumps(json.loads(json.dumps(line, ensure_ascii=False).encode("utf-8", errors="replace")))
    if problem := parsing.complaint(json.loads(text)):
        raise ValueError(f"no line of a record file: {problem}")
    return text.encode() + b"\n"


@contextmanager
def locked(path: Path) -> Iterator[tuple[int, bool]]:
    """Open and lock a record file; yield its descriptor, and whether no other process can append to the file."""
    file = regular.descriptor(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
    try:
        yield file, lock(file, path)
    finally:
        os.close(file)


def lock(file: int, path: Path) -> bool:
    """Wait for the lock on an open file's content; return False where the file system has none.

    The lock is apart from that of `flock`, with which a run keeps other runs away, and is lost only when this very
    descriptor is closed.
    """
    deadline = time.monotonic() + PATIENCE_S
    whole_file = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    while True:
        try:
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, whole_file)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise OSError(f"{shown(path)}: locked by another program for {PATIENCE_S:g} s") from None
            time.sleep(0.002)
        except OSError:
            return False
        else:
            return True


def write(file: int, data: bytes) -> None:
    """Write all of the data: the system may take less of them at once."""
    while data:
        data = data[os.write(file, data) :]


def sync(folder: Path) -> None:
    """Wait until the entries of a folder are on disk, where the file system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def mend_last_line(file: int, alone: bool) -> tuple[int, int]:
    """End the last line of a file, or remove a line cut short; return the file's length and the bytes removed.

    A line that a crash cut short holds no record. A record that only lacks its line feed gets it, and so does text that
    no run wrote.
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


def warn_of_removed(path: Path, removed: int) -> None:
    """Warn that bytes were removed; once the new line is on disk, since a warning may be an error."""
    if removed:
        message = f"the last line was cut short, probably by a crash; its {removed} bytes are removed, the rest is kept"
        warnings.warn(f"{shown(path)}: {message}", CorruptLine, stacklevel=3)


def last_start(file: int, size: int, block: int = 2**16) -> int:
    """Find the offset at which the last line of a file begins, no further back than the longest line reaches."""
    offset = size
    while offset > 0 and size - offset <= parsing.LONGEST:
        before = max(offset - block, 0)
        if (line_feed := os.pread(file, offset - before, before).rfind(b"\n")) >= 0:
            return before + line_feed + 1
        offset = before
    return offset


def prepare(path: Path) -> None:
    """Mend the last line of a file that a run is about to append to.

    Raises OSError for a path that is not a file, and for a file with content that has no line of a record file:
    somebody named another file by mistake.
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
    with locked(path) as (descriptor, alone):
        _, removed = mend_last_line(descriptor, alone)
    warn_of_removed(path, removed)
