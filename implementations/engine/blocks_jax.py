"""A chunk gone through in blocks, in JAX: forward, then back, as BPTT, RTRL and D-RTRL all do.

    forward    keeps states and drives of all K steps
    back       pulls rows from s^K back to s^0, block by block: the loss's, and those that the rule asks for;
               keeps what moves the carry, where one moves

Everything else is of one block, and stays in the cache. Weights get one product a block, not one a step.
The twin is `blocks_torch.py`. Sizes as in `network_jax.py`; M is a number of rows.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from drtrl_bench.implementations.engine.network_jax import Params, PerWeight, States, Tape, previous, readout_loss, run

BLOCK = 64
"""Steps of a block. Fewer cost more calls, more leave the cache."""

Rows = list[Array]
"""Rows [B, M, S, N] of each layer: what anything later owes to its states."""


class Moves(NamedTuple):
    """What moves the carry of a layer over the steps that were gone through."""

    z: PerWeight
    """z^t [K, B, J] of each kind of weight, but the network's inputs."""
    p: Array
    """p^t [K, B, M, G, N]: what s^K owes to the drives."""


Back = Callable[[list[Tape], Array, Rows], tuple[Rows, Params, list[Moves]]]
"""A rule's way back through a block, of its tapes, dL/dlogits [K, B, C] and the rows of its last states: the rows of
its first states, the loss's share of the gradient, and what moves the carry, if anything does.
"""


def forth(
    net: Any, params: Params, states: States, inputs: Array, targets: Array
) -> tuple[States, Array, list[Tape], Array]:
    """A block forward from `states`: the last states, the loss, the tapes, and dL/dlogits [K, B, C]."""
    tapes, ends, logits = run(net, params, states, inputs)
    loss, error = jax.value_and_grad(readout_loss)(logits, targets)
    return ends, loss, tapes, error


def retaped(net: Any, firsts: States, kept: list[tuple[Array, Array]], inputs: Array) -> list[Tape]:
    """The tapes of a block, of its first states and the states and drives of every layer: all that is worth keeping."""
    x, tapes = inputs, []
    for cell, s0, (s, y) in zip(net, firsts, kept, strict=True):
        tapes.append(Tape(previous(s0, s), s, y, x))
        x = cell.output(s)
    return tapes


def there_and_back(
    net: Any, params: Params, states: States, inputs: Array, targets: Array, rows: Rows, back: Back
) -> tuple[States, Array, Rows, Params, list[Moves]]:
    """K steps: the last states, the loss, the rows of the first states, the loss's gradient and the chunk's `Moves`.

    inputs [K, B, I], targets [K, B]; rows: of the last states. The last block, the only one that may be shorter, stands
    outside the loops.
    """
    length = min(BLOCK, len(inputs))
    whole = len(inputs) // length * length
    starts = jnp.arange(0, whole, length)

    def part(a: Array, start: Array) -> Array:
        return lax.dynamic_slice_in_dim(a, start, length)

    def forwards(states: States, start: Array) -> tuple[States, Any]:
        ends, loss, tapes, error = forth(net, params, states, part(inputs, start), part(targets, start))
        return ends, (loss, states, [(tape.states, tape.drives) for tape in tapes], error)

    def backwards(later: tuple[Rows, Params], now: Any) -> tuple[tuple[Rows, Params], list[Moves]]:
        (rows, sums), (start, firsts, kept, error) = later, now
        rows, grads, moves = back(retaped(net, firsts, kept, part(inputs, start)), error, rows)
        return (rows, jax.tree.map(jnp.add, sums, grads)), moves

    ends, (losses, *blocks) = lax.scan(forwards, states, starts)
    total, sums, rest = losses.sum(), jax.tree.map(jnp.zeros_like, params), []
    if whole < len(inputs):
        ends, loss, tapes, error = forth(net, params, ends, inputs[whole:], targets[whole:])
        rows, sums, rest = back(tapes, error, rows)
        total = total + loss
    (rows, grads), moves = lax.scan(backwards, (rows, sums), (starts, *blocks), reverse=True)
    moves = jax.tree.map(lambda a: a.reshape(whole, *a.shape[2:]), moves)
    if rest:
        moves = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), moves, rest)
    return ends, total, rows, grads, moves
