"""Spoken words as spikes of a cochlea, in the HDF5 layout of the Heidelberg data sets: what SHD and SSC share."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import augmentation, decoded, place, raw, splits
from .binning import Sparse, Window, binned, cells
from .recordings import Events, Recordings, reader

SENSOR = (700, 1, 1)
END = 1.4
"""Seconds that all recordings fit in."""


def hdf5() -> Any:
    """The library of the files' format. Raises ReaderError if it is not installed."""
    try:
        import h5py
    except ImportError:
        raise place.ReaderError(place.needs("h5py")) from None
    return h5py


def count(file: Path) -> int:
    """Recordings in a file. Raises ReaderError, and OSError if it is damaged."""
    with hdf5().File(place.regular(file)) as content:
        labels: Any = content["labels"]
        return len(labels)


def recordings(what: place.Published, part: str, **options: Any) -> Recordings:
    """What the file of a part holds. Raises MissingError, DamagedError or ReaderError."""
    file = place.regular(place.part(what, part))
    return opened(what.folder, file, decoded.stamp(file), what.classes, what.clock, tuple(options.items()))


def columns(file: Path, index: int) -> dict[str, NDArray[Any]]:
    """Times and units of a recording, as they lie in the file."""
    with hdf5().File(file) as content:
        return {"t": content["spikes/times"][index], "unit": content["spikes/units"][index]}


@cache
def opened(
    name: str, file: Path, changed: bytes, classes: int, clock: place.Clock, options: tuple[tuple[str, Any], ...]
) -> Recordings:
    h5 = hdf5()
    try:
        with h5.File(file) as content:
            labels = np.asarray(content["labels"])
            speakers = np.asarray(content["extra/speaker"])
            _ = content["extra/keys"]  # tonic's reader needs it
            shapes = [labels.shape, speakers.shape, *(content[f"spikes/{k}"].shape for k in ("times", "units"))]
    except (OSError, KeyError, AttributeError) as error:  # AttributeError: a group where there should be an array
        raise place.DamagedError(f"{file}: {error}") from None
    if len(set(shapes)) > 1 or len(shapes[0]) != 1 or len(labels) == 0:
        said = ", ".join(" x ".join(map(str, shape)) or "one" for shape in shapes)
        raise place.DamagedError(f"{file}: labels, speakers, times and units must be as many, and some, not {said}")
    raw.whole("label", labels, classes, str(file), "recording")
    source = reader(name, file.parent, **dict(options))
    kept = place.decoded_folder(file)
    files, limits = [file] * len(labels), {"unit": SENSOR[0]}
    return Recordings(source, files, labels.astype(np.int32), speakers, SENSOR, columns, limits, clock, kept)


def sparse(
    held: Recordings,
    available: NDArray[np.int64],
    steps: int,
    size: int,
    seed: int,
    features: int,
    window: Window,
    binary: bool,
    augment: bool,
) -> Sparse:
    """A batch of the available recordings. What comes after a window that ends at END or later is in the last bin."""
    late = window is not None and window[1] >= END
    chosen = splits.drawn(available, size, seed)
    if not augment:
        return binned(held, chosen, steps, features, window, binary, late)
    if steps < 1:
        raise ValueError(f"steps must be at least 1, not {steps}")
    rng = np.random.default_rng([seed, 1])
    events = [augmented(held, available, index, rng) for index in chosen]
    lanes = [cells(one, steps, SENSOR, features, window, late) for one in events]
    return Sparse(lanes, held.labels[chosen], steps, features, binary)


def augmented(held: Recordings, available: NDArray[np.int64], index: int, rng: np.random.Generator) -> Events:
    """A blend of recordings of the same class and split as `index`, itself among them or not, moved."""
    same = available[held.labels[available] == held.labels[index]]
    return augmentation.moved(rng, augmentation.blended(rng, [held[i] for i in rng.choice(same, augmentation.BLENDED)]))
