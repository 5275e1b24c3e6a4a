"""Backpropagation through time that keeps the states between segments and runs each segment twice, in PyTorch.

    grad L as in `bptt_torch.py`; memory for the segments' first states and for one segment, not for all K steps

Carried across a chunk boundary: the states. So K < T is truncated BPTT and K = T is exact.
Source: Chen et al. 2016 (arXiv 1604.06174): about sqrt(K) segments, which is the default.
"""

from math import ceil, sqrt
from typing import Any

import torch
from torch import Tensor

from drtrl_bench.implementations.algorithms.exact import bptt_torch as bptt
from drtrl_bench.implementations.engine.blocks_torch import forth
from drtrl_bench.implementations.engine.network_torch import Params, States, add, run

Carry = States
init = bptt.init


@torch.no_grad()
def advance(
    net: Any, params: Params, carry: Carry, inputs: Tensor, targets: Tensor, *, last: bool = False, segments: int = 0
) -> tuple[Carry, Tensor, Params]:
    """K steps: inputs [K, B, I], targets [K, B] -> states, loss of the chunk, its gradient. 0 segments: sqrt(K)."""
    K = len(inputs)
    length = ceil(K / (segments or round(sqrt(K))))
    parts = list(zip(inputs.split(length), targets.split(length), strict=True))

    firsts = [carry]
    for x, _ in parts[:-1]:
        firsts.append(run(net, params, firsts[-1], x)[1])

    ends, total, tapes, error = forth(net, params, firsts.pop(), *parts.pop())
    rows, sums, _ = bptt.back(net, params, tapes, error, bptt.loss_row(carry))
    while parts:
        _, loss, tapes, error = forth(net, params, firsts.pop(), *parts.pop())
        rows, grads, _ = bptt.back(net, params, tapes, error, rows)
        total += loss
        add(sums, grads)
    return ends, total, sums
