"""Compares D-RTRL's eligibility trace with an outer product, step by step, in JAX.

With x_r the input of the matrix product at step r (inputs and recurrent outputs), f_{r->t} = D^t ... D^{r+1} D_f^r and
a state k of the neurons, the trace is eps_k = sum_{r<=t} x_r (x) f_{r->t,k}, and the outer product is
mean_{r<=t} x_r (x) sum_{r<=t} f_{r->t,k}. Neither is laid out: their products and norms follow from
x_r . x_q and f_r . f_q, so that a step takes the time of T^2 N and not of the T I N of the weights.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from drtrl_bench.implementations.cells import cells_jax
from drtrl_bench.implementations.engine import derivatives_jax, network_jax
from drtrl_bench.paper.measures import networks


def measures(job: dict[str, Any], layer: networks.Layer) -> dict[str, np.ndarray]:
    """Return the cosines [B, T, S] and the spikes per neuron and step [B] of a job's network, in float64."""
    cell = networks.layer_cell(job, cells_jax)
    with jax.enable_x64(True):
        weights = {k: jnp.asarray(w) for k, w in layer.weights.items()}
        computed = compare(cell, weights, jnp.asarray(layer.currents), jnp.asarray(layer.products))
        return {name: np.asarray(value) for name, value in computed.items()}


@partial(jax.jit, static_argnames="cell")
def compare(cell: Any, weights: dict[str, Array], currents: Array, products: Array) -> dict[str, Array]:
    """Compute the cosine of every sample, step and state, and how often the neurons spike.

    currents [T, B, N]: what the inputs feed. products [B, T, T]: x_t . x_q of the inputs alone.
    """
    s0 = network_jax.initial_states([cell], [weights], currents.shape[1])[0]
    states, y = network_jax.layer(cell, weights, s0, currents)
    before = network_jax.previous(s0, states)
    residuals = network_jax.Residuals(before, states, y, currents)
    D, F = derivatives_jax.local_jacobians(cell, weights, residuals)
    recurrent = cell.emit(before)
    every = products + jnp.einsum("tbn,qbn->btq", recurrent, recurrent)
    return {
        "cosine": jax.vmap(cosines, in_axes=(1, 1, 0))(D, F[:, :, :, 0], every),
        "rate": cell.output(states).mean(axis=(0, 2)),
    }


def cosines(D: Array, F: Array, products: Array) -> Array:
    """Compute the cosines [T, S] of one sample; nan where the trace or the outer product is 0.

    D [T, S, S, N], F [T, S, N], products [T, T]: x_t . x_q of all that goes into the matrix product.
    """
    T, S, N = F.shape

    def step(f: Array, now: tuple[Array, ...]) -> tuple[Array, Array]:
        D, F, t = now
        f = jnp.einsum("sun,run->rsn", D, f).at[t].set(F)
        of_f = jnp.einsum("rsn,qsn->srq", f, f)
        so_far = (jnp.arange(T) <= t).astype(f.dtype)
        to_mean = products @ so_far / (t + 1)  # x_r . mean x
        exact = (of_f * products).sum(axis=(1, 2))
        both = of_f.sum(axis=2) @ to_mean
        outer = of_f.sum(axis=(1, 2)) * (so_far @ to_mean / (t + 1))
        return f, both / jnp.sqrt(exact * outer)

    return lax.scan(step, jnp.zeros((T, S, N), F.dtype), (D, F, jnp.arange(T)))[1]
