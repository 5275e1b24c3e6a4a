"""Backpropagation through time that keeps the states between segments and runs each segment twice, in JAX.

    grad L as in `bptt_jax.py`; memory for the segments' first states and for one segment, not for all K steps

Carried across a chunk boundary: the states. So K < T is truncated BPTT and K = T is exact.
Source: Chen et al. 2016 (arXiv 1604.06174): about sqrt(K) segments, which is the default.
"""

from math import ceil, sqrt
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from drtrl_bench.implementations.algorithms.exact import bptt_jax as bptt
from drtrl_bench.implementations.engine.blocks_jax import forth
from drtrl_bench.implementations.engine.network_jax import Params, States, run

Carry = States
init = bptt.init


def advance(
    net: Any, params: Params, carry: Carry, inputs: Array, targets: Array, *, last: bool = False, segments: int = 0
) -> tuple[Carry, Array, Params]:
    """K steps: inputs [K, B, I], targets [K, B] -> states, loss of the chunk, its gradient. 0 segments: sqrt(K)."""
    K = len(inputs)
    length = ceil(K / (segments or round(sqrt(K))))
    whole = (K - 1) // length * length  # the last segment, which may be shorter, stands apart
    starts = jnp.arange(0, whole, length)

    def part(a: Array, start: Array) -> Array:
        return lax.dynamic_slice_in_dim(a, start, length)

    def forwards(states: States, start: Array) -> tuple[States, States]:
        return run(net, params, states, part(inputs, start))[1], states

    def backwards(later: tuple[Any, ...], now: tuple[States, Array]) -> tuple[tuple[Any, ...], None]:
        (rows, sums, total), (first, start) = later, now
        _, loss, tapes, error = forth(net, params, first, part(inputs, start), part(targets, start))
        rows, grads, _ = bptt.back(net, params, tapes, error, rows)
        return (rows, jax.tree.map(jnp.add, sums, grads), total + loss), None

    at_last, firsts = lax.scan(forwards, carry, starts)
    ends, loss, tapes, error = forth(net, params, at_last, inputs[whole:], targets[whole:])
    rows, sums, _ = bptt.back(net, params, tapes, error, bptt.loss_row(carry))
    (_, grads, loss), _ = lax.scan(backwards, (rows, sums, loss), (firsts, starts), reverse=True)
    return ends, loss, grads
