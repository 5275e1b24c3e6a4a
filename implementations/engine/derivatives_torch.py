"""Differentiate a step of a cell within a neuron, in PyTorch: factors of the adjoint recursion.

The twin is `derivatives_jax.py`. Symbols and shapes: `implementations/README.md`; Q is the number of adjoints.
"""

from typing import Any

import torch
from torch import Tensor

from drtrl_bench.implementations.cells.closed_torch import closed
from drtrl_bench.implementations.engine.network_torch import PerWeight, Residuals


def local_jacobians(cell: Any, w: PerWeight, residuals: Residuals) -> tuple[Tensor, Tensor]:
    """Compute D = ds/ds_prev [K, B, S, S', N] and D_f = ds/dy [K, B, S, G, N] of all steps: one VJP per state."""
    if (form := closed(cell)) is not None:
        return form.jacobians(*residuals[:3])
    s, vjp = torch.func.vjp(cell.dynamics, residuals.previous, residuals.currents)[:2]
    units = torch.eye(cell.S, dtype=s.dtype, device=s.device)[:, :, None]
    D, D_f = (torch.stack(each, dim=2) for each in zip(*(vjp(unit.expand_as(s)) for unit in units), strict=True))
    return D, D_f


def output_jacobian(cell: Any, s_prev: Tensor) -> Tensor:
    """Compute R = dr/ds_prev [K, B, S, N], r being the recurrent output of a neuron."""
    if (form := closed(cell)) is not None:
        return form.recurrent_output(s_prev)
    r, vjp = torch.func.vjp(cell.emit, s_prev)[:2]
    return vjp(torch.ones_like(r))[0]


def learning_signals(cell: Any, s: Tensor, dX_do: Tensor) -> Tensor:
    """Compute l = dX^t/ds^t [K, B, Q, S, N] within the step, from dX^t/do^t [K, B, Q, N]."""
    if (form := closed(cell)) is not None:
        return form.learning_signal(s, dX_do)
    vjp = torch.func.vjp(cell.output, s)[1]
    if dX_do.shape[2] == 1:
        return vjp(dX_do[:, :, 0])[0][:, :, None]
    return torch.func.vmap(lambda one: vjp(one)[0], in_dims=2, out_dims=2)(dX_do)
