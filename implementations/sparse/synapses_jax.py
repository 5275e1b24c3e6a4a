"""Compute with the synapses of a pattern in JAX.

    currents      y_i = sum_j z_j W_ji                 forward
    feedback      dX/dz_j = sum_i W_ji dX/dy_i         the only product that always reads every synapse
    add_outer     total_ji += sum_t z_j^t dy_i^t       the product z (x) dy, at the synapses alone

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


def synapses(pattern: Pattern) -> Synapses:
    """Return a pattern as arrays."""
    first = jnp.asarray(pattern.first, jnp.int32)
    pre, post = jnp.asarray(pattern.pre), jnp.asarray(pattern.post)
    return Synapses(pattern.N, pattern.whole, first[:-1], jnp.diff(first), pre, post)


def over_active_rows(synapses: Synapses, z: Array, add: Callable[[Any, Array, Array, Array], Any], total: Any) -> Any:
    """Fold `add(total, rows [BLOCK], post [BLOCK, width], emitted [BLOCK, 1])` over the rows of the neurons that emit.

    z [J] is what they emit. The last block is filled up with row R, which does not exist.
    """
    n = jnp.where(z != 0, synapses.rows, 0)
    end = jnp.cumsum(n)
    R = len(synapses.pre)
    size = min(BLOCK, R)

    def block(state: tuple[Array, Any]) -> tuple[Array, Any]:
        start, total = state
        nth = start + jnp.arange(size)
        neuron = jnp.searchsorted(end, nth, side="right")
        rows = jnp.where(nth < end[-1], (synapses.first + n - end)[neuron] + nth, R)
        post = synapses.post.at[rows].get(mode="fill", fill_value=synapses.N)
        return start + size, add(total, rows, post, z[neuron][:, None])

    return lax.while_loop(lambda state: state[0] < end[-1], block, (jnp.zeros((), end.dtype), total))[1]


def currents(synapses: Synapses, W: Array, z: Array) -> Array:
    """Compute the currents [M, N] of presynaptic activity z [M, J] of some samples or steps."""
    if synapses.whole:
        emitted = z.T[synapses.pre][:, None]  # [R, 1, M]
        return jnp.zeros((synapses.N + 1, len(z)), z.dtype).at[synapses.post].add(W[:, :, None] * emitted)[:-1].T

    def add(y: Array, rows: Array, post: Array, emitted: Array) -> Array:
        return y.at[post].add(W.at[rows].get(mode="fill", fill_value=0) * emitted)

    zero = jnp.zeros(synapses.N + 1, z.dtype)
    return jnp.stack([over_active_rows(synapses, z_m, add, zero)[:-1] for z_m in z])


def currents_of_steps(synapses: Synapses, W: Array, z: Array) -> Array:
    """Compute the currents [K, B, N] of the presynaptic activity z [K, B, J] of K steps."""
    if not synapses.whole:
        return lax.map(partial(currents, synapses, W), z)
    return currents(synapses, W, z.reshape(-1, z.shape[-1])).reshape(*z.shape[:2], -1)


def feedback(synapses: Synapses, W: Array, dy: Array) -> Array:
    """Feed dX/dy [M, N] of M adjoints back through the weights: dX/dz [M, J]."""
    dy = jnp.pad(dy, ((0, 0), (0, 1))).T
    by_row = sum(W[:, i, None] * dy[synapses.post[:, i]] for i in range(W.shape[1]))
    return jax.ops.segment_sum(by_row, synapses.pre, len(synapses.first), indices_are_sorted=True).T


def at_post(synapses: Synapses, dy: Array) -> Array:
    """Read a postsynaptic factor dy [N] at every slot: [R, width]."""
    return jnp.pad(dy, (0, 1))[synapses.post]


def add_outer(synapses: Synapses, totals: Sequence[Array], z: Array, dy: Sequence[Array]) -> list[Array]:
    """Add the outer products of K steps of one sample to each of the totals [R, width]: z [K, J], each dy [K, N]."""
    padded = [jnp.pad(each, ((0, 0), (0, 1))) for each in dy]

    def step(totals: list[Array], now: tuple[Array, list[Array]]) -> tuple[list[Array], None]:
        z_t, dy_t = now
        if synapses.whole:
            emitted = z_t[synapses.pre][:, None]
            return [total + each[synapses.post] * emitted for total, each in zip(totals, dy_t, strict=True)], None

        def add(totals: list[Array], rows: Array, post: Array, emitted: Array) -> list[Array]:
            return [
                total.at[rows].add(each[post] * emitted, mode="drop", unique_indices=True, indices_are_sorted=True)
                for total, each in zip(totals, dy_t, strict=True)
            ]

        return over_active_rows(synapses, z_t, add, totals), None

    return lax.scan(step, list(totals), (z, padded))[0]
