"""Compute UORO's estimate of RTRL's gradient in JAX: a product of two vectors in place of the influence matrix.

Source: Tallec & Ollivier 2018 (ICLR; arXiv 1702.05043). RTRL's influence M = ds/dW obeys M^t = A^t M^{t-1} + F^t, with
A = ds^t/ds^{t-1} and F = ds^t/dW of a step, both by all paths. With random signs nu^t, one for each state:

    states      p^t = rho0 A^t p^{t-1} + rho1 nu^t             [B, S, N] of each layer
    weights     q^t = q^{t-1} / rho0 + nu^t F^t / rho1         [B, J, Gk, N] of each kind of weight
    gradient    dL/dW = sum_t (l^t p^t) q^t                    l = dL^t/ds^t, the learning signal

The mean of p (x) q over the signs is M, so the mean of the gradient is RTRL's; a single one is far from it. rho0 and
rho1 keep its variance small: rho0^2 = |q| / |A p|, rho1^2 = |nu F| / |nu|, of a sample, over all layers. As published,
each rho is at least EPSILON. Signs depend on draw, layer, step and state alone, in every implementation. Every K gives
the same gradient. Symbols and shapes, but p and q: `implementations/README.md`.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from drtrl_bench.implementations.engine.adjoint_jax import forward_weights, neuronwise
from drtrl_bench.implementations.engine.derivatives_jax import learning_signals, local_jacobians, output_jacobian
from drtrl_bench.implementations.engine.execution_jax import PLAIN, Execution
from drtrl_bench.implementations.engine.network_jax import (
    Params,
    PerWeight,
    Residuals,
    States,
    at_currents,
    fold,
    forward,
    initial_states,
    presynaptic,
)

EPSILON = 1e-7


class Carry(NamedTuple):
    """Hold what is carried across a chunk boundary."""

    states: States
    """s [B, S, N] of each layer."""
    p: States
    """p [B, S, N] of each layer."""
    q: list[PerWeight]
    """q [B, J, Gk, N] of each layer and kind of weight."""
    time: Array
    """t, a scalar."""


class Step(NamedTuple):
    """Hold what a layer's part of a step needs; arrays of all steps have K in front."""

    s: Array
    """s^t [B, S, N]."""
    D: Array
    D_f: Array
    R: Array
    """dr/ds_prev [B, S, N]."""
    z: PerWeight
    nu: Array
    """Signs [B, S, N]."""
    dy: Array
    """nu ds^t/dy^t [B, G, N] by all layers above."""


def init(net: Any, params: Params, batch: int) -> Carry:
    """Return the states at rest, p = q = 0, and t = 0."""
    states = initial_states(net, params, batch)
    q = [{k: jnp.zeros((batch, *v.shape), v.dtype) for k, v in w.items()} for w in params]
    return Carry(states, [jnp.zeros_like(s) for s in states], q, jnp.zeros((), jnp.uint32))


def signs(draw: int, layer: int, t: Array, like: Array) -> Array:
    """Draw 1 or -1 for the steps t [K] and every state of `like` [K, B, S, N]: a bit of a hash, by MurmurHash3."""
    state = jnp.arange(like[0].size, dtype=jnp.uint32).reshape(like.shape[1:])
    x = state * jnp.uint32(0x9E3779B1) + (t * jnp.uint32(0x85EBCA77))[:, None, None, None]
    x = x + jnp.uint32((layer * 0xC2B2AE3D + draw * 0x27D4EB2F) % 2**32)
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * jnp.uint32(0xC2B2AE35)
    return 1 - 2 * ((x ^ (x >> 16)) >> 31).astype(like.dtype)


def all_steps(net: Any, params: Params, residuals: list[Residuals], error: Array, draw: int, t: Array) -> list[Step]:
    """Compute for all steps t [K] of a block what does not depend on p and q, the top layer first."""
    dX_do, steps = None, []
    for layer in reversed(range(len(net))):
        cell, w, (s_prev, s, _, x) = net[layer], params[layer], residuals[layer]
        D, D_f = local_jacobians(cell, w, residuals[layer])
        nu = signs(draw, layer, t, s)
        lam = nu[:, :, None] if dX_do is None else nu[:, :, None] + learning_signals(cell, s, dX_do)
        dy = neuronwise(lam, D_f)
        R = output_jacobian(cell, s_prev) if "r" in w else jnp.zeros_like(s)
        steps.insert(0, Step(s, D, D_f, R, presynaptic(cell, s_prev, x), nu, dy[:, :, 0]))
        if layer > 0:
            dX_do = forward_weights(layer - 1, error, cell, w, dy)
    return steps


def pushed(net: Any, params: Params, p: States, steps: list[Step]) -> States:
    """Compute A p of a step: through every neuron, the recurrent weights, and the layers below."""
    after, dx = [], None
    for cell, w, p_layer, now in zip(net, params, p, steps, strict=True):
        dy = jnp.zeros_like(now.dy)
        if dx is not None:
            dy = at_currents(cell, "x", jnp.einsum("bj,jgn->bgn", dx, w["x"]))
        if "r" in w:
            dy = dy + at_currents(cell, "r", jnp.einsum("bj,jgn->bgn", (now.R * p_layer).sum(1), w["r"]))
        ds = neuronwise(now.D, p_layer[:, :, None])[:, :, 0] + neuronwise(now.D_f, dy[:, :, None])[:, :, 0]
        dx = jax.jvp(cell.output, (now.s,), (ds,))[1]
        after.append(ds)
    return after


def norm(arrays: list[Array]) -> Array:
    """Compute the norm over all arrays [B, ...] of each sample: [B]."""
    squares = [(a.reshape(len(a), -1) ** 2).sum(1) for a in arrays]
    return jnp.sqrt(sum(squares[1:], squares[0]))


def scale(numerator: Array, denominator: Array) -> Array:
    """Compute rho [B]."""
    return jnp.sqrt(numerator / (denominator + EPSILON)) + EPSILON


def block(
    net: Any,
    params: Params,
    draw: int,
    execution: Execution,
    carry: Carry,
    inputs: Array,
    targets: Array,
    *,
    last: bool = False,
) -> tuple[Carry, Array, Params]:
    """Advance a block of steps: inputs [K, B, I], targets [K, B] -> the carry, the loss of the block, its gradient."""
    ends, loss, residuals, error = forward(net, params, carry.states, inputs, targets, execution.unrolled)
    t = carry.time + jnp.arange(len(inputs), dtype=jnp.uint32)

    def step(state: tuple[States, list[PerWeight], Params], now: tuple[list[Step], Array]) -> tuple[Any, None]:
        (p, q, grads), (steps, error) = state, now
        direct = [
            {k: each.z[k][:, :, None, None] * each.dy[:, None, cell.reads[k]] for k in w}
            for cell, w, each in zip(net, params, steps, strict=True)
        ]
        p, nu = pushed(net, params, p, steps), [each.nu for each in steps]
        rho0, rho1 = scale(norm(jax.tree.leaves(q)), norm(p)), scale(norm(jax.tree.leaves(direct)), norm(nu))
        over = partial(jnp.expand_dims, axis=(1, 2))
        p = [over(rho0) * a + over(rho1) * b for a, b in zip(p, nu, strict=True)]
        q = jax.tree.map(lambda a, b: (a.T / rho0 + b.T / rho1).T, q, direct)
        do = jax.jvp(net[-1].output, (steps[-1].s,), (p[-1],))[1]
        lp = (error * do).sum(-1)
        grads = jax.tree.map(lambda g, a: g + jnp.einsum("b,bjgn->jgn", lp, a), grads, q)
        return (p, q, grads), None

    start = (carry.p, carry.q, jax.tree.map(jnp.zeros_like, params))
    steps = all_steps(net, params, residuals, error, draw, t)
    (p, q, grads), _ = lax.scan(step, start, (steps, error), unroll=execution.unroll)
    return Carry(ends, p, q, carry.time + jnp.uint32(len(inputs))), loss, grads


def advance(
    net: Any,
    params: Params,
    carry: Carry,
    inputs: Array,
    targets: Array,
    *,
    last: bool = False,
    draw: int = 0,
    execution: Execution = PLAIN,
) -> tuple[Carry, Array, Params]:
    """Advance K steps: inputs [K, B, I], targets [K, B] -> the carry, the loss of the chunk, its gradient.

    draw: the number of the draw of all signs.
    """
    advance_block = partial(block, net, params, draw, execution)
    return fold(advance_block, carry, params, inputs, targets, execution.block, last_differs=False)
