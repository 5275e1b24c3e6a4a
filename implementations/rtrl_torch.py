"""Real-time recurrent learning, in PyTorch: exact for the whole network, at every chunk length.

    textbook (K = 1)    M^t = A^t M^{t-1} + F^t (x) z^t                    grad += l^t M^t
    chunked             M'  = P^0 M + sum_t p^t (x) z^t                    grad += sum_t z^t (x) q^t + c M

    P^0 = ds^K/ds^0,  p^t = ds^K/dy^t                                      what s^K owes to s^0 and to y^t
    c = dL/ds^0,      q^t = dL/dy^t                                        what the loss owes to them

Carried across a chunk boundary: the states and the influence M = ds/dtheta of every weight on the states of its
own layer and of the layers above. P and p pull the n unit cotangents of s^K back through all paths of the chunk;
weights couple the neurons, so n of them are needed. With `last`, nobody reads M afterwards and it is not moved.
Source: Williams & Zipser 1989 (Neural Comput. 1(2):270); chunked: Schmidhuber 1992 (Neural Comput. 4(2):243).
"""

from typing import Any

import torch
from torch import Tensor

from implementations.network_torch import (
    Params,
    PerWeight,
    States,
    forward,
    initial_states,
    presynaptic,
    previous,
    readout_loss,
)

Carry = tuple[States, list[PerWeight]]


def flat(states: States) -> Tensor:
    """States of all layers [..., S, N] side by side: [..., n]."""
    return torch.cat([s.flatten(-2) for s in states], dim=-1)


def unit_cotangents(states: States) -> States:
    """[n, B, S, N] per layer: the i-th pulls back state number i of every sample."""
    n, below, units = sum(s[0].numel() for s in states), 0, []
    for s in states:
        eye = torch.eye(n, dtype=s.dtype, device=s.device)[:, below : below + s[0].numel()]
        units.append(eye.reshape(n, 1, *s.shape[1:]).expand(n, *s.shape))
        below += s[0].numel()
    return units


def move(M: Tensor, P0: Tensor, z: Tensor, p: Tensor) -> Tensor:
    """The influence a chunk later: P^0 M + sum_t p^t (x) z^t."""
    moved = torch.einsum("bim,bmgnj->bignj", P0, M)
    moved.flatten(1, 3).baddbmm_(p.movedim(2, 0).flatten(3).transpose(2, 3).flatten(1, 2), z.transpose(0, 1))
    return moved


def init(net: Any, params: Params, batch: int) -> Carry:
    """States at rest; zero influence M [B, n', G, N, J] per weight, n' states from its own layer up."""
    states, influences = initial_states(net, params, batch), []
    for layer, w in enumerate(params):
        n = sum(s[0].numel() for s in states[layer:])
        influences.append({k: v.new_zeros(batch, n, *v.shape[1:], v.shape[0]) for k, v in w.items()})
    return states, influences


def advance(
    net: Any, params: Params, carry: Carry, inputs: Tensor, targets: Tensor, *, last: bool = False
) -> tuple[Carry, Tensor, Params]:
    """K steps: inputs [K, B, I], targets [K, B] -> states and influence, loss of the chunk, its gradient."""
    states, influences = carry

    def chunk(states: States, dy: list[Tensor]) -> tuple[tuple[Tensor, States], list[PerWeight]]:
        x, ends, lines = inputs, [], []
        for cell, w, s0, d in zip(net, params, states, dy, strict=True):
            s, _ = forward(cell, w, s0, x, d)
            lines.append({k: z.detach() for k, z in presynaptic(cell, previous(s0, s), x).items()})
            x = cell.output(s)
            ends.append(s[-1])
        return (readout_loss(x, targets), ends), lines

    dy = [s.new_zeros(*targets.shape, c.G, s.shape[-1]).requires_grad_() for c, s in zip(net, states, strict=True)]
    leaves = [s.detach().requires_grad_() for s in states] + dy
    with torch.enable_grad():
        (loss, ends), z = chunk(leaves[: len(net)], dy)
    by = torch.autograd.grad(loss, leaves, retain_graph=not last, materialize_grads=True)
    c, q = flat(list(by[: len(net)])), by[len(net) :]  # c is [B, n]

    below, grads = 0, []
    for layer, cell in enumerate(net):
        grads.append({})
        for k, M in influences[layer].items():
            direct = torch.einsum("tbj,tbgn->jgn", z[layer][k], q[layer][..., cell.reads[k], :])
            entry = torch.einsum("bm,bmgnj->jgn", c[:, below:], M)
            grads[layer][k] = direct + entry
        below += states[layer][0].numel()
    if last:
        return ([s.detach().clone() for s in ends], []), loss.detach(), grads

    by = torch.autograd.grad(ends, leaves, unit_cotangents(states), is_grads_batched=True, materialize_grads=True)
    P0, p = flat(list(by[: len(net)])).movedim(1, 0), by[len(net) :]  # P0 is [B, n, n]
    below, moved = 0, []
    for layer, cell in enumerate(net):
        moved.append({})
        for k, M in influences[layer].items():
            moved[layer][k] = move(M, P0[:, below:, below:], z[layer][k], p[layer][below:, ..., cell.reads[k], :])
        below += states[layer][0].numel()
    return ([s.detach().clone() for s in ends], moved), loss.detach(), grads
