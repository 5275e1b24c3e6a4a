"""Runs spikingjelly 2.0: BPTT of a layer of `LIFNode` with recurrent weights, step by step.

Ways: bptt, and bptt_detached (`detach_reset=True`, which its authors advise).

`LIFNode` with `decay_input=False` and tau = 1 / (1 - a) is the LIF neuron here, with `v_reset=None` for a soft reset.
Not matched: its hard reset is (1 - s) V, with a gradient through both, where here V - s V has none through the V that
is subtracted; a detached reset has no gradient through s. The triangular surrogate alpha max(width - |v|, 0) is handed
to it: its own `PiecewiseQuadratic` ties the height to the width.
"""

# pyright: reportMissingImports=false
from typing import Any

import torch
from in_torch import Spike, Step, prepare
from spikingjelly.activation_based import neuron
from task import Prepared, Task, lif_decay, serve

WAYS = {"bptt": False, "bptt_detached": True}


class Triangular(torch.nn.Module):
    """The triangular surrogate, as a module."""

    def __init__(self, alpha: float, width: float) -> None:
        super().__init__()
        self.alpha, self.width = alpha, width

    def forward(self, v: torch.Tensor) -> Any:
        return Spike.apply(v, self.alpha, self.width)


def prepared(task: Task) -> Prepared:
    """Build the gradient of a task."""
    task.require_way(WAYS)
    cell = task.cell("LIF")
    options: dict[str, Any] = {"tau": 1 / (1 - lif_decay(cell)), "decay_input": False, "detach_reset": WAYS[task.way]}
    options |= {"v_reset": None if cell["reset"] == "soft" else 0.0}
    options |= {"surrogate_function": Triangular(cell["alpha"], cell["width"])}

    def layer() -> Step:
        return neuron.LIFNode(**options)

    return prepare(task, layer)


if __name__ == "__main__":
    serve(prepared, "spikingjelly", "torch", "numpy")
