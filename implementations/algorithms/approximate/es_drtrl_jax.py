"""Compute the gradient of ES-D-RTRL (pp-prop) in JAX: two filtered vectors in place of D-RTRL's trace.

    eps_x^t = a_x eps_x^{t-1} + z^t                        presynaptic filter; z itself for bias and parameters
    eps_f^t = a D^t eps_f^{t-1} + (1 - a) D_f^t            postsynaptic filter
    dL/dW   = sum_t eps_x^t (x) l^t eps_f^t / c^t

    c^t = 1 - a^{t+1} (corrected), 1 - (1 - a)^{t+1} (as_published), 1 (none); t from 0

Published is a_x = a. In a layer without memory, as the linear readout is, a_x = a = 0 and c = 1: its gradient
sum_t z^t (x) l^t D_f^t is exact.

No array is as large as the weights, so there is nothing to chunk: the filters run forward in time, block by block, and
every K gives the same gradient. The learning signal l is D-RTRL's. Symbols and shapes: `implementations/README.md`.
Source: Wang et al. 2026 (Nat. Commun. 17:1745); as_published: the paper's code, where c is near 1 from the first step.
"""

from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array, lax, tree

from drtrl_bench.implementations.algorithms.approximate.filtering import smoothing
from drtrl_bench.implementations.engine.adjoint_jax import forward_weights, neuronwise, weight_gradient
from drtrl_bench.implementations.engine.derivatives_jax import learning_signals, local_jacobians
from drtrl_bench.implementations.engine.execution_jax import PLAIN, Execution
from drtrl_bench.implementations.engine.network_jax import (
    Params,
    PerWeight,
    Residuals,
    States,
    fold,
    forward,
    initial_states,
    presynaptic,
)

FILTERED = ("x", "r")


class Carry(NamedTuple):
    """Hold what is carried across a chunk boundary."""

    states: States
    """s [B, S, N] of each layer."""
    presynaptic: list[PerWeight]
    """eps_x [B, J] of each layer and kind of weight that is filtered."""
    postsynaptic: list[Array]
    """eps_f [B, S, G, N] of each layer."""
    time: Array
    """t, a scalar."""


def init(net: Any, params: Params, batch: int) -> Carry:
    """Return the states at rest, zero filters, and t = 0."""
    states = initial_states(net, params, batch)
    eps_x = [{k: jnp.zeros((batch, v.shape[0]), v.dtype) for k, v in w.items() if k in FILTERED} for w in params]
    eps_f = [jnp.zeros((*s.shape[:2], cell.G, s.shape[-1]), s.dtype) for cell, s in zip(net, states, strict=True)]
    return Carry(states, eps_x, eps_f, jnp.zeros((), states[0].dtype))


def correction(kind: str, a: float, t: Array) -> Array:
    """Compute the bias correction c^t of the steps t [K]; kind: as above."""
    if kind == "none":
        return jnp.ones_like(t)
    return 1 - (a if kind == "corrected" else 1 - a) ** (t + 1)


def filter_presynaptic(eps_x: Array, z: Array, a: float, unroll: int) -> tuple[Array, Array]:
    """Filter z [K, B, J] from eps_x^0 [B, J]: the last eps_x^K [B, J], and all eps_x^t [K, B, J]."""

    def step(eps_x: Array, z: Array) -> tuple[Array, Array]:
        eps_x = a * eps_x + z
        return eps_x, eps_x

    return lax.scan(step, eps_x, z, unroll=unroll)


def filter_postsynaptic(
    cell: Any, w: PerWeight, residuals: Residuals, dL_do: Array, eps_f: Array, c: Array, a: float, unroll: int
) -> tuple[Array, Array, Array]:
    """Filter D_f: the last eps_f^K [B, S, G, N], and of all steps l eps_f / c and l D_f [K, B, 1, G, N].

    The Jacobians of a step are computed in the step, so that neither they nor eps_f are stored for all steps.
    """

    def step(eps_f: Array, now: tuple[Residuals, Array, Array]) -> tuple[Array, tuple[Array, Array]]:
        one, dL_do, c = tree.map(lambda of_all: of_all[None], now)
        D, D_f = local_jacobians(cell, w, one)
        l = learning_signals(cell, one.states, dL_do)
        eps_f = a * neuronwise(D[0], eps_f) + (1 - a) * D_f[0]
        return eps_f, (neuronwise(l, eps_f[None])[0] / c, neuronwise(l, D_f)[0])

    eps_f, (dy, within) = lax.scan(step, eps_f, (residuals, dL_do, c), unroll=unroll)
    return eps_f, dy, within


def backward(
    net: Any,
    params: Params,
    residuals: list[Residuals],
    error: Array,
    carry: Carry,
    c: Array,
    a: float,
    a_x: float,
    unroll: int,
) -> tuple[Params, list[PerWeight], list[Array]]:
    """Compute the gradient of a block, the top layer first, and both filters of each layer after the block."""
    dL_do, grads, after_x, after_f = error[:, :, None], [], [], []
    for layer in reversed(range(len(net))):
        cell, w, (s_prev, _, _, x) = net[layer], params[layer], residuals[layer]
        a_l, a_x_l, c_l = (0.0, 0.0, jnp.ones_like(c)) if cell.memoryless else (a, a_x, c)
        eps_f = carry.postsynaptic[layer]
        end, dy, within = filter_postsynaptic(cell, w, residuals[layer], dL_do, eps_f, c_l, a_l, unroll)
        after_f.insert(0, end)
        eps_x = presynaptic(cell, s_prev, x)
        after_x.insert(0, {})
        for k, before in carry.presynaptic[layer].items():
            after_x[0][k], eps_x[k] = filter_presynaptic(before, eps_x[k], a_x_l, unroll)
        grads.insert(0, {k: weight_gradient(eps_x[k], dy[:, :, 0, cell.reads[k]]) for k in w})
        if layer > 0:
            dL_do = forward_weights(layer - 1, error, cell, w, within)
    return grads, after_x, after_f


def block(
    net: Any,
    params: Params,
    a: float,
    a_x: float,
    bias_correction: str,
    execution: Execution,
    carry: Carry,
    inputs: Array,
    targets: Array,
    *,
    last: bool = False,
) -> tuple[Carry, Array, Params]:
    """Advance a block of steps: inputs [K, B, I], targets [K, B] -> the carry, the loss of the block, its gradient."""
    ends, loss, residuals, error = forward(net, params, carry.states, inputs, targets, execution.unrolled)
    c = correction(bias_correction, a, carry.time + jnp.arange(len(inputs)))
    grads, eps_x, eps_f = backward(net, params, residuals, error, carry, c, a, a_x, execution.unroll)
    return Carry(ends, eps_x, eps_f, carry.time + len(inputs)), loss, grads


def advance(
    net: Any,
    params: Params,
    carry: Carry,
    inputs: Array,
    targets: Array,
    *,
    last: bool = False,
    decay: float = 0.9,
    decay_x: float = 0.0,
    bias_correction: str = "corrected",
    execution: Execution = PLAIN,
) -> tuple[Carry, Array, Params]:
    """Advance K steps: inputs [K, B, I], targets [K, B] -> the carry, the loss of the chunk, its gradient.

    decay: a, or a whole number k >= 1 that stands for a = (k - 1) / (k + 1), the paper's rank. decay_x: a_x, likewise;
    0 for that of `decay`.
    """
    a, a_x = smoothing(decay, bias_correction), smoothing(decay_x or decay, "none", "decay_x")
    advance_block = partial(block, net, params, a, a_x, bias_correction, execution)
    return fold(advance_block, carry, params, inputs, targets, execution.block, last_differs=False)
