"""Making a stand-in: every part in its place at once, or nothing."""

import hashlib
import importlib
import json
from collections.abc import Callable
from pathlib import Path

from drtrl_bench.process import scratch

from . import place

PER_CLASS = {"train": 30, "valid": 8, "test": 10}
"""Recordings per class of each part, if nobody says otherwise."""


def make(
    what: place.Published,
    report: Callable[[str, int, int], None],
    per_class: dict[str, int] | None = None,
    seed: int = 0,
    base: Path | None = None,
) -> tuple[Path, bool]:
    """Makes a data set's stand-in under `base` (the cache's stand_ins), unless the same one is there.

    report: called with the part, how many of its recordings are done, and of how many. Returns the folder, and whether
    it was made now. Raises FileExistsError rather than replace files that are no stand-in.
    """
    generator = importlib.import_module(f"..stand_ins.{what.generator}", __package__)
    asked = {split: (per_class or PER_CLASS)[split] for split in what.archives}
    described = {
        "of": what.name,
        "stand_in": what.stand_in,
        "synthetic": what.synthetic,
        "generator": what.generator,
        "sources": sources_sha(),
        "per_class": asked,
        "seed": seed,
    }
    folder = (base or place.stand_in_folder()) / what.folder
    if folder.exists():
        old = place.marker(folder)
        if old == described:
            return folder, False
        if old is None:
            raise FileExistsError(f"{folder} holds files that are no stand-in, and they are not replaced; move them")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with scratch.folder(folder.parent) as own:
        new = own / what.folder
        new.mkdir()
        for split, number in asked.items():
            path = new / what.archives[split].unpacked
            generator.make(path, split, number, seed, lambda done, of, split=split: report(split, done, of))
        (new / place.MARKER).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
        if folder.exists():
            folder.rename(own / "old")
        new.rename(folder)
    return folder, True


def sources_sha() -> str:
    """Hash of everything that makes stand-ins."""
    files = sorted((Path(__file__).parent.parent / "stand_ins").glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
