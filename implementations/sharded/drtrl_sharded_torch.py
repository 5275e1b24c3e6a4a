"""Compute D-RTRL's gradient of one network in n processes in PyTorch: each holds N / n neurons of every hidden layer.

    states, trace and gradient of a neuron      in the neuron's process, on its device: 1/n of the memory
    outputs o, recurrent outputs r              gathered in every step: B N numbers, all that processes tell each other
    adjoints                                    stay within a neuron, so within its process
    dL/do of the layer below                    summed over the processes: each knows the part by way of its own neurons
    readout                                     the same in every process

D-RTRL's adjoints keep no path through the recurrent weights, so nothing is sent backwards in time; the adjoints of BPTT
and RTRL would need the sum over all processes in every step. The code of a process is `drtrl_torch.py`'s, with cells
whose outputs are gathered: two collectives of torch.distributed. DTensor would choose where else to exchange, and could
not say that the trace never is. Symbols and shapes: `implementations/README.md`. The twin is `drtrl_sharded_jax.py`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

from drtrl_bench.implementations.algorithms.approximate import drtrl_torch as drtrl
from drtrl_bench.implementations.engine.adjoint_torch import DIAGONAL, Rule, forward_weights
from drtrl_bench.implementations.engine.network_torch import Params, PerWeight, gradient


class Gather(torch.autograd.Function):
    """Put the neurons [..., N / n] of all processes together; an adjoint takes its own process's part back."""

    @staticmethod
    def forward(shard: Tensor) -> Tensor:
        """Return [..., N]."""
        pieces = [torch.empty_like(shard) for _ in range(dist.get_world_size())]
        dist.all_gather(pieces, shard.contiguous())
        return torch.cat(pieces, -1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        """Keep the number of neurons."""
        ctx.neurons = inputs[0].shape[-1]

    @staticmethod
    def backward(ctx: Any, adjoint: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return [..., N / n]."""
        return adjoint.narrow(-1, dist.get_rank() * ctx.neurons, ctx.neurons)


class Gathered:
    """A cell of which each process has some neurons: what it sends to others is gathered from all processes."""

    def __init__(self, cell: Any) -> None:
        self.cell = cell

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cell, name)

    def output(self, s: Tensor) -> Tensor:
        """Return the output o [..., N] of all neurons, from the states [..., S, N / n] of a process."""
        return Gather.apply(self.cell.output(s))

    def emit(self, s: Tensor) -> Tensor:
        """Return the recurrent output r [..., N] of all neurons, from the states [..., S, N / n] of a process."""
        return Gather.apply(self.cell.emit(s))


def summed(below: int, error: Tensor, cell: Any, w: PerWeight, dX_dy: Tensor) -> Tensor:
    """Feed dX/dy back through the forward weights: dX/do of layer `below`, [K, B, Q, J], by way of all processes."""
    part = forward_weights(below, error, cell, w, dX_dy)
    if isinstance(cell, Gathered):
        dist.all_reduce(part := part.contiguous())
    return part


RULE = Rule(loss=DIAGONAL, carry=DIAGONAL, feedback=summed)


class Algorithm(NamedTuple):
    """D-RTRL's `init` and `advance` with this file's rule."""

    init: Callable[..., Any] = drtrl.init
    advance: Callable[..., Any] = partial(drtrl.advance, rule=RULE)


def divide(net: Any, params: Params) -> Params:
    """Take the weights [J, Gk, N / n] of this process's neurons, and the whole readout."""
    rank, n = dist.get_rank(), dist.get_world_size()
    hidden = [{k: v.chunk(n, -1)[rank].contiguous() for k, v in w.items()} for w in params[:-1]]
    return [*hidden, params[-1]]


def sharded_gradient(
    net: Any, params: Params, inputs: Tensor, targets: Tensor, chunk: int, **options: Any
) -> tuple[Tensor, Params]:
    """Compute loss and gradient of a sequence in the processes of a group: inputs [T, B, I], targets [T, B].

    params: those of the whole network, the same in every process. The gradient is that of this process's neurons, as
    `divide` takes them. options: those of `drtrl_torch.advance`. Raises ValueError for a layer whose neurons cannot be
    divided by the processes, or whose weights are masked or signed as a whole layer's.
    """
    n = dist.get_world_size()
    for cell, w in zip(net[:-1], params, strict=False):
        if (N := w["x"].shape[-1]) % n:
            raise ValueError(f"{N} neurons cannot be divided among {n} processes")
        if cell.signed or any(cell.mask(kind, cell.fan_in(kind, len(w["x"]), N), N) is not None for kind in w):
            raise ValueError("masked or signed weights are not divided among processes: their pattern is the layer's")
    on_device = (*map(Gathered, net[:-1]), net[-1])
    algorithm = Algorithm(advance=partial(Algorithm().advance, **options))
    return gradient(algorithm, on_device, divide(net, params), inputs, targets, chunk)
