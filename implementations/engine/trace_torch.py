"""Store and update the eligibility trace of a weight in PyTorch: eps [B, J, S, Gk, N], D-RTRL's ds/dW.

    contract    lam eps                                   the gradient by the paths from earlier chunks
    update      P eps + sum_t z^t (x) ds^K/dy^t           the trace after K more steps, in place

s are the S states of the weight's neuron. A trace is B S times as large as its weight, and is what D-RTRL costs: it is
updated in place, so that no second trace is allocated. The twin is `trace_jax.py`.
"""

from typing import Any

import torch
from torch import Tensor

from drtrl_bench.implementations.engine.adjoint_torch import neuronwise

Trace = Tensor
"""[B, J, S, Gk, N]."""


def zeros(batch: int, cell: Any, w: Tensor, dtype: str = "same") -> Trace:
    """Return the zero trace of one kind of weight w [J, Gk, N], stored as the weight or in another dtype."""
    stored = w.dtype if dtype == "same" else getattr(torch, dtype)
    return w.new_zeros(batch, w.shape[0], cell.S, *w.shape[1:], dtype=stored)


def contract(lam: Tensor, eps: Trace) -> Tensor:
    """Multiply the loss's adjoint with the trace: sum_{b,s} lam[b, s, n] eps[b, j, s, g, n].

    Sample by sample: as one einsum, PyTorch copies the trace to transpose it.
    """
    total = lam.new_zeros(eps[0, :, 0].shape)
    for lam_b, eps_b in zip(lam, eps, strict=True):
        for s in range(lam.shape[1]):
            total.addcmul_(lam_b[s], eps_b[:, s].to(lam.dtype))
    return total


def update(eps: Trace, P: Tensor, z: Tensor, dy: Tensor) -> None:
    """Update the trace in place: P [B, S, S', N], z [K, B, J], dy = ds^K/dy [K, B, S, G, N].

    Sample by sample, so that scratch is needed for one sample only. A trace of one state (S = 1) needs none.
    """
    z, dy = z.permute(1, 2, 0), dy.flatten(2).transpose(0, 1)
    if eps.shape[2] == 1 and eps.dtype == P.dtype:
        eps *= P[:, None]
        eps.flatten(2).baddbmm_(z, dy)
        return
    for eps_b, P_b, z_b, dy_b in zip(eps, P, z, dy, strict=True):
        updated = neuronwise(P_b, eps_b.to(P.dtype))
        updated.flatten(1).addmm_(z_b, dy_b)
        eps_b.copy_(updated)


def step(eps: Trace, lam: Tensor, P: Tensor, factors: tuple[Tensor, Tensor] | None) -> Tensor:
    """Return lam eps [J, G, N], and then, with factors z and dy, update the trace in place."""
    contracted = contract(lam, eps)
    if factors is not None:
        update(eps, P, *factors)
    return contracted
