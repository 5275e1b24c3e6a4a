"""SnAp-1, in PyTorch: D-RTRL that keeps each neuron's weight on itself. The same gradient at every chunk length.

    D~^t = D^t + F^t W_nn R^t,   R^t = dr^t/ds^{t-1}           everything else as in `drtrl_torch.py`

Carried across a chunk boundary: what D-RTRL carries. Of RTRL's influence it keeps the entries that a weight reaches
in one step, with every path that stays inside its own neuron.
Source: Menick et al. 2021 (ICLR; arXiv 2006.07232).
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from drtrl_bench.implementations.algorithms.approximate import drtrl_torch as drtrl
from drtrl_bench.implementations.engine.adjoint_torch import emission, intrinsic
from drtrl_bench.implementations.engine.network_torch import PerWeight

Carry = drtrl.Carry


def coupled(cell: Any, w: PerWeight, s_prev: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """D~ [K, B, S, S', N] and F [K, B, S, G, N] of a chunk."""
    D, F = intrinsic(cell, w, s_prev, y)
    if "r" not in cell.reads:
        return D, F
    by_r = torch.einsum("tbsgn,ngn->tbsn", F[..., cell.reads["r"], :], w["r"])
    return D + by_r[..., None, :] * emission(cell, s_prev)[:, :, None], F


init = drtrl.init
advance = partial(drtrl.advance, own=coupled)
