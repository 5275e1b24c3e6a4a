"""A chunk gone through in blocks, in PyTorch: forward, then back, as BPTT, RTRL and D-RTRL all do.

    forward    keeps states and drives of all K steps
    back       pulls rows from s^K back to s^0, block by block: the loss's, and those that the rule asks for;
               keeps what moves the carry, where one moves

Everything else is of one block, and stays in the cache. Weights get one product a block, not one a step.
The twin is `blocks_jax.py`. Sizes as in `network_torch.py`; M is a number of rows.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from drtrl_bench.implementations.engine.network_torch import Params, PerWeight, States, Tape, add, loss_and_error, run

BLOCK = 64
"""Steps of a block. Fewer cost more calls, more leave the cache."""

Rows = list[Tensor]
"""Rows [B, M, S, N] of each layer: what anything later owes to its states."""


class Moves(NamedTuple):
    """What moves the carry of a layer over the steps that were gone through."""

    z: PerWeight
    """z^t [K, B, J] of each kind of weight, but the network's inputs."""
    p: Tensor
    """p^t [K, B, M, G, N]: what s^K owes to the drives."""


Back = Callable[[list[Tape], Tensor, Rows], tuple[Rows, Params, list[Moves]]]
"""A rule's way back through a block, of its tapes, dL/dlogits [K, B, C] and the rows of its last states: the rows of
its first states, the loss's share of the gradient, and what moves the carry, if anything does.
"""


def forth(
    net: Any, params: Params, states: States, inputs: Tensor, targets: Tensor
) -> tuple[States, Tensor, list[Tape], Tensor]:
    """A block forward from `states`: the last states, the loss, the tapes, and dL/dlogits [K, B, C]."""
    tapes, ends, logits = run(net, params, states, inputs)
    loss, error = loss_and_error(logits, targets)
    return ends, loss, tapes, error


def retaped(net: Any, kept: list[Tape], inputs: Tensor) -> list[Tape]:
    """The tapes of a block with the inputs of every layer, of states and drives: all that is worth keeping."""
    x, tapes = inputs, []
    for cell, tape in zip(net, kept, strict=True):
        tapes.append(tape._replace(inputs=x))
        x = cell.output(tape.states)
    return tapes


def put(whole: list[Moves], block: list[Moves], start: int, K: int) -> list[Moves]:
    """The `Moves` of all K steps, `whole` once there are any, with a block's put in from `start` on."""
    if not whole:
        if start == 0:
            return block
        whole = [Moves({k: wide(z, K) for k, z in moves.z.items()}, wide(moves.p, K)) for moves in block]
    for into, new in zip(whole, block, strict=True):
        for a, b in ((into.p, new.p), *((into.z[k], new.z[k]) for k in new.z)):
            a[start : start + len(b)] = b
    return whole


def wide(a: Tensor, K: int) -> Tensor:
    """Room for K steps of what `a` has some of."""
    return a.new_empty(K, *a.shape[1:])


def there_and_back(
    net: Any, params: Params, states: States, inputs: Tensor, targets: Tensor, rows: Rows, back: Back
) -> tuple[States, Tensor, Rows, Params, list[Moves]]:
    """K steps: the last states, the loss, the rows of the first states, the loss's gradient and the chunk's `Moves`.

    inputs [K, B, I], targets [K, B]; rows: of the last states. The last block may be shorter than the others.
    """
    total, blocks = inputs.new_zeros(()), []
    for x, t in zip(inputs.split(BLOCK), targets.split(BLOCK), strict=True):
        states, loss, tapes, error = forth(net, params, states, x, t)
        total += loss
        blocks.append(([tape._replace(inputs=x[:0]) for tape in tapes], x, error))
        del tapes

    sums: Params = [{k: torch.zeros_like(v) for k, v in w.items()} for w in params]
    whole: list[Moves] = []
    while blocks:
        kept, x, error = blocks.pop()
        rows, grads, moves = back(retaped(net, kept, x), error, rows)
        add(sums, grads)
        whole = put(whole, moves, BLOCK * len(blocks), len(inputs))
    return states, total, rows, sums, whole
