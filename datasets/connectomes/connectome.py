"""Describe a connectome: pairs of neurons with their number of synapses and sign."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Connectome(NamedTuple):
    """Hold E connected pairs of N neurons, each pair once."""

    label: str
    """What records and tables call it."""
    N: int
    pre: NDArray[np.int32]
    """The presynaptic neuron of each pair [E]."""
    post: NDArray[np.int32]
    """The postsynaptic neuron of each pair [E]."""
    weight: NDArray[np.float32]
    """The number of synapses of each pair [E], negative if the presynaptic neuron inhibits."""
