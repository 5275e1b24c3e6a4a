"""Read the text of a file that somebody else may have written: regular files only, and no more than they may hold.

A pipe would wait for ever, a device has no end, and a file of gigabytes takes the memory: each is refused before
anything of it is read.
"""

import os
from pathlib import Path

from drtrl_bench.files import regular
from drtrl_bench.view.escape import shown


class UnreadableError(OSError):
    """A file that is not read; the message names the file and the reason, in one line."""


def require(path: Path, most: int) -> None:
    """Raise UnreadableError for anything but a regular file of at most `most` bytes, without opening it."""
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        raise UnreadableError(f"{shown(path)}: {reason(error)}") from None
    if kind := regular.other_kind(status):
        raise UnreadableError(f"{shown(path)}: {kind}; it must be a regular file")
    if status.st_size > most:
        raise UnreadableError(f"{shown(path)}: {status.st_size:,} bytes; it may have {most:,} at most")


def read(path: Path, most: int) -> str:
    """Return the UTF-8 text of a regular file of at most `most` bytes, without a byte-order mark.

    Raises UnreadableError for anything else.
    """
    require(path, most)
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            content = file.read(most + 1) or b""
    except OSError as error:
        raise UnreadableError(f"{shown(path)}: {reason(error)}") from None
    if len(content) > most:  # it grew, or its size is not known, as of files in /proc
        raise UnreadableError(f"{shown(path)}: more than {most:,} bytes, which is what it may have at most")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"{shown(path)}: not UTF-8 text, from byte {error.start:,} on") from None


def reason(error: OSError | ValueError) -> str:
    """Say in a few words why the system opens no file of this name."""
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return (error.strerror if isinstance(error, OSError) else None) or "no file can have this name"
