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
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from implementations.adjoint_jax import intrinsic, learning_signals, pull_back, send_down, times, weight_gradient
from implementations.network_jax import (
    Params,
    PerWeight,
    States,
    Tape,
    initial_states,
    later_than,
    presynaptic,
    readout_loss,
    run,
    tiles,
)

Trace = list[Array]
"""A trace e [B, J, S, G, N] in tiles of a few samples, so that no second copy of it is made when it moves."""
Carry = tuple[States, list[dict[str, Trace]]]
Own = Callable[[Any, PerWeight, Array, Array], tuple[Array, Array]]
SendDown = Callable[[int, Array, Any, PerWeight, Array], Array]
"""What its relatives replace: the paths D holds, and the way of the learning signal to the layer below."""


class Owed(NamedTuple):
    """All of a chunk that one layer's gradient and traces need, but the traces themselves."""

    direct: PerWeight
    """sum_t z^t (x) q^t [J, G, N] of each kind of weight."""
    c: Array
    """[B, S, N]."""
    P0: Array
    """P^0 [B, S, S', N]; with `last`, none of the S."""
    z: PerWeight
    """z^t [K, B, J] of each kind of weight."""
    p: Array
    """p^t [K, B, S, G, N]; with `last`, none of the S."""


def unit_rows(l: Array, D: Array, last: bool) -> Array:
    """The rows [B, 1 + S, S, N] of s^K to pull back: the loss's, 0, over one per state; with `last`, without these."""
    _, B, _, S, N = l.shape
    rows = jnp.eye(1 if last else 1 + S, S, -1, D.dtype)[:, :, None]
    return jnp.broadcast_to(rows, (B, *rows.shape[:2], N))


def read_out(c: Array, e: Trace) -> Array:
    """sum_{b,s} c[b, s, n] e[b, j, s, g, n]. Sample by sample: as one einsum, XLA copies e to transpose it."""
    samples = zip(c, (sample for tile in e for sample in tile), strict=True)
    return sum((times(c[None, None], e)[:, 0] for c, e in samples), jnp.zeros((), c.dtype))


def move(e: Trace, P0: Array, z: Array, p: Array) -> Trace:
    """The trace a chunk later: P^0 e + sum_t p^t (x) z^t."""
    moved, start = [], 0
    for tile in e:
        P0_b, z_b, p_b = (lax.dynamic_slice_in_dim(a, start, len(tile), i) for a, i in ((P0, 0), (z, 1), (p, 1)))
        now = times(P0_b[:, None], tile) + jnp.einsum("tbj,tbsgn->bjsgn", z_b, p_b)
        moved.append(now.astype(tile.dtype))
        start += len(tile) + later_than(moved[-1])
    return moved


def owes(
    cell: Any, w: PerWeight, tape: Tape, signals: Array, last: bool, own: Own = intrinsic
) -> tuple[Owed, Array, Array]:
    """A chunk of one layer gone back through: what is owed, and the learning signals l and F for the layer below."""
    D, F = own(cell, w, tape.previous, tape.drives)
    l = learning_signals(cell, tape.states, signals)
    qp, entry = pull_back(unit_rows(l, D, last), l, D, F)
    q, p = qp[:, :, 0], qp[:, :, 1:]
    z = presynaptic(cell, tape.previous, tape.inputs)
    direct = {k: weight_gradient(z[k], q[..., cell.reads[k], :]) for k in w}
    return Owed(direct, entry[:, 0], entry[:, 1:], z, p), l, F


def same_step(below: int, error: Array, cell: Any, w: PerWeight, q: Array) -> Array:
    """dL^t/do^t [K, B, 1, J] of the layer below: l^t F^t through the input weights of the same step."""
    return send_down(cell, w, q)


def init(net: Any, params: Params, batch: int, *, trace_dtype: str = "same") -> Carry:
    """States at rest; zero trace e [B, J, S, G, N] per weight, stored as the weights or in another `trace_dtype`."""
    states, traces = initial_states(net, params, batch), []
    for cell, w in zip(net, params, strict=True):
        traces.append({})
        for k, v in w.items():
            shape, dtype = (v.shape[0], cell.S, *v.shape[1:]), v.dtype if trace_dtype == "same" else trace_dtype
            traces[-1][k] = [jnp.zeros((size, *shape), dtype) for size in tiles(batch, v.nbytes * cell.S)]
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
    down: SendDown = same_step,
) -> tuple[Carry, Array, Params]:
    """K steps: inputs [K, B, I], targets [K, B] -> states and traces, loss of the chunk, its gradient."""
    states, traces = carry
    tapes, ends, logits = run(net, params, states, inputs)
    loss, error = jax.value_and_grad(readout_loss)(logits, targets)

    signals, grads, moved = error[:, :, None], [], []  # dL^t/do^t [K, B, 1, N] of one layer
    for layer in reversed(range(len(net))):
        cell, w, e = net[layer], params[layer], traces[layer]
        (direct, c, P0, z, p), l, F = owes(cell, w, tapes[layer], signals, last, own)
        grads.insert(0, {k: direct[k] + read_out(c, e[k]) for k in e})
        if not last:
            moved.insert(0, {k: move(e[k], P0, z[k], p[..., cell.reads[k], :]) for k in e})
        if layer > 0:
            signals = down(layer - 1, error, cell, w, times(l, F))
    return (ends, moved), loss, grads
