"""Spiking Heidelberg Digits: 20 spoken digits, English and German, as spikes of a cochlea with 700 channels.

Source: Cramer, Stradmann, Schemmel & Zenke 2020 (IEEE TNNLS 33:2744, doi 10.1109/TNNLS.2020.3044364), read by tonic.
Where the genuine files are not at hand, synthetic speech stands in, and the label says so. Card: cards/shd.md.
"""

import numpy as np
from numpy.typing import NDArray

from .events import speech, splits
from .events.published import Archive, Clock, Published
from .events.recordings import Recordings

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
    classes=20,
    counts={"train": 8156, "test": 2264},
    count=speech.count,
    readers=("h5py", "tonic"),
    clock=Clock("s", 0.316, speech.END),
    generator="speech",
    stand_in="synthetic speech",
    synthetic=True,
)


def recordings(split: str) -> tuple[Recordings, NDArray[np.int64]]:
    """List a split: the recordings of the part that it is in, and the numbers of those that it has.

    Validation is on speakers held out of the training part.
    """
    part = "test" if splits.checked(split) == "test" else "train"
    recordings = speech.recordings(PUBLISHED, part, train=part == "train")
    if split == "test":
        return recordings, np.arange(len(recordings))
    assert recordings.groups is not None
    return recordings, splits.members(split, splits.by_group(recordings.groups))


DATASET = speech.dataset(PUBLISHED, recordings)
