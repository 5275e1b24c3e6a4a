"""Compute a control's gradient in PyTorch: D-RTRL with the readout's error fed to hidden layers by random weights.

    dL/do^t = dL/dlogits^t B_layer                   B_layer [C, N]: drawn once, in `feedback.py`

As `drtrl_torch.py`, but for the feedback; the readout's own gradient is D-RTRL's. Source: Bellec et al. 2020 (Nat.
Commun. 11:3625), random e-prop.
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from drtrl_bench.implementations.algorithms.approximate import drtrl_torch as drtrl
from drtrl_bench.implementations.algorithms.approximate.feedback import random_feedback_weights
from drtrl_bench.implementations.engine.network_torch import PerWeight


@torch.compiler.assume_constant_result
def draw(below: int, C: int, N: int) -> Tensor:
    """Draw B_layer [C, N] of layer `below` in float64, with NumPy, which torch.compile cannot trace."""
    return torch.tensor(random_feedback_weights(below, C, N))


def random_weights(below: int, error: Tensor, cell: Any, w: PerWeight, dX_dy: Tensor) -> Tensor:
    """Feed the error [K, B, C] back through random weights: dL/do [K, B, 1, J] of layer `below`."""
    return error[:, :, None] @ draw(below, error.shape[-1], w["x"].shape[0]).to(error)


RULE = drtrl.RULE._replace(feedback=random_weights)
Carry, init = drtrl.Carry, drtrl.init
advance = partial(drtrl.advance, rule=RULE)
