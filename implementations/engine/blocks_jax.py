"""Run a chunk in blocks of steps in JAX, forward, then backward, so that a block's arrays stay in the cache.

    forward     stores the states and input currents of all K steps, or the first states of each segment of a block
    backward    block by block, the last first: `adjoint_jax.backward`

All other arrays exist for one block at a time. The gradient of a weight takes one product a block, not one a step.
The twin is `blocks_torch.py`. Symbols and shapes: `implementations/README.md`.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from drtrl_bench.implementations.engine.adjoint_jax import (
    NONE,
    Adjoints,
    Factors,
    Rule,
    at_start,
    backward,
    final_adjoints,
)
from drtrl_bench.implementations.engine.execution_jax import PLAIN, Execution
from drtrl_bench.implementations.engine.network_jax import (
    Layer,
    Params,
    Residuals,
    States,
    forward,
    loss_and_error,
    previous,
    run,
)


class Chunk(NamedTuple):
    """Hold the results of a chunk of K steps."""

    states: States
    """s^K [B, S, N] of each layer."""
    loss: Array
    grads: Params
    """The gradient of the loss by paths that begin in the chunk, of the shapes of the weights."""
    lam: list[Array]
    """lam^0 = dL/ds^0 [B, S, N] of each layer."""
    P: list[Array]
    """P^0 = ds^K/ds^0 of each layer, by the paths of the carry: [B, S, S', N], or [B, n, n] if they are all."""
    factors: list[dict[str, tuple[Array, Array]]]
    """z [K, B, J] and ds^K/dy [K, B, Q, Gk, N] of each layer and kind of weight; empty if the carry is not updated."""


def with_inputs(net: Any, firsts: States, stored: list[tuple[Array, Array]], inputs: Array) -> list[Residuals]:
    """Recompute the residuals of a block from its first states, and from the states and currents of every layer."""
    x, residuals = inputs, []
    for cell, s0, (s, y) in zip(net, firsts, stored, strict=True):
        residuals.append(Residuals(previous(s0, s), s, y, x))
        x = cell.output(s)
    return residuals


def side_by_side(
    net: Any, params: Params, firsts: States, inputs: Array, layer: Layer
) -> tuple[list[Residuals], Array]:
    """Run the segments of a block at once, as if they were samples: its residuals and logits [K, B, C].

    firsts: of each layer the states [segments, B, S, N] before each segment; inputs [K, B, I].
    """
    segments, B = firsts[0].shape[:2]

    def as_samples(a: Array) -> Array:
        a = a.reshape(segments, -1, *a.shape[1:]).swapaxes(0, 1)
        return a.reshape(len(a), segments * B, *a.shape[3:])

    def as_steps(a: Array) -> Array:
        a = a.reshape(len(a), segments, B, *a.shape[2:])
        return a.swapaxes(0, 1).reshape(-1, B, *a.shape[3:])

    states = [s.reshape(segments * B, *s.shape[2:]) for s in firsts]
    residuals, _, logits = run(net, params, states, as_samples(inputs), layer)
    return jax.tree.map(as_steps, (residuals, logits))


def forward_backward(
    rule: Rule,
    net: Any,
    params: Params,
    states: States,
    inputs: Array,
    targets: Array,
    *,
    last: bool = False,
    execution: Execution = PLAIN,
    segment: int = 0,
) -> Chunk:
    """Run K steps forward and backward: inputs [K, B, I], targets [K, B].

    last: no chunk follows, so the carry is not updated, and there are no factors. segment: of every so many steps,
    which divide a block, store only the first states, and run all blocks but the last forward twice; 0: store all.
    """
    paths = NONE if last else rule.carry
    K, length = len(inputs), min(execution.block, len(inputs))
    looped = (K - (segment > 0)) // length * length  # without a last block that is shorter, or need not run twice
    starts = jnp.arange(0, looped, length)
    layer = execution.unrolled
    forward_ = partial(forward, net, params, layer=layer)
    backward_ = partial(backward, rule, net, params, unroll=execution.unroll)

    def block_of(a: Array, start: Array) -> Array:
        return lax.dynamic_slice_in_dim(a, start, length)

    def forwards(states: States, start: Array) -> tuple[States, Any]:
        x = block_of(inputs, start)
        if segment:
            return lax.scan(through_segment, states, x.reshape(-1, segment, *x.shape[1:]))
        ends, loss, residuals, error = forward_(states, x, block_of(targets, start))
        return ends, (states, (loss, [(r.states, r.currents) for r in residuals], error))

    def through_segment(states: States, x: Array) -> tuple[States, States]:
        return run(net, params, states, x, layer)[1], states

    def backwards(later: tuple[Adjoints, Params, Array], block: Any) -> tuple[Any, list[Factors]]:
        (adjoints, sums, total), (start, stored) = later, block
        x = block_of(inputs, start)
        if segment:
            residuals, logits = side_by_side(net, params, stored, x, layer)
            loss, error = loss_and_error(logits, block_of(targets, start))
        else:
            firsts, (loss, states_and_currents, error) = stored
            residuals = with_inputs(net, firsts, states_and_currents, x)
        adjoints, grads, factors = backward_(residuals, error, adjoints)
        return (adjoints, jax.tree.map(jnp.add, sums, grads), total + loss), factors

    ends, stored = lax.scan(forwards, states, starts)
    adjoints, sums = final_adjoints(paths, states), jax.tree.map(jnp.zeros_like, params)
    total, rest = jnp.zeros((), inputs.dtype), []
    if looped < K:
        ends, total, residuals, error = forward_(ends, inputs[looped:], targets[looped:])
        adjoints, sums, rest = backward_(residuals, error, adjoints)
    (adjoints, grads, total), factors = lax.scan(backwards, (adjoints, sums, total), (starts, stored), reverse=True)
    factors = jax.tree.map(lambda a: a.reshape(looped, *a.shape[2:]), factors)
    if rest:
        factors = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), factors, rest)
    lam, P = at_start(rule.carry, adjoints)
    return Chunk(ends, total, grads, lam, P, per_weight(net, inputs, factors))


def per_weight(net: Any, inputs: Array, factors: list[Factors]) -> list[dict[str, tuple[Array, Array]]]:
    """Sort the factors by layer and kind of weight; without factors, an empty dict for each layer."""
    if not factors:
        return [{} for _ in net]
    presynaptic = [f.z | ({"x": inputs} if "x" not in f.z else {}) for f in factors]
    return [
        {k: (z[k], f.dy[..., reads, :]) for k, reads in cell.reads.items() if k in z}
        for cell, f, z in zip(net, factors, presynaptic, strict=True)
    ]
