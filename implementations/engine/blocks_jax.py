"""Run a chunk in blocks, in JAX: forwards, then backwards, so that what a step needs stays in the cache.

    forward     keeps the states and input currents of all K steps, or the first states of each block
    backward    block by block, the last first: `adjoint_jax.backward`

Everything else exists for one block at a time. A weight gets one product a block, not one a step.
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
    Params,
    Residuals,
    States,
    forward,
    previous,
    run,
)


class Chunk(NamedTuple):
    """Hold the results of a chunk of K steps."""

    states: States
    """s^K of each layer."""
    loss: Array
    grads: Params
    """The gradient of the loss by paths that begin in the chunk."""
    lam: list[Array]
    """lam^0 = dL/ds^0 of each layer."""
    P: list[Array]
    """P^0 = ds^K/ds^0 of each layer, by the paths of the carry."""
    factors: list[dict[str, tuple[Array, Array]]]
    """z [K, B, J] and ds^K/dy [K, B, Q, Gk, N] of each layer and kind of weight; empty if the carry is not updated."""


def with_inputs(net: Any, firsts: States, kept: list[tuple[Array, Array]], inputs: Array) -> list[Residuals]:
    """Recompute the residuals of a block from its first states, and from the states and currents of every layer."""
    x, residuals = inputs, []
    for cell, s0, (s, y) in zip(net, firsts, kept, strict=True):
        residuals.append(Residuals(previous(s0, s), s, y, x))
        x = cell.output(s)
    return residuals


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
    recompute: bool = False,
) -> Chunk:
    """Go through K steps forwards and backwards: inputs [K, B, I], targets [K, B].

    last: nobody needs the carry after the chunk, so its update has no factors. recompute: only the first states of each
    block are kept, and all blocks but the last are run forward twice.
    """
    paths = NONE if last else rule.carry
    K, length = len(inputs), min(execution.block, len(inputs))
    whole = (K - recompute) // length * length  # what is left, a shorter block or one that need not run twice, is apart
    starts = jnp.arange(0, whole, length)
    layer = execution.unrolled
    forward_ = partial(forward, net, params, layer=layer)
    backward_ = partial(backward, rule, net, params, unroll=execution.unroll)

    def part(a: Array, start: Array) -> Array:
        return lax.dynamic_slice_in_dim(a, start, length)

    def forwards(states: States, start: Array) -> tuple[States, Any]:
        x = part(inputs, start)
        if recompute:
            return run(net, params, states, x, layer)[1], (states, None)
        ends, loss, residuals, error = forward_(states, x, part(targets, start))
        return ends, (states, (loss, [(r.states, r.currents) for r in residuals], error))

    def backwards(later: tuple[Adjoints, Params, Array], now: Any) -> tuple[Any, list[Factors]]:
        (adjoints, sums, total), (start, (firsts, kept)) = later, now
        x = part(inputs, start)
        if kept is None:
            _, loss, residuals, error = forward_(firsts, x, part(targets, start))
        else:
            loss, kept, error = kept
            residuals = with_inputs(net, firsts, kept, x)
        adjoints, grads, factors = backward_(residuals, error, adjoints)
        return (adjoints, jax.tree.map(jnp.add, sums, grads), total + loss), factors

    ends, kept = lax.scan(forwards, states, starts)
    adjoints, sums = final_adjoints(paths, states), jax.tree.map(jnp.zeros_like, params)
    total, rest = jnp.zeros((), inputs.dtype), []
    if whole < K:
        ends, total, residuals, error = forward_(ends, inputs[whole:], targets[whole:])
        adjoints, sums, rest = backward_(residuals, error, adjoints)
    (adjoints, grads, total), factors = lax.scan(backwards, (adjoints, sums, total), (starts, kept), reverse=True)
    factors = jax.tree.map(lambda a: a.reshape(whole, *a.shape[2:]), factors)
    if rest:
        factors = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), factors, rest)
    lam, P = at_start(rule.carry, adjoints)
    return Chunk(ends, total, grads, lam, P, per_weight(net, inputs, factors))


def per_weight(net: Any, inputs: Array, factors: list[Factors]) -> list[dict[str, tuple[Array, Array]]]:
    """Sort the factors by layer and kind of weight; without factors, an empty dict for each layer."""
    if not factors:
        return [{} for _ in net]
    whole = [f.z | ({"x": inputs} if "x" not in f.z else {}) for f in factors]
    return [
        {k: (z[k], f.dy[..., reads, :]) for k, reads in cell.reads.items() if k in z}
        for cell, f, z in zip(net, factors, whole, strict=True)
    ]
