"""Make the stand-in of a published data set: all of its parts, or none."""

import hashlib
import importlib
import json
from collections.abc import Callable
from pathlib import Path

from drtrl_bench.process import scratch

from .availability import MARKER, marker
from .folders import stand_in_folder
from .published import Published

PER_CLASS = {"train": 30, "valid": 8, "test": 10}
"""Recordings per class of each part, if nobody says otherwise."""


def make(
    published: Published,
    report: Callable[[str, int, int], None],
    per_class: dict[str, int] | None = None,
    seed: int = 0,
    base: Path | None = None,
) -> tuple[Path, bool]:
    """Make a data set's stand-in under `base` (the cache's stand_ins), unless the same one is there.

    report: called with the part, how many of its recordings are done, and of how many. Returns the folder, and whether
    it was made now. Raises FileExistsError rather than replace files that are no stand-in.
    """
    generator = importlib.import_module(f"..stand_ins.{published.generator}", __package__)
    numbers = {part: (per_class or PER_CLASS)[part] for part in published.archives}
    described = {
        "of": published.name,
        "stand_in": published.stand_in,
        "synthetic": published.synthetic,
        "generator": published.generator,
        "sources": sources_sha(),
        "per_class": numbers,
        "seed": seed,
    }
    folder = (base or stand_in_folder()) / published.folder
    if folder.exists():
        old = marker(folder)
        if old == described:
            return folder, False
        if old is None:
            raise FileExistsError(f"{folder} holds files that are no stand-in, and they are not replaced; move them")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with scratch.folder(folder.parent) as temporary:
        new = temporary / published.folder
        new.mkdir()
        for part, number in numbers.items():
            path = new / published.archives[part].unpacked
            generator.make(path, part, number, seed, lambda done, of, part=part: report(part, done, of))
        (new / MARKER).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
        if folder.exists():
            folder.rename(temporary / "old")
        new.rename(folder)
    return folder, True


def sources_sha() -> str:
    """Hash the sources of all that makes stand-ins."""
    folder = Path(__file__).parent.parent
    files = [folder / "digits.py", *sorted((folder / "stand_ins").glob("*.py"))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
