"""Compute with weights of low rank in JAX, added to fixed ones: W = W0 + U V, of which U and V are trained.

U [J, rank] and V [rank, N] are the factors of LoRA (Hu et al. 2021, arXiv 2106.09685). They are stored as one array
[J + N, rank], U above V^T. W0 has the synapses of a pattern, or is dense, or is left out. With G = dL/dW,

    dL/dU = G V^T = sum_t z^t (x) V dy^t           dL/dV = U^T G = sum_t U^T z^t (x) dy^t

so that BPTT and, with eps_x and q for z and dy, ES-D-RTRL need no array [J, N]. D-RTRL does:

    dL/dU = (lam^0 eps^0) V^T + ...,   dL/dV = U^T (lam^0 eps^0) + ...,   eps [B, J, S, 1, N], as of dense weights

Low rank does not make D-RTRL's trace smaller. A weight of U acts on all N neurons, each of which filters it by its own
D, and how they add up is decided by lam^0, which is later: dL/dU_jk = sum_i lam_i^0 eps_ji^0 V_ki is known for every
lam^0 only if every eps_ji is (where column i of V is not 0). After J steps these are J N independent numbers for each
state. Exact and smaller is only the history of z, D and D_f itself, while T (J + N) < J N. V alone needs less:
U^T eps [B, S, rank, N] is its trace, with presynaptic activity U^T z.
The twin is `low_rank_torch.py`. Symbols: `implementations/README.md`.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from drtrl_bench.implementations.engine import trace_jax as trace
from drtrl_bench.implementations.sparse.synapses_jax import Synapses


def pack(U: Array, V: Array) -> Array:
    """Put U [J, rank] and V [rank, N] into one array [J + N, rank]."""
    return jnp.concatenate([U, V.T])


@partial(jax.tree_util.register_dataclass, data_fields=["synapses", "W0"], meta_fields=["J", "N"])
@dataclass(frozen=True)
class LowRank:
    """Hold the fixed part of weights; the factors [J + N, rank] are the weights that are trained."""

    J: int
    N: int
    synapses: Synapses | None
    """Of W0; None if it is dense or left out."""
    W0: Array | None
    """[R, width] in the slots of the synapses, or [J, N]."""

    def factors(self, w: Array) -> tuple[Array, Array]:
        """Return U [J, rank] and V [rank, N]."""
        return w[: self.J], w[self.J :].T

    def effective(self, w: Array) -> Array:
        """Return the weights that products read: the factors."""
        return w

    def to_stored(self, gradient: Array) -> Array:
        """Return the gradient of the factors."""
        return gradient

    def currents(self, W: Array, z: Array) -> Array:
        """Compute the currents [M, N] of presynaptic activity z [M, J] of some samples."""
        U, V = self.factors(W)
        if self.synapses is not None and self.W0 is not None:
            return z @ U @ V + self.synapses.currents(self.W0, z)
        return z @ U @ V if self.W0 is None else z @ U @ V + z @ self.W0

    def currents_of_steps(self, W: Array, z: Array) -> Array:
        """Compute the currents [K, B, N] of the presynaptic activity z [K, B, J] of K steps."""
        U, V = self.factors(W)
        if self.synapses is not None and self.W0 is not None:
            return z @ U @ V + self.synapses.currents_of_steps(self.W0, z)
        return z @ U @ V if self.W0 is None else z @ U @ V + z @ self.W0

    def feedback(self, W: Array, dy: Array) -> Array:
        """Feed dX/dy [M, N] of M adjoints back through the weights: dX/dz [M, J]."""
        U, V = self.factors(W)
        if self.synapses is not None and self.W0 is not None:
            return dy @ V.T @ U.T + self.synapses.feedback(self.W0, dy)
        return dy @ V.T @ U.T if self.W0 is None else dy @ V.T @ U.T + dy @ self.W0.T

    def gradient(self, W: Array, z: Array, dy: Array) -> Array:
        """Sum the gradient of the factors over steps and samples: z [K, B, J], dy [K, B, N] -> [J + N, rank]."""
        U, V = self.factors(W)
        dL_dU = jnp.einsum("tbj,tbk->jk", z, dy @ V.T)
        return pack(dL_dU, jnp.einsum("tbk,tbn->kn", z @ U, dy))

    def zero_trace(self, batch: int, cell: Any, w: Array) -> trace.Trace:
        """Return the zero trace of W [J, N], as of dense weights: tiles of eps [B, J, S, 1, N]."""
        return trace.zeros(batch, cell, jnp.zeros((self.J, 1, self.N), w.dtype))

    def trace_step(
        self, W: Array, eps: trace.Trace, lam: Array, P: Array, z: Array, dy: Array, last: bool
    ) -> tuple[Array, trace.Trace]:
        """Return the gradient [J + N, rank], and the trace after the chunk unless that is the last.

        lam [B, S, N], P [B, S, S', N], z [K, B, J], dy [K, B, Q, N]: the loss's, then the states'.
        """
        U, V = self.factors(W)
        earlier = trace.contract(lam, eps)[:, 0]
        total = self.gradient(W, z, dy[:, :, 0]) + pack(earlier @ V.T, U.T @ earlier)
        return total, eps if last else trace.update(eps, P, z, dy[:, :, 1:, None])


def low_rank(J: int, N: int, W0: Array | None = None, synapses: Synapses | None = None) -> LowRank:
    """Return the connections of weights W0 + U V, of which W0 is fixed.

    W0: with synapses in their slots, [R, width], otherwise dense, [J, N], or left out. Raises ValueError for another
    shape, or synapses of other neurons or without W0.
    """
    shape = (J, N) if synapses is None else synapses.post.shape
    if synapses is not None and (synapses.J, synapses.N) != (J, N):
        raise ValueError(f"the synapses are from {synapses.J} to {synapses.N} neurons: take J and N of their pattern")
    if (W0 is None and synapses is not None) or (W0 is not None and W0.shape != shape):
        found = "left out" if W0 is None else list(W0.shape)
        raise ValueError(f"W0 is {found} where {list(shape)} is needed: pack the values of synapses by their pattern")
    return LowRank(J, N, synapses, W0)
