"""Backpropagation through time, in PyTorch.

    lam^t = l^t + lam^{t+1} A^{t+1}          A = ds^t/ds^{t-1} by all paths, those through weights among them
    grad  = sum_t z^t (x) q^t                q^t = lam^t F^t

Carried across a chunk boundary: the states. So K < T is truncated BPTT and K = T is exact.
A chunk is gone through in blocks: of all its steps only states and drives are kept, everything else is of one block and
stays in the cache. The loss's row is pulled back layer by layer, top down; what a layer owes to the one below goes down
with it. The gradient of a weight is one GEMM a block, not one a step.
Source: Werbos 1990 (Proc. IEEE 78(10):1550); truncated: Williams & Peng 1990 (Neural Comput. 2(4):490).
"""

from typing import Any

import torch
from torch import Tensor

from implementations.adjoint_torch import (
    intrinsic,
    learning_signals,
    pull_back,
    send_down,
    through_weights,
    weight_gradient,
)
from implementations.network_torch import Params, States, Tape, add, initial_states, loss_and_error, presynaptic, run

Carry = States
Done = tuple[list[Tape], Tensor]
"""What the way back through a block needs: the tapes, and dL/dlogits [K, B, C]."""
BLOCK = 64
"""Steps of a block. Fewer cost more calls, more leave the cache."""


def init(net: Any, params: Params, batch: int) -> Carry:
    """States at rest, one [B, S, N] per layer."""
    return initial_states(net, params, batch)


def forth(net: Any, params: Params, states: States, inputs: Tensor, targets: Tensor) -> tuple[States, Tensor, Done]:
    """A block of steps forward from `states`: the last states, the loss, and what the way back needs."""
    tapes, ends, logits = run(net, params, states, inputs)
    loss, error = loss_and_error(logits, targets)
    return ends, loss, (tapes, error)


def back(net: Any, params: Params, done: Done, later: States) -> tuple[States, Params]:
    """The way back through a block, where the loss of later steps owes `later` to its end.

    Returns what the loss owes to the block's first states, [B, S, N] per layer, and the block's share of the gradient.
    """
    tapes, error = done
    signals, owed, grads = error[:, :, None], [], []  # dL/do^t [K, B, 1, N] of one layer
    for layer in reversed(range(len(net))):
        cell, w, tape = net[layer], params[layer], tapes[layer]
        D, F = intrinsic(cell, w, tape.previous, tape.drives)
        l = learning_signals(cell, tape.states, signals)
        q, entry = pull_back(later[layer][:, None], l, D, F, through_weights(cell, w, tape.previous))
        z = presynaptic(cell, tape.previous, tape.inputs)
        grads.insert(0, {k: weight_gradient(z[k], q[:, :, 0, cell.reads[k]]) for k in w})
        owed.insert(0, entry[:, 0])
        if layer > 0:
            signals = send_down(cell, w, q)
    return owed, grads


def retaped(net: Any, firsts: States, kept: list[tuple[Tensor, Tensor]], inputs: Tensor) -> list[Tape]:
    """The tapes of a block, of its first states and the states and drives of every layer: all that is worth keeping."""
    x, tapes = inputs, []
    for cell, s0, (s, y) in zip(net, firsts, kept, strict=True):
        tapes.append(Tape(torch.cat([s0[None], s[:-1]]), s, y, x))
        x = cell.output(s)
    return tapes


@torch.no_grad()
def advance(
    net: Any, params: Params, carry: Carry, inputs: Tensor, targets: Tensor, *, last: bool = False
) -> tuple[Carry, Tensor, Params]:
    """K steps: inputs [K, B, I], targets [K, B] -> states, loss of the chunk, its gradient."""
    states, total, blocks = carry, inputs.new_zeros(()), []
    for x, t in zip(inputs.split(BLOCK), targets.split(BLOCK), strict=True):
        firsts = states
        states, loss, (tapes, error) = forth(net, params, firsts, x, t)
        total += loss
        blocks.append((firsts, [(tape.states, tape.drives) for tape in tapes], x, error))

    owed, sums = [torch.zeros_like(s) for s in carry], [{k: torch.zeros_like(v) for k, v in w.items()} for w in params]
    while blocks:
        firsts, kept, x, error = blocks.pop()
        owed, grads = back(net, params, (retaped(net, firsts, kept, x), error), owed)
        add(sums, grads)
    return states, total, sums
