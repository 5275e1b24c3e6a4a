"""Keep decoded recordings, and recordings in bins, in small files: tonic's readers take longer than a gradient.

tonic's own DiskCachedDataset keeps an HDF5 file per recording, and opening one is most of what its readers take.
"""

import os
from collections.abc import Sequence
from functools import cache
from hashlib import blake2b
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drtrl_bench.files import diskcache

from .published import DamagedError, ReaderError, needs

STAMP, HEADER = 16, 24
"""Bytes: the stamp, and after it the number of rows. The columns follow."""


SOURCES = blake2b(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))).digest()
"""Hash of the sources that are running, and not of what the files become meanwhile."""


@cache
def makers() -> tuple[str, bytes]:
    """Return what makes recordings: tonic's version and a hash of the sources. Raises ReaderError without tonic."""
    try:
        return metadata.version("tonic"), SOURCES
    except metadata.PackageNotFoundError:
        raise ReaderError(needs("tonic")) from None


def stamp(file: Path) -> bytes:
    """Hash what changes whenever a file, or what reads it, is changed or replaced: [STAMP] bytes.

    Raises DamagedError if the file is gone, ReaderError if nothing installed can read it.
    """
    try:
        status = os.stat(file)
    except OSError as error:
        raise DamagedError(f"{file}: {error.strerror}") from None
    described = (makers(), status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return blake2b(repr(described).encode(), digest_size=STAMP).digest()


def load(path: Path, stamp: bytes, *layouts: Sequence[Any]) -> list[NDArray[Any]] | None:
    """Read the columns that were saved with this stamp, read-only; None if there are none.

    layouts: the columns' types, or several alternatives, whose rows take different numbers of bytes.
    """
    if (content := diskcache.content(path)) is None:
        return None
    number = int.from_bytes(content[STAMP:HEADER], "little")
    fits = (dtypes for dtypes in layouts if len(content) == HEADER + number * sum(np.dtype(d).itemsize for d in dtypes))
    dtypes = next(fits, None)
    if content[:STAMP] != stamp or dtypes is None:
        return None
    columns, start = [], HEADER
    for dtype in dtypes:
        columns.append(np.frombuffer(content, dtype, number, start))
        start += columns[-1].nbytes
    return columns


def save(path: Path, stamp: bytes, columns: Sequence[NDArray[Any]]) -> None:
    """Save columns of one length, all or none; none where nothing can be written."""
    header = stamp + len(columns[0]).to_bytes(HEADER - STAMP, "little")
    try:
        diskcache.save_content(path, [header, *(column.data for column in columns)])
    except OSError as error:
        diskcache.note_unwritable(path, error)
