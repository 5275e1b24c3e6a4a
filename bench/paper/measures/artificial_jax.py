"""Computes the parts of the Jacobian of one step from a given state, in JAX. Twin: `artificial_torch.py`."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from drtrl_bench.implementations.cells import cells_jax
from drtrl_bench.implementations.engine import derivatives_jax, network_jax
from drtrl_bench.paper.measures import networks
from drtrl_bench.paper.measures.artificial import Matrix, State


def parts(job: dict[str, Any], state: State) -> tuple[Matrix, ...]:
    """Return D = dV'/dV within the neurons, F = dV'/dy and R = dr/dV [B, N], and V' [B, N], in float64."""
    cell = networks.layer_cell(job, cells_jax)
    with jax.enable_x64(True):
        weights = {"r": jnp.asarray(state.weights)[:, None], "x": jnp.eye(len(state.weights))[:, None]}
        before, currents = jnp.asarray(state.potentials)[:, None], jnp.asarray(state.currents)[None]
        after, y = network_jax.layer(cell, weights, before, currents)
        D, F = derivatives_jax.local_jacobians(cell, weights, network_jax.Residuals(before[None], after, y, currents))
        R = derivatives_jax.output_jacobian(cell, before[None])
        return tuple(np.asarray(each) for each in (D[0, :, 0, 0], F[0, :, 0, 0], R[0, :, 0], after[0, :, 0]))
