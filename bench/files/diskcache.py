"""Files kept between runs: in a folder that nobody else can write, and each with a hash of all that it holds.

A file is whole or it is not there: it is written under another name, and moved into place. Its last 64 bytes are the
SHA-256 of its name and of every byte before them, so of its arrays' names, shapes, types and numbers; it is compared
before anything is parsed. What was damaged, cut, renamed or written by somebody else reads as nothing, and is made
anew. Arrays are kept as `.npz`, where the hash is the archive's comment, and never as pickles.

No cache is needed to measure. Where there is no folder for one, a private temporary one serves until the process ends.
What a user should know of it is said in one line, once; a child leaves that to its parent.
"""

import atexit
import errno
import fcntl
import hashlib
import os
import pwd
import re
import shutil
import stat
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

SETTING = "DRTRL_BENCH_CACHE"
SEAL = 64
"""Bytes of the hash at a file's end, in hexadecimal digits."""
BLANK = SEAL * b"0"
"""What stands there until the hash is known."""
BLOCK = 2**20
SAVING, PRIVATE = ".saving-", "drtrl-bench-cache-"
"""How the names begin of files that are being written, and of private temporary folders."""


class DamagedCacheError(OSError):
    """A kept file that is not what was written; the message says what is wrong, without the path."""


# Where


def home() -> Path | None:
    """The user's home folder, or None where there is none to keep anything in."""
    told = os.environ.get("HOME")
    if told is None:
        try:
            told = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError:  # a number without an entry, as in a container
            return None
    there = Path(told)
    try:
        return there if there.is_absolute() and there != Path("/") and there.is_dir() else None
    except OSError:
        return None


def named(variable: str) -> Path | None:
    """The path that an environment variable names. NotADirectoryError if it is in the home of an unknown user."""
    if not (told := os.environ.get(variable)):
        return None
    try:
        return Path(told).expanduser()
    except RuntimeError:
        raise NotADirectoryError(f"${variable} {told}: no such home; write the path in full") from None


def wanted() -> Path | None:
    """Where files would be kept: $DRTRL_BENCH_CACHE, else ~/.cache/drtrl-bench; None without a home.

    NotADirectoryError for another user's home that nobody has.
    """
    if told := named(SETTING):
        return told.absolute()
    base = home()
    return base / ".cache" / "drtrl-bench" if base else None


class Shared:
    """What a process was told by its parent, and what it has said."""

    folder: Path | None = None
    """The parent's folder, which the parent has looked at."""
    notes: dict[str, str] | None = None
    """In a child, what its parent should say."""
    said: ClassVar[set[str]] = set()
    """Subjects of the lines that were printed."""


def use(path: Path) -> None:
    """Keeps files in the parent's folder from now on, and lines for the parent to say."""
    Shared.folder, Shared.notes = path, {}


def folder() -> Path:
    """The folder to keep files in, made when the first is written: the wanted one, or else a private temporary one."""
    if Shared.folder:
        return Shared.folder
    path = wanted()
    reason = "there is no home folder to keep anything in" if path is None else distrusted(path)
    if reason is None and path is not None:
        return path
    said = reason if path is None else f"{path} {reason}"
    note("folder", f"nothing is kept for later runs: {said}; set ${SETTING} to a folder of your own")
    return private(os.getpid())


def distrusted(path: Path) -> str | None:
    """Why a folder is not one to keep files in and to believe them, or None; one that is not there yet may be made."""
    try:
        at = os.stat(path)
    except FileNotFoundError:
        if path.is_symlink():
            return "is a link to nothing"
        above = next(each for each in path.absolute().parents if os.path.lexists(each))
        if not above.is_dir():
            return f"cannot be made: {above} is no folder"
        return None if os.access(above, os.W_OK | os.X_OK) else f"cannot be made: {above} cannot be written"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if not stat.S_ISDIR(at.st_mode):
        return "is no folder"
    if reason := foreign(at):
        return reason
    return None if os.access(path, os.R_OK | os.W_OK | os.X_OK) else "cannot be written"


def foreign(at: os.stat_result) -> str | None:
    """Why the content of a file or folder may be somebody else's, or None."""
    if at.st_uid != os.geteuid():
        return "is another user's"
    return "can be written by others (chmod go-w)" if at.st_mode & (stat.S_IWGRP | stat.S_IWOTH) else None


@cache
def private(process: int) -> Path:
    """A temporary folder of this process, removed when it ends; those of processes that were killed are removed now."""
    base = Path(tempfile.gettempdir())
    for left in base.glob(f"{PRIVATE}*"):
        with suppress(OSError), locked(left) as free:
            if free and left.lstat().st_uid == os.geteuid():
                shutil.rmtree(left, ignore_errors=True)
    path = Path(tempfile.mkdtemp(prefix=PRIVATE))
    held = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    with suppress(OSError):
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)  # until this process ends, however it does

    def remove() -> None:
        if os.getpid() == process:  # and not a process that was forked from it
            shutil.rmtree(path, ignore_errors=True)

    atexit.register(remove)
    return path


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Whether no process holds a file or folder, and holds it meanwhile."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


# What is said


def note(subject: str, line: str) -> None:
    """Says a line once for its subject, on standard error; in a child, keeps it for the parent."""
    if Shared.notes is not None:
        Shared.notes.setdefault(subject, line)
    elif subject not in Shared.said:
        Shared.said.add(subject)
        shown = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)
        with suppress(OSError, ValueError):  # nobody listens
            print(f"drtrl-bench: {shown}".encode("ascii", "backslashreplace").decode(), file=sys.stderr, flush=True)


def pass_on(notes: object) -> None:
    """Says what a child left to say."""
    for subject, line in notes.items() if isinstance(notes, dict) else ():
        note(str(subject), str(line))


def unwritable(path: Path, error: OSError) -> None:
    """Says that a file could not be kept; once for all."""
    note("unwritable", f"{path.parent} cannot be written ({error.strerror}): not all is kept for later runs")


# Reading


def load(path: Path) -> dict[str, NDArray[Any]] | None:
    """The arrays that were kept, by name, or None if there are none, or damaged ones."""
    try:
        with opened(path) as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except MemoryError:
        raise
    except OSError as error:
        unread(path, error)
    except Exception as error:  # with the right hash and no archive: it can raise almost anything
        damaged(path, error)
    return None


def content(path: Path) -> bytes | None:
    """The bytes that were kept, or None if there are none, or damaged ones."""
    try:
        with opened(path) as file:
            return file.read()[:-SEAL]
    except OSError as error:
        unread(path, error)
    return None


def unread(path: Path, error: OSError) -> None:
    """Says why a file is not read, unless it is only not there."""
    if error.errno not in (errno.ENOENT, errno.ENOTDIR):
        damaged(path, error)


def damaged(path: Path, error: Exception) -> None:
    """Says that a file is made anew; once for all of its folder."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    note(f"damaged {path.parent}", f"{path}: {said}: made anew, as is whatever else is damaged beside it")


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """A kept file, open at its beginning, once its hash was found right. DamagedCacheError for any other."""
    # Not waiting for whoever should write a pipe.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        at = os.fstat(file.fileno())
        if not stat.S_ISREG(at.st_mode):
            raise DamagedCacheError("is no file")
        if reason := foreign(at):
            raise DamagedCacheError(reason)
        file.seek(max(0, at.st_size - SEAL))
        seal = file.read(SEAL)
        # Looked at first, because a file of holes takes for ever to hash.
        if not re.fullmatch(rb"[0-9a-f]{%d}" % SEAL, seal) or seal != hashed(file, path.name, at.st_size - SEAL):
            raise DamagedCacheError("damaged, or never written whole")
        file.seek(0)
        yield file


def hashed(file: IO[bytes], name: str, size: int) -> bytes:
    """The hash of a name and of the first `size` bytes of a file."""
    found = hashlib.sha256(os.fsencode(name) + b"\0")
    file.seek(0)
    while size > 0 and (block := file.read(min(size, BLOCK))):
        found.update(block)
        size -= len(block)
    return found.hexdigest().encode()


# Writing


def save(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Keeps arrays, whole or not at all. OSError where nothing can be written; ValueError for an array of objects."""
    with written(path) as file, zipfile.ZipFile(file, "w") as archive:
        archive.comment = BLANK
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


def save_content(path: Path, parts: Sequence[Any]) -> None:
    """Keeps bytes, whole or not at all. OSError where nothing can be written."""
    with written(path) as file:
        file.writelines(parts)
        file.write(BLANK)


@contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """A new file to write, which takes its hash and its place at the end; nothing is left of it if that fails."""
    made(path.parent)
    sweep(path.parent)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=SAVING)
    try:
        with open(descriptor, "w+b") as file:
            with suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # or a process that sweeps would take it for left
            yield file
            size = file.seek(0, os.SEEK_END) - SEAL
            seal = hashed(file, path.name, size)
            file.seek(size)
            file.write(seal)
            file.flush()
            os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)  # it may have its final name already
        raise


def made(path: Path) -> None:
    """Makes a folder and those above it, for nobody but the user."""
    if not path.is_dir():
        made(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)


@cache
def sweep(path: Path) -> None:
    """Removes what processes that were killed left half written in a folder, once."""
    for left in path.glob(f"{SAVING}*"):
        with suppress(OSError), locked(left) as free:
            if free:
                left.unlink()
