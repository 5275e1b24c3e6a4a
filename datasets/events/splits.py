"""Validation sets taken from the training part: nothing of them is trained on, and the test part stays unseen."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "valid", "test")


def known(split: str) -> str:
    """The split, if there is such."""
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, not {split!r}")
    return split


def members(split: str, held_out: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Which recordings of the training part belong to a split: those held out to "valid", the others to "train"."""
    return np.flatnonzero(held_out if split == "valid" else ~held_out)


def by_group(groups: NDArray[Any], share: float = 0.2) -> NDArray[np.bool_]:
    """Holds out whole groups (speakers, subjects): the last ones, at least one and at most `share` of them."""
    names = np.unique(groups)
    if len(names) < 2:
        raise ValueError(f"holding out a speaker or subject needs two, and there is only {names}")
    return np.isin(groups, names[-max(1, int(share * len(names))) :])


def stratified(labels: NDArray[np.int32], share: float = 0.1) -> NDArray[np.bool_]:
    """Holds out a share of each class, at least one recording and never the only one, always the same ones."""
    held_out = np.zeros(len(labels), bool)
    rng = np.random.default_rng(0)
    for label in np.unique(labels):
        of_class = np.flatnonzero(labels == label)
        number = min(max(1, int(share * len(of_class))), len(of_class) - 1)
        held_out[rng.permutation(of_class)[:number]] = True
    return held_out


def drawn(available: NDArray[np.int64], size: int, seed: int) -> NDArray[np.int64]:
    """`size` different ones of the available recordings."""
    if not 1 <= size <= len(available):
        raise ValueError(f"size must be between 1 and {len(available)}, the recordings of this split, not {size}")
    return np.random.default_rng(seed).choice(available, size, replace=False)
