"""Compute with the synapses of a pattern in JAX.

    currents      y_i = sum_j z_j W_ji                 forward
    feedback      dX/dz_j = sum_i W_ji dX/dy_i         the only product that always reads every synapse
    gradient      sum_t z_j^t dy_i^t                   the product z (x) dy, at the synapses alone
    trace_step    lam_i eps_ji + sum_t z_j^t dy_i^t    D-RTRL: the gradient with a trace, and the trace's update

In a large network a presynaptic neuron that emits 0 costs nothing. XLA's shapes are fixed and the number of spikes is
not: the rows of the neurons that spiked are read in a loop, BLOCK of them at a time, which ends when all are read. Of a
small pattern every synapse is read, since the loop would take longer: see `Pattern.whole`.
Weights, gradients and traces have the shape of the pattern's slots, [R, width]: see `pattern.py`. The twin is
`synapses_torch.py`. Symbols: `implementations/README.md`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from drtrl_bench.implementations.sparse.pattern import Pattern

BLOCK = 2048
Trace = list[list[Array]]
"""eps [R, width] of each sample and state: arrays of their own, so that each is updated in place."""


@partial(jax.tree_util.register_dataclass, data_fields=["first", "rows", "pre", "post"], meta_fields=["N", "whole"])
@dataclass(frozen=True)
class Synapses:
    """Hold a pattern as arrays; an argument of compiled functions, as it is as large as the weights."""

    N: int
    whole: bool
    """Whether a product reads every synapse: `Pattern.whole`."""
    first: Array
    """The first row of each presynaptic neuron [J]."""
    rows: Array
    """The number of rows of each presynaptic neuron [J]."""
    pre: Array
    """The presynaptic neuron of each row [R]."""
    post: Array
    """The postsynaptic neuron of each slot [R, width]; N where there is no synapse."""

    @property
    def J(self) -> int:
        """Return the number of presynaptic neurons."""
        return len(self.first)

    def effective(self, w: Array) -> Array:
        """Return the weights that products read: those that are stored."""
        return w

    def to_stored(self, gradient: Array) -> Array:
        """Return the gradient of the stored weights, which are the effective ones."""
        return gradient

    def over_active_rows(self, z: Array, add: Callable[[Any, Array, Array, Array], Any], total: Any) -> Any:
        """Fold `add(total, rows [BLOCK], post [BLOCK, width], emitted [BLOCK, 1])` over the rows that are read.

        These are the rows of the neurons that emit something, z [J]. The last block is filled up with row R, which does
        not exist.
        """
        n = jnp.where(z != 0, self.rows, 0)
        end = jnp.cumsum(n)
        R = len(self.pre)
        size = min(BLOCK, R)

        def block(state: tuple[Array, Any]) -> tuple[Array, Any]:
            start, total = state
            nth = start + jnp.arange(size)
            neuron = jnp.searchsorted(end, nth, side="right")
            rows = jnp.where(nth < end[-1], (self.first + n - end)[neuron] + nth, R)
            post = self.post.at[rows].get(mode="fill", fill_value=self.N)
            return start + size, add(total, rows, post, z[neuron][:, None])

        return lax.while_loop(lambda state: state[0] < end[-1], block, (jnp.zeros((), end.dtype), total))[1]

    def currents(self, W: Array, z: Array) -> Array:
        """Compute the currents [M, N] of presynaptic activity z [M, J] of some samples or steps."""
        if self.whole:
            emitted = z.T[self.pre][:, None]  # [R, 1, M]
            return jnp.zeros((self.N + 1, len(z)), z.dtype).at[self.post].add(W[:, :, None] * emitted)[:-1].T

        def add(y: Array, rows: Array, post: Array, emitted: Array) -> Array:
            return y.at[post].add(W.at[rows].get(mode="fill", fill_value=0) * emitted)

        zero = jnp.zeros(self.N + 1, z.dtype)
        return jnp.stack([self.over_active_rows(z_m, add, zero)[:-1] for z_m in z])

    def currents_of_steps(self, W: Array, z: Array) -> Array:
        """Compute the currents [K, B, N] of the presynaptic activity z [K, B, J] of K steps."""
        if not self.whole:
            return lax.map(partial(self.currents, W), z)
        return self.currents(W, z.reshape(-1, z.shape[-1])).reshape(*z.shape[:2], -1)

    def feedback(self, W: Array, dy: Array) -> Array:
        """Feed dX/dy [M, N] of M adjoints back through the weights: dX/dz [M, J]."""
        dy = jnp.pad(dy, ((0, 0), (0, 1))).T
        by_row = sum(W[:, i, None] * dy[self.post[:, i]] for i in range(W.shape[1]))
        return jax.ops.segment_sum(by_row, self.pre, len(self.first), indices_are_sorted=True).T

    def at_post(self, dy: Array) -> Array:
        """Read a postsynaptic factor dy [N] at every slot: [R, width]."""
        return jnp.pad(dy, (0, 1))[self.post]

    def add_outer(self, totals: Sequence[Array], z: Array, dy: Sequence[Array]) -> list[Array]:
        """Add outer products of K steps of one sample to each of the totals [R, width]: z [K, J], each dy [K, N]."""
        padded = [jnp.pad(each, ((0, 0), (0, 1))) for each in dy]

        def step(totals: list[Array], now: tuple[Array, list[Array]]) -> tuple[list[Array], None]:
            z_t, dy_t = now
            if self.whole:
                emitted = z_t[self.pre][:, None]
                return [total + each[self.post] * emitted for total, each in zip(totals, dy_t, strict=True)], None

            def add(totals: list[Array], rows: Array, post: Array, emitted: Array) -> list[Array]:
                return [
                    total.at[rows].add(each[post] * emitted, mode="drop", unique_indices=True, indices_are_sorted=True)
                    for total, each in zip(totals, dy_t, strict=True)
                ]

            return self.over_active_rows(z_t, add, totals), None

        return lax.scan(step, list(totals), (z, padded))[0]

    def gradient(self, W: Array, z: Array, dy: Array) -> Array:
        """Sum z^t (x) dy^t over steps and samples: z [K, B, J], dy [K, B, N] -> [R, width]."""
        total = jnp.zeros_like(W)
        for b in range(dy.shape[1]):
            (total,) = self.add_outer([total], z[:, b], [dy[:, b]])
        return total

    def zero_trace(self, batch: int, cell: Any, w: Array) -> Trace:
        """Return the zero trace of the stored weights: eps [R, width] of each sample and state."""
        return [[jnp.zeros(self.post.shape, w.dtype) for _ in range(cell.S)] for _ in range(batch)]

    def trace_step(
        self, W: Array, eps: Trace, lam: Array, P: Array, z: Array, dy: Array, last: bool
    ) -> tuple[Array, Trace]:
        """Return the gradient [R, width], and the trace after the chunk unless that is the last.

        lam [B, S, N], P [B, S, S', N], z [K, B, J], dy [K, B, Q, N]: the loss's, then the states'.
        """
        total, updated = jnp.zeros_like(eps[0][0]), []
        for b, eps_b in enumerate(eps):
            for s, eps_s in enumerate(eps_b):
                total = total + self.at_post(lam[b, s]) * eps_s
            totals = [total]
            if not last:
                states = range(len(eps_b))
                zero = jnp.zeros_like(total)
                totals += [sum((self.at_post(P[b, s, u]) * eps_b[u] for u in states), zero) for s in states]
            dy_b = [dy[:, b, q] for q in range(len(totals))]
            total, *eps_b = self.add_outer(totals, z[:, b], dy_b)
            updated.append(eps_b)
        return total, updated


def synapses(pattern: Pattern) -> Synapses:
    """Return a pattern as arrays."""
    first = jnp.asarray(pattern.first, jnp.int32)
    pre, post = jnp.asarray(pattern.pre), jnp.asarray(pattern.post)
    return Synapses(pattern.N, pattern.whole, first[:-1], jnp.diff(first), pre, post)
