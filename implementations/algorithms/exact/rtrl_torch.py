"""Real-time recurrent learning, in PyTorch: exact for the whole network, at every chunk length.

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

import torch
from torch import Tensor

from drtrl_bench.implementations.engine.adjoint_torch import (
    intrinsic,
    learning_signals,
    pull_back,
    send_down,
    through_weights,
    weight_gradient,
)
from drtrl_bench.implementations.engine.blocks_torch import Moves, Rows, there_and_back
from drtrl_bench.implementations.engine.network_torch import (
    Params,
    PerWeight,
    States,
    Tape,
    initial_states,
    presynaptic,
)

Carry = tuple[States, list[PerWeight]]
NEURONS = 16
"""Neurons whose influence is moved at a time, so that no second copy of the whole is made."""


def unit_rows(states: States, last: bool) -> Rows:
    """Rows [B, m + S N, S, N] of every layer's last states: 0 for the m that come from above, the loss's first, and one
    per state of the layer. With `last`, the loss's row alone.
    """
    rows, m = [], 1
    for s in reversed(states):
        B, S, N = s.shape
        row = torch.eye(m + S * N, dtype=s.dtype, device=s.device)[: 1 if last else None, m:].reshape(-1, S, N)
        rows.insert(0, row.expand(B, *row.shape))
        m += S * N
    return rows


def joined(above: Tensor, entry: Tensor) -> Tensor:
    """Rows over all states from the top layer down to this one, [B, M', n] and [B, M, S, N] -> [B, M, n + S N].

    What this layer's own rows owe to the layers above is 0.
    """
    own = entry.flatten(2)
    return torch.cat([torch.nn.functional.pad(above, (0, 0, 0, own.shape[1] - above.shape[1])), own], dim=-1)


def read_out(c: Tensor, M: Tensor) -> Tensor:
    """sum_{b,m} c[b, m] M[b, m, g, n, j], as [J, G, N]."""
    return (c.flatten() @ M.flatten(0, 1).flatten(1)).view(M.shape[2:]).movedim(-1, 0)


def move(M: Tensor, P0: Tensor, z: Tensor, p: Tensor) -> Tensor:
    """The influence a chunk later, in its own place: P^0 M + sum_t p^t (x) z^t."""
    z = z.transpose(0, 1)
    for part, now in zip(M.split(NEURONS, dim=3), p.split(NEURONS, dim=-1), strict=True):
        moved = (P0 @ part.flatten(2)).view(part.shape)
        moved.flatten(1, 3).baddbmm_(now.permute(1, 2, 3, 4, 0).flatten(1, 3), z)
        part.copy_(moved)
    return M


def init(net: Any, params: Params, batch: int) -> Carry:
    """States at rest; zero influence M [B, n', G, N, J] per weight, on n' states from the top layer to its own."""
    states, influences = initial_states(net, params, batch), []
    for layer, w in enumerate(params):
        n = sum(s[0].numel() for s in states[layer:])
        influences.append({k: v.new_zeros(batch, n, *v.shape[1:], v.shape[0]) for k, v in w.items()})
    return states, influences


def back(net: Any, params: Params, tapes: list[Tape], error: Tensor, rows: Rows) -> tuple[Rows, Params, list[Moves]]:
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


@torch.no_grad()
def advance(
    net: Any, params: Params, carry: Carry, inputs: Tensor, targets: Tensor, *, last: bool = False
) -> tuple[Carry, Tensor, Params]:
    """K steps: inputs [K, B, I], targets [K, B] -> states and influence, loss of the chunk, its gradient.

    The influence of `carry` is moved in its own place: it is used up.
    """
    states, influences = carry
    through, rows = partial(back, net, params), unit_rows(states, last)
    ends, loss, rows, direct, moves = there_and_back(net, params, states, inputs, targets, rows, through)

    grads, moved = [], []
    owed = inputs.new_zeros(targets.shape[1], 1, 0)  # c over P^0 [B, 1 + n', n'], from the top layer down
    for layer, M in reversed(list(enumerate(influences))):
        owed = joined(owed, rows[layer])
        c, P0 = owed[:, 0], owed[:, 1:]
        grads.insert(0, {k: direct[layer][k] + read_out(c, M[k]) for k in M})
        if moves:
            z, p = {"x": inputs} | moves[layer].z, moves[layer].p
            moved.insert(0, {k: move(M[k], P0, z[k], p[..., net[layer].reads[k], :]) for k in M})
    return (ends, moved), loss, grads
