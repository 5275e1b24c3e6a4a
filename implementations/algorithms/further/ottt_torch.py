"""Compute the gradient of OTTT, online training through time, in PyTorch: one trace per presynaptic neuron.

    trace       zhat^t = a zhat^{t-1} + z^t            a = exp(-1/tau), the leak; z itself for bias and parameters
    gradient    dL/dW = sum_t zhat^t (x) l^t D_f^t     l = dL^t/ds^t, the learning signal, as D-RTRL's

This is D-RTRL's gradient if each D^t is the leak a and D_f^t is that of the step that learns: of a LIF neuron D without
the path through its reset. The trace then depends on no postsynaptic neuron. a is a layer's own, also that of a leaky
readout, whose gradient is exact. It is the mean over the neurons if each trains its tau, and 0 in cells without a tau,
whose gradient is that of the current step. Every K gives the same gradient. Symbols and shapes are those of
`implementations/README.md`. Source: Xiao et al. 2022 (NeurIPS; arXiv 2210.04195).
"""

import math
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

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

TRACED = ("x", "r")


class Carry(NamedTuple):
    """Hold what is carried across a chunk boundary."""

    states: States
    """s [B, S, N] of each layer."""
    traces: list[PerWeight]
    """zhat [B, J] of each layer and kind of weight that has a trace."""


def init(net: Any, params: Params, batch: int) -> Carry:
    """Return the states at rest and zero traces."""
    zeros = [{k: v.new_zeros(batch, v.shape[0]) for k, v in w.items() if k in TRACED} for w in params]
    return Carry(initial_states(net, params, batch), zeros)


def leak(cell: Any, w: PerWeight) -> Any:
    """Return a = exp(-1/tau) of a layer, the mean over its neurons; 0 for a cell without a tau."""
    if not hasattr(cell, "tau"):
        return 0.0
    if "tau" not in cell.trainable:
        return math.exp(-1 / cell.tau)
    return torch.exp(-torch.exp(-w["p"][0, cell.trainable.index("tau")])).mean()


def traced(zhat: Tensor, z: Tensor, a: Any) -> tuple[Tensor, Tensor]:
    """Filter z [K, B, J] from zhat^0 [B, J]: the last zhat^K [B, J], and all zhat^t [K, B, J]."""
    filtered = torch.empty_like(z, memory_format=torch.contiguous_format)
    for z_t, zhat_t in zip(z.unbind(0), filtered.unbind(0), strict=True):
        zhat = torch.add(z_t, a * zhat, out=zhat_t)
    return zhat.clone(), filtered


def backward(
    net: Any, params: Params, residuals: list[Residuals], error: Tensor, traces: list[PerWeight]
) -> tuple[Params, list[PerWeight]]:
    """Compute the gradient of a block, the top layer first, and the traces of each layer after the block."""
    dL_do, grads, after = error[:, :, None], [], []
    for layer in reversed(range(len(net))):
        cell, w, (s_prev, s, _, x) = net[layer], params[layer], residuals[layer]
        dy = neuronwise(learning_signals(cell, s, dL_do), local_jacobians(cell, w, residuals[layer])[1])
        z, a = presynaptic(cell, s_prev, x), leak(cell, w)
        after.insert(0, {})
        for k, before in traces[layer].items():
            after[0][k], z[k] = traced(before, z[k], a)
        grads.insert(0, {k: weight_gradient(z[k], dy[:, :, 0, cell.reads[k]]) for k in w})
        if layer > 0:
            dL_do = forward_weights(layer - 1, error, cell, w, dy)
    return grads, after


def block(
    net: Any, params: Params, execution: Execution, carry: Carry, inputs: Tensor, targets: Tensor, *, last: bool = False
) -> tuple[Carry, Tensor, Params]:
    """Advance a block of steps: inputs [K, B, I], targets [K, B] -> the carry, the loss of the block, its gradient."""
    ends, loss, residuals, error = execution.forward(net, params, carry.states, inputs, targets, execution.layer)
    grads, traces = execution.compiled(backward)(net, params, residuals, error, carry.traces)
    return Carry(ends, traces), loss, grads


@torch.no_grad()
def advance(
    net: Any,
    params: Params,
    carry: Carry,
    inputs: Tensor,
    targets: Tensor,
    *,
    last: bool = False,
    execution: Execution = PLAIN,
) -> tuple[Carry, Tensor, Params]:
    """Advance K steps: inputs [K, B, I], targets [K, B] -> the carry, the loss of the chunk, its gradient."""
    advance_block = partial(block, net, params, execution)
    return fold(advance_block, carry, params, inputs, targets, execution.block)
