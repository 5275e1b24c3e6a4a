"""Fold `advance` over a stream of chunks in JAX: the gradient of a sequence that is never in memory all at once.

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
"""Pairs of inputs [K, B, I], of any type of number, and targets [K, B], on the host."""


def streaming(algorithm: Any, net: Any) -> Callable[[Params, Chunks], tuple[Array, Params]]:
    """Return the function of weights and chunks that computes loss and gradient, for one algorithm and network.

    A chunk is copied to the device in its own type of number, and converted to the weights' type there. Carry and sums
    are updated in place. The function is compiled once per length of chunk. It raises ValueError if there is no chunk.
    """

    def advance(params: Params, carry: Any, total: Array, sums: Params, chunk: tuple[Array, Array], last: bool) -> Any:
        effective, derivatives = effective_weights(net, params)
        inputs, targets = chunk
        inputs = inputs.astype(params[0]["x"].dtype)
        carry, loss, grads = algorithm.advance(net, effective, carry, inputs, targets, last=last)
        sums = jax.tree.map(jnp.add, sums, to_stored(grads, derivatives))
        return (None if last else carry), total + loss, sums

    # After the last chunk no carry is returned, so its buffers cannot be reused for a result.
    middle = jax.jit(partial(advance, last=False), donate_argnums=(1, 2, 3))
    end = jax.jit(partial(advance, last=True), donate_argnums=(2, 3))

    def begin(params: Params, batch: int) -> Any:
        effective, _ = effective_weights(net, params)
        zero = jnp.zeros((), params[0]["x"].dtype)
        return algorithm.init(net, effective, batch), zero, jax.tree.map(jnp.zeros_like, params)

    compiled_begin = jax.jit(begin, static_argnames="batch")

    def gradient(params: Params, chunks: Chunks) -> tuple[Array, Params]:
        state: Any = None
        waiting = None
        for chunk in chunks:
            if state is None:
                state = compiled_begin(params, batch=chunk[1].shape[1])
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
