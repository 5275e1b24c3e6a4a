"""Control, in JAX: D-RTRL whose hidden layers learn from the readout's error through fixed random weights.

    dL/do^t = dL/dlogits^t B_layer                             everything else as in `drtrl_jax.py`

Carried across a chunk boundary: what D-RTRL carries. The readout's own gradient is D-RTRL's.
Source: Bellec et al. 2020 (Nat. Commun. 11:3625), random e-prop.
"""

from functools import partial
from typing import Any

import jax.numpy as jnp
from jax import Array

from drtrl_bench.implementations.algorithms.approximate import drtrl_jax as drtrl
from drtrl_bench.implementations.algorithms.approximate.feedback import random_feedback_weights
from drtrl_bench.implementations.engine.network_jax import PerWeight

Carry = drtrl.Carry


def at_random(below: int, error: Array, cell: Any, w: PerWeight, q: Array) -> Array:
    """dL^t/do^t [K, B, 1, J] of layer `below`: the error [K, B, C] through its random weights."""
    return error[:, :, None] @ jnp.asarray(
        random_feedback_weights(below, error.shape[-1], w["x"].shape[0]), error.dtype
    )


init = drtrl.init
advance = partial(drtrl.advance, down=at_random)
