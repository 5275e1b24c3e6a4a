"""Spoken words as spikes of a cochlea, in the HDF5 layout of the Heidelberg data sets: what SHD and SSC share."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import augmentation, decoded, place, raw, splits
from .binning import Sparse, Window, binned, cells
from .recordings import Events, Recordings, reader, said

SENSOR = (700, 1, 1)
END = 1.4
"""Seconds that all recordings fit in."""
MOST, SPIKES = 10**6, 10**6
"""Recordings of a file and spikes of a recording: ten times and more those of the published ones."""


def hdf5() -> Any:
    """The library of the files' format. Raises ReaderError if it is not installed."""
    try:
        import h5py
    except ImportError:
        raise place.ReaderError(place.needs("h5py")) from None
    return h5py


def count(file: Path) -> int:
    """Recordings in a file. Raises ReaderError, and DamagedError if it is damaged."""
    with reading(file) as content:
        return len(array(content, "labels"))


@contextmanager
def reading(file: Path) -> Iterator[Any]:
    """The content of a file. Raises ReaderError, and DamagedError for whatever goes wrong meanwhile."""
    h5 = hdf5()
    try:
        with h5.File(place.regular(file)) as content:
            yield content
    except place.DamagedError:
        raise
    except Exception as error:  # a damaged file can raise almost anything
        raise place.DamagedError(f"{file}: {said(error)}") from None


def array(content: Any, name: str) -> Any:
    """An array of a file's own, not read yet. Raises DamagedError for what is none, or lies in other files, of which no
    fingerprint would know, or is larger than there can be recordings."""
    h5, at, where = hdf5(), content, f"{content.filename}: {name}"
    for step in name.split("/"):
        link = at.get(step, getlink=True) if isinstance(at, h5.Group) else None
        if link is None:
            raise place.DamagedError(f"{content.filename}: has no {name}")
        if not isinstance(link, h5.HardLink):
            raise place.DamagedError(f"{where} is a link; copy what it leads to into the file")
        at = at[step]
    if not isinstance(at, h5.Dataset) or at.shape is None:
        raise place.DamagedError(f"{where} is no array")
    if at.is_virtual or at.external:
        raise place.DamagedError(f"{where} lies in other files; copy it into the file")
    size = at.dtype.itemsize
    if prod(at.shape) > MOST or size > 2**10 or prod(at.chunks or (1,)) * size > 2**26:
        raise place.DamagedError(f"{where} holds {prod(at.shape)} entries of {size} bytes, which is too much")
    return at


def length(column: Any, index: int) -> int | None:
    """How many entries a recording has, before they are read: HDF5 makes room for as many as a damaged file says.

    None where they are compressed, with a checksum of their own.
    """
    created = column.id.get_create_plist()
    if created.get_nfilters():
        return None
    address, _ = column.file.id.get_create_plist().get_sizes()
    entry = 4 + address + 4  # the number, and where they lie
    if column.chunks:
        chunk, within = divmod(index, column.chunks[0])
        start = column.id.get_chunk_info_by_coord((chunk * column.chunks[0],)).byte_offset
    else:
        start, within = column.id.get_offset(), index
    if start is None:  # nothing was ever written
        return 0
    with open(column.file.filename, "rb") as file:
        file.seek(start + within * entry)
        return int.from_bytes(file.read(4), "little")


def recordings(what: place.Published, part: str, **options: Any) -> Recordings:
    """What the file of a part holds. Raises MissingError, DamagedError or ReaderError."""
    file = place.regular(place.part(what, part))
    return opened(what.folder, file, decoded.stamp(file), what.classes, what.clock, tuple(options.items()))


def columns(file: Path, index: int) -> dict[str, NDArray[Any]]:
    """Times and units of a recording, as they lie in the file. Raises DamagedError for more than there can be."""
    with reading(file) as content:
        found = {}
        for name, of in {"t": "spikes/times", "unit": "spikes/units"}.items():
            if (number := length(content[of], index) or 0) > SPIKES:
                raise place.DamagedError(f"{file}: recording {index}: holds {number} {name}, which is too much")
            found[name] = content[of][index]
        return found


@cache
def opened(
    name: str, file: Path, changed: bytes, classes: int, clock: place.Clock, options: tuple[tuple[str, Any], ...]
) -> Recordings:
    with reading(file) as content:
        held = [array(content, name) for name in ("labels", "extra/speaker", "spikes/times", "spikes/units")]
        shapes = [one.shape for one in held]
        if len(set(shapes)) > 1 or len(shapes[0]) != 1 or shapes[0][0] == 0:
            told = ", ".join(" x ".join(map(str, shape)) or "one" for shape in shapes)
            raise place.DamagedError(f"{file}: labels, speakers, times and units must be as many, and some, not {told}")
        for one in held[:2]:
            if one.dtype.kind not in "iufb":
                raise place.DamagedError(f"{file}: {one.name[1:]} is of type {one.dtype}, which must be numbers")
        for one in held[2:]:
            kind = hdf5().check_vlen_dtype(one.dtype)
            if kind is None or np.dtype(kind).kind not in "iufb":
                raise place.DamagedError(f"{file}: {one.name[1:]} holds no row of numbers for each recording")
        keys = array(content, "extra/keys")  # tonic's reader reads them all
        number = len(keys) if len(keys.shape) == 1 else 0
        long = keys.dtype.kind == "O" and any((length(keys, i) or 0) > 2**10 for i in range(min(number, 1000)))
        if long or not 0 < number <= 1000:
            raise place.DamagedError(f"{file}: extra/keys must be the names of {classes} classes")
        labels, speakers = (np.asarray(one) for one in held[:2])
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
