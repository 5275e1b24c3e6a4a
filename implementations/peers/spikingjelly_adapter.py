"""Run spikingjelly 2.0: BPTT of a layer of `LIFNode` with recurrent weights, step by step.

Ways: bptt, bptt_detached (`detach_reset=True`, which its authors advise), and ottt: `OTTTLIFNode`, each of whose
products is in `GradwithTrace`. In ottt no gradient leaves a step; inputs have a trace by `OTTTLIFNode.track_trace`.

`LIFNode` with `decay_input=False` and tau = 1 / (1 - a) is the LIF neuron here, with `v_reset=None` for a soft reset.
Not matched: its hard reset is (1 - s) V, with a gradient through both, where here V - s V has none through the V that
is subtracted; a detached reset has no gradient through s. The triangular surrogate alpha max(width - |v|, 0) is handed
to it: its own `PiecewiseQuadratic` ties the height to the width. In ottt the trace of a neuron's spikes, by its own
leak, is that of all weights that read them: of the readout's, too, which here has the readout's own leak, or none.
"""

# pyright: reportMissingImports=false
from functools import partial
from typing import Any

import torch
from in_torch import Spike, Step, Weights, differentiated, prepare
from spikingjelly.activation_based import layer as layers
from spikingjelly.activation_based import neuron
from task import Prepared, Task, lif_decay, serve

WAYS = {"bptt": False, "bptt_detached": True, "ottt": True}
"""Whether the reset is detached."""


class Product(torch.nn.Module):
    """The product with a weight [J, N], as a module."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return z @ self.weight


class Triangular(torch.nn.Module):
    """The triangular surrogate, as a module."""

    def __init__(self, alpha: float, width: float) -> None:
        super().__init__()
        self.alpha, self.width = alpha, width

    def forward(self, v: torch.Tensor) -> Any:
        return Spike.apply(v, self.alpha, self.width)


def online(options: dict[str, Any], params: Weights, inputs: torch.Tensor, leak: float) -> torch.Tensor:
    """Return the logits [T, B, C] of a layer of OTTTLIFNode, whose gradient is that of OTTT."""
    hidden, readout = params
    node = neuron.OTTTLIFNode(**options)
    by_input, by_spikes, read = (layers.GradwithTrace(Product(w)) for w in (hidden["x"], hidden["r"], readout["x"]))
    bias = readout["b"][0] if "b" in readout else 0.0
    trace, spikes, rho, logits = torch.zeros_like(inputs[0]), None, torch.zeros(()), []
    for x in inputs:
        trace = node.track_trace(x, trace, node.tau)
        current = by_input([x, trace]) + hidden["b"][0]
        spikes = node(current if spikes is None else current + by_spikes([each.detach() for each in spikes]))
        rho = leak * rho.detach() + read(spikes) + bias
        logits.append(rho)
    return torch.stack(logits)


def prepared(task: Task) -> Prepared:
    """Build the gradient of a task."""
    task.require_way(WAYS)
    cell = task.cell("LIF")
    options: dict[str, Any] = {"tau": 1 / (1 - lif_decay(cell)), "decay_input": False, "detach_reset": WAYS[task.way]}
    options |= {"v_reset": None if cell["reset"] == "soft" else 0.0}
    options |= {"surrogate_function": Triangular(cell["alpha"], cell["width"])}

    if task.way == "ottt":
        return differentiated(task, partial(online, options))

    def layer() -> Step:
        return neuron.LIFNode(**options)

    return prepare(task, layer)


if __name__ == "__main__":
    serve(prepared, "spikingjelly", "torch", "numpy")
