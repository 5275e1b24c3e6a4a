"""Spiking Heidelberg Digits: 20 spoken digits, English and German, as spikes of a cochlea with 700 channels.

Source: Cramer, Stradmann, Schemmel & Zenke 2020 (IEEE TNNLS 33:2744, doi 10.1109/TNNLS.2020.3044364), read by tonic.
Where the genuine files are not at hand, synthetic speech stands in, and LABEL says so. Card: cards/shd.md.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .events import place, speech, splits
from .events.binning import Sparse, Window
from .events.place import Archive, Clock, Published

CLASSES = 20
FEATURES = 700
PUBLISHED = Published(
    name="SHD",
    module="shd",
    folder="SHD",
    source="the Heidelberg Spiking Datasets (Cramer et al. 2020, Zenke Lab, CC BY 4.0)",
    size="8,156 + 2,264 recordings",
    archives={
        "train": Archive("shd_train.h5.zip", "f3252aeb598ac776c1b526422d90eecb", "shd_train.h5"),
        "test": Archive("shd_test.h5.zip", "1503a5064faa34311c398fb0a1ed0a6f", "shd_test.h5"),
    },
    classes=CLASSES,
    counts={"train": 8156, "test": 2264},
    count=speech.count,
    readers=("h5py", "tonic"),
    clock=Clock("s", 0.316, speech.END),
    generator="speech",
    stand_in="synthetic speech",
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
    window: Window = (0.0, speech.END),
    binary: bool = False,
    augment: bool = False,
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """`size` different recordings of a split in `steps` bins, drawn by `seed`.

    Returns inputs [T, B, features], spikes per bin, and targets [T, B], the class at every step. Fewer features than
    700 pool neighbouring channels. binary: 1 where there are spikes. window: seconds from and to that the bins cover;
    what comes later is in the last bin if they end at 1.4 s or later, and else in none; None: each recording's own
    span. augment: blends, shifts, dilation and jitter of training recordings. Validation is on speakers held out of the
    training part. Raises ValueError for what is impossible, MissingError if there are no files and DamagedError if
    they are not what they should be.
    """
    found = sparse(steps, size, seed, features, split, window, binary, augment)
    return found.dense(0, steps, np.float32), found.targets(0, steps)


def sparse(
    steps: int,
    size: int,
    seed: int,
    features: int = FEATURES,
    split: str = "train",
    window: Window = (0.0, speech.END),
    binary: bool = False,
    augment: bool = False,
) -> Sparse:
    """The batch in bins, not dense yet."""
    if augment and split != "train":
        raise ValueError(f"augment is for training, not for split {split!r}")
    held, available = opened(split)
    return speech.sparse(held, available, steps, size, seed, features, window, binary, augment)


def opened(split: str) -> tuple[Any, NDArray[np.int64]]:
    """The recordings of the part that a split is in, and which of them belong to the split."""
    part = "test" if splits.known(split) == "test" else "train"
    held = speech.recordings(PUBLISHED, part, train=part == "train")
    if split == "test":
        return held, np.arange(len(held))
    assert held.groups is not None
    return held, splits.members(split, splits.by_group(held.groups))
