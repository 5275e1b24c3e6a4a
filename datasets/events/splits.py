"""Take validation sets from the training part: nothing of them is trained on, and the test part stays unseen."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "valid", "test")


def checked(split: str) -> str:
    """Return the name of a split. Raises ValueError for any other name."""
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, not {split!r}")
    return split


def members(split: str, held_out: NDArray[np.bool_]) -> NDArray[np.int64]:
    """List the recordings of the training part that a split has: "valid" those held out, "train" the others."""
    return np.flatnonzero(held_out if split == "valid" else ~held_out)


def by_group(groups: NDArray[Any], share: float = 0.2) -> NDArray[np.bool_]:
    """Hold out whole groups (speakers, subjects): the last ones, at least one and at most `share` of them.

    Returns for each recording whether it is held out [n]. Raises ValueError if there is only one group.
    """
    names = np.unique(groups)
    if len(names) < 2:
        raise ValueError(f"holding out a speaker or subject needs two, and there is only {names}")
    return np.isin(groups, names[-max(1, int(share * len(names))) :])


def stratified(labels: NDArray[np.int32], share: float = 0.1) -> NDArray[np.bool_]:
    """Hold out a share of each class, at least one recording and never the only one, always the same ones.

    Returns for each recording whether it is held out [n].
    """
    held_out = np.zeros(len(labels), bool)
    rng = np.random.default_rng(0)
    for label in np.unique(labels):
        same = np.flatnonzero(labels == label)
        number = min(max(1, int(share * len(same))), len(same) - 1)
        held_out[rng.permutation(same)[:number]] = True
    return held_out


def drawn(available: NDArray[np.int64], size: int, seed: int) -> NDArray[np.int64]:
    """Draw `size` different recordings of those available. Raises ValueError if there are not so many."""
    if not 1 <= size <= len(available):
        raise ValueError(f"size must be between 1 and {len(available)}, the recordings of this split, not {size}")
    return np.random.default_rng(seed).choice(available, size, replace=False)
