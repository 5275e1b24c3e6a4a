"""Hash the files of a data set that would be loaded: a part of what makes two measurements the same.

Files are read once. The hashes of their contents are kept in the cache with size, inode and times; every run looks at
these, and reads again what has others. The hash of a file that changed within the last second is not kept, because the
system's clock may not tell a later change from it.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from drtrl_bench.files import diskcache

from .availability import MARKER, location, marker
from .files import ignored, regular
from .folders import cache_folder
from .published import Published

SETTLED_NS = 10**9
"""How old a change must be before the file's times are believed to tell it from the next."""

Entry = list[int | str]
"""Size, device, inode and times of a file, and the hash of its content."""


def fingerprint(published: Published) -> str:
    """Hash names and contents of the files that would be loaded, and their marker; empty if there are none."""
    loaded = location(published)
    return folder_hash(loaded.folder) if loaded else ""


def folder_hash(folder: Path) -> str:
    """Hash all files of a folder and of the folders that are linked in it, but those that are `ignored`."""
    path = cache_folder() / "fingerprints" / f"{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]}.json"
    known = remembered(path)
    contents: dict[str, str] = {}
    settled: dict[str, Entry] = {}
    for file in files(folder):
        name, status = str(file.relative_to(folder)), file.stat()
        looks: Entry = [status.st_size, status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns]
        before = known.get(name)
        contents[name] = str(before[-1]) if before and before[:-1] == looks else content_hash(file)
        if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > SETTLED_NS:
            settled[name] = [*looks, contents[name]]
    if settled != known:
        remember(path, settled)
    listed = sorted(contents.items())
    return hashlib.sha256(json.dumps([listed, marker(folder)], sort_keys=True).encode()).hexdigest()[:16]


def files(folder: Path) -> Iterator[Path]:
    """Iterate over the files below a folder, through links too, each folder once: a link may lead back."""
    visited: set[tuple[int, int]] = set()
    for above, inner, names in os.walk(folder, followlinks=True):
        status = os.stat(above)
        if (status.st_dev, status.st_ino) in visited:
            inner.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        inner[:] = sorted(name for name in inner if not ignored(name))  # or chance decides by which link it is entered
        paths = (Path(above, name) for name in names if name != MARKER and not ignored(name))
        yield from (path for path in paths if path.is_file())


def content_hash(path: Path) -> str:
    """Hash a file's bytes."""
    with regular(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def remembered(path: Path) -> dict[str, Entry]:
    """Read what was remembered of files, by name; nothing where that cannot be read."""
    try:
        known = json.loads(diskcache.content(path) or b"{}")
    except ValueError:
        return {}
    entries = known.items() if isinstance(known, dict) else ()
    return {name: entry for name, entry in entries if isinstance(entry, list) and entry and isinstance(entry[-1], str)}


def remember(path: Path, settled: dict[str, Entry]) -> None:
    """Save what is to be remembered of files, all or none; none where nothing can be written."""
    try:
        diskcache.save_content(path, [json.dumps(settled).encode()])
    except OSError as error:
        diskcache.note_unwritable(path, error)
