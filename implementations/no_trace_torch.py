"""Control, in PyTorch: the current step only, as if no state remembered anything.

    grad W = sum_t z^t (x) l^t F^t

Carried across a chunk boundary: the states. What a rule gains over this, it gains by credit through time.
"""

from typing import Any

import torch
from torch import Tensor

from implementations.network_torch import (
    Params,
    States,
    initial_states,
    learning_signal,
    loss_and_error,
    presynaptic,
    run,
)

Carry = States


def init(net: Any, params: Params, batch: int) -> Carry:
    """States at rest, one [B, S, N] per layer."""
    return initial_states(net, params, batch)


@torch.no_grad()
def advance(
    net: Any, params: Params, carry: Carry, inputs: Tensor, targets: Tensor, *, last: bool = False
) -> tuple[Carry, Tensor, Params]:
    """K steps: inputs [K, B, I], targets [K, B] -> states, loss of the chunk, its gradient."""
    tapes, ends, logits = run(net, params, carry, inputs)
    loss, error = loss_and_error(logits, targets)

    signal, grads = error, []
    for layer in reversed(range(len(net))):
        cell, w, tape = net[layer], params[layer], tapes[layer]
        l = learning_signal(cell, tape.states, signal)
        y = tape.drives.detach().requires_grad_()
        with torch.enable_grad():
            s = cell.dynamics(tape.previous, y)
        (q,) = torch.autograd.grad(s, y, l)
        z = presynaptic(cell, tape.previous, tape.inputs)
        grads.insert(0, {k: torch.einsum("tbj,tbgn->jgn", z[k], q[..., cell.reads[k], :]) for k in w})
        if layer > 0:
            signal = torch.einsum("tbgn,jgn->tbj", q[..., cell.reads["x"], :], w["x"])
    return ends, loss, grads
