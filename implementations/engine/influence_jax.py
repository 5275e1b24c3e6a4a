"""Store and update RTRL's influence of a weight in JAX: M = ds/dW [B, n, G, N, J].

s are the n states of the weight's layer and of all layers above.

    contract    lam M                                     the gradient by the paths from earlier chunks
    update      P M + sum_t z^t (x) ds^K/dy^t             the influence after K more steps

M is stored in tiles of a few neurons, so that its update needs one tile of scratch and not a second influence
(`xla_jax.tiles`). The twin is `influence_torch.py`.
"""

import jax.numpy as jnp
from jax import Array, lax

from drtrl_bench.implementations.engine import xla_jax as xla

Influence = list[Array]
"""Tiles [B, n, G, N', J] of a few neurons each."""


def zeros(batch: int, n: int, w: Array) -> Influence:
    """Return the zero influence of one kind of weight w [J, Gk, N] on n states."""
    J, G, N = w.shape
    sizes = xla.tiles(N, batch * n * G * J * w.dtype.itemsize)
    return [jnp.zeros((batch, n, G, size, J), w.dtype) for size in sizes]


def contract(lam: Array, M: Influence) -> Array:
    """Multiply the loss's adjoint with the influence: sum_{b,m} lam[b, m] M[b, m, g, n, j], as [J, G, N]."""
    tiles = [(lam.reshape(-1) @ tile.reshape(lam.size, -1)).reshape(tile.shape[2:]) for tile in M]
    return jnp.moveaxis(jnp.concatenate(tiles, axis=1), -1, 0)


def update(M: Influence, P: Array, z: Array, dy: Array) -> Influence:
    """Return the influence after K more steps: P [B, n, n'], z [K, B, J], dy = ds^K/dy [K, B, n, G, N]."""
    updated, start, zero = [], 0, 0
    padded = jnp.concatenate([P, P[:1]])  # XLA would fold a slice that is all of P into P, and drop the ordering
    for tile in M:
        dy_n = lax.dynamic_slice_in_dim(dy, start + zero, tile.shape[3], axis=-1)
        P_n = lax.dynamic_slice_in_dim(padded, zero, len(P))
        added = jnp.einsum("tbign,tbj->bignj", dy_n, z)
        updated.append(jnp.einsum("bim,bmgnj->bignj", P_n, tile) + added)
        start, zero = start + tile.shape[3], xla.later_than(updated[-1])
    return updated
