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
from implementations.network_torch import Params, States, Tape, forward, presynaptic, previous, readout_loss

Carry = drtrl.Carry
init = drtrl.init


def advance(
    net: Any, params: Params, carry: Carry, inputs: Tensor, targets: Tensor, *, last: bool = False
) -> tuple[Carry, Tensor, Params]:
    """K steps: inputs [K, B, I], targets [K, B] -> states and traces, loss of the chunk, its gradient."""
    states, traces = carry

    def chunk(states: States, dy: list[Tensor]) -> tuple[Tensor, list[Tape]]:
        x, tapes = inputs, []
        for cell, w, s0, d in zip(net, params, states, dy, strict=True):
            s, y = forward(cell, w, s0, x, d)
            tapes.append(Tape(*(a.detach() for a in (previous(s0, s), s, y, x))))
            x = cell.output(s)
        return readout_loss(x, targets), tapes

    dy = [s.new_zeros(*targets.shape, c.G, s.shape[-1]).requires_grad_() for c, s in zip(net, states, strict=True)]
    leaves = [s.detach().requires_grad_() for s in states] + dy
    with torch.enable_grad():
        loss, tapes = chunk(leaves[: len(net)], dy)
    by = torch.autograd.grad(loss, leaves, materialize_grads=True)
    c, q = by[: len(net)], by[len(net) :]

    grads, moved = [], []
    for layer, (cell, w, tape) in enumerate(zip(net, params, tapes, strict=True)):
        z = presynaptic(cell, tape.previous, tape.inputs)
        grads.append({})
        for k, e in traces[layer].items():
            direct = torch.einsum("tbj,tbgn->jgn", z[k], q[layer][..., cell.reads[k], :])
            grads[layer][k] = direct + drtrl.read_out(c[layer], e)
        if not last:
            D, F = drtrl.intrinsic(cell, w, tape.previous, tape.drives)
            rows, entry = drtrl.pull_back(torch.zeros_like(tape.states), D, last)
            P0, p = entry[:, 1:], drtrl.times(rows[:, :, 1:], F)
            moved.append({k: drtrl.move(e, P0, z[k], p[..., cell.reads[k], :]) for k, e in traces[layer].items()})
    return ([tape.states[-1].clone() for tape in tapes], moved), loss.detach(), grads
