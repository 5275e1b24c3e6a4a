"""The door to the data sets: their names, their modules, and the fingerprints of their files."""

import hashlib
import importlib
import os
from functools import cache
from pathlib import Path
from typing import Any

from drtrl_bench import registry

FOLDER = Path(__file__).parent / "datasets"


def datasets() -> list[str]:
    """List the names of the data sets: one file is one data set."""
    own = (path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")
    return sorted((*own, *registry.OTHER_DATASETS))


def dataset(name: str) -> Any:
    """Import the module of a data set (protocols.Dataset), or of a part of one as in "stand_ins.gestures"."""
    if name in registry.OTHER_DATASETS:
        return registry.OTHER_DATASETS[name]
    return importlib.import_module(f"drtrl_bench.datasets.{name}")


def loaded(name: str) -> list[str]:
    """Tell what a data set's files are: its label and their fingerprint, empty where they are not there; nothing for
    one that needs none."""
    module = dataset(name)
    if files := getattr(module, "FILES", ()):  # a plugin's
        contents = [content(Path(file), Path(file).stat()) if Path(file).is_file() else "none" for file in files]
        return [module.LABEL, hashlib.sha256(" ".join(contents).encode()).hexdigest()[:16]]
    if not hasattr(module, "PUBLISHED"):
        return []
    return [module.LABEL, dataset("events.fingerprint").of(module.PUBLISHED)]


def content(file: Path, at: os.stat_result) -> str:
    """Hash a file's content, computed again once the file has changed."""
    return hashed(file, at.st_size, at.st_ino, at.st_mtime_ns, at.st_ctime_ns)


@cache
def hashed(file: Path, *looks: int) -> str:
    """Hash the content of a file that looked like this."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()[:16]


def fingerprint(name: str) -> str:
    """Look up the fingerprint of a data set's files; empty where it needs none or they are not there."""
    return (loaded(name) or ["", ""])[1]


def unavailable(name: str) -> str | None:
    """Say what to do about a data set without files, or without what reads them; or None."""
    module, place = dataset(name), dataset("events.place")
    if gone := [str(file) for file in getattr(module, "FILES", ()) if not Path(file).is_file()]:
        return f"{module.LABEL}: no file {', '.join(gone)}"
    if not hasattr(module, "PUBLISHED"):
        return None
    found = place.found(module.PUBLISHED)
    return place.unreadable(module.PUBLISHED) if found else place.missing(module.PUBLISHED)


def shape(name: str, features: int) -> tuple[int, int]:
    """Read the input lines and the classes of a data set; a case may choose the lines, with 0 for the set's own."""
    module = dataset(name)
    return features or module.FEATURES, module.CLASSES
