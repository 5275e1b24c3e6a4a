"""Find which neurons of a layer a weight reaches within two steps, with NumPy: the pattern of SnAp-2."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray


@lru_cache(maxsize=64)
def reached(cell: Any, N: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the neurons [N, E] that weights to each neuron reach, itself the first, and 1 for each, 0 for padding.

    A weight acts on its own neuron in one step, and in two on those that this neuron's recurrent weights feed, by any
    input current. E is the largest number of them. Of a layer without recurrent weights it is 1.
    """
    feeds = np.zeros((N, N), bool)
    if "r" in cell.reads:
        mask = cell.mask("r", N, N)
        feeds = np.ones((N, N), bool) if mask is None else mask.any(axis=1)
    lists = [[n, *(m for m in np.flatnonzero(feeds[n]) if m != n)] for n in range(N)]
    E = max(len(neurons) for neurons in lists)
    index, exists = np.zeros((N, E), np.int64), np.zeros((N, E))
    for n, neurons in enumerate(lists):
        index[n, : len(neurons)], exists[n, : len(neurons)] = neurons, 1
    return index, exists
