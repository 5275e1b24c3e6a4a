"""D-RTRL: RTRL with every path through a weight cut, in PyTorch. The same gradient at every chunk length.

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

import torch
from torch import Tensor

from implementations.adjoint_torch import intrinsic, learning_signals, pull_back, send_down, times, weight_gradient
from implementations.network_torch import (
    Params,
    PerWeight,
    States,
    Tape,
    initial_states,
    loss_and_error,
    presynaptic,
    run,
)

Carry = tuple[States, list[PerWeight]]
Own = Callable[[Any, PerWeight, Tensor, Tensor], tuple[Tensor, Tensor]]
SendDown = Callable[[int, Tensor, Any, PerWeight, Tensor], Tensor]
"""What its relatives replace: the paths D holds, and the way of the learning signal to the layer below."""
Turn = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, bool], Tensor]
"""What a kernel replaces: the pass over the trace."""


class Owed(NamedTuple):
    """All of a chunk that one layer's gradient and traces need, but the traces themselves."""

    direct: PerWeight
    """sum_t z^t (x) q^t [J, G, N] of each kind of weight."""
    c: Tensor
    """[B, S, N]."""
    P0: Tensor
    """P^0 [B, S, S', N]; with `last`, none of the S."""
    z: PerWeight
    """z^t [K, B, J] of each kind of weight."""
    p: Tensor
    """p^t [K, B, S, G, N]; with `last`, none of the S."""


def unit_rows(l: Tensor, D: Tensor, last: bool) -> Tensor:
    """The rows [B, 1 + S, S, N] of s^K to pull back: the loss's, 0, over one per state; with `last`, without these."""
    _, B, _, S, N = l.shape
    rows = torch.eye(1 + S, dtype=D.dtype, device=D.device)[: 1 if last else None, 1:, None]
    return rows.expand(B, *rows.shape[:2], N)


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


def turn(e: Tensor, c: Tensor, P0: Tensor, z: Tensor, p: Tensor, last: bool) -> Tensor:
    """What the loss owes to the trace, c e [J, G, N]; unless `last`, the trace is then moved to the chunk's end."""
    owed = read_out(c, e)
    if not last:
        move(e, P0, z, p)
    return owed


def owes(
    cell: Any, w: PerWeight, tape: Tape, signals: Tensor, last: bool, own: Own = intrinsic
) -> tuple[Owed, Tensor, Tensor]:
    """A chunk of one layer gone back through: what is owed, and the learning signals l and F for the layer below."""
    D, F = own(cell, w, tape.previous, tape.drives)
    l = learning_signals(cell, tape.states, signals)
    qp, entry = pull_back(unit_rows(l, D, last), l, D, F)
    q, p = qp[:, :, 0], qp[:, :, 1:]
    z = presynaptic(cell, tape.previous, tape.inputs)
    direct = {k: weight_gradient(z[k], q[..., cell.reads[k], :]) for k in w}
    return Owed(direct, entry[:, 0], entry[:, 1:], z, p), l, F


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
    tapes, ends, logits = run(net, params, states, inputs)
    loss, error = loss_and_error(logits, targets)

    signals, grads = error[:, :, None], []  # dL^t/do^t [K, B, 1, N] of one layer
    for layer in reversed(range(len(net))):
        cell, w, e = net[layer], params[layer], traces[layer]
        (direct, c, P0, z, p), l, F = owes(cell, w, tapes[layer], signals, last, own)
        grads.insert(0, {k: direct[k] + turn(e[k], c, P0, z[k], p[..., cell.reads[k], :], last) for k in e})
        if layer > 0:
            signals = down(layer - 1, error, cell, w, times(l, F))
    return (ends, traces), loss, grads
