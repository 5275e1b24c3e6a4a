"""Describe a data set as its authors published it; errors of files that are missing, damaged or unreadable."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from drtrl_bench import install

NEEDED = install.command("events")
"""The command that installs the readers of published files."""


class MissingError(FileNotFoundError):
    """A data set has no files; the message says what to get, where to put it, and what stands in."""


class DamagedError(OSError):
    """A file is not what it should be; the message begins with its path."""


class ReaderError(OSError):
    """Nothing installed can read the files; the message says what to install."""


def needs(package: str) -> str:
    """Tell how to install a package that reads files."""
    return f"{package} reads these files: {NEEDED}"


@dataclass(frozen=True)
class Archive:
    """A file as it is published, and what it unpacks to inside the data set's folder."""

    file: str
    md5: str
    unpacked: str


class Clock(NamedTuple):
    """How a data set's files tell time."""

    unit: str
    """"s", "ms" or "us"."""
    shortest: float
    """Seconds from the first event to the last, of the published recordings."""
    longest: float
    from_zero: bool = True
    """Whether times count from the beginning of the recording."""


@dataclass(frozen=True)
class Published:
    """A data set as its authors published it, and what stands in for it."""

    name: str
    module: str
    folder: str
    """Inside the data folder, where tonic's reader looks for it."""
    source: str
    """Authors, publisher and licence, in words."""
    size: str
    archives: dict[str, Archive]
    """The archive of each part: "train", "test" and, where it is published, "valid"."""
    classes: int
    counts: dict[str, int]
    """Recordings of each part."""
    count: Callable[[Path], int]
    """Count the recordings in what an archive unpacks to. Raises ReaderError or DamagedError."""
    readers: tuple[str, ...]
    """The packages that read the files."""
    clock: Clock
    """The unit of the files' times, and how long recordings last."""
    generator: str
    """The module of `stand_ins/` that makes the stand-in."""
    stand_in: str
    """What the stand-in's recordings are, in words: a part of every label."""
    synthetic: bool
    """Whether the stand-in is synthetic all through."""
