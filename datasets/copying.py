"""Draw the copying task: say ten symbols again after a lag.

The task of Hochreiter & Schmidhuber 1997 (Neural Comput. 9:1735) as Wang et al. 2026 (Nat. Commun. 17:1745) use it: ten
symbols from 1 to 8, `lag` zeros, and ten times the cue 9, during which the symbols are to be predicted in order. All
are one-hot. Only the steps of the cue have a target.
"""

import numpy as np
from numpy.typing import NDArray

LABEL = "copying (synthetic)"
SYNTHETIC = True
CLASSES = 10
"""One output per symbol; 0 and 9 are never right."""
FEATURES = 10
BLANK, CUE = 0, 9
LENGTH = 10
NO_TARGET = -1


def batch(steps: int, size: int, seed: int, length: int | None = None) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Draw `size` sequences by `seed`, with a lag of `steps` less twice `length`: T = 520 has the paper's 500.

    length: symbols to copy, 10 or, if left out, as many as fit. Returns inputs [T, B, 10], one-hot, and targets [T, B]:
    the symbols in the last `length` steps, before them NO_TARGET. Raises ValueError if the sequence is too short.
    """
    if min(steps, size) < 1:
        raise ValueError(f"steps and size must be at least 1, not {steps} and {size}")
    length = min(LENGTH, steps // 2) if length is None else length
    if not 1 <= length <= steps // 2:
        raise ValueError(f"{length} symbols to copy need at least {max(2, 2 * length)} steps, not {steps}")
    symbols = np.random.default_rng(seed).integers(1, CUE, size=(length, size), dtype=np.int32)
    shown = np.full((steps, size), BLANK, np.int32)
    shown[:length], shown[-length:] = symbols, CUE
    targets = np.full((steps, size), NO_TARGET, np.int32)
    targets[-length:] = symbols
    return np.eye(FEATURES, dtype=np.float32)[shown], targets
