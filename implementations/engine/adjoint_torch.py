"""The adjoint of a layer over a chunk, in PyTorch: what BPTT, RTRL and D-RTRL have in common.

    D^t = ds^t/ds^{t-1},  F^t = ds^t/dy^t      with y^t, then s^{t-1}, held constant: blocks of one neuron each
    R^t = dr^t/ds^{t-1}                        of what goes back through the recurrent weights
    q^t = row^t F^t                            row^t: what anything later owes to s^t; q^t: what it owes to y^t
    row^{t-1} = row^t D^t + (q^t W_r^T) R^t    the second term leads through weights, and couples the neurons

BPTT pulls back one row, the loss's; RTRL one more for every state; D-RTRL one more per state of a neuron, without the
second term. D, F and R of all K steps are computed in one call; only the pull-back itself is sequential.
The twin is `adjoint_jax.py`. Sizes as in `network_torch.py`; M is a number of rows.
"""

from typing import Any

import torch
from torch import Tensor

from drtrl_bench.implementations.engine.network_torch import PerWeight


def intrinsic(cell: Any, w: PerWeight, s_prev: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """D [K, B, S, S', N] and F [K, B, S, G, N] of a chunk: one pull-back per state, all steps at once."""
    s, pull = torch.func.vjp(cell.dynamics, s_prev, y)[:2]
    units = torch.eye(cell.S, dtype=s.dtype, device=s.device)[:, :, None]
    D, F = (torch.stack(by, dim=2) for by in zip(*(pull(unit.expand_as(s)) for unit in units), strict=True))
    return D, F


def emission(cell: Any, s_prev: Tensor) -> Tensor:
    """R [K, B, S, N] of a chunk."""
    r, pull = torch.func.vjp(cell.emit, s_prev)[:2]
    return pull(torch.ones_like(r))[0]


def learning_signals(cell: Any, s: Tensor, signals: Tensor) -> Tensor:
    """dL^t/ds^t [K, B, M, S, N] of M rows of dL^t/do^t [K, B, M, N]."""
    pull = torch.func.vjp(cell.output, s)[1]
    if signals.shape[2] == 1:
        return pull(signals[:, :, 0])[0][:, :, None]
    return torch.func.vmap(lambda signal: pull(signal)[0], in_dims=2, out_dims=2)(signals)


def times(rows: Tensor, blocks: Tensor) -> Tensor:
    """sum_s rows[..., i, s, N] blocks[..., s, j, N]: a product of each neuron's own small matrices."""
    S = blocks.shape[-3]
    if S == 1:
        return rows * blocks
    total = rows[..., 0, None, :] * blocks[..., None, 0, :, :]
    for s in range(1, S):
        total.addcmul_(rows[..., s, None, :], blocks[..., None, s, :, :])
    return total


def pull_back(
    rows: Tensor, l: Tensor, D: Tensor, F: Tensor, recurrent: tuple[Tensor, Tensor, slice] | None = None
) -> tuple[Tensor, Tensor]:
    """Rows [B, M, S, N] of s^K, pulled back to the chunk's start; the first m meet l^t of l [K, B, m, S, N] on the way.

    recurrent: W_r, R and the drives that W_r feeds; without, paths through weights are cut. Returns q [K, B, M, G, N]
    and the rows of s^0 [B, M, S, N].
    """
    K, B, m, _, N = l.shape
    rows, found = rows.clone(), rows.new_empty(K, B, rows.shape[1], F.shape[3], N)
    W, R, reads = recurrent if recurrent is not None else (None, None, slice(0))
    W = None if W is None else W.flatten(1).T  # [G N, J]
    for t in range(K - 1, -1, -1):
        rows[:, :m] += l[t]
        q = found[t] = times(rows, F[t])
        rows = times(rows, D[t])
        if W is not None and R is not None:
            rows.addcmul_((q[:, :, reads].flatten(2) @ W)[:, :, None], R[t][:, None])
    return found, rows


def weight_gradient(z: Tensor, q: Tensor) -> Tensor:
    """sum_{t,b} z (x) q [J, G, N], of z [K, B, J] and q [K, B, G, N] in one GEMM."""
    return torch.einsum("tbj,tbgn->jgn", z, q)


def through_weights(cell: Any, w: PerWeight, s_prev: Tensor) -> tuple[Tensor, Tensor, slice] | None:
    """The `recurrent` of `pull_back`, if the cell has recurrent weights."""
    return (w["r"], emission(cell, s_prev), cell.reads["r"]) if "r" in w else None


def send_down(cell: Any, w: PerWeight, q: Tensor) -> Tensor:
    """dL^t/do^t [K, B, M, J] of the layer below, of rows q [K, B, M, G, N]: through the weights of the same step."""
    return torch.einsum("tbmgn,jgn->tbmj", q[..., cell.reads["x"], :], w["x"])
