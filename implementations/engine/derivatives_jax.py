"""Differentiate a step of a cell within a neuron, in JAX: factors of the adjoint recursion.

The twin is `derivatives_torch.py`. Symbols and shapes: `implementations/README.md`; Q is the number of adjoints.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from drtrl_bench.implementations.engine.network_jax import PerWeight, Residuals


def local_jacobians(cell: Any, w: PerWeight, residuals: Residuals) -> tuple[Array, Array]:
    """Compute D = ds/ds_prev [K, B, S, S', N] and D_f = ds/dy [K, B, S, G, N] of all steps: one VJP per state."""
    s, vjp = jax.vjp(cell.dynamics, residuals.previous, residuals.currents)
    units = jnp.eye(cell.S, dtype=s.dtype)[:, None, None, :, None]
    D, D_f = jax.vmap(lambda unit: vjp(jnp.broadcast_to(unit, s.shape)), out_axes=2)(units)
    return D, D_f


def output_jacobian(cell: Any, s_prev: Array) -> Array:
    """Compute R = dr/ds_prev [K, B, S, N], r being the recurrent output of a neuron."""
    r, vjp = jax.vjp(cell.emit, s_prev)
    return vjp(jnp.ones_like(r))[0]


def learning_signals(cell: Any, s: Array, dX_do: Array) -> Array:
    """Compute l = dX^t/ds^t [K, B, Q, S, N] within the step, from dX^t/do^t [K, B, Q, N]."""
    vjp = jax.vjp(cell.output, s)[1]
    return jax.vmap(lambda dX_do: vjp(dX_do)[0], in_axes=2, out_axes=2)(dX_do)
