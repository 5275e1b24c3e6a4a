"""D-RTRL: RTRL with every path through a weight cut, in PyTorch. The same gradient at every chunk length.

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

import torch
from torch import Tensor

from drtrl_bench.implementations.engine.adjoint_torch import (
    intrinsic,
    learning_signals,
    pull_back,
    send_down,
    times,
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
Own = Callable[[Any, PerWeight, Tensor, Tensor], tuple[Tensor, Tensor]]
SendDown = Callable[[int, Tensor, Any, PerWeight, Tensor], Tensor]
"""What its relatives replace: the paths D holds, and the way of the learning signal to the layer below."""
Turn = Callable[..., Tensor]
"""What a kernel replaces: the pass over the trace, `turn`."""


def unit_rows(states: States, last: bool) -> Rows:
    """The rows [B, 1 + S, S, N] of every layer's last states: the loss's, 0, over one per state; with `last`, the
    loss's alone.
    """
    rows = []
    for s in states:
        B, S, N = s.shape
        row = torch.eye(1 + S, dtype=s.dtype, device=s.device)[: 1 if last else None, 1:, None]
        rows.append(row.expand(B, *row.shape[:2], N))
    return rows


def read_out(c: Tensor, e: Tensor) -> Tensor:
    """sum_{b,s} c[b, s, n] e[b, j, s, g, n]. Sample by sample: as one einsum, PyTorch copies e to transpose it."""
    total = c.new_zeros(e[0, :, 0].shape)
    for c_b, e_b in zip(c, e, strict=True):
        for s in range(c.shape[1]):
            total.addcmul_(c_b[s], e_b[:, s].to(c.dtype))
    return total


def move(e: Tensor, P0: Tensor, z: Tensor, p: Tensor) -> None:
    """Moves the trace a chunk on, in its own place: P^0 e + sum_t p^t (x) z^t."""
    z, p = z.permute(1, 2, 0), p.flatten(2).transpose(0, 1)
    if e.shape[2] == 1 and e.dtype == P0.dtype:
        e *= P0[:, None]
        e.flatten(2).baddbmm_(z, p)
        return
    for e_b, P0_b, z_b, p_b in zip(e, P0, z, p, strict=True):
        moved = times(P0_b, e_b.to(P0.dtype))
        moved.flatten(1).addmm_(z_b, p_b)
        e_b.copy_(moved)


def turn(e: Tensor, c: Tensor, P0: Tensor, z: Tensor | None = None, p: Tensor | None = None) -> Tensor:
    """What the loss owes to the trace, c e [J, G, N]; with z and p, the trace is then moved to the chunk's end."""
    owed = read_out(c, e)
    if z is not None and p is not None:
        move(e, P0, z, p)
    return owed


def same_step(below: int, error: Tensor, cell: Any, w: PerWeight, q: Tensor) -> Tensor:
    """dL^t/do^t [K, B, 1, J] of the layer below: l^t F^t through the input weights of the same step."""
    return send_down(cell, w, q)


def init(net: Any, params: Params, batch: int, *, trace_dtype: str = "same") -> Carry:
    """States at rest; zero trace e [B, J, S, G, N] per weight, stored as the weights or in another `trace_dtype`."""
    dtype = {} if trace_dtype == "same" else {"dtype": getattr(torch, trace_dtype)}
    states, traces = initial_states(net, params, batch), []
    for cell, w in zip(net, params, strict=True):
        traces.append({k: v.new_zeros(batch, v.shape[0], cell.S, *v.shape[1:], **dtype) for k, v in w.items()})
    return states, traces


def back(
    net: Any, params: Params, own: Own, down: SendDown, tapes: list[Tape], error: Tensor, rows: Rows
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
    net: Any, traces: list[PerWeight], inputs: Tensor, rows: Rows, direct: Params, moves: list[Moves], turn: Turn = turn
) -> Params:
    """A chunk's gradient, of its direct part and of what the loss owes to the traces; they are moved, if any are.

    rows: of the chunk's first states, the loss's c over P^0.
    """
    grads = []
    for layer, e in enumerate(traces):
        c, P0 = rows[layer][:, 0], rows[layer][:, 1:]
        moving: dict[str, tuple[Tensor, ...]] = dict.fromkeys(e, ())
        if moves:
            z, p = {"x": inputs} | moves[layer].z, moves[layer].p
            moving = {k: (z[k], p[..., net[layer].reads[k], :]) for k in e}
        grads.append({k: direct[layer][k] + turn(e[k], c, P0, *moving[k]) for k in e})
    return grads


@torch.no_grad()
def advance(
    net: Any,
    params: Params,
    carry: Carry,
    inputs: Tensor,
    targets: Tensor,
    *,
    last: bool = False,
    own: Own = intrinsic,
    down: SendDown = same_step,
    turn: Turn = turn,
) -> tuple[Carry, Tensor, Params]:
    """K steps: inputs [K, B, I], targets [K, B] -> states and traces, loss of the chunk, its gradient.

    The traces of `carry` are moved in their own place: it is used up.
    """
    states, traces = carry
    through, rows = partial(back, net, params, own, down), unit_rows(states, last)
    ends, loss, rows, direct, moves = there_and_back(net, params, states, inputs, targets, rows, through)
    grads = turned(net, traces, inputs, rows, direct, moves, turn)
    return (ends, traces), loss, grads
