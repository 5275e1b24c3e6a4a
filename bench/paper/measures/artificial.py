"""Draws a layer in an artificial state, and compares its Jacobian of one step with D and with D plus one outer product.

The potentials of a share of the neurons lie where the surrogate derivative is not 0, those of all others below. Of one
state per neuron, and with the notation of `jacobians_jax.py`,

    J[n, m] = D[n] (n = m) + F[n] W[m, n] R[m]
"""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from drtrl_bench.paper.measures import networks

Matrix = NDArray[np.float64]
ROUNDS = 30
"""Of alternating least squares."""
LOWEST = -5.0
"""Of the potentials."""


class State(NamedTuple):
    """A layer before a step."""

    potentials: Matrix
    """[B, N]."""
    currents: Matrix
    """Inputs times input weights [B, N]."""
    weights: Matrix
    """Recurrent weights [N, N], from presynaptic to postsynaptic neuron."""
    density: float
    """Share of the inputs that are not 0."""


def draw(job: dict[str, Any]) -> State:
    """Draw potentials, inputs and weights: the seed's, the same weights and inputs for every share."""
    B, N, width = job["samples"], job["neurons"], job["constants"]["width"]
    cell = replace(networks.layer_cell(job), scale_x=job["ff"], scale_r=job["rec"], initial="truncated")
    rng = np.random.default_rng([job["seed"], 1])
    weights = cell.initial_weights(rng, N, N)
    inputs = (rng.random((B, N)) < job["input_rate"]).astype(np.float64)
    near, within = rng.random((B, N)) < job["share"], rng.uniform(1 - width, 1 + width, (B, N))
    potentials = np.where(near, within, below(rng, (B, N), 1 - width))
    return State(potentials, inputs @ weights["x"][:, 0], weights["r"][:, 0], float(inputs.mean()))


def below(rng: np.random.Generator, shape: tuple[int, ...], highest: float) -> Matrix:
    """Draw from the standard normal distribution between `LOWEST` and `highest`."""
    drawn = rng.standard_normal(shape)
    while (outside := (drawn <= LOWEST) | (drawn >= highest)).any():
        drawn[outside] = rng.standard_normal(int(outside.sum()))
    return drawn


def compared(D: Matrix, F: Matrix, R: Matrix, W: Matrix) -> dict[str, float | None]:
    """Compare J of one sample with D, and with D and an outer product: D, F, R [N], W [N, N]."""
    J = np.diag(D) + F[:, None] * W.T * R
    off = J - np.diag(np.diag(J))
    return {
        "single": cosine(J, np.diag(D)),
        "error": float(np.linalg.norm(J - np.diag(D)) / np.linalg.norm(J)),
        "with_outer": cosine(J, np.diag(D) + outer_product(off)),
    }


def cosine(a: Matrix, b: Matrix) -> float | None:
    """Return the cosine between two matrices, None if one is 0."""
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float((a * b).sum()) / norms if norms else None


def outer_product(A: Matrix, rounds: int = ROUNDS) -> Matrix:
    """Fit an outer product u v to a matrix by alternating least squares; 0 for a matrix that is 0."""
    v = np.random.default_rng(0).standard_normal(A.shape[1])
    u = np.zeros(A.shape[0])
    for _ in range(rounds):
        u = A @ v / (v @ v)
        if not u.any():
            break
        v = u @ A / (u @ u)
    return u[:, None] * v
