"""Does in PyTorch what differs between the frameworks in a training. Twin: `training_jax.py`."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from drtrl_bench.implementations.algorithms.approximate import (
    drtrl_torch,
    es_drtrl_torch,
    no_trace_torch,
    random_feedback_torch,
)
from drtrl_bench.implementations.algorithms.exact import bptt_torch
from drtrl_bench.implementations.cells import cells_torch as cells
from drtrl_bench.implementations.engine import network_torch
from drtrl_bench.implementations.training import fit_torch
from drtrl_bench.measure import memory
from drtrl_bench.paper.learning import rules

__all__ = ["cells", "fit", "on_device", "outputs", "prepared"]

fit = fit_torch.fit
RULES: dict[str, Any] = {
    "bptt": bptt_torch,
    "drtrl": drtrl_torch,
    "es_drtrl": es_drtrl_torch,
    "no_trace": no_trace_torch,
    "random_feedback": random_feedback_torch,
}
"""Imported by name, so that they are among the sources of a job's rows."""


class Gradient(NamedTuple):
    """A gradient of a sequence, and the peak memory of a call beyond its arguments."""

    of_sequence: Any
    working_bytes: int


def on_device(params: Any) -> Any:
    """Return weights as float32 arrays of the framework."""
    return [{k: torch.tensor(w, dtype=torch.float32) for k, w in layer.items()} for layer in params]


def prepared(job: dict[str, Any], net: Any, params: Any) -> Gradient:
    """Return the gradient of a job's rule, measured on a batch without inputs: the same bytes as with some."""
    algorithm = rules.bound(RULES, job["rule"], job["rule_options"])
    call = partial(network_torch.gradient, algorithm, net, chunk=job["chunk"])
    inputs = torch.zeros(job["steps"], job["batch"], len(params[0]["x"]))
    targets = torch.zeros(job["steps"], job["batch"], dtype=torch.int64)
    return Gradient(call, memory.torch_peak_bytes(partial(call, params, inputs, targets)))


def outputs(net: Any, params: Any, inputs: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the logits [T, B, C], and the spikes per step of each neuron of all spiking layers [N]."""
    with torch.no_grad():
        effective, _ = network_torch.effective_weights(net, params)
        x = torch.tensor(inputs, dtype=torch.float32)
        states = network_torch.initial_states(net, effective, x.shape[1])
        residuals, _, logits = network_torch.run(net, effective, states, x)
        pairs = zip(net, residuals, strict=True)
        spikes = [cell.fired(r.states).float().mean(dim=(0, 1)) for cell, r in pairs if cell.spiking]
        return logits.numpy(), torch.cat([*spikes, torch.zeros(0)]).numpy()
