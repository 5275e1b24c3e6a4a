"""Compute with the synapses of a pattern in PyTorch.

    currents      y_i = sum_j z_j W_ji                 forward
    feedback      dX/dz_j = sum_i W_ji dX/dy_i         the only product that always reads every synapse
    gradient      sum_t z_j^t dy_i^t                   the product z (x) dy, at the synapses alone
    trace_step    lam_i eps_ji + sum_t z_j^t dy_i^t    D-RTRL: the gradient with a trace, and the trace's update

In a large network a presynaptic neuron that emits 0 costs nothing: the rows of the neurons that spiked are gathered and
added in a few calls. Of a small pattern every synapse is read, in one call, the product with a sparse matrix, as more
calls would take longer: see `Pattern.whole`.
Weights, gradients and traces have the shape of the pattern's slots, [R, width]: see `pattern.py`. The twin is
`synapses_jax.py`. Symbols: `implementations/README.md`.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from drtrl_bench.implementations.sparse.pattern import Pattern

ROWS = 65_536
"""Rows that are read at once."""
DENSE = 4
"""A product of a small pattern goes by spikes if less than one of so many neurons and steps has one."""


class Incoming(NamedTuple):
    """Hold a pattern by postsynaptic neuron: the columns of the sparse matrix [J, N] of the weights."""

    first: Tensor
    """The first synapse of each postsynaptic neuron, and the number of synapses E: [N + 1]."""
    pre: Tensor
    """The presynaptic neuron of each synapse [E]."""
    slots: Tensor
    """Where each synapse is in the slots of the pattern [E]."""


class Events(NamedTuple):
    """Hold the rows of the presynaptic neurons that emit something, in some steps or samples."""

    at: Tensor
    """The step or sample of each row [m]."""
    rows: Tensor
    """The rows [m]."""
    emitted: Tensor
    """What their presynaptic neuron emits [m, 1]."""


def times(values: Tensor, emitted: Tensor) -> Tensor:
    """Multiply the values [m, width] of rows, in place, with what is emitted [m, 1]; spikes are 1 and cost nothing."""
    return values if (emitted == 1).all() else values.mul_(emitted)


@dataclass(frozen=True, eq=False)
class Synapses:
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
    incoming: Incoming | None
    """The same synapses by postsynaptic neuron, if a product reads every synapse."""

    @property
    def J(self) -> int:
        """Return the number of presynaptic neurons."""
        return len(self.first)

    def effective(self, w: Tensor) -> Tensor:
        """Return the weights that products read: those that are stored."""
        return w

    def to_stored(self, gradient: Tensor) -> Tensor:
        """Return the gradient of the stored weights, which are the effective ones."""
        return gradient

    def matrix(self, W: Tensor) -> Tensor | None:
        """Return the weights as a sparse matrix [J, N], which multiplies z [M, J]; None if products go by spikes."""
        if self.incoming is None:
            return None
        first, pre, slots = self.incoming
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sparse .* beta state")  # PyTorch's, once in a process
            values, size = W.flatten().index_select(0, slots), (len(self.first), self.N)
            return torch.sparse_csc_tensor(first, pre, values, size, check_invariants=False)

    def events(self, z: Tensor) -> Events:
        """Find what presynaptic activity z [M, J] of M steps or samples reads, in their order."""
        at, active = z.nonzero(as_tuple=True)
        n = self.rows.index_select(0, active)
        each = torch.repeat_interleave(torch.arange(len(n)), n)
        rows = (self.first.index_select(0, active) + n - n.cumsum(0)).index_select(0, each) + torch.arange(len(each))
        return Events(at.index_select(0, each), rows, z[at, active].index_select(0, each)[:, None])

    def slots(self, at: Tensor, rows: Tensor) -> Tensor:
        """Return where the slots of rows [m] read an array [M, N + 1] of postsynaptic factors: [m width]."""
        return (self.post.index_select(0, rows) + (at * (self.N + 1))[:, None]).flatten()

    def currents(self, W: Tensor, z: Tensor) -> Tensor:
        """Compute the currents [M, N] of presynaptic activity z [M, J] of some samples or steps."""
        at, rows, emitted = self.events(z)
        y = z.new_zeros(len(z) * (self.N + 1))
        y.scatter_add_(0, self.slots(at, rows), times(W.index_select(0, rows), emitted).flatten())
        return y.view(len(z), -1)[:, :-1]

    def feedback(self, W: Tensor, dy: Tensor) -> Tensor:
        """Feed dX/dy [M, N] of M adjoints back through the weights: dX/dz [M, J]."""
        dy = functional.pad(dy, (0, 1)).T.contiguous()
        by_row = dy.new_zeros(len(W), dy.shape[1])
        for W_slot, post in zip(W.T, self.post.T, strict=True):
            by_row.addcmul_(W_slot[:, None], dy.index_select(0, post))
        return dy.new_zeros(len(self.first), dy.shape[1]).index_add_(0, self.pre, by_row).T

    def at_post(self, dy: Tensor) -> Tensor:
        """Read a postsynaptic factor dy [N] at every slot: [R, width]."""
        return functional.pad(dy, (0, 1)).index_select(0, self.post.flatten()).view(self.post.shape)

    def add_outer(self, totals: Sequence[Tensor], z: Tensor, dy: Sequence[Tensor]) -> None:
        """Add the outer products of M steps to each of the totals [R, width]: z [M, J], each dy [M, N].

        All steps at once, ROWS rows at a time: what is read from memory for them is scratch.
        """
        factors = [functional.pad(each, (0, 1)) for each in dy]
        if self.incoming is not None and DENSE * z.count_nonzero() > z.numel():
            emitted = z.T.contiguous().index_select(0, self.pre)[:, None]  # [R, 1, M]
            for total, factor in zip(totals, factors, strict=True):
                at_slots = factor.T.contiguous().index_select(0, self.post.flatten()).view(*total.shape, -1)
                total.add_(at_slots.mul_(emitted).sum(-1))
            return
        for at, rows, emitted in zip(*(each.split(ROWS) for each in self.events(z)), strict=True):
            read = self.slots(at, rows)
            for total, factor in zip(totals, factors, strict=True):
                values = times(factor.flatten().index_select(0, read).view(-1, total.shape[1]), emitted)
                if total.shape[1] == 1:  # of vectors it is quicker
                    total, values = total.flatten(), values.flatten()
                total.index_add_(0, rows, values)

    def gradient(self, W: Tensor, z: Tensor, dy: Tensor) -> Tensor:
        """Sum z^t (x) dy^t over steps and samples: z [K, B, J], dy [K, B, N] -> [R, width]."""
        total = torch.zeros_like(W)
        self.add_outer([total], z.flatten(0, 1), [dy.flatten(0, 1)])
        return total

    def zero_trace(self, batch: int, cell: Any, w: Tensor) -> Tensor:
        """Return the zero trace of the stored weights: eps [B, S, R, width]."""
        return w.new_zeros(batch, cell.S, *self.post.shape)

    def trace_step(self, W: Tensor, eps: Tensor, lam: Tensor, P: Tensor, z: Tensor, dy: Tensor, last: bool) -> Tensor:
        """Return the gradient [R, width], and update the trace in place unless the chunk is the last.

        eps [B, S, R, width], lam [B, S, N], P [B, S, S', N], z [K, B, J], dy [K, B, Q, N]: the loss's, then the
        states'.
        """
        terms = (
            self.at_post(lam_bs).mul_(eps_bs)
            for lam_b, eps_b in zip(lam, eps, strict=True)
            for lam_bs, eps_bs in zip(lam_b, eps_b, strict=True)
        )
        total = reduce(Tensor.add_, terms)
        for b, eps_b in enumerate(eps):
            totals = [total]
            if not last:
                if len(eps_b) == 1:
                    eps_b[0].mul_(self.at_post(P[b, 0, 0]))
                else:
                    before = eps_b.clone()
                    for s, P_s in enumerate(P[b]):
                        eps_b[s] = sum(self.at_post(P_su) * u for P_su, u in zip(P_s, before, strict=True))
                totals += list(eps_b)
            self.add_outer(totals, z[:, b], list(dy[:, b, : len(totals)].unbind(1)))
        return total


def synapses(pattern: Pattern) -> Synapses:
    """Return a pattern as tensors; products of sparse matrices need a PyTorch with MKL, else all go by spikes."""
    incoming = None
    if pattern.whole and torch.backends.mkl.is_available():
        by_post, slots = pattern.incoming(width=1)
        first = torch.from_numpy(by_post.first).to(torch.int32)
        incoming = Incoming(first, torch.from_numpy(by_post.post).flatten(), torch.from_numpy(slots).flatten())
    first = torch.from_numpy(pattern.first)
    pre, post = torch.from_numpy(pattern.pre), torch.from_numpy(pattern.post)
    return Synapses(pattern.N, first[:-1], first.diff(), pre, post, incoming)
