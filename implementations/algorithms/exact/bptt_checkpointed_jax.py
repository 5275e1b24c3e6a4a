"""Compute BPTT's gradient in JAX, keeping the states between segments and running each segment twice.

The gradient is that of `bptt_jax.py`; memory is needed for the segments' first states and for one segment, not for all
K steps. Carried across a chunk boundary: the states. Source: Chen et al. 2016 (arXiv 1604.06174): about sqrt(K)
segments, which is the default.
"""

from math import ceil, sqrt
from typing import Any

from jax import Array

from drtrl_bench.implementations.algorithms.exact import bptt_jax as bptt
from drtrl_bench.implementations.engine.blocks_jax import forward_backward
from drtrl_bench.implementations.engine.execution_jax import PLAIN, Execution
from drtrl_bench.implementations.engine.network_jax import Params

RULE = bptt.RULE
Carry, init = bptt.Carry, bptt.init


def advance(
    net: Any,
    params: Params,
    carry: Carry,
    inputs: Array,
    targets: Array,
    *,
    last: bool = False,
    segments: int = 0,
    execution: Execution = PLAIN,
) -> tuple[Carry, Array, Params]:
    """Advance K steps: inputs [K, B, I], targets [K, B] -> the carry, the loss of the chunk, its gradient.

    segments: 0 stands for sqrt(K). A block is one of sqrt(K) segments, or as many shorter ones as are not longer.
    """
    K = len(inputs)
    longest = ceil(K / round(sqrt(K)))
    segment = ceil(K / segments) if segments else longest
    in_blocks = execution._replace(block=max(longest // segment, 1) * segment)
    chunk = forward_backward(RULE, net, params, carry, inputs, targets, last=last, execution=in_blocks, segment=segment)
    return chunk.states, chunk.loss, chunk.grads
