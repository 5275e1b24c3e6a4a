"""Measures time and memory of a rule for a network of sparse weights as large as a brain, in a process of its own.

The network: LIF neurons with the pairs of a connectome, whose weights are in proportion to a pair's synapses; 68 input
lines, one to each neuron; a leaky readout of 68 units, one for each neuron, as if a unit were a neuropil. Each neuron
has a constant current by which it would spike alone, at rates that are log-normal around 2 % of the steps.
"""

import ctypes
import gc
from functools import partial
from importlib import import_module
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drtrl_bench.datasets.connectomes.connectome import Connectome
from drtrl_bench.datasets.connectomes.flywire import flywire
from drtrl_bench.datasets.connectomes.generated import generated
from drtrl_bench.implementations.sparse.pattern import Pattern, pattern_of
from drtrl_bench.measure import clock, memory

UNITS, TAU, RATE, RATE_SPREAD = 68, 20.0, 0.02, 0.3
"""Input lines and units of the readout; time constant in steps; spikes a step, and deviation of their logarithm."""
COUPLING = 0.001
"""The jump of a potential, in thresholds, for one synapse."""
CHUNKS = 10
"""Chunks that are timed, after 3 that are not: by then the neurons have spiked, and everything is compiled."""


def connectome(neurons: int, pairs: int) -> Connectome:
    """Return a generated connectome, or FlyWire's if no number of neurons is asked for."""
    return generated(neurons, pairs) if neurons else flywire()


def network(brain: Connectome) -> tuple[list[dict[str, Pattern]], list[dict[str, NDArray[np.float32]]]]:
    """Return the patterns and the weights of the network, those of each layer by kind."""
    rng = np.random.default_rng(1)
    N, each = brain.N, np.arange(brain.N)
    order = np.lexsort((brain.post, brain.pre))
    recurrent = pattern_of(brain.pre, brain.post, N, N)
    lines, units = pattern_of(rng.integers(0, UNITS, N), each, UNITS, N), pattern_of(each, each % UNITS, N, UNITS)
    period = np.maximum(rng.lognormal(-np.log(RATE), RATE_SPREAD, N), 2.0)
    current = (1 - np.exp(-1 / TAU)) / (1 - np.exp(-period / TAU))  # from 0 to the threshold within the period
    weights = [
        {
            "x": lines.pack(0.003 * rng.standard_normal(N)),
            "r": recurrent.pack(COUPLING * brain.weight[order]),
            "b": current[None, None],
        },
        {"x": units.pack(np.sqrt(UNITS / N) * rng.standard_normal(N))},
    ]
    patterns = [{"x": lines, "r": recurrent}, {"x": units}]
    return patterns, [{k: v.astype(np.float32) for k, v in w.items()} for w in weights]


def as_it_is(result: Any) -> Any:
    """Return a result, which PyTorch on a CPU returns when it is done."""
    return result


def give_back() -> None:
    """Return to the system what the process has freed, such as what drawing a connectome took; the GNU library can."""
    gc.collect()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)


def compute(job: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the row of a job: its framework, rule, neurons, pairs and chunk, with milliseconds a step and memory."""
    framework, K = job["framework"], job["chunk"]
    brain = connectome(job["neurons"], job["pairs"])
    patterns, weights = network(brain)
    row = job | {"data": brain.label, "neurons": brain.N, "pairs": len(brain.pre)}
    del brain
    names = (f"sparse.{job['rule']}", "sparse.synapses", "cells.cells")
    rule, synapses, cells = (import_module(f"drtrl_bench.implementations.{name}_{framework}") for name in names)
    net = (cells.LIF(states=("V",), tau=TAU), cells.LeakyReadout())
    rng = np.random.default_rng(2)
    inputs, targets = rng.standard_normal((K, 1, UNITS)).astype(np.float32), rng.integers(0, UNITS, (K, 1))
    state: dict[str, Any] = {"grads": None}
    array: Any
    advance: Any
    done: Any
    if framework == "jax":
        import jax

        array, done = jax.numpy.array, jax.block_until_ready
        advance = jax.jit(partial(rule.advance, net), donate_argnums=2)
    else:
        import torch

        array, advance, done = torch.from_numpy, partial(rule.advance, net), as_it_is

    wiring = [{k: synapses.synapses(pattern) for k, pattern in of_layer.items()} for of_layer in patterns]
    params = [{k: array(v) for k, v in w.items()} for w in weights]
    del patterns, weights
    state["carry"] = rule.init(net, wiring, params, 1)
    if framework == "jax":
        from jax import tree

        state["carry"] = tree.map(array, state["carry"])  # no two of what is given away are one array
    arguments = array(inputs), array(targets)

    def step() -> None:
        state["grads"] = None
        state["carry"], _, state["grads"] = done(advance(wiring, params, state["carry"], *arguments))

    for _ in range(3):
        step()
    give_back()
    memory.reset_rss_peak()
    seconds = [clock.once(step) for _ in range(CHUNKS)]
    spikes = np.asarray(state["carry"].states[0] if hasattr(state["carry"], "states") else state["carry"][0]) >= 1
    gradient = np.asarray(state["grads"][0]["r"])
    if not gradient.any():
        raise ValueError(f"the gradient of {row['data']} is 0: its neurons do not spike")
    row["ms_per_step"] = 1e3 * median(seconds) / K
    row["slowest_ms_per_step"] = 1e3 * max(seconds) / K
    row["rss_peak_mib"] = (memory.rss_peak_bytes() or 0) / 2**20
    row["spikes_at_the_end"] = float(spikes.mean())
    return [row]
