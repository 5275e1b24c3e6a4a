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
    """Steps of a block. Shorter blocks take more calls; the arrays of longer blocks do not stay in the cache."""
    layer: network.Layer = network.layer
    """The forward pass of one layer."""
    forward: Callable[..., Any] = network.forward
    """The function that runs a block forward, with `layer` for every layer."""
    backward: Callable[..., Any] = adjoint.backward
    """The function that runs a block backward."""
    trace_step: Callable[..., Any] = trace.step
    """The function that contracts and then updates an eligibility trace."""
    compiled: Callable[[Any], Any] = adjoint.as_written
    """What is applied to other functions of a block before they are called: nothing, or torch.compile."""


PLAIN = Execution()
"""The defaults."""
