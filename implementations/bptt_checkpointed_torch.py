"""Backpropagation through time that keeps the states between segments and runs each segment twice, in PyTorch.

    grad L as in `bptt_torch.py`; memory for the segments' first states and for one segment, not for all K steps

Carried across a chunk boundary: the states. So K < T is truncated BPTT and K = T is exact.
Source: Chen et al. 2016 (arXiv 1604.06174): about sqrt(K) segments, which is the default.
"""

from math import ceil, sqrt
from typing import Any

import torch
from torch import Tensor

from implementations.network_torch import Params, States, initial_states, readout_loss, run

Carry = States


def init(net: Any, params: Params, batch: int) -> Carry:
    """States at rest, one [B, S, N] per layer."""
    return initial_states(net, params, batch)


def advance(
    net: Any, params: Params, carry: Carry, inputs: Tensor, targets: Tensor, *, last: bool = False, segments: int = 0
) -> tuple[Carry, Tensor, Params]:
    """K steps: inputs [K, B, I], targets [K, B] -> states, loss of the chunk, its gradient. 0 segments: sqrt(K)."""
    K = len(inputs)
    length = ceil(K / (segments or round(sqrt(K))))
    parts = list(zip(inputs.split(length), targets.split(length), strict=True))

    firsts = [carry]
    with torch.no_grad():
        for x, _ in parts[:-1]:
            firsts.append([s.clone() for s in run(net, params, firsts[-1], x)[1]])

    weights = [{k: v.detach().requires_grad_() for k, v in w.items()} for w in params]
    leaves = [v for w in weights for v in w.values()]
    total, sums, later, last_states = inputs.new_zeros(()), [torch.zeros_like(v) for v in leaves], None, carry
    for (x, t), first in zip(parts[::-1], firsts[::-1], strict=True):
        states = [s.detach().requires_grad_() for s in first]
        with torch.enable_grad():
            _, ends, logits = run(net, weights, states, x)
            loss = readout_loss(logits, t)
        if later is None:
            last_states, later = [s.detach().clone() for s in ends], [torch.zeros_like(s) for s in ends]
        by = torch.autograd.grad([loss, *ends], [*leaves, *states], [torch.ones_like(loss), *later], allow_unused=True)
        total += loss.detach()
        for into, g in zip(sums, by, strict=False):
            into += g
        later = [torch.zeros_like(s) if g is None else g for s, g in zip(states, by[len(leaves) :], strict=True)]
    flat = iter(sums)
    return last_states, total, [{k: next(flat) for k in w} for w in params]
