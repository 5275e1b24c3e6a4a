"""Opens regular files only: a device, a pipe or a socket in the place of a file would never end, or never begin."""

import os
import stat
from pathlib import Path
from typing import BinaryIO

from drtrl_bench.view.escape import shown


def opened(path: str | Path) -> BinaryIO:
    """Opens a regular file for reading. Raises OSError, in one line, for anything else."""
    return os.fdopen(descriptor(path, os.O_RDONLY), "rb")


def descriptor(path: str | Path, flags: int) -> int:
    """Opens a regular file, or one that `flags` let it make, without waiting for anybody. Raises OSError otherwise."""
    try:
        check(path, os.stat(path))  # before it is opened, which does something to some devices
    except FileNotFoundError:
        if not flags & os.O_CREAT:
            raise
    found = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, 0o666)
    try:
        check(path, os.fstat(found))
    except OSError:
        os.close(found)
        raise
    return found


def check(path: str | Path, found: os.stat_result) -> None:
    """Raises OSError if what is at a path is not a regular file."""
    if stat.S_ISREG(found.st_mode):
        return
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    raise OSError(f"{shown(path)}: {kinds.get(stat.S_IFMT(found.st_mode), 'something else')}, where a file is wanted")
