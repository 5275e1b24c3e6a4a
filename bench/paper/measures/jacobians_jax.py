"""Compares the Jacobian J of a layer's step with D, its part within the neurons, in JAX. Twin: `jacobians_torch.py`.

With the notation of `implementations/README.md`, for a cell with one input current

    J = D + F W^T R        F = ds/dy [S, N], R = dr/ds [S, N], W [N, N] from presynaptic to postsynaptic neuron

where D has a block [S, S] for each neuron and F W^T R the paths through the recurrent weights, a neuron's weight on
itself among them. Both are the engine's own; J is never laid out for one step.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from drtrl_bench.implementations.cells import cells_jax
from drtrl_bench.implementations.engine import adjoint_jax, derivatives_jax, network_jax
from drtrl_bench.paper.measures import networks


def measures(job: dict[str, Any], layer: networks.Layer) -> dict[str, np.ndarray]:
    """Return per step [T, B] and per sample [B] what `compare` computes, of a job's network in float64."""
    cell = networks.layer_cell(job, cells_jax)
    with jax.enable_x64(True):
        computed = compare(cell, {k: jnp.asarray(w) for k, w in layer.weights.items()}, jnp.asarray(layer.currents))
        return {name: np.asarray(value) for name, value in computed.items()}


@partial(jax.jit, static_argnames="cell")
def compare(cell: Any, weights: dict[str, Array], currents: Array) -> dict[str, Array]:
    """Compute cosines and norms of J and D, per step and over all steps, and what the neurons do.

    single, error [T, B]: cos(J, D) and |J - D| / |J| of each step. all, log_J, log_D [B]: the cosine between the
    products over all steps, and the decimal logarithms of their norms. rate [B]: spikes per neuron and step.
    F, R [B, S, N]: of the step in the middle.
    """
    s0 = network_jax.initial_states([cell], [weights], currents.shape[1])[0]
    states, y = network_jax.layer(cell, weights, s0, currents)
    before = network_jax.previous(s0, states)
    residuals = network_jax.Residuals(before, states, y, currents)
    D, F = derivatives_jax.local_jacobians(cell, weights, residuals)
    F, R, W = F[:, :, :, 0], derivatives_jax.output_jacobian(cell, before), weights["r"][:, 0]
    single, error = one_step(D, F, R, W)
    of_samples = (D.swapaxes(0, 1), F.swapaxes(0, 1), R.swapaxes(0, 1))
    every, log_J, log_D = lax.map(lambda one: all_steps(one[0], one[1], one[2], W), of_samples)
    middle = len(currents) // 2
    return {
        "single": single,
        "error": error,
        "all": every,
        "log_J": log_J,
        "log_D": log_D,
        "rate": cell.output(states).mean(axis=(0, 2)),
        "F": F[middle],
        "R": R[middle],
    }


def one_step(D: Array, F: Array, R: Array, W: Array) -> tuple[Array, Array]:
    """Compute cos(J, D) and |J - D| / |J| of each step [T, B]."""
    D_D = (D**2).sum(axis=(2, 3, 4))
    W_W = jnp.einsum("tbn,mn,tbm->tb", (F**2).sum(axis=2), W**2, (R**2).sum(axis=2))
    D_W = jnp.einsum("tbsun,tbsn,tbun,n->tb", D, F, R, jnp.diagonal(W))
    J_J = D_D + 2 * D_W + W_W
    return (D_D + D_W) / jnp.sqrt(D_D * J_J), jnp.sqrt(W_W / J_J)


def all_steps(D: Array, F: Array, R: Array, W: Array) -> tuple[Array, Array, Array]:
    """Compute of one sample the cosine between the products of J and of D over all steps, and log10 of their norms.

    D [T, S, S, N], F and R [T, S, N]. Both products are scaled to norm 1 at every step, since they decay with the leak.
    """
    _, S, _, N = D.shape
    one = jnp.eye(S, dtype=D.dtype)
    P_D = jnp.broadcast_to(one[:, :, None], (S, S, N))
    P_J = jnp.einsum("su,nm->snum", one, jnp.eye(N, dtype=D.dtype))

    def step(carry: tuple[Array, ...], now: tuple[Array, ...]) -> tuple[tuple[Array, ...], None]:
        P_J, P_D, log_J, log_D = carry
        D, F, R = now
        through = jnp.einsum("mn,muk->nuk", W, jnp.einsum("vm,vmuk->muk", R, P_J))
        P_J = jnp.einsum("svn,vnuk->snuk", D, P_J) + F[..., None, None] * through
        P_D = adjoint_jax.neuronwise(D, P_D)
        norm_J, norm_D = jnp.sqrt((P_J**2).sum()), jnp.sqrt((P_D**2).sum())
        return (P_J / norm_J, P_D / norm_D, log_J + jnp.log10(norm_J), log_D + jnp.log10(norm_D)), None

    zero = jnp.zeros((), D.dtype)
    (P_J, P_D, log_J, log_D), _ = lax.scan(step, (P_J, P_D, zero, zero), (D, F, R))
    return jnp.einsum("snun,sun->", P_J, P_D), log_J, log_D
