"""Choose how a chunk is computed in PyTorch: an argument of every `advance`. It changes the gradient by rounding alone.

The twin is `execution_jax.py`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from drtrl_bench.implementations.engine import adjoint_torch as adjoint
from drtrl_bench.implementations.engine import network_torch as network
from drtrl_bench.implementations.engine import trace_torch as trace


class Execution(NamedTuple):
    """Choose how a chunk is computed. The defaults run anywhere; `kernels/execution_triton.py` is for a GPU."""

    block: int = 64
    """Steps of a block. With fewer, more calls are made; with more, a block leaves the cache."""
    layer: network.Layer = network.layer
    """The forward pass of one layer."""
    forward: Callable[..., Any] = network.forward
    """Run a block forward, with that pass of every layer."""
    backward: Callable[..., Any] = adjoint.backward
    """Go through a block backwards."""
    trace_step: Callable[..., Any] = trace.step
    """Contract and updates an eligibility trace."""
    compiled: Callable[[Any], Any] = adjoint.as_written
    """What is done to other functions of a block before they are called."""


PLAIN = Execution()
"""The defaults."""
