"""Computes the gradient of a network on a connectome by each rule, in PyTorch. Twin: `gradients_jax.py`."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from drtrl_bench.implementations.cells import cells_torch as cells
from drtrl_bench.implementations.engine import network_torch
from drtrl_bench.implementations.sparse import bptt_torch, drtrl_torch, es_drtrl_torch, synapses_torch
from drtrl_bench.implementations.sparse import network_torch as sparse
from drtrl_bench.measure import memory
from drtrl_bench.paper.brain.problem import TAU, TAU_SYN, Problem

Gradient = list[dict[str, np.ndarray]]
RULES: dict[str, Any] = {
    "bptt": bptt_torch,
    "drtrl": drtrl_torch,
    "es_drtrl": es_drtrl_torch,
    "no_trace": es_drtrl_torch,  # whose filters, without decay, are the current step
}


class CountingLIF(cells.LIF):
    """A LIF neuron that counts its spikes: c' = c + s, and gives c + s, of all steps so far, to the layer above."""

    def plasticity(self, s: dict[str, Tensor], spikes: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        return {"c": s["c"] + spikes}, spikes

    def output(self, s: Tensor) -> Tensor:
        named = self.named(s)
        return named["c"] + self.spikes(named)


def network(ms: float) -> tuple[Any, ...]:
    """Return the cells for steps of some ms: the layer, and the readout."""
    constants: dict[str, Any] = {"tau": TAU / ms, "tau_syn": TAU_SYN / ms, "reset": "multiply", "detach_reset": True}
    return (CountingLIF(states=("V", "g", "c"), **constants), cells.LinearReadout())


def arguments(problem: Problem, dtype: torch.dtype) -> tuple[Any, ...]:
    """Return synapses, weights, inputs and targets of a problem as tensors."""
    wiring = [{k: synapses_torch.synapses(p) for k, p in of_layer.items()} for of_layer in problem.patterns]
    params = [{k: torch.tensor(v, dtype=dtype) for k, v in w.items()} for w in problem.params]
    return wiring, params, torch.tensor(problem.inputs, dtype=dtype), torch.tensor(problem.targets, dtype=torch.int64)


def prepared(job: dict[str, Any], rule: str) -> Any:
    """Return the function of synapses, weights, inputs and targets: the last states, the loss and the gradient."""
    net, algorithm = network(job["ms"]), RULES[rule]
    options = {"es_drtrl": {"decay": job["decay"]}, "no_trace": {"decay": 0.0}}.get(rule, {})
    chunk = job["steps"] if rule == "bptt" else job["chunk"]

    def whole(wiring: Any, params: Any, inputs: Tensor, targets: Tensor) -> Any:
        carry = algorithm.init(net, wiring, params, inputs.shape[1])
        advance = partial(algorithm.advance, net, wiring, params, **options)
        return network_torch.fold(advance, carry, params, inputs, targets, chunk)

    return whole


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread: what is shared of a step is less than what it takes to wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def gradients(job: dict[str, Any], problem: Problem, rule: str) -> list[Gradient]:
    """Return the gradient of each frame by a rule, in float64."""
    whole = prepared(job, rule)
    with one_thread():
        each = [arguments(problem.sample(number), torch.float64) for number in range(job["samples"])]
        return [[{k: v.numpy() for k, v in w.items()} for w in whole(*one)[2]] for one in each]


def counts(job: dict[str, Any], problem: Problem) -> np.ndarray:
    """Return how often each neuron spikes in each frame [samples, N]."""
    net, (wiring, params, inputs, targets) = network(job["ms"]), arguments(problem, torch.float64)
    with one_thread():
        states = sparse.initial_states(net, wiring, params, inputs.shape[1])
        last = sparse.forward(net, wiring, params, states, inputs, targets)[0]
    return net[0].output(last[0]).numpy()


def working_bytes(job: dict[str, Any], problem: Problem, rule: str) -> int:
    """Return the peak memory of a gradient of all frames in float32, beyond weights, synapses and frames."""
    call = partial(prepared(job, rule), *arguments(problem, torch.float32))
    with one_thread():
        return memory.torch_peak_bytes(call)
