"""Compute SnAp-2's gradient in PyTorch: RTRL whose influence keeps the neurons that a weight reaches within two steps.

    influence   M^t = A^t M^{t-1} + z^t (x) D_f^t      A = ds^t/ds^{t-1} of the layer, among the neurons that are kept
    gradient    dL/dW = sum_t l^t M^t                  l = dL^t/ds^t, the learning signal, as D-RTRL's

Of a weight to neuron n, M = ds/dW is kept for n and for the neurons that n's recurrent weights feed, E at most together
(`pattern.py`). If all recurrent weights exist, E is N, and M is RTRL's influence within the layer: SnAp-2 differs only
where weights are masked, and takes E / N of that memory there. As in SnAp-1, layers above are not in the pattern, and a
lower layer gets the same step's learning signal alone. M is updated in every step: every K gives the same gradient, at
the same cost. Symbols and shapes, but E: `implementations/README.md`. Source: Menick et al. 2021 (ICLR; arXiv
2006.07232).
"""

from functools import lru_cache, partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from drtrl_bench.implementations.algorithms.further.pattern import reached
from drtrl_bench.implementations.engine.adjoint_torch import forward_weights, neuronwise
from drtrl_bench.implementations.engine.derivatives_torch import learning_signals, local_jacobians, output_jacobian
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


class Carry(NamedTuple):
    """Hold what is carried across a chunk boundary."""

    states: States
    """s [B, S, N] of each layer."""
    influences: list[PerWeight]
    """M [B, N, E, S, Gk, J] of each layer and kind of weight."""


class Step(NamedTuple):
    """Hold what the update of a layer's influence needs; arrays of all steps have K in front."""

    D: Tensor
    D_f: Tensor
    R: Tensor
    """0 in a layer without recurrent weights."""
    l: Tensor
    """[B, S, N]."""
    z: PerWeight

    def at(self, t: int) -> "Step":
        """Return step t alone."""
        return Step(self.D[t], self.D_f[t], self.R[t], self.l[t], {k: z[t] for k, z in self.z.items()})


@lru_cache(maxsize=64)
def pattern(cell: Any, N: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return `reached` in tensors; cached, because a CUDA graph may not copy from the host."""
    index, exists = reached(cell, N)
    return torch.from_numpy(index).to(device), torch.from_numpy(exists).to(device, dtype)


def init(net: Any, params: Params, batch: int) -> Carry:
    """Return the states at rest and zero influences."""
    influences = []
    for cell, w in zip(net, params, strict=True):
        N, E = reached(cell, w["x"].shape[-1])[0].shape
        influences.append({k: v.new_zeros(batch, N, E, cell.S, v.shape[1], v.shape[0]) for k, v in w.items()})
    return Carry(initial_states(net, params, batch), influences)


def kept(now: Step, index: Tensor, exists: Tensor) -> Step:
    """Take from the arrays [..., N] of a step those of the neurons kept [..., N, E], and 0 for padding."""
    D, D_f, R, l = (a[..., index] * exists for a in (now.D, now.D_f, now.R, now.l))
    return Step(D, D_f, R, l, now.z)


def layer_gradient(
    cell: Any, w: PerWeight, residuals: Residuals, l: Tensor, M: PerWeight
) -> tuple[PerWeight, PerWeight]:
    """Update a layer's influence in every step of a block: the influence at its end, and the gradient [J, Gk, N]."""
    D, D_f = local_jacobians(cell, w, residuals)
    index, exists = pattern(cell, w["x"].shape[-1], D.dtype, D.device)
    R = output_jacobian(cell, residuals.previous) if "r" in w else torch.zeros_like(residuals.previous)
    steps = Step(D, D_f, R, l, presynaptic(cell, residuals.previous, residuals.inputs))
    # of each n, the weights [E', Gr, E] from the neurons kept to the neurons kept
    among = w["r"][index[:, :, None], :, index[:, None, :]].movedim(-1, 2) if "r" in w else None
    M, grads = dict(M), {k: torch.zeros_like(v) for k, v in w.items()}
    for t in range(len(D)):
        now = kept(steps.at(t), index, exists)
        for k, M_k in M.items():
            M_new = torch.einsum("bsune,bneugj->bnesgj", now.D, M_k)
            if among is not None:
                dr = torch.einsum("bsne,bnesgj->bnegj", now.R, M_k)
                dy = torch.einsum("nqhe,bnqgj->bnehgj", among, dr)
                M_new += torch.einsum("bshne,bnehgj->bnesgj", now.D_f[:, :, cell.reads["r"]], dy)
            M_new[:, :, 0] += torch.einsum("bsgn,bj->bnsgj", now.D_f[:, :, cell.reads[k], :, 0], now.z[k])
            M[k] = M_new
            grads[k] += torch.einsum("bsne,bnesgj->jgn", now.l, M_new)
    return M, grads


def block(
    net: Any, params: Params, execution: Execution, carry: Carry, inputs: Tensor, targets: Tensor, *, last: bool = False
) -> tuple[Carry, Tensor, Params]:
    """Advance a block of steps: inputs [K, B, I], targets [K, B] -> the carry, the loss of the block, its gradient."""
    ends, loss, residuals, error = execution.forward(net, params, carry.states, inputs, targets, execution.layer)
    dL_do, grads, influences = error[:, :, None], [], []
    for layer in reversed(range(len(net))):
        cell, w = net[layer], params[layer]
        l = learning_signals(cell, residuals[layer].states, dL_do)
        after, of_layer = layer_gradient(cell, w, residuals[layer], l[:, :, 0], carry.influences[layer])
        influences.insert(0, after)
        grads.insert(0, of_layer)
        if layer > 0:
            D_f = local_jacobians(cell, w, residuals[layer])[1]
            dL_do = forward_weights(layer - 1, error, cell, w, neuronwise(l, D_f))
    return Carry(ends, influences), loss, grads


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
