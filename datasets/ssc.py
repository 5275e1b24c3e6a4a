"""Spiking Speech Commands: 35 spoken words of many speakers as spikes of a cochlea with 700 channels.

Source: Cramer, Stradmann, Schemmel & Zenke 2020 (IEEE TNNLS 33:2744, doi 10.1109/TNNLS.2020.3044364), from Speech
Commands 0.2 (Warden 2018, arXiv 1804.03209), read by tonic. Where the genuine files are not at hand, synthetic speech
stands in, and the label says so. Card: cards/ssc.md.
"""

import numpy as np
from numpy.typing import NDArray

from .events import speech, splits
from .events.published import Archive, Clock, Published
from .events.recordings import Recordings

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
    classes=35,
    counts={"train": 75466, "valid": 9981, "test": 20382},
    count=speech.count,
    readers=("h5py", "tonic"),
    clock=Clock("s", 1.0, 1.0),
    generator="speech",
    stand_in="synthetic speech",
    synthetic=True,
)


def recordings(split: str) -> tuple[Recordings, NDArray[np.int64]]:
    """List a split: its recordings, and their numbers. The splits are the published ones."""
    recordings = speech.recordings(PUBLISHED, splits.checked(split), split=split)
    return recordings, np.arange(len(recordings))


DATASET = speech.dataset(PUBLISHED, recordings)
