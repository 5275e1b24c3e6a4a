"""Compute a control's gradient in JAX: D-RTRL with the readout's error fed to hidden layers by random weights.

    dL/do^t = dL/dlogits^t B_layer                   B_layer [C, N]: drawn once, in `feedback.py`

As `drtrl_jax.py`, but for the feedback; the readout's own gradient is D-RTRL's. Source: Bellec et al. 2020 (Nat.
Commun. 11:3625), random e-prop.
"""

from functools import partial
from typing import Any

import jax.numpy as jnp
from jax import Array

from drtrl_bench.implementations.algorithms.approximate import drtrl_jax as drtrl
from drtrl_bench.implementations.algorithms.approximate.feedback import random_feedback_weights
from drtrl_bench.implementations.engine.network_jax import PerWeight


def random_weights(below: int, error: Array, cell: Any, w: PerWeight, dX_dy: Array) -> Array:
    """Feed the error [K, B, C] back through random weights: dL/do [K, B, 1, J] of layer `below`."""
    B_layer = random_feedback_weights(below, error.shape[-1], w["x"].shape[0])
    return error[:, :, None] @ jnp.asarray(B_layer, error.dtype)


RULE = drtrl.RULE._replace(feedback=random_weights)
Carry, init = drtrl.Carry, drtrl.init
advance = partial(drtrl.advance, rule=RULE)
