"""Run the forward pass of the next chunk beside the backward pass of this one, in two streams of a GPU.

The backward pass of a chunk waits for no later chunk, and the forward pass, one sample to a multiprocessor, leaves most
of the GPU idle. States and currents of two chunks are stored at a time, however long the sequence.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from drtrl_bench.implementations.engine.network_torch import Layer, Params, States


class Pending(NamedTuple):
    """Hold the results of a forward pass, and the event at the end of the backward pass that needs them."""

    results: Any
    backward_end: torch.cuda.Event


class Ahead:
    """Offer a `forward` of an `Execution` that runs on a second stream, for chunks of one block each.

    An object serves for one gradient.
    """

    def __init__(self, forward: Callable[..., tuple[Any, ...]]) -> None:
        self.plain = forward
        self.stream = torch.cuda.Stream(priority=-1)
        self.pending: list[Pending] = []

    def forward(
        self, net: Any, params: Params, states: States, inputs: Tensor, targets: Tensor, layer: Layer
    ) -> tuple[Any, ...]:
        """Run a chunk forward, once the backward pass of the chunk before the last is over."""
        main = torch.cuda.current_stream()
        if self.pending:
            self.pending[-1].backward_end.record(main)
        else:
            self.stream.wait_stream(main)
        if len(self.pending) == 2:
            self.stream.wait_event(self.pending.pop(0).backward_end)
        with torch.cuda.stream(self.stream):
            results = self.plain(net, params, states, inputs, targets, layer)
        main.wait_stream(self.stream)
        self.pending.append(Pending(results, torch.cuda.Event()))
        return results
