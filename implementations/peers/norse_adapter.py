"""Run norse 1.1: BPTT of a layer of `lif_box_feed_forward_step` with recurrent weights.

Way: bptt.

The box neuron v' = v + k (I - v) with k = 1 - exp(-1/tau) is the LIF neuron here once its weights are divided by k; the
gradient is scaled back. `reset_subtract` is the soft reset, `reset_value` (1 - s) v. Its surrogate "triangle" is
alpha max(1 - |v|, 0), so of width 1 only.
Not matched: the hard reset has a gradient through both factors of (1 - s) v, where here V - s V has none through the V
that is subtracted. A potential exactly at the threshold spikes here and not there. `LIFCell` and `lif_step` have a
synapse of their own, which cannot be switched off, and detach the reset: they are not used.
"""

# pyright: reportMissingImports=false
import torch
from in_torch import Step, prepare
from norse.torch.functional.lif_box import LIFBoxFeedForwardState, LIFBoxParameters, lif_box_feed_forward_step
from norse.torch.functional.reset import reset_subtract, reset_value
from task import Prepared, Task, lif_decay, serve


def prepared(task: Task) -> Prepared:
    """Build the gradient of a task."""
    task.require_way(("bptt",))
    cell = task.cell("LIF")
    gain = 1 - lif_decay(cell, width=1.0)
    like = {"dtype": getattr(torch, task.dtype)}
    parameters = LIFBoxParameters(
        tau_mem_inv=torch.tensor(gain, **like),
        v_leak=torch.tensor(0.0, **like),
        v_th=torch.tensor(1.0, **like),
        v_reset=torch.tensor(0.0, **like),
        method="triangle",
        alpha=cell["alpha"],
        reset_method=reset_subtract if cell["reset"] == "soft" else reset_value,
    )

    def layer() -> Step:
        state = None

        def step(current: torch.Tensor) -> torch.Tensor:
            nonlocal state
            state = LIFBoxFeedForwardState(torch.zeros_like(current)) if state is None else state
            spikes, state = lif_box_feed_forward_step(current, state, parameters, dt=1.0)
            return spikes

        return step

    return prepare(task, layer, gain)


if __name__ == "__main__":
    serve(prepared, "norse", "torch", "numpy")
