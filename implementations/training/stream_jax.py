"""`advance` folded over a stream of chunks, in JAX: loss and gradient of a sequence that is never there as a whole.

The twin is `stream_torch.py`. `network_jax.gradient` is the same fold over a sequence on the device, in one program.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from drtrl_bench.implementations.engine.network_jax import Params, effective_weights, to_stored

Chunks = Iterable[tuple[Any, Any]]
"""Inputs [K, B, I] of any type of number and targets [K, B], on the host."""


def streaming(algorithm: Any, net: Any) -> Callable[[Params, Chunks], tuple[Array, Params]]:
    """The fold of one algorithm and network: a function of weights and chunks that returns loss and gradient.

    A chunk crosses to the device as it is and becomes floating there. Carry and sums are updated in place. It compiles
    once per length of chunk. ValueError if there is no chunk.
    """

    def advance(params: Params, carry: Any, total: Array, sums: Params, chunk: tuple[Array, Array], last: bool) -> Any:
        effective, derivatives = effective_weights(net, params)
        inputs, targets = chunk
        inputs = inputs.astype(params[0]["x"].dtype)
        carry, loss, grads = algorithm.advance(net, effective, carry, inputs, targets, last=last)
        sums = jax.tree.map(jnp.add, sums, to_stored(grads, derivatives))
        return (None if last else carry), total + loss, sums

    # What the last chunk leaves of a carry nobody needs, so there is no place to update.
    middle = jax.jit(partial(advance, last=False), donate_argnums=(1, 2, 3))
    end = jax.jit(partial(advance, last=True), donate_argnums=(2, 3))

    def begin(params: Params, batch: int) -> Any:
        effective, _ = effective_weights(net, params)
        zero = jnp.zeros((), params[0]["x"].dtype)
        return algorithm.init(net, effective, batch), zero, jax.tree.map(jnp.zeros_like, params)

    begun = jax.jit(begin, static_argnames="batch")

    def gradient(params: Params, chunks: Chunks) -> tuple[Array, Params]:
        state: Any = None
        waiting = None
        for chunk in chunks:
            if state is None:
                state = begun(params, batch=chunk[1].shape[1])
            if waiting is not None:
                state = middle(params, *state, waiting)
                # Without waiting, chunks would queue up on the device.
                jax.block_until_ready(state[1])
            waiting = chunk
        if waiting is None:
            raise ValueError("a stream needs at least one chunk")
        _, total, sums = end(params, *state, waiting)
        return total, sums

    return gradient
