"""Computes the gradient of a network on a connectome by each rule, in JAX. Twin: `gradients_torch.py`."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from drtrl_bench.implementations.cells import cells_jax as cells
from drtrl_bench.implementations.engine import network_jax
from drtrl_bench.implementations.sparse import bptt_jax, drtrl_jax, es_drtrl_jax, synapses_jax
from drtrl_bench.implementations.sparse import network_jax as sparse
from drtrl_bench.measure import memory
from drtrl_bench.paper.brain.problem import TAU, TAU_SYN, Problem

Gradient = list[dict[str, np.ndarray]]
RULES: dict[str, Any] = {
    "bptt": bptt_jax,
    "drtrl": drtrl_jax,
    "es_drtrl": es_drtrl_jax,
    "no_trace": es_drtrl_jax,  # whose filters, without decay, are the current step
}


class CountingLIF(cells.LIF):
    """A LIF neuron that counts its spikes: c' = c + s, and gives c + s, of all steps so far, to the layer above."""

    def plasticity(self, s: dict[str, Array], spikes: Array) -> tuple[dict[str, Array], Array]:
        return {"c": s["c"] + spikes}, spikes

    def output(self, s: Array) -> Array:
        named = self.named(s)
        return named["c"] + self.spikes(named)


def network(ms: float) -> tuple[Any, ...]:
    """Return the cells for steps of some ms: the layer, and the readout."""
    constants: dict[str, Any] = {"tau": TAU / ms, "tau_syn": TAU_SYN / ms, "reset": "multiply", "detach_reset": True}
    return (CountingLIF(states=("V", "g", "c"), **constants), cells.LinearReadout())


def arguments(problem: Problem, dtype: Any) -> tuple[Any, ...]:
    """Return synapses, weights, inputs and targets of a problem as arrays."""
    wiring = [{k: synapses_jax.synapses(p) for k, p in of_layer.items()} for of_layer in problem.patterns]
    params = [{k: jnp.asarray(v, dtype) for k, v in w.items()} for w in problem.params]
    return wiring, params, jnp.asarray(problem.inputs, dtype), jnp.asarray(problem.targets)


def prepared(job: dict[str, Any], rule: str) -> Any:
    """Return the function of synapses, weights, inputs and targets: the last states, the loss and the gradient."""
    net, algorithm = network(job["ms"]), RULES[rule]
    options = {"es_drtrl": {"decay": job["decay"]}, "no_trace": {"decay": 0.0}}.get(rule, {})
    chunk = job["steps"] if rule == "bptt" else job["chunk"]

    @jax.jit
    def whole(wiring: Any, params: Any, inputs: Array, targets: Array) -> Any:
        carry = algorithm.init(net, wiring, params, inputs.shape[1])
        advance = partial(algorithm.advance, net, wiring, params, **options)
        return network_jax.fold(advance, carry, params, inputs, targets, chunk)

    return whole


def gradients(job: dict[str, Any], problem: Problem, rule: str) -> list[Gradient]:
    """Return the gradient of each frame by a rule, in float64."""
    whole = prepared(job, rule)
    with jax.enable_x64(True):
        each = [arguments(problem.sample(number), jnp.float64) for number in range(job["samples"])]
        return [[{k: np.asarray(v) for k, v in w.items()} for w in whole(*one)[2]] for one in each]


def counts(job: dict[str, Any], problem: Problem) -> np.ndarray:
    """Return how often each neuron spikes in each frame [samples, N]."""
    net = network(job["ms"])
    with jax.enable_x64(True):
        wiring, params, inputs, targets = arguments(problem, jnp.float64)
        states = sparse.initial_states(net, wiring, params, inputs.shape[1])
        last = jax.jit(partial(sparse.forward, net))(wiring, params, states, inputs, targets)[0]
        return np.asarray(net[0].output(last[0]))


def working_bytes(job: dict[str, Any], problem: Problem, rule: str) -> int:
    """Return the peak memory of a gradient of all frames in float32, beyond weights, synapses and frames."""
    compiled = prepared(job, rule).lower(*arguments(problem, jnp.float32)).compile()
    return memory.xla_bytes(compiled)["working_bytes"]
