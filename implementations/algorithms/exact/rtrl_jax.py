"""Real-time recurrent learning, in JAX: exact for the whole network, at every chunk length.

    textbook (K = 1)    M^t = A^t M^{t-1} + F^t (x) z^t                    grad += l^t M^t
    chunked             M'  = P^0 M + sum_t p^t (x) z^t                    grad += sum_t z^t (x) q^t + c M

    P^K = 1,  P^{t-1} = P^t A^t,  p^t = P^t F^t                            what s^K owes to s^0 and to y^t
    lam^t = l^t + lam^{t+1} A^{t+1},  c = lam^1 A^1,  q^t = lam^t F^t      what the loss owes to them

Carried across a chunk boundary: the states and the influence M = ds/dtheta of every weight on the states of its
own layer and of the layers above. P and p pull the n unit cotangents of s^K back through all paths of the chunk,
layer by layer from the top down; weights couple the neurons, so n of them are needed. With `last`, nobody reads M
afterwards and it is not moved.
Source: Williams & Zipser 1989 (Neural Comput. 1(2):270); chunked: Schmidhuber 1992 (Neural Comput. 4(2):243).
"""

from functools import partial
from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from drtrl_bench.implementations.engine.adjoint_jax import (
    intrinsic,
    learning_signals,
    pull_back,
    send_down,
    through_weights,
    weight_gradient,
)
from drtrl_bench.implementations.engine.blocks_jax import Moves, Rows, there_and_back
from drtrl_bench.implementations.engine.network_jax import (
    Params,
    States,
    Tape,
    initial_states,
    later_than,
    presynaptic,
    tiles,
)

Influence = list[Array]
"""An influence M [B, n', G, N, J] in tiles of a few neurons N, so that no second copy of it is made when it moves."""
Carry = tuple[States, list[dict[str, Influence]]]


def unit_rows(states: States, last: bool) -> Rows:
    """Rows [B, m + S N, S, N] of every layer's last states: 0 for the m that come from above, the loss's first, and one
    per state of the layer. With `last`, the loss's row alone.
    """
    rows, m = [], 1
    for s in reversed(states):
        B, S, N = s.shape
        row = jnp.eye(1 if last else m + S * N, S * N, -m, s.dtype).reshape(-1, S, N)
        rows.insert(0, jnp.broadcast_to(row, (B, *row.shape)))
        m += S * N
    return rows


def joined(above: Array, entry: Array) -> Array:
    """Rows over all states from the top layer down to this one, [B, M', n] and [B, M, S, N] -> [B, M, n + S N].

    What this layer's own rows owe to the layers above is 0.
    """
    own = entry.reshape(*entry.shape[:2], -1)
    return jnp.concatenate([jnp.pad(above, ((0, 0), (0, own.shape[1] - above.shape[1]), (0, 0))), own], axis=-1)


def read_out(c: Array, M: Influence) -> Array:
    """sum_{b,m} c[b, m] M[b, m, g, n, j], as [J, G, N]."""
    rows = [(c.reshape(-1) @ tile.reshape(c.size, -1)).reshape(tile.shape[2:]) for tile in M]
    return jnp.moveaxis(jnp.concatenate(rows, axis=1), -1, 0)


def move(M: Influence, P0: Array, z: Array, p: Array) -> Influence:
    """The influence a chunk later: P^0 M + sum_t p^t (x) z^t."""
    moved, start, late = [], 0, 0
    padded = jnp.concatenate([P0, P0[:1]])  # a slice of all of P0 would be taken for P0, and not wait
    for tile in M:
        p_n = lax.dynamic_slice_in_dim(p, start + late, tile.shape[3], axis=-1)
        P0_n = lax.dynamic_slice_in_dim(padded, late, len(P0))
        added = jnp.einsum("tbign,tbj->bignj", p_n, z)
        moved.append(jnp.einsum("bim,bmgnj->bignj", P0_n, tile) + added)
        start, late = start + tile.shape[3], later_than(moved[-1])
    return moved


def init(net: Any, params: Params, batch: int) -> Carry:
    """States at rest; zero influence M [B, n', G, N, J] per weight, on n' states from the top layer to its own."""
    states, influences = initial_states(net, params, batch), []
    for layer, w in enumerate(params):
        n = sum(s[0].size for s in states[layer:])
        influences.append({})
        for k, v in w.items():
            J, G, N = v.shape
            sizes = tiles(N, batch * n * G * J * v.dtype.itemsize)
            influences[layer][k] = [jnp.zeros((batch, n, G, size, J), v.dtype) for size in sizes]
    return states, influences


def back(net: Any, params: Params, tapes: list[Tape], error: Array, rows: Rows) -> tuple[Rows, Params, list[Moves]]:
    """The way back through a block: the rows of its first states, its share of the gradient, what moves influences."""
    signals, entries, grads, moves = error[:, :, None], [], [], []  # rows dL^t/do^t and ds^K/do^t [K, B, M, N]
    for layer in reversed(range(len(net))):
        cell, w, tape = net[layer], params[layer], tapes[layer]
        D, F = intrinsic(cell, w, tape.previous, tape.drives)
        l = learning_signals(cell, tape.states, signals)
        qp, entry = pull_back(rows[layer], l, D, F, through_weights(cell, w, tape.previous))
        entries.insert(0, entry)
        z = presynaptic(cell, tape.previous, tape.inputs)
        grads.insert(0, {k: weight_gradient(z[k], qp[:, :, 0, cell.reads[k]]) for k in w})
        if qp.shape[2] > 1:
            moves.insert(0, Moves({k: z[k] for k in w if layer > 0 or k != "x"}, qp[:, :, 1:]))
        if layer > 0:
            signals = send_down(cell, w, qp)
    return entries, grads, moves


def advance(
    net: Any, params: Params, carry: Carry, inputs: Array, targets: Array, *, last: bool = False
) -> tuple[Carry, Array, Params]:
    """K steps: inputs [K, B, I], targets [K, B] -> states and influence, loss of the chunk, its gradient."""
    states, influences = carry
    through, rows = partial(back, net, params), unit_rows(states, last)
    ends, loss, rows, direct, moves = there_and_back(net, params, states, inputs, targets, rows, through)

    grads, moved = [], []
    owed = jnp.zeros((targets.shape[1], 1, 0), inputs.dtype)  # c over P^0 [B, 1 + n', n'], from the top layer down
    for layer, M in reversed(list(enumerate(influences))):
        owed = joined(owed, rows[layer])
        c, P0 = owed[:, 0], owed[:, 1:]
        grads.insert(0, {k: direct[layer][k] + read_out(c, M[k]) for k in M})
        if moves:
            z, p = {"x": inputs} | moves[layer].z, moves[layer].p
            moved.insert(0, {k: move(M[k], P0, z[k], p[..., net[layer].reads[k], :]) for k in M})
    return (ends, moved), loss, grads
