"""BPTT inside the window, D-RTRL's trace before it, in PyTorch; with K = T it is BPTT.

    grad = sum_t z^t (x) q^t + c e                 q^t = dL/dy^t, c = dL/ds^0: by all paths inside the chunk
    e'   = P^0 e + sum_t p^t (x) z^t               as in `drtrl_torch.py`: paths through weights are cut

Carried across a chunk boundary: what D-RTRL carries. The chunk length K is the window and changes the gradient.
Source: the multi-step mode of braintrace, the reference library of Wang et al. 2026 (Nat. Commun. 17:1745).
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from drtrl_bench.implementations.algorithms.approximate import drtrl_torch as drtrl
from drtrl_bench.implementations.engine.adjoint_torch import (
    intrinsic,
    learning_signals,
    pull_back,
    send_down,
    through_weights,
    weight_gradient,
)
from drtrl_bench.implementations.engine.blocks_torch import Moves, Rows, there_and_back
from drtrl_bench.implementations.engine.network_torch import Params, Tape, presynaptic

Carry = drtrl.Carry
init = drtrl.init


def back(net: Any, params: Params, tapes: list[Tape], error: Tensor, rows: Rows) -> tuple[Rows, Params, list[Moves]]:
    """The way back through a block: the loss's row by all paths, the traces' without those through weights."""
    signals, entries, grads, moves = error[:, :, None], [], [], []  # dL/do^t [K, B, 1, N] of one layer
    for layer in reversed(range(len(net))):
        cell, w, tape = net[layer], params[layer], tapes[layer]
        D, F = intrinsic(cell, w, tape.previous, tape.drives)
        l = learning_signals(cell, tape.states, signals)
        q, c = pull_back(rows[layer][:, :1], l, D, F, through_weights(cell, w, tape.previous))
        z = presynaptic(cell, tape.previous, tape.inputs)
        grads.insert(0, {k: weight_gradient(z[k], q[:, :, 0, cell.reads[k]]) for k in w})
        if rows[layer].shape[1] > 1:
            p, P = pull_back(rows[layer][:, 1:], l[:, :, :0], D, F)
            c = torch.cat([c, P], dim=1)
            moves.insert(0, Moves({k: z[k] for k in w if layer > 0 or k != "x"}, p))
        entries.insert(0, c)
        if layer > 0:
            signals = send_down(cell, w, q)
    return entries, grads, moves


@torch.no_grad()
def advance(
    net: Any, params: Params, carry: Carry, inputs: Tensor, targets: Tensor, *, last: bool = False
) -> tuple[Carry, Tensor, Params]:
    """K steps: inputs [K, B, I], targets [K, B] -> states and traces, loss of the chunk, its gradient."""
    states, traces = carry
    through, rows = partial(back, net, params), drtrl.unit_rows(states, last)
    ends, loss, rows, direct, moves = there_and_back(net, params, states, inputs, targets, rows, through)
    grads = drtrl.turned(net, traces, inputs, rows, direct, moves)
    return (ends, traces), loss, grads
