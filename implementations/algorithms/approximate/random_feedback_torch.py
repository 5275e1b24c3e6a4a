"""Control, in PyTorch: D-RTRL whose hidden layers learn from the readout's error through fixed random weights.

    dL/do^t = dL/dlogits^t B_layer                             everything else as in `drtrl_torch.py`

Carried across a chunk boundary: what D-RTRL carries. The readout's own gradient is D-RTRL's.
Source: Bellec et al. 2020 (Nat. Commun. 11:3625), random e-prop.
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from drtrl_bench.implementations.algorithms.approximate import drtrl_torch as drtrl
from drtrl_bench.implementations.algorithms.approximate.feedback import random_feedback_weights
from drtrl_bench.implementations.engine.network_torch import PerWeight

Carry = drtrl.Carry


@torch.compiler.assume_constant_result
def weights(below: int, classes: int, neurons: int) -> Tensor:
    """B_layer [C, J] of layer `below`, in float64. Drawn by NumPy, which torch.compile cannot trace."""
    return torch.tensor(random_feedback_weights(below, classes, neurons))


def at_random(below: int, error: Tensor, cell: Any, w: PerWeight, q: Tensor) -> Tensor:
    """dL^t/do^t [K, B, 1, J] of layer `below`: the error [K, B, C] through its random weights."""
    return error[:, :, None] @ weights(below, error.shape[-1], w["x"].shape[0]).to(error)


init = drtrl.init
advance = partial(drtrl.advance, down=at_random)
