"""DVS-Gesture: 11 gestures of the hand and arm seen by an event camera, 128 x 128 pixels, two polarities.

Source: Amir et al. 2017 (CVPR, pp. 7243-7252), in the form that tonic reads: a file per gesture, cut out of the
original recordings, times in ms. Where the genuine files are not at hand, rendered motion seen by a model of the camera
stands in, and the label says so. Card: cards/dvs_gesture.md.
"""

import re
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from .events import binning, files, splits
from .events.availability import part_path
from .events.binning import Binning, Sparse, Window
from .events.dataset import EventDataset
from .events.folders import decoded_folder
from .events.published import Archive, Clock, DamagedError, Published
from .events.recordings import Events, Recordings, one_line, reader

SENSOR = (128, 128, 2)
FEATURES = 2 * 128 * 128
USER = r"user(\d+)_(.+)"
MOST = 10**7
"""Events of a recording at most, many times those of the published ones."""
LARGEST = 2**16 + 4 * 8 * MOST
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
"""The functions that read the header of a `.npy` file, by the format's version."""


def recording_files(folder: Path) -> list[Path]:
    """List the files of a part, by subject, light and class. Raises DamagedError for what is none of them."""
    paths = files.recordings(folder, USER, r"(\d|10)\.npy", "files 0.npy to 10.npy in folders userNN_lighting")
    return sorted(paths, key=lambda file: (*scene(file), int(file.stem)))


def scene(file: Path) -> tuple[int, str]:
    """Read the subject and the light of a recording from its path."""
    user, lighting = re.fullmatch(USER, file.parent.name).groups()  # pyright: ignore[reportOptionalMemberAccess]
    return int(user), lighting


def count(folder: Path) -> int:
    """Count the files of a part. Raises DamagedError for what is none of them."""
    return len(recording_files(folder))


PUBLISHED = Published(
    name="DVS-Gesture",
    module="dvs_gesture",
    folder="DVSGesture",
    source="DVS128 Gesture as cut for tonic (Amir et al. 2017, IBM Research, CC BY 4.0; doi 10.5281/zenodo.8060604)",
    size="3 GB in the authors' own form",
    archives={
        "train": Archive("ibmGestureTrain.tar.gz", "3a8f0d4120a166bac7591f77409cb105", "ibmGestureTrain"),
        "test": Archive("ibmGestureTest.tar.gz", "56070e45dadaa85fff82e0fbfbc06de5", "ibmGestureTest"),
    },
    classes=11,
    counts={"train": 1077, "test": 264},
    count=count,
    readers=("tonic",),
    clock=Clock("ms", 6.0, 6.0, from_zero=False),
    generator="gestures",
    stand_in="synthetic motion",
    synthetic=True,
)


def sparse(
    steps: int,
    size: int,
    seed: int,
    features: int = FEATURES,
    split: str = "train",
    window: Window = None,
    binary: bool = False,
    slices: float | None = None,
) -> Sparse:
    """Bin `size` different recordings of a split, drawn by `seed`, in `steps` bins: events per bin.

    Lines are numbered by polarity, row and column. features: fewer than 32768 pool neighbouring pixels; 2048 is
    32 x 32. window: seconds from and to that the bins cover; None: each recording's own span, as tonic's
    ToFrame(n_time_bins). binary: 1 where there are events. slices: cut each recording into slices of so many seconds,
    without overlap and without the incomplete last, and draw one. Raises ValueError for what is impossible,
    MissingError if there are no files and DamagedError if they are not what they should be.
    """
    if slices is not None and window:
        raise ValueError("slices are windows already: give one of the two")
    if slices is not None and not 1e-6 <= slices < np.inf:
        raise ValueError(f"slices must last a us at least, not {slices} s")
    available, members = recordings(split)
    chosen = splits.drawn(members, size, seed)
    if slices is None:
        return binning.batch(available, chosen, Binning(steps, SENSOR, features, window), binary)
    binning.check_steps(steps)
    rng = np.random.default_rng([seed, 1])
    events = [sliced(rng, available[index], slices, available.files[index]) for index in chosen]
    lanes = [binning.cells(piece, Binning(steps, SENSOR, features, (0.0, slices))) for piece in events]
    return Sparse(lanes, available.labels[chosen], steps, features, binary)


def sliced(rng: np.random.Generator, recording: Events, seconds: float, file: Path) -> Events:
    """Draw one of the whole slices of a recording, the first of which begins with its first event.

    Times count from the slice's begin. Raises ValueError, which names the file, for a recording shorter than a slice.
    """
    width = round(1e6 * seconds)
    number = int(recording.t[-1] - recording.t[0]) // width
    if number < 1:
        raise ValueError(f"{file} is shorter than a slice of {seconds} s")
    start = recording.t[0] + rng.integers(number) * width
    first, last = np.searchsorted(recording.t, (start, start + width))
    piece = Events(*(column[first:last] for column in recording))
    return piece._replace(t=piece.t - np.int32(start))


def recordings(split: str) -> tuple[Recordings, NDArray[np.int64]]:
    """List a split: the recordings of the part that it is in, and the numbers of those that it has.

    Validation is on subjects held out of the training part. The files of a part are listed once, as long as no folder
    is added to the part or taken away.
    """
    part = "test" if splits.checked(split) == "test" else "train"
    folder = part_path(PUBLISHED, part)
    available = part_recordings(folder, folder.stat().st_mtime_ns, part == "train")
    if split == "test":
        return available, np.arange(len(available))
    assert available.groups is not None
    return available, splits.members(split, splits.by_group(available.groups))


@cache
def part_recordings(folder: Path, changed: int, train: bool) -> Recordings:
    """List the recordings of a part, once for each time at which its folder was changed."""
    source = reader("DVSGesture", None, train=train)
    paths = recording_files(folder)
    if not paths:
        raise DamagedError(f"{folder}: no .npy files in folders userNN_lighting")
    labels, users = np.array([int(path.stem) for path in paths], np.int32), [scene(path)[0] for path in paths]
    source.data, source.targets = [str(path) for path in paths], labels.tolist()
    limits, cache_folder = {"x": SENSOR[0], "y": SENSOR[1], "p": SENSOR[2]}, decoded_folder(folder)
    return Recordings(source, paths, labels, np.asarray(users), SENSOR, columns, limits, PUBLISHED.clock, cache_folder)


def columns(file: Path, index: int) -> dict[str, NDArray[Any]]:
    """Read the events of a file as they lie there: x, y, p and t.

    Raises DamagedError for a file without events, for one with other bytes than its header says, and for numbers that
    are too narrow for the us that tonic makes of them in place.
    """
    shape, dtype, start = header(files.regular(file, LARGEST))
    if len(shape) != 2 or shape[1] != 4 or not 0 < shape[0] <= MOST:
        raise DamagedError(f"{file}: holds {shape}, and not events of x, y, polarity and time; unpack it again")
    if dtype.kind not in "iuf" or dtype.itemsize < 4:
        raise DamagedError(f"{file}: holds numbers of type {dtype}, and not of 4 bytes or more; unpack it again")
    if (actual := file.stat().st_size - start) != (stated := 4 * shape[0] * dtype.itemsize):
        raise DamagedError(f"{file}: holds {actual} bytes after its header, which says {stated}; unpack it again")
    return dict(zip("xypt", np.load(file).T, strict=True))


def header(file: Path) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Read the header of a `.npy` file: shape and type of the array, and the byte at which its numbers begin.

    Raises DamagedError if the file has no such header.
    """
    try:
        # What the text of a damaged header warns of is no news beside the damage.
        with file.open("rb") as content, warnings.catch_warnings(action="ignore"):
            version = npy.read_magic(content)
            if version not in HEADERS:
                raise ValueError(f"is of .npy format {version[0]}.{version[1]}")
            shape, _, dtype = HEADERS[version](content)
            return shape, dtype, content.tell()
    except Exception as error:  # a damaged header can raise almost anything
        raise DamagedError(f"{file}: {one_line(error)}; unpack it again") from None


DATASET = EventDataset(PUBLISHED, FEATURES, sparse, recordings)
