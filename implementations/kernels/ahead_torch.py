"""The forward pass of the next chunk beside the way back through this one: two streams of a GPU.

The way back through a chunk waits for no later chunk, and the forward pass, a sample to a multiprocessor, leaves most
of the GPU idle. Two chunks' states and drives are held at a time, however long the sequence.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from drtrl_bench.implementations.engine.blocks_torch import forth
from drtrl_bench.implementations.engine.network_torch import Params, States


class Held(NamedTuple):
    """What a forward pass left, and when the way back through it is over."""

    found: Any
    over: torch.cuda.Event


class Ahead:
    """`forth` of `blocks_torch.py` for chunks of one block each, on a stream of its own."""

    def __init__(self) -> None:
        self.stream = torch.cuda.Stream(priority=-1)
        self.held: list[Held] = []

    def forth(self, net: Any, params: Params, states: States, inputs: Tensor, targets: Tensor) -> tuple[Any, ...]:
        """A chunk forward, once the way back through the chunk before the last is over."""
        main = torch.cuda.current_stream()
        if self.held:
            self.held[-1].over.record(main)
        else:
            self.stream.wait_stream(main)
        if len(self.held) == 2:
            self.stream.wait_event(self.held.pop(0).over)
        with torch.cuda.stream(self.stream):
            found = forth(net, params, states, inputs, targets)
        main.wait_stream(self.stream)
        self.held.append(Held(found, torch.cuda.Event()))
        return found
