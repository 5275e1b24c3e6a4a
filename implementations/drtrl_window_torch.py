"""BPTT inside the window, D-RTRL's trace before it, in PyTorch; with K = T it is BPTT.

    grad = sum_t z^t (x) q^t + c e                 q^t = dL/dy^t, c = dL/ds^0: by all paths inside the chunk
    e'   = P^0 e + sum_t p^t (x) z^t               as in `drtrl_torch.py`: paths through weights are cut

Carried across a chunk boundary: what D-RTRL carries. The chunk length K is the window and changes the gradient.
Source: the multi-step mode of braintrace, the reference library of Wang et al. 2026 (Nat. Commun. 17:1745).
"""

from typing import Any

import torch
from torch import Tensor

from implementations import drtrl_torch as drtrl
from implementations.adjoint_torch import (
    intrinsic,
    learning_signals,
    pull_back,
    send_down,
    through_weights,
    weight_gradient,
)
from implementations.network_torch import Params, loss_and_error, presynaptic, run

Carry = drtrl.Carry
init = drtrl.init


@torch.no_grad()
def advance(
    net: Any, params: Params, carry: Carry, inputs: Tensor, targets: Tensor, *, last: bool = False
) -> tuple[Carry, Tensor, Params]:
    """K steps: inputs [K, B, I], targets [K, B] -> states and traces, loss of the chunk, its gradient."""
    states, traces = carry
    tapes, ends, logits = run(net, params, states, inputs)
    loss, error = loss_and_error(logits, targets)

    signals, grads = error[:, :, None], []  # dL/do^t [K, B, 1, N] of one layer, by all paths of the window
    for layer in reversed(range(len(net))):
        cell, w, tape = net[layer], params[layer], tapes[layer]
        D, F = intrinsic(cell, w, tape.previous, tape.drives)
        l = learning_signals(cell, tape.states, signals)
        q, c = pull_back(torch.zeros_like(l[0]), l, D, F, through_weights(cell, w, tape.previous))
        z = presynaptic(cell, tape.previous, tape.inputs)
        grads.insert(0, {})
        for k, e in traces[layer].items():
            direct = weight_gradient(z[k], q[:, :, 0, cell.reads[k]])
            grads[0][k] = direct + drtrl.read_out(c[:, 0], e)
        if not last:
            rows, none = drtrl.unit_rows(l, D, last)[:, 1:], torch.zeros_like(l[:, :, :0])
            p, P0 = pull_back(rows, none, D, F)
            for k, e in traces[layer].items():
                drtrl.move(e, P0, z[k], p[..., cell.reads[k], :])
        if layer > 0:
            signals = send_down(cell, w, q)
    return (ends, traces), loss, grads
