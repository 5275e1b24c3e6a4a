"""Run a chunk in blocks of steps in PyTorch, forward, then backward, so that a block's arrays stay in the cache.

    forward     stores the states and input currents of all K steps, or the first states of each segment of a block
    backward    block by block, the last first: `adjoint_torch.backward`

All other arrays exist for one block at a time. The gradient of a weight takes one product a block, not one a step.
The twin is `blocks_jax.py`. Symbols and shapes: `implementations/README.md`.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from drtrl_bench.implementations.engine.adjoint_torch import NONE, Factors, Rule, at_start, final_adjoints
from drtrl_bench.implementations.engine.execution_torch import PLAIN, Execution
from drtrl_bench.implementations.engine.network_torch import Params, Residuals, States, add, loss_and_error, run


class Chunk(NamedTuple):
    """Hold the results of a chunk of K steps."""

    states: States
    """s^K [B, S, N] of each layer."""
    loss: Tensor
    grads: Params
    """The gradient of the loss by paths that begin in the chunk, of the shapes of the weights."""
    lam: list[Tensor]
    """lam^0 = dL/ds^0 [B, S, N] of each layer."""
    P: list[Tensor]
    """P^0 = ds^K/ds^0 of each layer, by the paths of the carry: [B, S, S', N], or [B, n, n] if they are all."""
    factors: list[dict[str, tuple[Tensor, Tensor]]]
    """z [K, B, J] and ds^K/dy [K, B, Q, Gk, N] of each layer and kind of weight; empty if the carry is not updated."""


def with_inputs(net: Any, kept: list[Residuals], inputs: Tensor) -> list[Residuals]:
    """Recompute the inputs of every layer in the residuals of a block."""
    x, residuals = inputs, []
    for cell, r in zip(net, kept, strict=True):
        residuals.append(r._replace(inputs=x))
        x = cell.output(r.states)
    return residuals


def put(whole: list[Factors], block: list[Factors], start: int, K: int) -> list[Factors]:
    """Put a block's factors, from step `start` on, among those of all K steps; `whole` is empty before the first."""
    if not whole:
        if start == 0:
            return block
        whole = [Factors({k: wide(z, K) for k, z in f.z.items()}, wide(f.dy, K)) for f in block]
    for into, new in zip(whole, block, strict=True):
        for a, b in ((into.dy, new.dy), *((into.z[k], new.z[k]) for k in new.z)):
            a[start : start + len(b)] = b
    return whole


def wide(a: Tensor, K: int) -> Tensor:
    """Allocate for K steps what `a` has for some."""
    return a.new_empty(K, *a.shape[1:])


def side_by_side(
    net: Any, params: Params, firsts: list[States], inputs: Tensor, execution: Execution
) -> tuple[list[Residuals], Tensor]:
    """Run the segments of a block at once, as if they were samples: its residuals and logits [K, B, C].

    firsts: of each segment the states [B, S, N] of each layer before it; inputs [K, B, I].
    """
    B = inputs.shape[1]

    def as_samples(a: Tensor) -> Tensor:
        return a.unflatten(0, (len(firsts), -1)).transpose(0, 1).flatten(1, 2)

    def as_steps(a: Tensor) -> Tensor:
        return a.unflatten(1, (-1, B)).transpose(0, 1).flatten(0, 1)

    states = [torch.cat(of_layer) for of_layer in zip(*firsts, strict=True)]
    residuals, _, logits = execution.compiled(run)(net, params, states, as_samples(inputs), execution.layer)
    return [Residuals(*map(as_steps, r)) for r in residuals], as_steps(logits)


def forward_backward(
    rule: Rule,
    net: Any,
    params: Params,
    states: States,
    inputs: Tensor,
    targets: Tensor,
    *,
    last: bool = False,
    execution: Execution = PLAIN,
    segment: int = 0,
) -> Chunk:
    """Run K steps forward and backward: inputs [K, B, I], targets [K, B].

    last: no chunk follows, so the carry is not updated, and there are no factors. segment: of every so many steps,
    which divide a block, store only the first states, and run all blocks but the last forward twice; 0: store all.
    """
    adjoints = final_adjoints(NONE if last else rule.carry, states)
    total, sums, factors = inputs.new_zeros(()), [], []
    pieces = list(zip(inputs.split(execution.block), targets.split(execution.block), strict=True))
    kept: list[Any] = []
    for x, t in pieces:
        if segment and len(kept) < len(pieces) - 1:
            kept.append([])
            for of_segment in x.split(segment):
                kept[-1].append(states)
                states = execution.compiled(run)(net, params, states, of_segment, execution.layer)[1]
            continue
        states, loss, residuals, error = execution.forward(net, params, states, x, t, execution.layer)
        total += loss
        kept.append(([r._replace(inputs=x[:0]) for r in residuals], error))
        del residuals

    while kept:
        (x, t), block = pieces.pop(), kept.pop()
        if isinstance(block, tuple):
            residuals, error = with_inputs(net, block[0], x), block[1]
        else:
            residuals, logits = side_by_side(net, params, block, x, execution)
            loss, error = loss_and_error(logits, t)
            total += loss
            del logits
        del block
        adjoints, grads, new = execution.backward(rule, net, params, residuals, error, adjoints)
        if sums:
            add(sums, grads)
        sums, factors = sums or grads, put(factors, new, execution.block * len(pieces), len(inputs))
    lam, P = at_start(rule.carry, adjoints)
    return Chunk(states, total, sums, lam, P, per_weight(net, inputs, factors))


def per_weight(net: Any, inputs: Tensor, factors: list[Factors]) -> list[dict[str, tuple[Tensor, Tensor]]]:
    """Sort the factors by layer and kind of weight; without factors, an empty dict for each layer."""
    if not factors:
        return [{} for _ in net]
    whole = [f.z | ({"x": inputs} if "x" not in f.z else {}) for f in factors]
    return [
        {k: (z[k], f.dy[..., reads, :]) for k, reads in cell.reads.items() if k in z}
        for cell, f, z in zip(net, factors, whole, strict=True)
    ]
