"""Choose how a chunk is computed in JAX: an argument of every `advance`. It changes the gradient by rounding alone.

The twin is `execution_torch.py`.
"""

from functools import partial
from typing import NamedTuple

from drtrl_bench.implementations.engine import network_jax as network


class Execution(NamedTuple):
    """Choose how a chunk is computed. The defaults run anywhere; `kernels/forward_pallas.py` is for a GPU."""

    block: int = 64
    """Steps of a block. Shorter blocks take more calls; the arrays of longer blocks do not stay in the cache."""
    unroll: int = 1
    """Steps of a sequential loop in one iteration of XLA's loop. On a CPU more than 1 was not seen to pay."""
    layer: network.Layer = network.layer
    """The forward pass of one layer."""

    @property
    def unrolled(self) -> network.Layer:
        """Return the forward pass of one layer with `unroll` steps in one iteration."""
        return partial(self.layer, unroll=self.unroll)


PLAIN = Execution()
"""The defaults."""
