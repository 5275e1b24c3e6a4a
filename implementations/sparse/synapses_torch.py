"""Compute with the synapses of a pattern in PyTorch, spike by spike: a presynaptic neuron that emits 0 costs nothing.

    currents      y_i = sum_j z_j W_ji                 forward
    feedback      dX/dz_j = sum_i W_ji dX/dy_i         the only product that reads every synapse
    add_outer     total_ji += sum_t z_j^t dy_i^t       the product z (x) dy, at the synapses alone

Weights, gradients and traces have the shape of the pattern's slots, [R, width]: see `pattern.py`. The twin is
`synapses_jax.py`. Symbols: `implementations/README.md`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from drtrl_bench.implementations.sparse.pattern import Pattern


class Synapses(NamedTuple):
    """Hold a pattern as tensors."""

    N: int
    first: Tensor
    """The first row of each presynaptic neuron [J]."""
    rows: Tensor
    """The number of rows of each presynaptic neuron [J]."""
    pre: Tensor
    """The presynaptic neuron of each row [R]."""
    post: Tensor
    """The postsynaptic neuron of each slot [R, width]; N where there is no synapse."""


def synapses(pattern: Pattern) -> Synapses:
    """Return a pattern as tensors."""
    first = torch.from_numpy(pattern.first)
    return Synapses(pattern.N, first[:-1], first.diff(), torch.from_numpy(pattern.pre), torch.from_numpy(pattern.post))


def active_rows(synapses: Synapses, z: Tensor) -> tuple[Tensor, Tensor]:
    """Return the rows of the presynaptic neurons that emit something, z [J], and what they emit: [m], [m, 1]."""
    (active,) = z.nonzero(as_tuple=True)
    n = synapses.rows[active]
    end = n.cumsum(0)
    rows = torch.repeat_interleave(synapses.first[active] - end + n, n)
    rows += torch.arange(len(rows))
    return rows, torch.repeat_interleave(z[active], n)[:, None]


def currents(synapses: Synapses, W: Tensor, z: Tensor) -> Tensor:
    """Compute the currents [B, N] of presynaptic activity z [B, J]."""
    y = []
    for z_b in z:
        rows, emitted = active_rows(synapses, z_b)
        amounts = W[rows].mul_(emitted)
        y.append(torch.bincount(synapses.post[rows].flatten(), amounts.flatten(), minlength=synapses.N + 1)[:-1])
    return torch.stack(y).to(z.dtype)


def feedback(synapses: Synapses, W: Tensor, dy: Tensor) -> Tensor:
    """Feed dX/dy [M, N] of M adjoints back through the weights: dX/dz [M, J]."""
    dy = functional.pad(dy, (0, 1)).T.contiguous()
    by_row = dy.new_zeros(len(W), dy.shape[1])
    for W_slot, post in zip(W.T, synapses.post.T, strict=True):
        by_row.addcmul_(W_slot[:, None], dy.index_select(0, post))
    return dy.new_zeros(len(synapses.first), dy.shape[1]).index_add_(0, synapses.pre, by_row).T


def at_post(synapses: Synapses, dy: Tensor) -> Tensor:
    """Read a postsynaptic factor dy [N] at every slot: [R, width]."""
    return functional.pad(dy, (0, 1)).index_select(0, synapses.post.flatten()).view(synapses.post.shape)


def add_outer(synapses: Synapses, totals: Sequence[Tensor], z: Tensor, dy: Sequence[Tensor]) -> None:
    """Add the outer products of K steps of one sample to each of the totals [R, width]: z [K, J], each dy [K, N]."""
    padded = [functional.pad(each, (0, 1)) for each in dy]
    for t, z_t in enumerate(z):
        rows, emitted = active_rows(synapses, z_t)
        post = synapses.post[rows]
        for total, each in zip(totals, padded, strict=True):
            total.index_add_(0, rows, each[t].index_select(0, post.flatten()).view(post.shape).mul_(emitted))
