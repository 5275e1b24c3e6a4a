"""Computes the parts of the Jacobian of one step from a given state, in PyTorch. Twin: `artificial_jax.py`."""

from typing import Any

import torch

from drtrl_bench.implementations.cells import cells_torch
from drtrl_bench.implementations.engine import derivatives_torch, network_torch
from drtrl_bench.paper.measures import networks
from drtrl_bench.paper.measures.artificial import Matrix, State


def parts(job: dict[str, Any], state: State) -> tuple[Matrix, ...]:
    """Return D = dV'/dV within the neurons, F = dV'/dy and R = dr/dV [B, N], and V' [B, N], in float64."""
    cell = networks.layer_cell(job, cells_torch)
    W = torch.from_numpy(state.weights)
    weights = {"r": W[:, None], "x": torch.eye(len(W), dtype=W.dtype)[:, None]}
    before, currents = torch.from_numpy(state.potentials)[:, None], torch.from_numpy(state.currents)[None]
    states, y = network_torch.layer(cell, weights, before, currents)
    D, F = derivatives_torch.local_jacobians(
        cell, weights, network_torch.Residuals(states[:-1], states[1:], y, currents)
    )
    R = derivatives_torch.output_jacobian(cell, states[:-1])
    return tuple(each.numpy() for each in (D[0, :, 0, 0], F[0, :, 0, 0], R[0, :, 0], states[1, :, 0]))
