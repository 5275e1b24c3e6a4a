"""Run snnTorch 1.0: BPTT of a layer of `snntorch.Leaky` with recurrent weights and soft reset.

Ways: bptt (as the library is used: `reset_delay=True`) and bptt_undelayed (`reset_delay=False`).

Not matched by bptt: the reset subtracts the whole threshold after the decay, and its spike is detached:
mem' = beta mem - sg(s) + I, where the LIF neuron here has V' = a (V - s) + I with a gradient through s.
bptt_undelayed is the same as here as long as no potential reaches twice the threshold; from there on it resets twice.
The library's own surrogates return float32 and none is alpha max(1 - |v|, 0), so that this one is handed to it.
"""

# pyright: reportMissingImports=false
from typing import Any

import snntorch
import torch
from in_torch import Spike, Step, prepare
from task import Prepared, Task, lif_decay, serve

WAYS = {"bptt": True, "bptt_undelayed": False}


def prepared(task: Task) -> Prepared:
    """Build the gradient of a task."""
    task.require_way(WAYS)
    cell = task.cell("LIF")
    beta = torch.tensor(lif_decay(cell, resets=("soft",)), dtype=getattr(torch, task.dtype))

    def spike(v: torch.Tensor) -> Any:
        return Spike.apply(v, cell["alpha"], cell["width"])

    def layer() -> Step:
        neurons = snntorch.Leaky(beta, spike_grad=spike, reset_delay=WAYS[task.way])
        mem = None

        def step(current: torch.Tensor) -> torch.Tensor:
            nonlocal mem
            spikes, mem = neurons(current, torch.zeros_like(current) if mem is None else mem)
            return spikes

        return step

    return prepare(task, layer)


if __name__ == "__main__":
    serve(prepared, "snntorch", "torch", "numpy")
