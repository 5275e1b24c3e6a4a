"""Spiking Speech Commands: 35 spoken words of many speakers as spikes of a cochlea with 700 channels.

Source: Cramer, Stradmann, Schemmel & Zenke 2020 (IEEE TNNLS 33:2744, doi 10.1109/TNNLS.2020.3044364), from Speech
Commands 0.2 (Warden 2018, arXiv 1804.03209), read by tonic. Where the genuine files are not at hand, synthetic speech
stands in, and LABEL says so. Card: cards/ssc.md.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .events import place, speech, splits
from .events.binning import Sparse, Window
from .events.place import Archive, Clock, Published

CLASSES = 35
FEATURES = 700
PUBLISHED = Published(
    name="SSC",
    module="ssc",
    folder="SSC",
    source="the Heidelberg Spiking Datasets (Cramer et al. 2020, Zenke Lab, CC BY 4.0)",
    size="75,466 + 9,981 + 20,382 recordings",
    archives={
        "train": Archive("ssc_train.h5.zip", "d102be95e7144fcc0553d1f45ba94170", "ssc_train.h5"),
        "valid": Archive("ssc_valid.h5.zip", "b4eee3516a4a90dd0c71a6ac23a8ae43", "ssc_valid.h5"),
        "test": Archive("ssc_test.h5.zip", "a35ff1e9cffdd02a20eb850c17c37748", "ssc_test.h5"),
    },
    classes=CLASSES,
    counts={"train": 75466, "valid": 9981, "test": 20382},
    count=speech.count,
    readers=("h5py", "tonic"),
    clock=Clock("s", 1.0, 1.0),
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
    span. augment: blends, shifts, dilation and jitter of training recordings. The splits are the published ones. Raises
    ValueError for what is impossible, MissingError if there are no files and DamagedError if they are not
    what they should be.
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
    """The recordings of a split, and their numbers."""
    held = speech.recordings(PUBLISHED, splits.known(split), split=split)
    return held, np.arange(len(held))
