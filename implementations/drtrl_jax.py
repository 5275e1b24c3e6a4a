"""D-RTRL: RTRL with every path through a weight cut, in JAX. The same gradient at every chunk length.

    textbook (K = 1)    e^t = D^t e^{t-1} + F^t (x) z^t                    grad += sum_s l^t e^t
    chunked             e'  = P^0 e + sum_t p^t (x) z^t                    grad += sum_t z^t (x) q^t + c e

    P^K = 1,  P^{t-1} = P^t D^t,  p^t = P^t F^t                            what s^K owes to s^0 and to y^t
    lam^t = l^t + lam^{t+1} D^{t+1},  c = lam^1 D^1,  q^t = lam^t F^t      what the loss owes to them

Carried across a chunk boundary: the states and the trace e[B, J, S, G, N] of every weight on its own neuron.
D = ds^t/ds^{t-1} and F = ds^t/dy^t are blocks of one neuron each, so S rows per neuron take the place of RTRL's n
unit cotangents, and all of a chunk's are computed in one call. The learning signal l^t = dL^t/ds^t comes down
the layers through the weights of the same step only. With `last`, nobody reads e afterwards and it is not moved.
Source: Wang et al. 2026 (Nat. Commun. 17:1745), D-RTRL.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from implementations.network_jax import (
    Params,
    PerWeight,
    States,
    initial_states,
    presynaptic,
    readout_loss,
    run,
)

Carry = tuple[States, list[PerWeight]]
Own = Callable[[Any, PerWeight, Array, Array], tuple[Array, Array]]
SendDown = Callable[[int, Array, Any, PerWeight, Array, Array], Array]
"""What its relatives replace: the paths D holds, and the way of the learning signal to the layer below."""


def intrinsic(cell: Any, w: PerWeight, s_prev: Array, y: Array) -> tuple[Array, Array]:
    """D [K, B, S, S', N] and F [K, B, S, G, N] of a chunk: one pull-back per state, all steps at once."""
    s, pull = jax.vjp(cell.dynamics, s_prev, y)
    units = jnp.eye(cell.S, dtype=s.dtype)[:, None, None, :, None]
    D, F = jax.vmap(lambda unit: pull(jnp.broadcast_to(unit, s.shape)), out_axes=2)(units)
    return D, F


def times(rows: Array, blocks: Array) -> Array:
    """sum_s rows[..., i, s, N] blocks[..., s, j, N]: a product of each neuron's own small matrices."""
    terms = [rows[..., s, None, :] * blocks[..., None, s, :, :] for s in range(blocks.shape[-3])]
    return sum(terms[1:], terms[0])


def pull_back(l: Array, D: Array, last: bool) -> tuple[Array, Array]:
    """lam^t over P^t as rows [K, B, 1 + S, S', N], and c over P^0 [B, 1 + S, S', N]; with `last`, without the P."""

    def back(row: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        l, D = now
        row = row.at[:, 0].add(l)
        return times(row, D), row

    _, B, S, N = l.shape
    unit = jnp.eye(1 if last else 1 + S, S, -1, l.dtype)[:, :, None]
    entry, rows = lax.scan(back, jnp.broadcast_to(unit, (B, *unit.shape[:2], N)), (l, D), reverse=True)
    return rows, entry


def read_out(c: Array, e: Array) -> Array:
    """sum_{b,s} c[b, s, n] e[b, j, s, g, n]. Sample by sample: as one einsum, XLA copies e to transpose it."""

    def add(total: Array, sample: tuple[Array, Array]) -> tuple[Array, None]:
        c, e = sample
        return total + times(c[None, None], e)[:, 0], None

    return lax.scan(add, jnp.zeros_like(e[0, :, 0]), (c, e))[0]


def move(e: Array, P0: Array, z: Array, p: Array) -> Array:
    """The trace a chunk later: P^0 e + sum_t p^t (x) z^t."""
    return times(P0[:, None], e) + jnp.einsum("tbj,tbsgn->bjsgn", z, p)


def same_step(below: int, error: Array, cell: Any, w: PerWeight, l: Array, F: Array) -> Array:
    """dL^t/do^t [K, B, J] of the layer below: l^t through the input weights of the same step."""
    return jnp.einsum("tbgn,jgn->tbj", times(l[:, :, None], F)[:, :, 0, cell.reads["x"]], w["x"])


def init(net: Any, params: Params, batch: int) -> Carry:
    """States at rest; zero trace e [B, J, S, G, N] per weight."""
    states, traces = initial_states(net, params, batch), []
    for cell, w in zip(net, params, strict=True):
        traces.append({k: jnp.zeros((batch, v.shape[0], cell.S, *v.shape[1:]), v.dtype) for k, v in w.items()})
    return states, traces


def advance(
    net: Any,
    params: Params,
    carry: Carry,
    inputs: Array,
    targets: Array,
    *,
    last: bool = False,
    own: Own = intrinsic,
    send_down: SendDown = same_step,
) -> tuple[Carry, Array, Params]:
    """K steps: inputs [K, B, I], targets [K, B] -> states and traces, loss of the chunk, its gradient."""
    states, traces = carry
    tapes, ends, logits = run(net, params, states, inputs)
    loss, error = jax.value_and_grad(readout_loss)(logits, targets)

    signal, grads, moved = error, [], []  # signal is dL^t/do^t [K, B, N] of one layer
    for layer in reversed(range(len(net))):
        cell, w, tape = net[layer], params[layer], tapes[layer]
        D, F = own(cell, w, tape.previous, tape.drives)
        (l,) = jax.vjp(cell.output, tape.states)[1](signal)
        rows, entry = pull_back(l, D, last)
        c, P0 = entry[:, 0], entry[:, 1:]
        qp = times(rows, F)
        q, p = qp[:, :, 0], qp[:, :, 1:]
        z = presynaptic(cell, tape.previous, tape.inputs)
        grads.insert(0, {})
        for k, e in traces[layer].items():
            direct = jnp.einsum("tbj,tbgn->jgn", z[k], q[..., cell.reads[k], :])
            grads[0][k] = direct + read_out(c, e)
        if not last:
            moved.insert(0, {k: move(e, P0, z[k], p[..., cell.reads[k], :]) for k, e in traces[layer].items()})
        if layer > 0:
            signal = send_down(layer - 1, error, cell, w, l, F)
    return (ends, moved), loss, grads
