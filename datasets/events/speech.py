"""Read and bin spoken words as spikes of a cochlea, in the HDF5 layout of the Heidelberg data sets: SHD and SSC."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import augmentation, binning, raw, splits
from . import cache as cache_files
from .availability import part_path
from .binning import Binning, Sparse, Window
from .dataset import EventDataset
from .files import regular
from .folders import decoded_folder
from .published import Clock, DamagedError, Published, ReaderError, needs
from .recordings import Events, Recordings, one_line, reader

SENSOR = (700, 1, 1)
END = 1.4
"""Seconds that all recordings fit in."""
MOST, SPIKES = 10**6, 10**6
"""Recordings of a file and spikes of a recording at most: ten times and more those of the published ones."""


def hdf5() -> Any:
    """Import the library of the files' format. Raises ReaderError if it is not installed."""
    try:
        import h5py
    except ImportError:
        raise ReaderError(needs("h5py")) from None
    return h5py


def count(file: Path) -> int:
    """Count the recordings in a file. Raises ReaderError, and DamagedError if the file is damaged."""
    with reading(file) as content:
        return len(array(content, "labels"))


@contextmanager
def reading(file: Path) -> Iterator[Any]:
    """Open a file for a while. Raises ReaderError, and DamagedError for whatever goes wrong meanwhile."""
    h5 = hdf5()
    try:
        with h5.File(regular(file)) as content:
            yield content
    except DamagedError:
        raise
    except Exception as error:  # a damaged file can raise almost anything
        raise DamagedError(f"{file}: {one_line(error)}") from None


def array(content: Any, name: str) -> Any:
    """Find an array of a file, not read yet.

    Raises DamagedError for what is no array, or lies in other files, of which no fingerprint would know, or has more
    entries than there can be recordings.
    """
    h5, node, where = hdf5(), content, f"{content.filename}: {name}"
    for step in name.split("/"):
        link = node.get(step, getlink=True) if isinstance(node, h5.Group) else None
        if link is None:
            raise DamagedError(f"{content.filename}: has no {name}")
        if not isinstance(link, h5.HardLink):
            raise DamagedError(f"{where} is a link; copy what it leads to into the file")
        node = node[step]
    if not isinstance(node, h5.Dataset) or node.shape is None:
        raise DamagedError(f"{where} is no array")
    if node.is_virtual or node.external:
        raise DamagedError(f"{where} lies in other files; copy it into the file")
    size = node.dtype.itemsize
    if prod(node.shape) > MOST or size > 2**10 or prod(node.chunks or (1,)) * size > 2**26:
        raise DamagedError(f"{where} holds {prod(node.shape)} entries of {size} bytes, which is too much")
    return node


def length(column: Any, index: int) -> int | None:
    """Read how many entries a recording has, before they are read: HDF5 makes room for as many as a damaged file says.

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


def recordings(published: Published, part: str, **options: Any) -> Recordings:
    """Read what the file of a part holds, with the options of tonic's reader.

    Raises MissingError, DamagedError or ReaderError.
    """
    file = part_path(published, part)
    stamp = cache_files.stamp(file)
    return file_recordings(published.folder, file, stamp, published.classes, published.clock, tuple(options.items()))


def columns(file: Path, index: int) -> dict[str, NDArray[Any]]:
    """Read times and units of a recording, as they lie in the file. Raises DamagedError for more than there can be."""
    with reading(file) as content:
        read = {}
        for name, path in {"t": "spikes/times", "unit": "spikes/units"}.items():
            if (number := length(content[path], index) or 0) > SPIKES:
                raise DamagedError(f"{file}: recording {index}: holds {number} {name}, which is too much")
            read[name] = content[path][index]
        return read


@cache
def file_recordings(
    name: str, file: Path, stamp: bytes, classes: int, clock: Clock, options: tuple[tuple[str, Any], ...]
) -> Recordings:
    """Read what a file holds, once for each of its versions, which `stamp` tells apart."""
    with reading(file) as content:
        arrays = [array(content, name) for name in ("labels", "extra/speaker", "spikes/times", "spikes/units")]
        shapes = [entries.shape for entries in arrays]
        if len(set(shapes)) > 1 or len(shapes[0]) != 1 or shapes[0][0] == 0:
            sizes = ", ".join(" x ".join(map(str, shape)) or "one" for shape in shapes)
            raise DamagedError(f"{file}: labels, speakers, times and units must be as many, and some, not {sizes}")
        for numbers in arrays[:2]:
            if numbers.dtype.kind not in "iufb":
                raise DamagedError(f"{file}: {numbers.name[1:]} is of type {numbers.dtype}, which must be numbers")
        for rows in arrays[2:]:
            kind = hdf5().check_vlen_dtype(rows.dtype)
            if kind is None or np.dtype(kind).kind not in "iufb":
                raise DamagedError(f"{file}: {rows.name[1:]} holds no row of numbers for each recording")
        keys = array(content, "extra/keys")  # tonic's reader reads them all
        number = len(keys) if len(keys.shape) == 1 else 0
        long = keys.dtype.kind == "O" and any((length(keys, i) or 0) > 2**10 for i in range(min(number, 1000)))
        if long or not 0 < number <= 1000:
            raise DamagedError(f"{file}: extra/keys must be the names of {classes} classes")
        labels, speakers = (np.asarray(numbers) for numbers in arrays[:2])
    raw.check_numbers("label", labels, classes, str(file), "recording")
    source = reader(name, file.parent, **dict(options))
    files, limits = [file] * len(labels), {"unit": SENSOR[0]}
    return Recordings(
        source, files, labels.astype(np.int32), speakers, SENSOR, columns, limits, clock, decoded_folder(file)
    )


def dataset(published: Published, recordings_of: Callable[[str], tuple[Recordings, NDArray[np.int64]]]) -> EventDataset:
    """Make a data set of spoken words. recordings_of: lists a split, as `EventDataset.recordings` does."""

    def sparse(
        steps: int,
        size: int,
        seed: int,
        features: int = SENSOR[0],
        split: str = "train",
        window: Window = (0.0, END),
        binary: bool = False,
        augment: bool = False,
    ) -> Sparse:
        """Bin `size` different recordings of a split, drawn by `seed`, in `steps` bins: spikes per bin.

        features: fewer than 700 pool neighbouring channels. window: seconds from and to that the bins cover; what comes
        later is in the last bin if they end at 1.4 s or later, and else in none; None: each recording's own span.
        binary: 1 where there are spikes. augment: blends, shifts, dilation and jitter of training recordings. Raises
        ValueError for what is impossible, MissingError if there are no files and DamagedError if they are not what they
        should be.
        """
        if augment and split != "train":
            raise ValueError(f"augment is for training, not for split {split!r}")
        recordings, members = recordings_of(split)
        chosen = splits.drawn(members, size, seed)
        bins = Binning(steps, SENSOR, features, window, late=window is not None and window[1] >= END)
        if not augment:
            return binning.batch(recordings, chosen, bins, binary)
        binning.check_steps(steps)
        rng = np.random.default_rng([seed, 1])
        events = [augmented(recordings, members, index, rng) for index in chosen]
        lanes = [binning.cells(recording, bins) for recording in events]
        return Sparse(lanes, recordings.labels[chosen], steps, features, binary)

    return EventDataset(published, SENSOR[0], sparse, recordings_of)


def augmented(recordings: Recordings, members: NDArray[np.int64], index: int, rng: np.random.Generator) -> Events:
    """Blend recordings of the same class and split as `index`, itself among them or not, and move the blend."""
    same = members[recordings.labels[members] == recordings.labels[index]]
    chosen = [recordings[i] for i in rng.choice(same, augmentation.BLENDED)]
    return augmentation.moved(rng, augmentation.blended(rng, chosen))
