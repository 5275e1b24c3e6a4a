"""Compute SnAp-1's gradient in PyTorch: D-RTRL that keeps each neuron's weight on itself.

    D + D_f W_nn R takes the place of D              W_nn: the weight of neuron n on itself; R = dr/ds, r: its output

As `drtrl_torch.py`, but for the Jacobian. Of RTRL's influence SnAp-1 keeps the entries that a weight reaches in one
step, with every path that stays inside one neuron. Source: Menick et al. 2021 (ICLR; arXiv 2006.07232).
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from drtrl_bench.implementations.algorithms.approximate import drtrl_torch as drtrl
from drtrl_bench.implementations.engine.derivatives_torch import local_jacobians, output_jacobian
from drtrl_bench.implementations.engine.network_torch import PerWeight, Residuals


def jacobians_with_own_weight(cell: Any, w: PerWeight, residuals: Residuals) -> tuple[Tensor, Tensor]:
    """Compute D + D_f W_nn R [K, B, S, S', N] and D_f [K, B, S, G, N]."""
    D, D_f = local_jacobians(cell, w, residuals)
    if "r" not in cell.reads:
        return D, D_f
    dr = torch.einsum("tbsgn,ngn->tbsn", D_f[..., cell.reads["r"], :], w["r"])
    return D + dr[..., None, :] * output_jacobian(cell, residuals.previous)[:, :, None], D_f


RULE = drtrl.RULE._replace(jacobians=jacobians_with_own_weight)
Carry, init = drtrl.Carry, drtrl.init
advance = partial(drtrl.advance, rule=RULE)
