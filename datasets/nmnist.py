"""N-MNIST: 10 handwritten digits seen by an event camera in three saccades, 34 x 34 pixels, two polarities.

Source: Orchard, Jayawant, Cohen & Thakor 2015 (Front. Neurosci. 9:437), read by tonic. Where the genuine files are not
at hand, the digits of scikit-learn, turned into events by a model of the camera, stand in, and LABEL says so. Card:
cards/nmnist.md.
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .events import place, raw, splits
from .events.binning import Sparse, Window, binned
from .events.place import Archive, Clock, DamagedError, Published
from .events.recordings import Recordings, reader

CLASSES = 10
SENSOR = (34, 34, 2)
FEATURES = 2 * 34 * 34
BYTES_PER_EVENT = 5
OVERFLOW, WRAP = 240, 2**13
MOST = 10**6
"""Events of a recording, a hundred times those of the published ones."""


def listed(folder: Path) -> list[Path]:
    """The files of a part, by digit. Raises DamagedError for what is none of them."""
    return place.recordings(folder, r"\d", r".+\.bin", "files .bin in folders 0 to 9")


def count(folder: Path) -> int:
    return len(listed(folder))


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
    classes=CLASSES,
    counts={"train": 60_000, "test": 10_000},
    count=count,
    readers=("tonic",),
    clock=Clock("us", 0.3, 0.3),
    generator="saccades",
    stand_in="event-converted digits",
    synthetic=False,
)


def __getattr__(name: str) -> Any:
    return place.attribute(PUBLISHED, name)


def batch(
    steps: int,
    size: int,
    seed: int,
    features: int = FEATURES,
    split: str = "train",
    window: Window = None,
    binary: bool = False,
    first_saccade: bool = False,
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """`size` different recordings of a split in `steps` bins, drawn by `seed`.

    Returns inputs [T, B, features], events per bin (polarity, row, column flattened), and targets [T, B], the digit at
    every step. Fewer features than 2312 pool neighbouring pixels: 578 is 17 x 17. window: seconds from and to that the
    bins cover; None: each recording's own span, as tonic's ToFrame(n_time_bins). binary: 1 where there are events.
    first_saccade: only the first 100 ms. Validation is a tenth of each class of the training part. Raises ValueError
    for what is impossible, MissingError if there are no files and DamagedError if they are not what they should be.
    """
    found = sparse(steps, size, seed, features, split, window, binary, first_saccade)
    return found.dense(0, steps, np.float32), found.targets(0, steps)


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
    """The batch in bins, not dense yet."""
    held, available = opened(split, first_saccade)
    chosen = splits.drawn(available, size, seed)
    return binned(held, chosen, steps, features, window, binary)


def opened(split: str, first_saccade: bool = False) -> tuple[Recordings, NDArray[np.int64]]:
    """The recordings of the part that a split is in, and which of them belong to the split.

    Its files are listed once, as long as no folder is added to the part or taken away.
    """
    part = "test" if splits.known(split) == "test" else "train"
    folder = place.part(PUBLISHED, part)
    held = recordings(folder, folder.stat().st_mtime_ns, part == "train", first_saccade)
    if split == "test":
        return held, np.arange(len(held))
    return held, splits.members(split, splits.stratified(held.labels))


@cache
def recordings(folder: Path, changed: int, train: bool, first_saccade: bool) -> Recordings:
    source = reader("NMNIST", None, train=train, first_saccade_only=first_saccade)
    files = listed(folder)
    if not files:
        raise DamagedError(f"{folder}: no .bin files in folders 0 to 9")
    labels = np.array([int(file.parent.name) for file in files], np.int32)
    source.data, source.targets = [str(file) for file in files], labels.tolist()
    limits = {"x": SENSOR[0], "y": SENSOR[1]}
    return Recordings(source, files, labels, None, SENSOR, columns, limits, PUBLISHED.clock)


def columns(file: Path, index: int) -> dict[str, NDArray[Any]]:
    """Events of a file as they lie there: x, y and 23 bits of time. The polarity is one bit, of which either is right.

    A row of OVERFLOW is no event: from it on times are WRAP us later, which is how tonic reads them. Raises
    DamagedError for a file that holds no whole number of events, which tonic would read as others, and for more rows of
    OVERFLOW than a recording is long, with which tonic would not come to an end.
    """
    content = np.fromfile(place.regular(file, MOST * BYTES_PER_EVENT), np.uint8)
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
