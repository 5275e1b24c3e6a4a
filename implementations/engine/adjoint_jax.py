"""The adjoint of a layer over a chunk, in JAX: what BPTT, RTRL and D-RTRL have in common.

    D^t = ds^t/ds^{t-1},  F^t = ds^t/dy^t      with y^t, then s^{t-1}, held constant: blocks of one neuron each
    R^t = dr^t/ds^{t-1}                        of what goes back through the recurrent weights
    q^t = row^t F^t                            row^t: what anything later owes to s^t; q^t: what it owes to y^t
    row^{t-1} = row^t D^t + (q^t W_r^T) R^t    the second term leads through weights, and couples the neurons

BPTT pulls back one row, the loss's; RTRL one more for every state; D-RTRL one more per state of a neuron, without the
second term. D, F and R of all K steps are computed in one call; only the pull-back itself is sequential.
The twin is `adjoint_torch.py`. Sizes as in `network_jax.py`; M is a number of rows.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from drtrl_bench.implementations.engine import network_jax as network
from drtrl_bench.implementations.engine.network_jax import PerWeight


def intrinsic(cell: Any, w: PerWeight, s_prev: Array, y: Array) -> tuple[Array, Array]:
    """D [K, B, S, S', N] and F [K, B, S, G, N] of a chunk: one pull-back per state, all steps at once."""
    s, pull = jax.vjp(cell.dynamics, s_prev, y)
    units = jnp.eye(cell.S, dtype=s.dtype)[:, None, None, :, None]
    D, F = jax.vmap(lambda unit: pull(jnp.broadcast_to(unit, s.shape)), out_axes=2)(units)
    return D, F


def emission(cell: Any, s_prev: Array) -> Array:
    """R [K, B, S, N] of a chunk."""
    r, pull = jax.vjp(cell.emit, s_prev)
    return pull(jnp.ones_like(r))[0]


def learning_signals(cell: Any, s: Array, signals: Array) -> Array:
    """dL^t/ds^t [K, B, M, S, N] of M rows of dL^t/do^t [K, B, M, N]."""
    pull = jax.vjp(cell.output, s)[1]
    return jax.vmap(lambda signal: pull(signal)[0], in_axes=2, out_axes=2)(signals)


def times(rows: Array, blocks: Array) -> Array:
    """sum_s rows[..., i, s, N] blocks[..., s, j, N]: a product of each neuron's own small matrices."""
    terms = [rows[..., s, None, :] * blocks[..., None, s, :, :] for s in range(blocks.shape[-3])]
    return sum(terms[1:], terms[0])


def pull_back(
    rows: Array, l: Array, D: Array, F: Array, recurrent: tuple[Array, Array, slice] | None = None
) -> tuple[Array, Array]:
    """Rows [B, M, S, N] of s^K, pulled back to the chunk's start; the first m meet l^t of l [K, B, m, S, N] on the way.

    recurrent: W_r, R and the drives that W_r feeds; without, paths through weights are cut. Returns q [K, B, M, G, N]
    and the rows of s^0 [B, M, S, N].
    """
    if recurrent is None and not network.on_cpu():
        return pulled_at_once(rows, l, D, F)
    m = l.shape[2]

    def back(row: Array, now: tuple[Array, ...]) -> tuple[Array, Array]:
        l, D, F, *R = now
        row = row.at[:, :m].add(l)
        q = times(row, F)
        row = times(row, D)
        if recurrent is not None:
            by_r = jnp.einsum("bmgn,jgn->bmj", q[:, :, recurrent[2]], recurrent[0])
            row = row + by_r[:, :, None] * R[0][:, None]
        return row, q

    now = (l, D, F) if recurrent is None else (l, D, F, recurrent[1])
    entry, q = lax.scan(back, rows, now, reverse=True, unroll=network.UNROLL)
    return q, entry


def pulled_at_once(rows: Array, l: Array, D: Array, F: Array) -> tuple[Array, Array]:
    """What `pull_back` finds with paths through weights cut, in about log2 K passes in place of K small launches."""
    m = l.shape[2]

    def joined(later: tuple[Array, Array], earlier: tuple[Array, Array]) -> tuple[Array, Array]:
        return times(later[0], earlier[0]), times(later[1], earlier[0]) + earlier[1]

    P, c = lax.associative_scan(joined, (D, times(l, D)), reverse=True)
    before = times(rows, P).at[:, :, :m].add(c)  # rows of s^0 ... s^{K-1}
    after = jnp.concatenate([before[1:], rows[None]])
    return times(after.at[:, :, :m].add(l), F), before[0]


def weight_gradient(z: Array, q: Array) -> Array:
    """sum_{t,b} z (x) q [J, G, N], of z [K, B, J] and q [K, B, G, N] in one GEMM.

    XLA copies the left operand of such a product to transpose it, so the narrower stands on the left.
    """
    if z.shape[-1] <= q.shape[-2] * q.shape[-1]:
        return jnp.einsum("tbj,tbgn->jgn", z, q)
    return jnp.moveaxis(lax.optimization_barrier(jnp.einsum("tbgn,tbj->gnj", q, z)), -1, 0)


def through_weights(cell: Any, w: PerWeight, s_prev: Array) -> tuple[Array, Array, slice] | None:
    """The `recurrent` of `pull_back`, if the cell has recurrent weights."""
    return (w["r"], emission(cell, s_prev), cell.reads["r"]) if "r" in w else None


def send_down(cell: Any, w: PerWeight, q: Array) -> Array:
    """dL^t/do^t [K, B, M, J] of the layer below, of rows q [K, B, M, G, N]: through the weights of the same step."""
    return jnp.einsum("tbmgn,jgn->tbmj", q[..., cell.reads["x"], :], w["x"])
