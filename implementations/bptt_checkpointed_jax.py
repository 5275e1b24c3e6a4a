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

from implementations.network_jax import Params, States, initial_states, readout_loss, run

Carry = States


def init(net: Any, params: Params, batch: int) -> Carry:
    """States at rest, one [B, S, N] per layer."""
    return initial_states(net, params, batch)


def advance(
    net: Any, params: Params, carry: Carry, inputs: Array, targets: Array, *, last: bool = False, segments: int = 0
) -> tuple[Carry, Array, Params]:
    """K steps: inputs [K, B, I], targets [K, B] -> states, loss of the chunk, its gradient. 0 segments: sqrt(K)."""
    K = len(inputs)
    length = ceil(K / (segments or round(sqrt(K))))
    whole = K // length

    def chunk(params: Params) -> tuple[Array, States]:
        @jax.checkpoint
        def segment(states: States, data: tuple[Array, Array]) -> tuple[States, Array]:
            _, ends, logits = run(net, params, states, data[0])
            return ends, readout_loss(logits, data[1])

        parts = [a[: whole * length].reshape(whole, length, *a.shape[1:]) for a in (inputs, targets)]
        ends, losses = lax.scan(segment, carry, (parts[0], parts[1]))
        if whole * length < K:
            ends, rest = segment(ends, (inputs[whole * length :], targets[whole * length :]))
            losses = jnp.append(losses, rest)
        return losses.sum(), ends

    (loss, ends), grads = jax.value_and_grad(chunk, has_aux=True)(params)
    return ends, loss, grads
