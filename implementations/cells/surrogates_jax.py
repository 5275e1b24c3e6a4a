"""Compute surrogate derivatives of a spike by name, in JAX. Equations: `cell.py`; twin: `surrogates_torch.py`."""

import math

import jax
import jax.numpy as jnp
from jax import Array

from drtrl_bench.implementations.cells import spec as cells


def psi(cell: cells.Spiking, v: Array) -> Array:
    """Return the surrogate derivative of a spike; `cell.Spiking` has the equations."""

    def bell(mean: float, deviation: float) -> Array:
        return jnp.exp(-(((v - mean) / deviation) ** 2) / 2) / (deviation * math.sqrt(2 * math.pi))

    match cell.surrogate:
        case "sigmoid":
            return 4 * jax.nn.sigmoid(4 * v) * (1 - jax.nn.sigmoid(4 * v))
        case "gaussian":
            return bell(0, 0.5) / 2
        case "multi_gaussian":
            return (1.15 * bell(0, 0.5) - 0.15 * bell(0.5, 3) - 0.15 * bell(-0.5, 3)) / 2
        case "s2nn":
            rising = 4 * jax.nn.sigmoid(4 * v) * (1 - jax.nn.sigmoid(4 * v))
            return jnp.where(v < 0, rising, 1 / (jnp.maximum(v, 0) + 1))
        case "boxcar":
            return (jnp.abs(v) <= 0.5).astype(v.dtype)
        case "atan":
            return 1 / (1 + (math.pi * v) ** 2)
        case "fast_sigmoid":
            return 1 / (1 + 25 * jnp.abs(v)) ** 2
        case "superspike":
            return 1 / (1 + 100 * jnp.abs(v)) ** 2
        case _:
            return cell.alpha * jnp.maximum(cell.width - jnp.abs(v), 0)
