"""Backpropagation through time that keeps the states between segments and runs each segment twice, in PyTorch.

    grad L as in `bptt_torch.py`; memory for the segments' first states and for one segment, not for all K steps

Carried across a chunk boundary: the states. So K < T is truncated BPTT and K = T is exact.
Source: Chen et al. 2016 (arXiv 1604.06174): about sqrt(K) segments, which is the default.
"""

from math import ceil, sqrt
from typing import Any

import torch
from torch import Tensor

from implementations.network_torch import Params, States, forward, initial_states, readout_loss

Carry = States


def init(net: Any, params: Params, batch: int) -> Carry:
    """States at rest, one [B, S, N] per layer."""
    return initial_states(net, params, batch)


def segment(net: Any, params: Params, states: States, inputs: Tensor, targets: Tensor) -> tuple[Tensor, States]:
    """Loss and last states of a segment."""
    x, ends = inputs, []
    for cell, w, s0 in zip(net, params, states, strict=True):
        s, _ = forward(cell, w, s0, x)
        x = cell.output(s)
        ends.append(s[-1])
    return readout_loss(x, targets), ends


def advance(
    net: Any, params: Params, carry: Carry, inputs: Tensor, targets: Tensor, *, last: bool = False, segments: int = 0
) -> tuple[Carry, Tensor, Params]:
    """K steps: inputs [K, B, I], targets [K, B] -> states, loss of the chunk, its gradient. 0 segments: sqrt(K)."""
    K = len(inputs)
    length = ceil(K / (segments or round(sqrt(K))))
    parts = list(zip(inputs.split(length), targets.split(length), strict=True))

    firsts, total = [carry], inputs.new_zeros(())
    with torch.no_grad():
        for x, t in parts:
            loss, ends = segment(net, params, firsts[-1], x, t)
            firsts.append([s.clone() for s in ends])
            total += loss

    weights = [{k: v.detach().requires_grad_() for k, v in w.items()} for w in params]
    leaves = [v for w in weights for v in w.values()]
    last_states = firsts.pop()
    sums, later = [torch.zeros_like(v) for v in leaves], [torch.zeros_like(s) for s in last_states]
    for x, t in parts[::-1]:
        states = [s.detach().requires_grad_() for s in firsts.pop()]
        with torch.enable_grad():
            loss, ends = segment(net, weights, states, x, t)
        roots, cotangents = [loss, *ends], [torch.ones_like(loss), *later]
        by = torch.autograd.grad(roots, [*leaves, *states], cotangents, materialize_grads=True)
        del loss, ends, roots  # the graph of this segment, before the next one is built
        for into, g in zip(sums, by, strict=False):
            into += g
        later = by[len(leaves) :]
    flat = iter(sums)
    return last_states, total, [{k: next(flat) for k in w} for w in params]
