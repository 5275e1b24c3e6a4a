"""Compute the gradient of backpropagation through time in PyTorch (Werbos 1990, Proc. IEEE 78(10):1550).

    lam^t = l^t + lam^{t+1} A^{t+1}          A = ds^t/ds^{t-1} by all paths; l = dL^t/ds^t, the learning signal
    dL/dW = sum_t z^t (x) lam^t D_f^t        D_f = ds^t/dy^t; z: presynaptic activity, y: input currents

Carried across a chunk boundary: the states. So K = T is exact, and K < T is truncated BPTT (Williams & Peng 1990,
Neural Comput. 2(4):490). Symbols and shapes: `implementations/README.md`.
"""

from typing import Any

import torch
from torch import Tensor

from drtrl_bench.implementations.engine.adjoint_torch import FULL, NONE, Rule, require_carry
from drtrl_bench.implementations.engine.blocks_torch import forward_backward
from drtrl_bench.implementations.engine.execution_torch import PLAIN, Execution
from drtrl_bench.implementations.engine.network_torch import Params, States, initial_states

RULE = Rule(loss=FULL)
Carry = States
"""The states s [B, S, N] of each layer themselves, as nothing else is carried."""


def init(net: Any, params: Params, batch: int) -> Carry:
    """Return the states at rest, one [B, S, N] per layer."""
    return initial_states(net, params, batch)


@torch.no_grad()
def advance(
    net: Any,
    params: Params,
    carry: Carry,
    inputs: Tensor,
    targets: Tensor,
    *,
    last: bool = False,
    rule: Rule = RULE,
    execution: Execution = PLAIN,
) -> tuple[Carry, Tensor, Params]:
    """Advance K steps: inputs [K, B, I], targets [K, B] -> the carry, the loss of the chunk, its gradient."""
    require_carry(rule, NONE)
    chunk = forward_backward(rule, net, params, carry, inputs, targets, last=last, execution=execution)
    return chunk.states, chunk.loss, chunk.grads
