"""Which files of a data set would be loaded, by their content: part of what makes two measurements the same.

Files are read once. What they held is remembered in the cache with their size, inode and times; every run looks at
these, and reads again what has others. A file that changed within the last second is not remembered, because the
system's clock may not tell a later change from it.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from drtrl_bench.files import diskcache

from .place import MARKER, Published, cache, found, ignored, marker, regular

SETTLED_NS = 10**9
"""How old a change must be before the file's times are believed to tell it from the next."""


def of(what: Published) -> str:
    """Hash of names and contents of the files that would be loaded, and of their marker; empty if there are none."""
    place = found(what)
    return of_folder(place.folder) if place else ""


def of_folder(folder: Path) -> str:
    """Hash of all files of a folder and of the folders that are linked in it, but hidden ones and the system's."""
    memory = cache() / "fingerprints" / f"{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]}.json"
    known = remembered(memory)
    contents: dict[str, str] = {}
    settled: dict[str, list[int | str]] = {}
    for path in files(folder):
        name, at = str(path.relative_to(folder)), path.stat()
        looks: list[int | str] = [at.st_size, at.st_dev, at.st_ino, at.st_mtime_ns, at.st_ctime_ns]
        before = known.get(name)
        contents[name] = str(before[-1]) if before and before[:-1] == looks else content(path)
        if time.time_ns() - max(at.st_mtime_ns, at.st_ctime_ns) > SETTLED_NS:
            settled[name] = [*looks, contents[name]]
    if settled != known:
        remember(memory, settled)
    listed = sorted(contents.items())
    return hashlib.sha256(json.dumps([listed, marker(folder)], sort_keys=True).encode()).hexdigest()[:16]


def files(folder: Path) -> Iterator[Path]:
    """The files below a folder, through links too, each folder once: a link may lead back."""
    been: set[tuple[int, int]] = set()
    for place, inner, names in os.walk(folder, followlinks=True):
        at = os.stat(place)
        if (at.st_dev, at.st_ino) in been:
            inner.clear()
            continue
        been.add((at.st_dev, at.st_ino))
        inner[:] = sorted(name for name in inner if not ignored(name))  # or chance decides by which link it is entered
        paths = (Path(place, name) for name in names if name != MARKER and not ignored(name))
        yield from (path for path in paths if path.is_file())


def content(path: Path) -> str:
    """Hash of a file's bytes."""
    with regular(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def remembered(memory: Path) -> dict[str, list[int | str]]:
    """What was found of the files before; nothing where that cannot be read."""
    try:
        known = json.loads(diskcache.content(memory) or b"{}")
    except ValueError:
        return {}
    entries = known.items() if isinstance(known, dict) else ()
    return {name: entry for name, entry in entries if isinstance(entry, list) and entry and isinstance(entry[-1], str)}


def remember(memory: Path, settled: dict[str, list[int | str]]) -> None:
    """Keeps what was found, whole or not at all; not at all where nothing can be written."""
    try:
        diskcache.save_content(memory, [json.dumps(settled).encode()])
    except OSError as error:
        diskcache.note_unwritable(memory, error)
