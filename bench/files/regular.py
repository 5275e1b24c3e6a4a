"""Open regular files only: a device, a pipe or a socket in the place of a file would never end, or never begin."""

import os
import stat
from pathlib import Path
from typing import BinaryIO

from drtrl_bench.view.escape import shown

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def opened(path: str | Path) -> BinaryIO:
    """Open a regular file for reading. Raises OSError, in one line, for anything else."""
    return os.fdopen(descriptor(path, os.O_RDONLY), "rb")


def descriptor(path: str | Path, flags: int) -> int:
    """Open a regular file, or make one if `flags` say so, without waiting for anybody; return its descriptor.

    Raises OSError, in one line, for anything else.
    """
    try:
        check(path, os.stat(path))  # before it is opened, which does something to some devices
    except FileNotFoundError:
        if not flags & os.O_CREAT:
            raise
    file = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, 0o666)
    try:
        check(path, os.fstat(file))
    except OSError:
        os.close(file)
        raise
    return file


def check(path: str | Path, status: os.stat_result) -> None:
    """Raise OSError if what is at a path is not a regular file."""
    if kind := other_kind(status):
        raise OSError(f"{shown(path)}: {kind}; it must be a regular file")


def other_kind(status: os.stat_result) -> str | None:
    """Name what is in the place of a regular file, as "a pipe"; None for a regular file."""
    return None if stat.S_ISREG(status.st_mode) else KINDS.get(stat.S_IFMT(status.st_mode), "something else")
