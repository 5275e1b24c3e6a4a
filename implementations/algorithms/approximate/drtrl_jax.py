"""D-RTRL: RTRL with every path through a weight cut, in JAX. The same gradient at every chunk length.

    textbook (K = 1)    e^t = D^t e^{t-1} + F^t (x) z^t                    grad += sum_s l^t e^t
    chunked             e'  = P^0 e + sum_t p^t (x) z^t                    grad += sum_t z^t (x) q^t + c e

    P^K = 1,  P^{t-1} = P^t D^t,  p^t = P^t F^t                            what s^K owes to s^0 and to y^t
    lam^t = l^t + lam^{t+1} D^{t+1},  c = lam^1 D^1,  q^t = lam^t F^t      what the loss owes to them

Carried across a chunk boundary: the states and the trace e[B, J, S, G, N] of every weight on its own neuron.
D = ds^t/ds^{t-1} and F = ds^t/dy^t are blocks of one neuron each, so S rows per neuron take the place of RTRL's n
unit cotangents, and all of a block's are computed in one call. The learning signal l^t = dL^t/ds^t comes down
the layers through the weights of the same step only. With `last`, nobody reads e afterwards and it is not moved.
Source: Wang et al. 2026 (Nat. Commun. 17:1745), D-RTRL.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from drtrl_bench.implementations.engine.adjoint_jax import (
    intrinsic,
    learning_signals,
    pull_back,
    send_down,
    times,
    weight_gradient,
)
from drtrl_bench.implementations.engine.blocks_jax import Moves, Rows, there_and_back
from drtrl_bench.implementations.engine.network_jax import (
    Params,
    PerWeight,
    States,
    Tape,
    initial_states,
    later_than,
    on_cpu,
    presynaptic,
    tiles,
)

SHORT = 32
"""Steps up to which a chunk's products for the trace are quicker as one for all samples than as one for each."""

Trace = list[Array]
"""A trace e [B, J, S, G, N] in tiles of a few samples, so that no second copy of it is made when it moves."""
Carry = tuple[States, list[dict[str, Trace]]]
Own = Callable[[Any, PerWeight, Array, Array], tuple[Array, Array]]
SendDown = Callable[[int, Array, Any, PerWeight, Array], Array]
"""What its relatives replace: the paths D holds, and the way of the learning signal to the layer below."""


def unit_rows(states: States, last: bool) -> Rows:
    """The rows [B, 1 + S, S, N] of every layer's last states: the loss's, 0, over one per state; with `last`, the
    loss's alone.
    """
    rows = []
    for s in states:
        B, S, N = s.shape
        row = jnp.eye(1 if last else 1 + S, S, -1, s.dtype)[:, :, None]
        rows.append(jnp.broadcast_to(row, (B, *row.shape[:2], N)))
    return rows


def read_out(c: Array, e: Trace) -> Array:
    """sum_{b,s} c[b, s, n] e[b, j, s, g, n]. Sample by sample: as one einsum, XLA copies e to transpose it."""
    samples = zip(c, (sample for tile in e for sample in tile), strict=True)
    return sum((times(c[None, None], e)[:, 0] for c, e in samples), jnp.zeros((), c.dtype))


def outer(z: Array, p: Array) -> Array:
    """sum_t z^t (x) p^t [b, J, S, G, N] of a few samples, z [K, b, J] and p [K, b, S, G, N].

    On a CPU a long sum goes sample by sample, as XLA's plain product is quicker than its batched one; a short sum does
    not, as it costs less than putting the samples' products together.
    """
    if len(z) <= SHORT or not on_cpu():
        return jnp.einsum("tbj,tbsgn->bjsgn", z, p)
    return jnp.stack([jnp.tensordot(z[:, b], p[:, b], (0, 0)) for b in range(z.shape[1])])


def move(e: Trace, P0: Array, z: Array, p: Array) -> Trace:
    """The trace a chunk later: P^0 e + sum_t p^t (x) z^t."""
    moved, start = [], 0
    for tile in e:
        P0_b, z_b, p_b = (lax.dynamic_slice_in_dim(a, start, len(tile), i) for a, i in ((P0, 0), (z, 1), (p, 1)))
        now = times(P0_b[:, None], tile) + outer(z_b, p_b)
        moved.append(now.astype(tile.dtype))
        start += len(tile) + later_than(moved[-1])
    return moved


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


def back(
    net: Any, params: Params, own: Own, down: SendDown, tapes: list[Tape], error: Array, rows: Rows
) -> tuple[Rows, Params, list[Moves]]:
    """The way back through a block: the rows of its first states, its share of the gradient, what moves the traces."""
    signals, entries, grads, moves = error[:, :, None], [], [], []  # dL^t/do^t [K, B, 1, N] of one layer
    for layer in reversed(range(len(net))):
        cell, w, tape = net[layer], params[layer], tapes[layer]
        D, F = own(cell, w, tape.previous, tape.drives)
        l = learning_signals(cell, tape.states, signals)
        qp, entry = pull_back(rows[layer], l, D, F)
        entries.insert(0, entry)
        z = presynaptic(cell, tape.previous, tape.inputs)
        grads.insert(0, {k: weight_gradient(z[k], qp[:, :, 0, cell.reads[k]]) for k in w})
        if qp.shape[2] > 1:
            moves.insert(0, Moves({k: z[k] for k in w if layer > 0 or k != "x"}, qp[:, :, 1:]))
        if layer > 0:
            signals = down(layer - 1, error, cell, w, times(l, F))
    return entries, grads, moves


def turned(
    net: Any, traces: list[dict[str, Trace]], inputs: Array, rows: Rows, direct: Params, moves: list[Moves]
) -> tuple[Params, list[dict[str, Trace]]]:
    """A chunk's gradient, of its direct part and of what the loss owes to the traces; and the traces moved, if any are.

    rows: of the chunk's first states, the loss's c over P^0.
    """
    grads, moved = [], []
    for layer, e in enumerate(traces):
        c, P0 = rows[layer][:, 0], rows[layer][:, 1:]
        grads.append({k: direct[layer][k] + read_out(c, e[k]) for k in e})
        if moves:
            z, p = {"x": inputs} | moves[layer].z, moves[layer].p
            moved.append({k: move(e[k], P0, z[k], p[..., net[layer].reads[k], :]) for k in e})
    return grads, moved


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
    through, rows = partial(back, net, params, own, down), unit_rows(states, last)
    ends, loss, rows, direct, moves = there_and_back(net, params, states, inputs, targets, rows, through)
    grads, moved = turned(net, traces, inputs, rows, direct, moves)
    return (ends, moved), loss, grads
