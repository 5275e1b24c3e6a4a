"""Does in JAX what differs between the frameworks in a training. Twin: `training_torch.py`."""

from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from drtrl_bench.implementations.algorithms.approximate import (
    drtrl_jax,
    es_drtrl_jax,
    no_trace_jax,
    random_feedback_jax,
)
from drtrl_bench.implementations.algorithms.exact import bptt_jax, bptt_native_jax
from drtrl_bench.implementations.cells import cells_jax as cells
from drtrl_bench.implementations.engine import network_jax
from drtrl_bench.implementations.training import fit_jax
from drtrl_bench.measure import memory
from drtrl_bench.paper.learning import rules

__all__ = ["cells", "fit", "on_device", "outputs", "prepared"]

fit = fit_jax.fit
RULES: dict[str, Any] = {
    "bptt": bptt_jax,
    "bptt_native": bptt_native_jax,
    "drtrl": drtrl_jax,
    "es_drtrl": es_drtrl_jax,
    "no_trace": no_trace_jax,
    "random_feedback": random_feedback_jax,
}
"""Imported by name, so that they are among the sources of a job's rows."""


class Gradient(NamedTuple):
    """A compiled gradient of a sequence, and the peak memory of a call beyond its arguments."""

    of_sequence: Any
    working_bytes: int


def on_device(params: Any) -> Any:
    """Return weights as float32 arrays of the framework."""
    return jax.tree.map(lambda w: jnp.asarray(w, jnp.float32), params)


def prepared(job: dict[str, Any], net: Any, params: Any) -> Gradient:
    """Return the gradient of a job's rule, compiled once for all jobs of the same shapes.

    BPTT has two programs for the same gradient. Where a neuron has several states, JAX's own differentiation is the
    quicker (results/records/states.jsonl).
    """
    quickest = "bptt_native" if job["rule"] == "bptt" and net[0].S > 1 else job["rule"]
    lines = params[0]["x"].shape[0]
    options = tuple(sorted(job["rule_options"].items()))
    leaves, structure = jax.tree.flatten(params)
    shapes = tuple(leaf.shape for leaf in leaves)
    return compiled(quickest, options, net, shapes, structure, (job["steps"], job["batch"], lines), job["chunk"])


@cache
def compiled(
    name: str, options: tuple[tuple[str, Any], ...], net: Any, shapes: Any, structure: Any, of_batch: Any, chunk: int
) -> Gradient:
    """Compile the gradient of a rule for weights and batches of these shapes."""
    algorithm = rules.bound(RULES, name, dict(options))
    params = jax.tree.unflatten(structure, [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes])
    inputs, targets = jax.ShapeDtypeStruct(of_batch, jnp.float32), jax.ShapeDtypeStruct(of_batch[:2], jnp.int32)
    call = jax.jit(partial(network_jax.gradient, algorithm, net, chunk=chunk))
    made = call.lower(params, inputs, targets).compile()
    return Gradient(made, memory.xla_bytes(made)["working_bytes"])


def outputs(net: Any, params: Any, inputs: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the logits [T, B, C], and the spikes per step of each neuron of all spiking layers [N]."""
    logits, spikes = forward(net, params, jnp.asarray(inputs, jnp.float32))
    return np.asarray(logits), np.asarray(spikes)


@partial(jax.jit, static_argnums=0)
def forward(net: Any, params: Any, inputs: Any) -> tuple[Any, Any]:
    """Run a network forward: its logits, and how often each neuron spikes."""
    effective, _ = network_jax.effective_weights(net, params)
    states = network_jax.initial_states(net, effective, inputs.shape[1])
    residuals, _, logits = network_jax.run(net, effective, states, inputs)
    spikes = [cell.fired(r.states).mean(axis=(0, 1)) for cell, r in zip(net, residuals, strict=True) if cell.spiking]
    return logits, jnp.concatenate([*spikes, jnp.zeros(0)])
