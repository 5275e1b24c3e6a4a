"""Compute the gradient of ES-D-RTRL (pp-prop) in PyTorch: two filtered vectors in place of D-RTRL's trace.

    eps_x^t = a_x eps_x^{t-1} + z^t                        presynaptic filter; z itself for bias and parameters
    eps_f^t = a D^t eps_f^{t-1} + (1 - a) D_f^t            postsynaptic filter
    dL/dW   = sum_t eps_x^t (x) l^t eps_f^t / c^t

    c^t = 1 - a^{t+1} (corrected), 1 - (1 - a)^{t+1} (as_published), 1 (none); t from 0

Published is a_x = a. In a layer without memory, as the linear readout is, a_x = a = 0 and c = 1: its gradient
sum_t z^t (x) l^t D_f^t is exact.

No array is as large as the weights, so there is nothing to chunk: the filters run forward in time, block by block, and
every K gives the same gradient. The learning signal l is D-RTRL's. Symbols and shapes: `implementations/README.md`.
Source: Wang et al. 2026 (Nat. Commun. 17:1745); as_published: the paper's code, where c is near 1 from the first step.
"""

from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from drtrl_bench.implementations.algorithms.approximate.filtering import smoothing
from drtrl_bench.implementations.engine.adjoint_torch import forward_weights, neuronwise, weight_gradient
from drtrl_bench.implementations.engine.derivatives_torch import learning_signals, local_jacobians
from drtrl_bench.implementations.engine.execution_torch import PLAIN, Execution
from drtrl_bench.implementations.engine.network_torch import (
    Params,
    PerWeight,
    Residuals,
    States,
    fold,
    initial_states,
    presynaptic,
)

FILTERED = ("x", "r")


class Carry(NamedTuple):
    """Hold what is carried across a chunk boundary."""

    states: States
    """s [B, S, N] of each layer."""
    presynaptic: list[PerWeight]
    """eps_x [B, J] of each layer and kind of weight that is filtered."""
    postsynaptic: list[Tensor]
    """eps_f [B, S, G, N] of each layer."""
    time: Tensor
    """t, a scalar."""


def init(net: Any, params: Params, batch: int) -> Carry:
    """Return the states at rest, zero filters, and t = 0."""
    states = initial_states(net, params, batch)
    eps_x = [{k: v.new_zeros(batch, v.shape[0]) for k, v in w.items() if k in FILTERED} for w in params]
    eps_f = [s.new_zeros(*s.shape[:2], cell.G, s.shape[-1]) for cell, s in zip(net, states, strict=True)]
    return Carry(states, eps_x, eps_f, states[0].new_zeros(()))


def correction(kind: str, a: float, t: Tensor) -> Tensor:
    """Compute the bias correction c^t of the steps t [K]; kind: as above."""
    if kind == "none":
        return torch.ones_like(t)
    return 1 - (a if kind == "corrected" else 1 - a) ** (t + 1)


def filter_presynaptic(eps_x: Tensor, z: Tensor, a: float) -> tuple[Tensor, Tensor]:
    """Filter z [K, B, J] from eps_x^0 [B, J]: the last eps_x^K [B, J], and all eps_x^t [K, B, J]."""
    filtered = torch.empty_like(z, memory_format=torch.contiguous_format)
    for z_t, eps_x_t in zip(z.unbind(0), filtered.unbind(0), strict=True):
        eps_x = torch.add(z_t, eps_x, alpha=a, out=eps_x_t)
    return eps_x.clone(), filtered


def filter_postsynaptic(eps_f: Tensor, D: Tensor, D_f: Tensor, a: float) -> tuple[Tensor, Tensor]:
    """Filter D_f [K, B, S, G, N]: the last eps_f^K [B, S, G, N], and all eps_f^t [K, B, S, G, N]."""
    filtered = eps_f.new_empty(len(D), *eps_f.shape)
    steps = zip((a * D).unbind(0), ((1 - a) * D_f).unbind(0), filtered.unbind(0), strict=True)
    for D_t, D_f_t, eps_f_t in steps:
        if D_t.shape[-2] == 1:
            eps_f = torch.addcmul(D_f_t, D_t, eps_f, out=eps_f_t)
        else:
            eps_f = neuronwise(D_t, eps_f, out=eps_f_t).add_(D_f_t)
    return eps_f.clone(), filtered


def backward(
    net: Any,
    params: Params,
    residuals: list[Residuals],
    error: Tensor,
    carry: Carry,
    c: Tensor,
    a: float,
    a_x: float,
) -> tuple[Params, list[PerWeight], list[Tensor]]:
    """Compute the gradient of a block, the top layer first, and both filters of each layer after the block."""
    dL_do, grads, after_x, after_f = error[:, :, None], [], [], []
    for layer in reversed(range(len(net))):
        cell, w, (s_prev, s, _, x) = net[layer], params[layer], residuals[layer]
        a_l, a_x_l, c_l = (0.0, 0.0, torch.ones_like(c)) if cell.memoryless else (a, a_x, c)
        D, D_f = local_jacobians(cell, w, residuals[layer])
        l = learning_signals(cell, s, dL_do)
        end, eps_f = filter_postsynaptic(carry.postsynaptic[layer], D, D_f, a_l)
        after_f.insert(0, end)
        eps_x = presynaptic(cell, s_prev, x)
        after_x.insert(0, {})
        for k, before in carry.presynaptic[layer].items():
            after_x[0][k], eps_x[k] = filter_presynaptic(before, eps_x[k], a_x_l)
        dy = neuronwise(l, eps_f)[:, :, 0] / c_l
        grads.insert(0, {k: weight_gradient(eps_x[k], dy[..., cell.reads[k], :]) for k in w})
        if layer > 0:
            dL_do = forward_weights(layer - 1, error, cell, w, neuronwise(l, D_f))
    return grads, after_x, after_f


def block(
    net: Any,
    params: Params,
    a: float,
    a_x: float,
    bias_correction: str,
    execution: Execution,
    carry: Carry,
    inputs: Tensor,
    targets: Tensor,
    *,
    last: bool = False,
) -> tuple[Carry, Tensor, Params]:
    """Advance a block of steps: inputs [K, B, I], targets [K, B] -> the carry, the loss of the block, its gradient."""
    ends, loss, residuals, error = execution.forward(net, params, carry.states, inputs, targets, execution.layer)
    steps = carry.time + torch.arange(len(inputs), dtype=inputs.dtype, device=inputs.device)
    c = correction(bias_correction, a, steps)[:, None, None, None]
    grads, eps_x, eps_f = execution.compiled(backward)(net, params, residuals, error, carry, c, a, a_x)
    return Carry(ends, eps_x, eps_f, carry.time + len(inputs)), loss, grads


@torch.no_grad()
def advance(
    net: Any,
    params: Params,
    carry: Carry,
    inputs: Tensor,
    targets: Tensor,
    *,
    last: bool = False,
    decay: float = 0.9,
    decay_x: float = 0.0,
    bias_correction: str = "corrected",
    execution: Execution = PLAIN,
) -> tuple[Carry, Tensor, Params]:
    """Advance K steps: inputs [K, B, I], targets [K, B] -> the carry, the loss of the chunk, its gradient.

    decay: a, or a whole number k >= 1 that stands for a = (k - 1) / (k + 1), the paper's rank. decay_x: a_x, likewise;
    0 for that of `decay`.
    """
    a, a_x = smoothing(decay, bias_correction), smoothing(decay_x or decay, "none", "decay_x")
    advance_block = partial(block, net, params, a, a_x, bias_correction, execution)
    return fold(advance_block, carry, params, inputs, targets, execution.block)
