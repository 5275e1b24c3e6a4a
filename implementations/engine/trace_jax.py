"""Store and update the eligibility trace of a weight in JAX: eps [B, J, S, Gk, N], D-RTRL's ds/dW.

    contract    lam eps                                   the gradient by the paths from earlier chunks
    update      P eps + sum_t z^t (x) ds^K/dy^t           the trace after K more steps

s are the S states of the weight's neuron. A trace is B S times as large as its weight, and is what D-RTRL costs: it is
stored in tiles of a few samples, so that its update needs one tile of scratch and not a second trace
(`xla_jax.tiles`). The twin is `trace_torch.py`.
"""

from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from drtrl_bench.implementations.engine import xla_jax as xla
from drtrl_bench.implementations.engine.adjoint_jax import neuronwise

SHORT = 32
"""Steps of a chunk up to which one product for all samples is faster than one for each sample."""
Trace = list[Array]
"""Tiles [b, J, S, G, N] of a few samples each."""


def zeros(batch: int, cell: Any, w: Array, dtype: str = "same") -> Trace:
    """Return the zero trace of one kind of weight w [J, Gk, N], stored as the weight or in another dtype."""
    shape, stored = (w.shape[0], cell.S, *w.shape[1:]), w.dtype if dtype == "same" else dtype
    return [jnp.zeros((size, *shape), stored) for size in xla.tiles(batch, w.nbytes * cell.S)]


def contract(lam: Array, eps: Trace) -> Array:
    """Multiply the loss's adjoint with the trace: sum_{b,s} lam[b, s, n] eps[b, j, s, g, n].

    Sample by sample: as one einsum, XLA copies the trace to transpose it.
    """
    samples = zip(lam, (eps_b for tile in eps for eps_b in tile), strict=True)
    return sum((neuronwise(lam_b[None, None], eps_b)[:, 0] for lam_b, eps_b in samples), jnp.zeros((), lam.dtype))


def update(eps: Trace, P: Array, z: Array, dy: Array) -> Trace:
    """Return the trace after K more steps: P [B, S, S', N], z [K, B, J], dy = ds^K/dy [K, B, S, G, N]."""
    updated, start = [], 0
    for tile in eps:
        P_b, z_b, dy_b = (lax.dynamic_slice_in_dim(a, start, len(tile), i) for a, i in ((P, 0), (z, 1), (dy, 1)))
        later = neuronwise(P_b[:, None], tile) + outer(z_b, dy_b)
        updated.append(later.astype(tile.dtype))
        start += len(tile) + xla.later_than(updated[-1])
    return updated


def outer(z: Array, dy: Array) -> Array:
    """Sum outer products over the steps: z [K, b, J] and dy [K, b, S, G, N] -> [b, J, S, G, N].

    On a CPU a sum over many steps is computed sample by sample, since XLA's plain product is faster than its batched
    one. A sum over few steps is not: it takes less time than to put the samples' products together.
    """
    if len(z) <= SHORT or not xla.on_cpu():
        return jnp.einsum("tbj,tbsgn->bjsgn", z, dy)
    return jnp.stack([jnp.tensordot(z[:, b], dy[:, b], (0, 0)) for b in range(z.shape[1])])
