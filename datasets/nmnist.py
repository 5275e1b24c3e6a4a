"""N-MNIST: 10 handwritten digits seen by an event camera in three saccades, 34 x 34 pixels, two polarities.

Source: Orchard, Jayawant, Cohen & Thakor 2015 (Front. Neurosci. 9:437), read by tonic. Where the genuine files are not
at hand, the digits of scikit-learn, turned into events by a model of the camera, stand in, and the label says so. Card:
cards/nmnist.md.
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .events import binning, files, raw, splits
from .events.availability import part_path
from .events.binning import Binning, Sparse, Window
from .events.dataset import EventDataset
from .events.published import Archive, Clock, DamagedError, Published
from .events.recordings import Recordings, reader

SENSOR = (34, 34, 2)
FEATURES = 2 * 34 * 34
BYTES_PER_EVENT = 5
OVERFLOW, WRAP = 240, 2**13
MOST = 10**6
"""Events of a recording at most, a hundred times those of the published ones."""


def recording_files(folder: Path) -> list[Path]:
    """List the files of a part, by digit. Raises DamagedError for what is none of them."""
    return files.recordings(folder, r"\d", r".+\.bin", "files .bin in folders 0 to 9")


def count(folder: Path) -> int:
    """Count the files of a part. Raises DamagedError for what is none of them."""
    return len(recording_files(folder))


PUBLISHED = Published(
    name="N-MNIST",
    module="nmnist",
    folder="NMNIST",
    source="N-MNIST (Orchard et al. 2015, Mendeley Data, doi 10.17632/468j46mzdv.1, CC BY-SA 4.0)",
    size="1.1 GB",
    archives={
        "train": Archive("Train.zip", "20959b8e626244a1b502305a9e6e2031", "Train"),
        "test": Archive("Test.zip", "69ca8762b2fe404d9b9bad1103e97832", "Test"),
    },
    classes=10,
    counts={"train": 60_000, "test": 10_000},
    count=count,
    readers=("tonic",),
    clock=Clock("us", 0.3, 0.3),
    generator="saccades",
    stand_in="event-converted digits",
    synthetic=False,
)


def sparse(
    steps: int,
    size: int,
    seed: int,
    features: int = FEATURES,
    split: str = "train",
    window: Window = None,
    binary: bool = False,
    first_saccade: bool = False,
) -> Sparse:
    """Bin `size` different recordings of a split, drawn by `seed`, in `steps` bins: events per bin.

    Lines are numbered by polarity, row and column. features: fewer than 2312 pool neighbouring pixels; 578 is 17 x 17.
    window: seconds from and to that the bins cover; None: each recording's own span, as tonic's ToFrame(n_time_bins).
    binary: 1 where there are events. first_saccade: only the first 100 ms. Raises ValueError for what is impossible,
    MissingError if there are no files and DamagedError if they are not what they should be.
    """
    available, members = recordings(split, first_saccade)
    chosen = splits.drawn(members, size, seed)
    return binning.batch(available, chosen, Binning(steps, SENSOR, features, window), binary)


def recordings(split: str, first_saccade: bool = False) -> tuple[Recordings, NDArray[np.int64]]:
    """List a split: the recordings of the part that it is in, and the numbers of those that it has.

    Validation is a tenth of each class of the training part. The files of a part are listed once, as long as no folder
    is added to the part or taken away.
    """
    part = "test" if splits.checked(split) == "test" else "train"
    folder = part_path(PUBLISHED, part)
    available = part_recordings(folder, folder.stat().st_mtime_ns, part == "train", first_saccade)
    if split == "test":
        return available, np.arange(len(available))
    return available, splits.members(split, splits.stratified(available.labels))


@cache
def part_recordings(folder: Path, changed: int, train: bool, first_saccade: bool) -> Recordings:
    """List the recordings of a part, once for each time at which its folder was changed."""
    source = reader("NMNIST", None, train=train, first_saccade_only=first_saccade)
    paths = recording_files(folder)
    if not paths:
        raise DamagedError(f"{folder}: no .bin files in folders 0 to 9")
    labels = np.array([int(path.parent.name) for path in paths], np.int32)
    source.data, source.targets = [str(path) for path in paths], labels.tolist()
    limits = {"x": SENSOR[0], "y": SENSOR[1]}
    return Recordings(source, paths, labels, None, SENSOR, columns, limits, PUBLISHED.clock)


def columns(file: Path, index: int) -> dict[str, NDArray[Any]]:
    """Read the events of a file as they lie there: x, y and 23 bits of time; the polarity's bit cannot be wrong.

    A row of OVERFLOW is no event: from it on times are WRAP us later, which is how tonic reads them. Raises
    DamagedError for a file that holds no whole number of events, which tonic would read as others, and for more rows of
    OVERFLOW than a recording is long, with which tonic would not come to an end.
    """
    content = np.fromfile(files.regular(file, MOST * BYTES_PER_EVENT), np.uint8)
    if len(content) == 0 or len(content) % BYTES_PER_EVENT:
        raise DamagedError(
            f"{file}: {len(content)} bytes are no whole number of events of {BYTES_PER_EVENT} bytes; unpack it again"
        )
    x, y, high, middle, low = content.reshape(-1, BYTES_PER_EVENT).T
    t = (high & np.int32(127)) << 16 | middle.astype(np.int32) << 8 | low
    wraps = y == OVERFLOW
    if not wraps.any():
        return {"x": x, "y": y, "t": t}
    if (seconds := 1e-6 * WRAP * np.count_nonzero(wraps)) > raw.SLACK * PUBLISHED.clock.longest:
        raise DamagedError(
            f"{file}: its clock wraps {np.count_nonzero(wraps)} times, in {seconds:g} s, and a recording lasts "
            f"{PUBLISHED.clock.longest:g} s: in another unit?"
        )
    return {"x": x[~wraps], "y": y[~wraps], "t": (t + WRAP * np.cumsum(wraps))[~wraps]}


DATASET = EventDataset(PUBLISHED, FEATURES, sparse, recordings)
