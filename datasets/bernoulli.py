"""Independent Bernoulli spikes with a random class: nothing to learn, any size.

For measuring time and memory, where only the shapes and the density of the spikes matter. Wang et al. (Nat.
Commun. 2026, 17:1745) use the same, with rate 0.1, for their scaling measurements.
"""

import numpy as np
from numpy.typing import NDArray

LABEL = "bernoulli (synthetic)"
SYNTHETIC = True
CLASSES = 10
FEATURES = 64


def batch(
    steps: int, size: int, seed: int, features: int = FEATURES, rate: float = 0.1
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """`size` samples of `steps` steps, drawn by `seed`.

    Returns inputs [T, B, features], 1 with probability `rate` (spikes per step) and else 0, and targets [T, B],
    one class per sample at every step. ValueError if a size is not positive or the rate is no probability.
    """
    if min(steps, size, features) < 1:
        raise ValueError(f"steps, size and features must be at least 1, not {steps}, {size} and {features}")
    if not 0 <= rate <= 1:
        raise ValueError(f"rate must be between 0 and 1, not {rate}")
    rng = np.random.default_rng(seed)
    # Classes first and time outermost: with the same seed, a longer sequence continues a shorter one.
    targets = np.tile(rng.integers(CLASSES, size=size, dtype=np.int32), (steps, 1))
    return (rng.random((steps, size, features), np.float32) < rate).astype(np.float32), targets
