"""Backpropagation through time, in PyTorch.

    lam^t = l^t + lam^{t+1} A^{t+1}          A = ds^t/ds^{t-1} by all paths, those through weights among them
    grad  = sum_t z^t (x) q^t                q^t = lam^t F^t

Carried across a chunk boundary: the states. So K < T is truncated BPTT and K = T is exact.
The loss's row is pulled back layer by layer, top down; what a layer owes to the one below goes down with it.
Source: Werbos 1990 (Proc. IEEE 78(10):1550); truncated: Williams & Peng 1990 (Neural Comput. 2(4):490).
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from drtrl_bench.implementations.engine.adjoint_torch import (
    intrinsic,
    learning_signals,
    pull_back,
    send_down,
    through_weights,
    weight_gradient,
)
from drtrl_bench.implementations.engine.blocks_torch import Moves, Rows, there_and_back
from drtrl_bench.implementations.engine.network_torch import Params, States, Tape, initial_states, presynaptic

Carry = States


def loss_row(states: States) -> Rows:
    """The loss's row of every layer's last states, 0 [B, 1, S, N]: nothing later owes to them."""
    return [torch.zeros_like(s[:, None]) for s in states]


def init(net: Any, params: Params, batch: int) -> Carry:
    """States at rest, one [B, S, N] per layer."""
    return initial_states(net, params, batch)


def back(net: Any, params: Params, tapes: list[Tape], error: Tensor, rows: Rows) -> tuple[Rows, Params, list[Moves]]:
    """The way back through a block: the rows of its first states and its share of the gradient."""
    signals, entries, grads = error[:, :, None], [], []  # dL/do^t [K, B, 1, N] of one layer
    for layer in reversed(range(len(net))):
        cell, w, tape = net[layer], params[layer], tapes[layer]
        D, F = intrinsic(cell, w, tape.previous, tape.drives)
        l = learning_signals(cell, tape.states, signals)
        q, entry = pull_back(rows[layer], l, D, F, through_weights(cell, w, tape.previous))
        entries.insert(0, entry)
        z = presynaptic(cell, tape.previous, tape.inputs)
        grads.insert(0, {k: weight_gradient(z[k], q[:, :, 0, cell.reads[k]]) for k in w})
        if layer > 0:
            signals = send_down(cell, w, q)
    return entries, grads, []


@torch.no_grad()
def advance(
    net: Any, params: Params, carry: Carry, inputs: Tensor, targets: Tensor, *, last: bool = False
) -> tuple[Carry, Tensor, Params]:
    """K steps: inputs [K, B, I], targets [K, B] -> states, loss of the chunk, its gradient."""
    through = partial(back, net, params)
    ends, loss, _, grads, _ = there_and_back(net, params, carry, inputs, targets, loss_row(carry), through)
    return ends, loss, grads
