"""Keep arrays and bytes between runs, each file with a hash of all that it holds.

A file is whole or it is not there: it is written under another name, and moved into place. Its last 64 bytes are the
SHA-256 of its name and of every byte before them, so of its arrays' names, shapes, types and numbers; it is compared
before anything is parsed. What was damaged, cut, renamed or written by somebody else reads as nothing, and is made
anew. Arrays are kept as `.npz`, where the hash is the archive's comment, and never as pickles.
"""

import errno
import fcntl
import hashlib
import os
import re
import stat
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from drtrl_bench.files import cache_folder

SEAL = 64
"""Bytes of the hash at a file's end, in hexadecimal digits."""
BLANK = SEAL * b"0"
"""What stands there until the hash is known."""
BLOCK = 2**20
SAVING = ".saving-"
"""How the names of files begin that are being written."""


class DamagedCacheError(OSError):
    """A kept file that is not what was written; the message says what is wrong, without the path."""


# Reading


def load(path: Path) -> dict[str, NDArray[Any]] | None:
    """Return the arrays kept in a file, by name; None if there is no such file, or a damaged one."""
    try:
        with verified(path) as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except MemoryError:
        raise
    except OSError as error:
        note_unread(path, error)
    except Exception as error:  # with the right hash and no archive: it can raise almost anything
        note_damaged(path, error)
    return None


def content(path: Path) -> bytes | None:
    """Return the bytes kept in a file; None if there is no such file, or a damaged one."""
    try:
        with verified(path) as file:
            return file.read()[:-SEAL]
    except OSError as error:
        note_unread(path, error)
    return None


def note_unread(path: Path, error: OSError) -> None:
    """Say why a file is not read, unless it does not exist."""
    if error.errno not in (errno.ENOENT, errno.ENOTDIR):
        note_damaged(path, error)


def note_damaged(path: Path, error: Exception) -> None:
    """Say that a damaged file is made anew, once for all files of its folder."""
    problem = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    cache_folder.note(
        f"damaged {path.parent}", f"{path}: {problem}: made anew, as is whatever else is damaged beside it"
    )


@contextmanager
def verified(path: Path) -> Iterator[IO[bytes]]:
    """Open a kept file at its beginning once its hash is verified. Raises DamagedCacheError if that is wrong."""
    # Not waiting for whoever should write a pipe.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise DamagedCacheError("is no file")
        if reason := cache_folder.owner_problem(status):
            raise DamagedCacheError(reason)
        file.seek(max(0, status.st_size - SEAL))
        seal = file.read(SEAL)
        # Looked at first, because a file of holes takes for ever to hash.
        if not re.fullmatch(rb"[0-9a-f]{%d}" % SEAL, seal) or seal != seal_of(file, path.name, status.st_size - SEAL):
            raise DamagedCacheError("damaged, or never written whole")
        file.seek(0)
        yield file


def seal_of(file: IO[bytes], name: str, size: int) -> bytes:
    """Hash a name and the first `size` bytes of a file: 64 hexadecimal digits."""
    digest = hashlib.sha256(os.fsencode(name) + b"\0")
    file.seek(0)
    while size > 0 and (block := file.read(min(size, BLOCK))):
        digest.update(block)
        size -= len(block)
    return digest.hexdigest().encode()


# Writing


def save(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Keep arrays in a file, all of them or none.

    Raises OSError where nothing can be written, ValueError for an array of objects.
    """
    with written(path) as file, zipfile.ZipFile(file, "w") as archive:
        archive.comment = BLANK
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


def save_content(path: Path, parts: Sequence[Any]) -> None:
    """Keep bytes in a file, all of them or none. Raises OSError where nothing can be written."""
    with written(path) as file:
        file.writelines(parts)
        file.write(BLANK)


@contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file to write, and give it its hash and its name at the end; if that fails, remove it."""
    cache_folder.make_folder(path.parent)
    sweep(path.parent)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=SAVING)
    try:
        with open(descriptor, "w+b") as file:
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # or a process that sweeps would take it for left
            yield file
            size = file.seek(0, os.SEEK_END) - SEAL
            seal = seal_of(file, path.name, size)
            file.seek(size)
            file.write(seal)
            file.flush()
            os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)  # it may have its final name already
        raise


@cache
def sweep(path: Path) -> None:
    """Remove what killed processes left half written in a folder; once for each folder."""
    for left in path.glob(f"{SAVING}*"):
        with suppress(OSError), cache_folder.locked(left) as free:
            if free:
                left.unlink()


def note_unwritable(path: Path, error: OSError) -> None:
    """Say that a file could not be kept, once for all files."""
    cache_folder.note(
        "unwritable", f"{path.parent} cannot be written ({error.strerror}): not all is kept for later runs"
    )
