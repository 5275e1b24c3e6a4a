"""Backpropagation through time, in PyTorch.

    grad L = sum_t dL^t/dtheta inside the chunk, by reverse-mode differentiation of the unrolled graph

Carried across a chunk boundary: the states. So K < T is truncated BPTT and K = T is exact.
Source: Werbos 1990 (Proc. IEEE 78(10):1550); truncated: Williams & Peng 1990 (Neural Comput. 2(4):490).
"""

from typing import Any

import torch
from torch import Tensor

from implementations.network_torch import Params, States, forward, initial_states, readout_loss

Carry = States


def init(net: Any, params: Params, batch: int) -> Carry:
    """States at rest, one [B, S, N] per layer."""
    return initial_states(net, params, batch)


def advance(
    net: Any, params: Params, carry: Carry, inputs: Tensor, targets: Tensor, *, last: bool = False
) -> tuple[Carry, Tensor, Params]:
    """K steps: inputs [K, B, I], targets [K, B] -> states, loss of the chunk, its gradient."""

    def chunk(params: Params) -> tuple[Tensor, States]:
        x, ends = inputs, []
        for cell, w, s0 in zip(net, params, carry, strict=True):
            s, _ = forward(cell, w, s0, x)
            x = cell.output(s)
            ends.append(s[-1].detach().clone())
        return readout_loss(x, targets), ends

    leaves = [{k: v.detach().requires_grad_() for k, v in w.items()} for w in params]
    with torch.enable_grad():
        loss, ends = chunk(leaves)
    flat = iter(torch.autograd.grad(loss, [v for w in leaves for v in w.values()]))
    grads = [{k: next(flat) for k in w} for w in leaves]
    return ends, loss.detach(), grads
