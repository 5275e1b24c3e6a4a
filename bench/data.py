"""Give access to the data sets: list their names, and offer all by one interface, `protocols.Dataset`."""

import hashlib
import importlib
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drtrl_bench import protocols, registry

FOLDER = Path(__file__).parent / "datasets"


def datasets() -> list[str]:
    """List the names of the data sets: one file is one data set."""
    names = (path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")
    return sorted((*names, *registry.OTHER_DATASETS))


def module(name: str) -> Any:
    """Import a module of `datasets/` by its name, as "events.files": `provenance` then sees no import of it here."""
    return importlib.import_module(f"drtrl_bench.datasets.{name}")


def dataset(name: str) -> protocols.Dataset:
    """Return a data set: the `DATASET` of its module, or else its module or a plugin's object as a `DrawnDataset`."""
    offered = registry.OTHER_DATASETS[name] if name in registry.OTHER_DATASETS else module(name)
    return getattr(offered, "DATASET", None) or DrawnDataset(offered)


def events(name: str) -> protocols.EventDataset:
    """Return a data set that is published as files. Raises ValueError for any other."""
    chosen = dataset(name).events
    if chosen is None:
        raise ValueError(f"data set {name!r} is not published as files")
    return chosen


@dataclass
class Dense:
    """Hold a batch as arrays: inputs [T, B, I], targets [T, B]."""

    inputs: NDArray[np.float32]
    classes: NDArray[np.int32]

    def dense(self, start: int, stop: int, dtype: Any) -> NDArray[Any]:
        """Return the inputs of steps start to stop - 1, in the type that they have."""
        return self.inputs[start:stop]

    def targets(self, start: int, stop: int) -> NDArray[np.int32]:
        """Return the targets of steps start to stop - 1."""
        return self.classes[start:stop]


@dataclass(frozen=True)
class DrawnDataset:
    """Offer a data set that `batch` draws, without published files, from its module: see `protocols.DatasetModule`."""

    module: Any

    @property
    def LABEL(self) -> str:  # noqa: N802
        """Return what the data is."""
        return self.module.LABEL

    @property
    def SYNTHETIC(self) -> bool:  # noqa: N802
        """Tell whether the data is synthetic."""
        return self.module.SYNTHETIC

    @property
    def CLASSES(self) -> int:  # noqa: N802
        """Return the number of classes."""
        return self.module.CLASSES

    @property
    def FEATURES(self) -> int:  # noqa: N802
        """Return the number of input lines, if a case chooses none."""
        return self.module.FEATURES

    @property
    def batch(self) -> Any:
        """Return the function that draws a batch: (steps, size, seed) -> inputs [T, B, I], targets [T, B]."""
        return self.module.batch

    @property
    def events(self) -> None:
        """Return None: there are no published files."""
        return

    @property
    def files(self) -> tuple[Path, ...]:
        """List the files that a plugin's data set reads."""
        return tuple(Path(file) for file in getattr(self.module, "FILES", ()))

    def sparse(self, steps: int, size: int, seed: int, **options: Any) -> protocols.Batch:
        """Draw a batch by the module's `sparse`, or as dense arrays if the module has none."""
        draw = getattr(self.module, "sparse", None)
        return draw(steps, size, seed, **options) if draw else Dense(*self.batch(steps, size, seed, **options))

    def fingerprint(self) -> str | None:
        """Return a hash of the contents of the files, which counts missing files; None if the data set reads none."""
        if not self.files:
            return None
        contents = [content_hash(file, file.stat()) if file.is_file() else "none" for file in self.files]
        return hashlib.sha256(" ".join(contents).encode()).hexdigest()[:16]

    def unavailable(self) -> str | None:
        """Name the files that are missing; None if none is."""
        missing = [str(file) for file in self.files if not file.is_file()]
        return f"{self.LABEL}: no file {', '.join(missing)}" if missing else None


def content_hash(file: Path, status: os.stat_result) -> str:
    """Hash a file's content, and hash it again once its size, inode or times have changed."""
    return version_hash(file, status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)


@cache
def version_hash(file: Path, *version: int) -> str:
    """Hash the content of a file, once for each version of it."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()[:16]


def label_and_fingerprint(name: str) -> list[str]:
    """Return a data set's label and the fingerprint of its files, "" if they are missing; [] if it reads no files."""
    chosen = dataset(name)
    files_hash = chosen.fingerprint()
    return [] if files_hash is None else [chosen.LABEL, files_hash]


def fingerprint(name: str) -> str:
    """Return the fingerprint of a data set's files; "" if it reads none, or if they are missing."""
    return dataset(name).fingerprint() or ""


def unavailable(name: str) -> str | None:
    """Return what to do about missing files of a data set, or a missing package that reads them; None if none is."""
    return dataset(name).unavailable()


def shape(name: str, features: int) -> tuple[int, int]:
    """Return the numbers of input lines and of classes of a data set; features: a case's lines, 0 for the set's own."""
    chosen = dataset(name)
    return features or chosen.FEATURES, chosen.CLASSES
