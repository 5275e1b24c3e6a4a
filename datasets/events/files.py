"""List the files of recordings in a folder, and refuse what cannot be one of them.

What is listed is what is counted and read: a file that is passed over in silence would change a split.
"""

import os
import re
import stat
from pathlib import Path

from .published import DamagedError

SYSTEM = {"@eadir", "#recycle", "$recycle.bin", "__macosx", "desktop.ini", "lost+found", "thumbs.db"}
"""What file servers, desktops and archivers leave in folders, in small letters."""
LARGEST = 2**36
"""Bytes of a file, if nobody knows better: many times those of the largest published one."""
HOLES = 64
"""How many times larger than on the disk a file may be that is not mostly holes: file systems compress."""


def ignored(name: str) -> bool:
    """Tell whether an entry of a folder is no part of a data set: hidden, or the system's own."""
    return name.startswith(".") or name.lower() in SYSTEM


def unbroken(path: Path) -> Path:
    """Return the path. Raises DamagedError if it is a link to nothing: a disk that is not mounted is no missing data
    set."""
    if path.is_symlink() and not path.exists():
        raise DamagedError(
            f"{path}: a link to {os.readlink(path)}, where there is nothing; mount it or remove the link"
        )
    return path


def recordings(part: Path, folder: str, file: str, expected: str) -> list[Path]:
    """List the files of recordings in the folders of a part, in the order of their names.

    folder, file: patterns of whole names. expected: what should be there, in words. Entries that are `ignored`, and
    files of another kind, are passed over. Raises DamagedError, which names the entry, for a folder or a recording that
    fits no pattern, for a link to nothing, and for what would count twice.
    """
    paths: list[Path] = []
    seen: dict[str, str] = {}
    for outer in entries(part):
        if outer.is_dir() and re.fullmatch(folder, outer.name):
            target = once(outer.path, os.path.realpath(outer), seen)
            for inner in entries(Path(outer)):
                if inner.is_file() and re.fullmatch(file, inner.name):
                    real = os.path.realpath(inner) if inner.is_symlink() else os.path.join(target, inner.name)
                    once(inner.path, real, seen)
                    paths.append(Path(inner))
                else:
                    refuse(inner, file, expected)
        else:
            refuse(outer, file, expected, folder)
    return paths


def once(path: str, real: str, seen: dict[str, str]) -> str:
    """Note the real path of a file or folder in `seen`, and return it. Raises DamagedError if it is there already."""
    if real in seen:
        raise DamagedError(f"{path}: the same as {seen[real]}, by a link; remove one of the two")
    seen[real] = path
    return real


def refuse(entry: os.DirEntry[str], file: str, expected: str, folder: str = "") -> None:
    """Raise DamagedError for a folder, a file of the recordings' kind, or what is named as their folders are."""
    similar = Path(entry).suffix.lower() == Path(file).suffix or re.fullmatch(folder, entry.name)
    if entry.is_dir() or similar:
        raise DamagedError(f"{entry.path}: no part of the data set, which has {expected}; move it away")


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """List the entries of a folder that are not `ignored`, in order. Raises DamagedError for a link to nothing, or no
    folder."""
    try:
        with os.scandir(folder) as scan:
            listed = sorted((entry for entry in scan if not ignored(entry.name)), key=lambda entry: entry.name)
    except OSError as error:
        raise DamagedError(f"{folder}: {error.strerror}") from None
    for entry in listed:
        if entry.is_symlink():
            unbroken(Path(entry))
    return listed


def regular(path: Path, most: int = LARGEST) -> Path:
    """Return the path. Raises DamagedError for what is no file that can be read in bounded time and memory: a folder, a
    pipe or a device, one of more than `most` bytes, or one mostly of holes."""
    try:
        status = path.stat()
    except OSError:  # whoever opens it says so
        return path
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
        raise DamagedError(f"{path}: {kind}, and not a file; move it away")
    if status.st_size > most:
        raise DamagedError(f"{path}: {status.st_size} bytes, and such a file has {most} at most; move it away")
    if status.st_size > 2**26 and status.st_size > HOLES * 512 * status.st_blocks:
        raise DamagedError(
            f"{path}: {status.st_size} bytes, of which the disk holds {512 * status.st_blocks}: mostly holes; "
            "copy it again"
        )
    return path
