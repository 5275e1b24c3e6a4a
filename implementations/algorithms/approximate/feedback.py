"""Draw the fixed random weights of the `random_feedback` control, with NumPy: the same in every implementation."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


@lru_cache(maxsize=64)
def random_feedback_weights(layer: int, C: int, N: int) -> NDArray[np.float64]:
    """Draw the weights B_layer [C, N] from the readout's error on C classes to the N neurons of a hidden layer."""
    weights = np.random.default_rng([layer, C, N]).standard_normal((C, N)) / np.sqrt(C)
    weights.flags.writeable = False
    return weights
