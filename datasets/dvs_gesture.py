"""DVS-Gesture: 11 gestures of the hand and arm seen by an event camera, 128 x 128 pixels, two polarities.

Source: Amir et al. 2017 (CVPR, pp. 7243-7252), in the form that tonic reads: a file per gesture, cut out of the
original recordings, times in ms. Where the genuine files are not at hand, rendered motion seen by a model of the camera
stands in, and LABEL says so. Card: cards/dvs_gesture.md.
"""

import re
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from .events import place, splits
from .events.binning import Sparse, Window, binned, cells
from .events.place import Archive, Clock, DamagedError, Published
from .events.recordings import Events, Recordings, reader, said

CLASSES = 11
SENSOR = (128, 128, 2)
FEATURES = 2 * 128 * 128
USER = r"user(\d+)_(.+)"
MOST = 10**7
"""Events of a recording, many times those of the published ones."""
LARGEST = 2**16 + 4 * 8 * MOST
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
"""What reads the header of a `.npy` file, by the format's version."""


def listed(folder: Path) -> list[Path]:
    """The files of a part, by subject, light and class. Raises DamagedError for what is none of them."""
    files = place.recordings(folder, USER, r"(\d|10)\.npy", "files 0.npy to 10.npy in folders userNN_lighting")
    return sorted(files, key=lambda file: (*scene(file), int(file.stem)))


def scene(file: Path) -> tuple[int, str]:
    """The subject and the light of a recording."""
    user, lighting = re.fullmatch(USER, file.parent.name).groups()  # pyright: ignore[reportOptionalMemberAccess]
    return int(user), lighting


def count(folder: Path) -> int:
    return len(listed(folder))


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
    classes=CLASSES,
    counts={"train": 1077, "test": 264},
    count=count,
    readers=("tonic",),
    clock=Clock("ms", 6.0, 6.0, from_zero=False),
    generator="gestures",
    stand_in="synthetic motion",
    synthetic=True,
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
    slices: float | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """`size` different recordings of a split in `steps` bins, drawn by `seed`.

    Returns inputs [T, B, features], events per bin (polarity, row, column flattened), and targets [T, B], the class at
    every step. Fewer features than 32768 pool neighbouring pixels: 2048 is 32 x 32. window: seconds from and to that
    the bins cover; None: each recording's own span, as tonic's ToFrame(n_time_bins). slices: cut each recording into
    slices of so many seconds, without overlap and without the incomplete last, and draw one. binary: 1 where there are
    events. Validation is on subjects held out of the training part. Raises ValueError for what is impossible,
    MissingError if there are no files and DamagedError if they are not what they should be.
    """
    found = sparse(steps, size, seed, features, split, window, binary, slices)
    return found.dense(0, steps, np.float32), found.targets(0, steps)


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
    """The batch in bins, not dense yet."""
    if slices is not None and window:
        raise ValueError("slices are windows already: give one of the two")
    if slices is not None and not 1e-6 <= slices < np.inf:
        raise ValueError(f"slices must last a us at least, not {slices} s")
    held, available = opened(split)
    chosen = splits.drawn(available, size, seed)
    if slices is None:
        return binned(held, chosen, steps, features, window, binary)
    if steps < 1:
        raise ValueError(f"steps must be at least 1, not {steps}")
    rng = np.random.default_rng([seed, 1])
    events = [sliced(rng, held[index], slices, held.files[index]) for index in chosen]
    lanes = [cells(part, steps, SENSOR, features, (0.0, slices), False) for part in events]
    return Sparse(lanes, held.labels[chosen], steps, features, binary)


def sliced(rng: np.random.Generator, recording: Events, seconds: float, file: Path) -> Events:
    """One of the whole slices of a recording, which begin with its first event; its time counted from the slice's."""
    width = round(1e6 * seconds)
    number = int(recording.t[-1] - recording.t[0]) // width
    if number < 1:
        raise ValueError(f"{file} is shorter than a slice of {seconds} s")
    start = recording.t[0] + rng.integers(number) * width
    first, last = np.searchsorted(recording.t, (start, start + width))
    part = Events(*(column[first:last] for column in recording))
    return part._replace(t=part.t - np.int32(start))


def opened(split: str) -> tuple[Recordings, NDArray[np.int64]]:
    """The recordings of the part that a split is in, and which of them belong to the split.

    Its files are listed once, as long as no folder is added to the part or taken away.
    """
    part = "test" if splits.known(split) == "test" else "train"
    folder = place.part(PUBLISHED, part)
    held = recordings(folder, folder.stat().st_mtime_ns, part == "train")
    if split == "test":
        return held, np.arange(len(held))
    assert held.groups is not None
    return held, splits.members(split, splits.by_group(held.groups))


@cache
def recordings(folder: Path, changed: int, train: bool) -> Recordings:
    source = reader("DVSGesture", None, train=train)
    files = listed(folder)
    if not files:
        raise DamagedError(f"{folder}: no .npy files in folders userNN_lighting")
    labels, users = np.array([int(file.stem) for file in files], np.int32), [scene(file)[0] for file in files]
    source.data, source.targets = [str(file) for file in files], labels.tolist()
    limits, kept = {"x": SENSOR[0], "y": SENSOR[1], "p": SENSOR[2]}, place.decoded_folder(folder)
    return Recordings(source, files, labels, np.asarray(users), SENSOR, columns, limits, PUBLISHED.clock, kept)


def columns(file: Path, index: int) -> dict[str, NDArray[Any]]:
    """Events of a file as they lie there: x, y, p and t. Raises DamagedError for a file that holds none, or other than
    its header says, or whose numbers are too narrow for the us that tonic makes of them in place."""
    shape, dtype, start = header(place.regular(file, LARGEST))
    if len(shape) != 2 or shape[1] != 4 or not 0 < shape[0] <= MOST:
        raise DamagedError(f"{file}: holds {shape}, and not events of x, y, polarity and time; unpack it again")
    if dtype.kind not in "iuf" or dtype.itemsize < 4:
        raise DamagedError(f"{file}: holds numbers of type {dtype}, and not of 4 bytes or more; unpack it again")
    if (held := file.stat().st_size - start) != (told := 4 * shape[0] * dtype.itemsize):
        raise DamagedError(f"{file}: holds {held} bytes after its header, which says {told}; unpack it again")
    return dict(zip("xypt", np.load(file).T, strict=True))


def header(file: Path) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Shape and type of a `.npy` file, as it says, and where its numbers begin. Raises DamagedError if it says none."""
    try:
        # What the text of a damaged header warns of is no news beside the damage.
        with file.open("rb") as opened, warnings.catch_warnings(action="ignore"):
            version = npy.read_magic(opened)
            if version not in HEADERS:
                raise ValueError(f"is of .npy format {version[0]}.{version[1]}")
            shape, _, dtype = HEADERS[version](opened)
            return shape, dtype, opened.tell()
    except Exception as error:  # a damaged header can raise almost anything
        raise DamagedError(f"{file}: {said(error)}; unpack it again") from None
