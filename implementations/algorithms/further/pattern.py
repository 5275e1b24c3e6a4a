"""Find which neurons of a layer a weight reaches within two steps, with NumPy: the pattern of SnAp-2."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray


@lru_cache(maxsize=64)
def reached(cell: Any, N: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the neurons [N, R] that a weight to each neuron reaches, that neuron first; and 1 for each, 0 for padding.

    A weight acts on its neuron in one step, and in two on the neurons that this one's recurrent weights feed.
    """
    fed = np.zeros((N, N), bool)
    if "r" in cell.reads:
        mask = cell.mask("r", N, N)
        fed = np.ones((N, N), bool) if mask is None else mask.any(axis=1)
    lists = [[n, *(m for m in range(N) if fed[n, m] and m != n)] for n in range(N)]
    R = max(len(neurons) for neurons in lists)
    index, valid = np.zeros((N, R), np.int64), np.zeros((N, R))
    for n, neurons in enumerate(lists):
        index[n, : len(neurons)], valid[n, : len(neurons)] = neurons, 1
    return index, valid
