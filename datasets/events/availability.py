"""Tell which files of a published data set are there, and what to do where they are not.

Genuine files are looked for first, then a stand-in. A stand-in carries a marker, so it is recognised wherever it was
moved.
"""

import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .files import regular, unbroken
from .folders import data_folder, stand_in_folder
from .published import DamagedError, MissingError, Published, ReaderError, needs

MARKER = "STAND_IN.json"
MARKED = {"of": str, "stand_in": str, "synthetic": bool}
"""The entries of every marker, and their types."""
MARKER_BYTES, WORDS = 2**16, 100
"""Bytes of a marker at most, and letters of its name for the stand-in."""


@dataclass(frozen=True)
class Location:
    """A folder with files of a data set; `marker` is not None if they are a stand-in."""

    folder: Path
    marker: dict[str, Any] | None


def location(published: Published) -> Location | None:
    """Find the files that would be loaded: genuine ones, else a stand-in, else None. Raises DamagedError for a link to
    nothing."""
    for above in (data_folder(), stand_in_folder()):
        folder = above / published.folder
        parts = [unbroken(folder / archive.unpacked) for archive in published.archives.values()]
        if unbroken(folder).exists() and any(part.exists() for part in parts):
            return Location(folder, marker(folder))
    return None


def marker(folder: Path) -> dict[str, Any] | None:
    """Read the marker of a stand-in; None for other files. Raises DamagedError for what no stand-in's maker writes."""
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


def part_path(published: Published, part: str) -> Path:
    """Return the file or folder of a part ("train", "valid" or "test"). Raises MissingError."""
    loaded = location(published)
    if loaded is None or not (path := loaded.folder / published.archives[part].unpacked).exists():
        raise MissingError(missing(published, part))
    return path


def missing(published: Published, part: str = "train") -> str:
    """Tell in one line what to download, where to put it, and what stands in.

    A stand-in is named only where no genuine part goes first.
    """
    archive, folder, loaded = published.archives[part], data_folder() / published.folder, location(published)
    again = f"drtrl-bench data make {published.module}"
    if loaded and loaded.marker:
        return f"no {part} files of {published.name} in {loaded.folder}, a stand-in: make it again: {again}"
    folder = loaded.folder if loaded else folder
    get = (
        f"no {part} files of {published.name} in {folder}: get {archive.file} (md5 {archive.md5}; the whole set is "
        f"{published.size}) of {published.source}, and unpack it so that {folder / archive.unpacked} exists"
    )
    if loaded:
        return f"{get}; other parts are there, and a stand-in is not mixed with them"
    return f"{get}; or make the stand-in, {published.stand_in}: {again}"


def label(published: Published) -> str:
    """Name what would be loaded now, for records, tables and figures.

    Only files with the published numbers of recordings have the data set's own name.
    """
    loaded = location(published)
    if loaded is None:
        return f"{published.name} (no files)"
    if loaded.marker:
        return f"{published.name} layout ({loaded.marker['stand_in']})"
    try:
        whole = complete(published, loaded.folder)
    except ReaderError as error:
        return f"{published.name} layout (not counted: {error})"
    return published.name if whole else f"{published.name} layout (other recordings)"


def complete(published: Published, folder: Path) -> bool:
    """Tell whether each part that is there has as many recordings as were published. Raises ReaderError."""
    try:
        parts = {part: folder / archive.unpacked for part, archive in published.archives.items()}
        return all(published.count(path) == published.counts[part] for part, path in parts.items() if path.exists())
    except ReaderError:
        raise
    except OSError:  # damaged; reading it says so
        return False


def unreadable(published: Published) -> str | None:
    """Tell what to install before the files of a data set can be read, or None."""
    return next((needs(package) for package in published.readers if find_spec(package) is None), None)


def synthetic(published: Published) -> bool:
    """Tell whether what would be loaded now is synthetic."""
    loaded = location(published)
    return bool(loaded and loaded.marker and loaded.marker["synthetic"])
