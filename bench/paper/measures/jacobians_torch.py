"""Compares the Jacobian J of a layer's step with D, its part within the neurons, in PyTorch.

Equations and shapes: `jacobians_jax.py`, its twin.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from drtrl_bench.implementations.cells import cells_torch
from drtrl_bench.implementations.engine import adjoint_torch, derivatives_torch, network_torch
from drtrl_bench.paper.measures import networks


def measures(job: dict[str, Any], layer: networks.Layer) -> dict[str, np.ndarray]:
    """Return per step [T, B] and per sample [B] what `compare` computes, of a job's network in float64."""
    cell = networks.layer_cell(job, cells_torch)
    weights = {k: torch.from_numpy(w) for k, w in layer.weights.items()}
    computed = compare(cell, weights, torch.from_numpy(layer.currents))
    return {name: value.numpy() for name, value in computed.items()}


def compare(cell: Any, weights: dict[str, Tensor], currents: Tensor) -> dict[str, Tensor]:
    """Compute cosines and norms of J and D, per step and over all steps, and what the neurons do."""
    s0 = network_torch.initial_states([cell], [weights], currents.shape[1])[0]
    states, y = network_torch.layer(cell, weights, s0, currents)
    before, states = states[:-1], states[1:]
    residuals = network_torch.Residuals(before, states, y, currents)
    D, F = derivatives_torch.local_jacobians(cell, weights, residuals)
    F, R, W = F[:, :, :, 0], derivatives_torch.output_jacobian(cell, before), weights["r"][:, 0]
    single, error = one_step(D, F, R, W)
    of_samples = zip(D.unbind(1), F.unbind(1), R.unbind(1), strict=True)
    each = [all_steps(D_b, F_b, R_b, W) for D_b, F_b, R_b in of_samples]
    every, log_J, log_D = (torch.stack(values) for values in zip(*each, strict=True))
    middle = len(currents) // 2
    return {
        "single": single,
        "error": error,
        "all": every,
        "log_J": log_J,
        "log_D": log_D,
        "rate": cell.output(states).mean(dim=(0, 2)),
        "F": F[middle],
        "R": R[middle],
    }


def one_step(D: Tensor, F: Tensor, R: Tensor, W: Tensor) -> tuple[Tensor, Tensor]:
    """Compute cos(J, D) and |J - D| / |J| of each step [T, B]."""
    D_D = (D**2).sum(dim=(2, 3, 4))
    W_W = torch.einsum("tbn,mn,tbm->tb", (F**2).sum(dim=2), W**2, (R**2).sum(dim=2))
    D_W = torch.einsum("tbsun,tbsn,tbun,n->tb", D, F, R, torch.diagonal(W))
    J_J = D_D + 2 * D_W + W_W
    return (D_D + D_W) / torch.sqrt(D_D * J_J), torch.sqrt(W_W / J_J)


def all_steps(D: Tensor, F: Tensor, R: Tensor, W: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Compute of one sample the cosine between the products of J and of D over all steps, and log10 of their norms."""
    _, S, _, N = D.shape
    one = torch.eye(S, dtype=D.dtype)
    P_D = one[:, :, None].expand(S, S, N)
    P_J = torch.einsum("su,nm->snum", one, torch.eye(N, dtype=D.dtype))
    log_J, log_D = D.new_zeros(()), D.new_zeros(())
    for D_t, F_t, R_t in zip(D, F, R, strict=True):
        read = (R_t[..., None, None] * P_J).sum(dim=0)
        through = (W.T @ read.flatten(1)).view_as(read)
        P_J = (D_t[..., None, None] * P_J).sum(dim=1) + F_t[..., None, None] * through
        P_D = adjoint_torch.neuronwise(D_t, P_D)
        norm_J, norm_D = torch.sqrt((P_J**2).sum()), torch.sqrt((P_D**2).sum())
        P_J, P_D = P_J / norm_J, P_D / norm_D
        log_J, log_D = log_J + torch.log10(norm_J), log_D + torch.log10(norm_D)
    return torch.einsum("snun,sun->", P_J, P_D), log_J, log_D
