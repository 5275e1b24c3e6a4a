"""Where the files of a published data set lie, which files they are, and what to say when there are none.

Genuine files are looked for first, under $DRTRL_BENCH_DATA (else ~/.cache/drtrl-bench/data), then stand-ins, under the
cache. A stand-in carries a marker, so it is recognised wherever it was moved.
"""

import json
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from drtrl_bench import install
from drtrl_bench.files import cache_folder
from drtrl_bench.files.cache_folder import path_in

MARKER = "STAND_IN.json"
MARKED = {"of": str, "stand_in": str, "synthetic": bool}
"""What a marker says at least, and in which type."""
MARKER_BYTES, WORDS = 2**16, 100
"""Bytes of a marker at most, and letters of what it calls the stand-in."""
NEEDED = install.command("events")
"""What installs the readers of published files."""


class MissingError(FileNotFoundError):
    """A data set without files; the message says what to get, where to put it, and what stands in."""


class DamagedError(OSError):
    """A file that is not what it should be; the message begins with its path."""


class ReaderError(OSError):
    """Files that nothing installed can read; the message says what to install."""


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
    classes: int
    counts: dict[str, int]
    """Recordings of each part."""
    count: Callable[[Path], int]
    """Recordings in what an archive unpacks to. Raises ReaderError, or DamagedError."""
    readers: tuple[str, ...]
    """The packages that read the files."""
    clock: Clock
    """The unit of the files' times, and how long recordings last."""
    generator: str
    """The module of `stand_ins/` that makes the stand-in."""
    stand_in: str
    """What the stand-in's recordings are, in words: part of every label."""
    synthetic: bool
    """Whether the stand-in is synthetic all through."""


@dataclass(frozen=True)
class Found:
    """A folder with files of a data set; `marker` if they are a stand-in."""

    folder: Path
    marker: dict[str, Any] | None


def cache() -> Path:
    """Where converted data are kept: $DRTRL_BENCH_CACHE, else ~/.cache/drtrl-bench, else nowhere for long.

    NotADirectoryError for another user's home that nobody has.
    """
    return cache_folder.folder()


def base() -> Path:
    """Where a user's own data and stand-ins lie, also where nothing can be written or the files are another user's."""
    return cache_folder.configured() or cache()


def data_folder() -> Path:
    """Where genuine files are looked for. Raises NotADirectoryError if $DRTRL_BENCH_DATA is none."""
    folder = path_in("DRTRL_BENCH_DATA")
    if folder and not folder.is_dir():
        raise NotADirectoryError(f"$DRTRL_BENCH_DATA {os.environ['DRTRL_BENCH_DATA']}: no such folder")
    return folder or base() / "data"


def stand_in_folder() -> Path:
    return base() / "stand_ins"


def decoded_folder(path: Path) -> Path:
    """For what was read from a file or folder: its path, below the cache."""
    path = path.resolve()
    return cache() / "decoded" / path.relative_to(path.anchor)


def found(what: Published) -> Found | None:
    """The files that would be loaded: genuine ones, else a stand-in, else None. DamagedError for a link to nothing."""
    for base in (data_folder(), stand_in_folder()):
        folder = base / what.folder
        parts = [there(folder / archive.unpacked) for archive in what.archives.values()]
        if there(folder).exists() and any(part.exists() for part in parts):
            return Found(folder, marker(folder))
    return None


def there(path: Path) -> Path:
    """The path. DamagedError if it is a link to nothing: a disk that is not mounted is no missing data set."""
    if path.is_symlink() and not path.exists():
        raise DamagedError(
            f"{path}: a link to {os.readlink(path)}, where there is nothing; mount it or remove the link"
        )
    return path


SYSTEM = {"@eadir", "#recycle", "$recycle.bin", "__macosx", "desktop.ini", "lost+found", "thumbs.db"}
"""What file servers, desktops and archivers leave in folders, in small letters."""


def ignored(name: str) -> bool:
    """Whether an entry of a folder is no part of a data set: hidden, or the system's own."""
    return name.startswith(".") or name.lower() in SYSTEM


def recordings(part: Path, folder: str, file: str, expected: str) -> list[Path]:
    """The files of recordings in the folders of a part, in the order of their names: what is counted and read.

    folder, file: patterns of whole names. What is `ignored`, and a file of another kind, is passed over; a folder or a
    recording that fits no pattern, or a link to nothing, is named by a DamagedError. expected: what should be there
    instead, in words.
    """
    found: list[Path] = []
    been: dict[str, str] = {}
    for outer in entries(part):
        if outer.is_dir() and re.fullmatch(folder, outer.name):
            lies = once(outer.path, os.path.realpath(outer), been)
            for inner in entries(Path(outer)):
                if inner.is_file() and re.fullmatch(file, inner.name):
                    own = os.path.realpath(inner) if inner.is_symlink() else os.path.join(lies, inner.name)
                    once(inner.path, own, been)
                    found.append(Path(inner))
                else:
                    refuse(inner, file, expected)
        else:
            refuse(outer, file, expected, folder)
    return found


def once(path: str, lies: str, been: dict[str, str]) -> str:
    """Where a file or a folder really lies. DamagedError if it has been there by another path: it would count twice."""
    if lies in been:
        raise DamagedError(f"{path}: the same as {been[lies]}, by a link; remove one of the two")
    been[lies] = path
    return lies


def refuse(entry: os.DirEntry[str], file: str, expected: str, folder: str = "") -> None:
    """Raises DamagedError for a folder, a file of the recordings' kind, or what is named as their folders are."""
    alike = Path(entry).suffix.lower() == Path(file).suffix or re.fullmatch(folder, entry.name)
    if entry.is_dir() or alike:
        raise DamagedError(f"{entry.path}: no part of the data set, which has {expected}; move it away")


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """What a folder holds besides what is ignored, in order. DamagedError for a link to nothing, or no folder."""
    try:
        with os.scandir(folder) as listed:
            kept = sorted((entry for entry in listed if not ignored(entry.name)), key=lambda entry: entry.name)
    except OSError as error:
        raise DamagedError(f"{folder}: {error.strerror}") from None
    for entry in kept:
        if entry.is_symlink():
            there(Path(entry))
    return kept


def marker(folder: Path) -> dict[str, Any] | None:
    """What the maker of a stand-in wrote of it, or None for other files. DamagedError for what no maker writes."""
    again = f"move {folder} away and make the stand-in again"
    try:
        written = json.loads(regular(folder / MARKER, MARKER_BYTES).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"{folder / MARKER}: not JSON ({error}); {again}") from None
    for key, kind in MARKED.items():
        if not isinstance(written, dict) or not isinstance(written.get(key), kind):
            raise DamagedError(f"{folder / MARKER}: says no {key!r}, which every stand-in's does; {again}")
    if not written["stand_in"].isprintable() or len(written["stand_in"]) > WORDS:
        raise DamagedError(f"{folder / MARKER}: 'stand_in' must be a few words on one line; {again}")
    return written


LARGEST = 2**36
"""Bytes of a file, if nobody knows better: many times those of the largest published one."""
HOLES = 64
"""How many times larger than on the disk a file may be that is not mostly holes: file systems compress."""


def regular(path: Path, most: int = LARGEST) -> Path:
    """The path. DamagedError for what is no file that can be read in bounded time and memory: a folder, a pipe or a
    device, more bytes than there can be, or holes."""
    try:
        at = path.stat()
    except OSError:  # whoever opens it says so
        return path
    if not stat.S_ISREG(at.st_mode):
        raise DamagedError(
            f"{path}: {'a folder' if stat.S_ISDIR(at.st_mode) else 'a pipe or a device'}, and not a file; move it away"
        )
    if at.st_size > most:
        raise DamagedError(f"{path}: {at.st_size} bytes, and such a file has {most} at most; move it away")
    if at.st_size > 2**26 and at.st_size > HOLES * 512 * at.st_blocks:
        raise DamagedError(
            f"{path}: {at.st_size} bytes, of which the disk holds {512 * at.st_blocks}: mostly holes; copy it again"
        )
    return path


def part(what: Published, split: str) -> Path:
    """What holds a split: `unpacked` of its archive. Raises MissingError."""
    place = found(what)
    if place is None or not (path := place.folder / what.archives[split].unpacked).exists():
        raise MissingError(missing(what, split))
    return path


def missing(what: Published, split: str = "train") -> str:
    """One line: what to download, where to put it, and what stands in; that only where no genuine part goes first."""
    archive, folder, place = what.archives[split], data_folder() / what.folder, found(what)
    again = f"drtrl-bench data make {what.module}"
    if place and place.marker:
        return f"no {split} files of {what.name} in {place.folder}, a stand-in: make it again: {again}"
    folder = place.folder if place else folder
    get = (
        f"no {split} files of {what.name} in {folder}: get {archive.file} (md5 {archive.md5}; the whole set is "
        f"{what.size}) of {what.source}, and unpack it so that {folder / archive.unpacked} exists"
    )
    if place:
        return f"{get}; other parts are there, and a stand-in is not mixed with them"
    return f"{get}; or make the stand-in, {what.stand_in}: {again}"


def label(what: Published) -> str:
    """What would be loaded now, for records, tables and figures. Only files of the published number have its name."""
    place = found(what)
    if place is None:
        return f"{what.name} (no files)"
    if place.marker:
        return f"{what.name} layout ({place.marker['stand_in']})"
    try:
        return what.name if complete(what, place.folder) else f"{what.name} layout (other recordings)"
    except ReaderError as error:
        return f"{what.name} layout (not counted: {error})"


def complete(what: Published, folder: Path) -> bool:
    """Whether every part that is there has as many recordings as were published. Raises ReaderError."""
    try:
        parts = {split: folder / archive.unpacked for split, archive in what.archives.items()}
        return all(what.count(path) == what.counts[split] for split, path in parts.items() if path.exists())
    except ReaderError:
        raise
    except OSError:  # damaged; reading it says so
        return False


def needs(package: str) -> str:
    """What to say where a package that reads files is not installed."""
    return f"{package} reads these files: {NEEDED}"


def unreadable(what: Published) -> str | None:
    """What to install before the files of a data set can be read, or None."""
    return next((needs(package) for package in what.readers if find_spec(package) is None), None)


def synthetic(what: Published) -> bool:
    """Whether what would be loaded now is synthetic."""
    place = found(what)
    return bool(place and place.marker and place.marker["synthetic"])


def attribute(what: Published, name: str) -> Any:
    """LABEL and SYNTHETIC of a module whose files may come and go: for its `__getattr__`."""
    if name in ("LABEL", "SYNTHETIC"):
        return label(what) if name == "LABEL" else synthetic(what)
    raise AttributeError(f"module {what.module!r} has no attribute {name!r}")
