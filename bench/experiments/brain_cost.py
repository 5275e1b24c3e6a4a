"""Measure time and memory of a rule for a network of sparse weights as large as a brain, in a process of its own.

The network, drawn before in another process, is read from a file: `brain_network.py`.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drtrl_bench.experiments import brain_network, resident
from drtrl_bench.experiments.brain_network import TAU, UNITS
from drtrl_bench.implementations.sparse.pattern import Pattern
from drtrl_bench.measure import clock

CHUNKS = 10
"""Chunks that are timed, after 3 that are not: by then the neurons have spiked, and everything is compiled."""


def as_it_is(result: Any) -> Any:
    """Return a result, which PyTorch on a CPU returns when it is done."""
    return result


def stage(name: str) -> None:
    """Print what this process is doing: the reason of a row without a cost names the last stage."""
    print(f"stage: {name}", flush=True)


def modules(framework: str, rule: str) -> tuple[str, ...]:
    """Return the names of the modules of a rule on sparse weights, of its synapses and of its cells."""
    names = (f"sparse.{rule}", "sparse.synapses", "cells.cells")
    return tuple(f"implementations.{name}_{framework}" for name in names)


def cells_of(module: Any) -> tuple[Any, Any]:
    """Return the network: LIF neurons and a leaky readout, from a framework's module of cells."""
    return module.LIF(states=("V",), tau=TAU), module.LeakyReadout()


def data(chunk: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Draw the inputs [K, 1, UNITS] and the targets [K, 1] of a chunk."""
    rng = np.random.default_rng(2)
    return rng.standard_normal((chunk, 1, UNITS)).astype(np.float32), rng.integers(0, UNITS, (chunk, 1))


def wired(synapses: Any, patterns: list[dict[str, Pattern]]) -> list[dict[str, Any]]:
    """Return the patterns of each layer as a framework's module of synapses holds them."""
    return [{k: synapses.synapses(pattern) for k, pattern in of_layer.items()} for of_layer in patterns]


def to_array(framework: str) -> Callable[[Any], Any]:
    """Return the function that turns a NumPy array into one of a framework."""
    return import_module("jax").numpy.array if framework == "jax" else import_module("torch").from_numpy


class Stepper:
    """Advance a network by chunks, as training does: the carry goes from chunk to chunk, the gradient is replaced.

    given: what `init` and `advance` of the rule take after the network: the wiring and the weights, or the dense
    weights alone.
    """

    def __init__(self, framework: str, rule: Any, net: Any, given: tuple[Any, ...], chunk: int) -> None:
        array = to_array(framework)
        self.arguments = [array(each) for each in data(chunk)]
        self.given, self.carry = given, rule.init(net, *given, 1)
        self.grads: Any = None
        self.advance: Callable[..., Any] = partial(rule.advance, net)
        self.done: Callable[[Any], Any] = as_it_is
        if framework == "jax":
            import jax

            self.advance, self.done = jax.jit(self.advance, donate_argnums=len(given)), jax.block_until_ready
            self.carry = jax.tree.map(array, self.carry)  # no two of what is given away are one array

    def __call__(self) -> None:
        """Advance one chunk."""
        self.grads = None
        self.carry, _, self.grads = self.done(self.advance(*self.given, self.carry, *self.arguments))

    def spikes(self) -> float:
        """Return the share of the neurons that spike after the last step."""
        states: Any = getattr(self.carry, "states", self.carry)
        return float((np.asarray(states[0]) >= 1).mean())


def as_given(job: dict[str, Any], *given: Any) -> Any:
    """Return the wiring and the weights of a job as they are."""
    return given


def compute(job: dict[str, Any], change: Callable[..., Any] = as_given) -> list[dict[str, Any]]:
    """Return the row of a job: its framework, rule, neurons, pairs and chunk, with milliseconds a step and memory.

    job: with the file of its network. change: the function of job, wiring and weights that returns those that are
    measured.

    rss_before_mib: what the process holds with its framework alone. rss_setup_mib: its peak from there to the timing.
    rss_peak_mib: its peak while chunks are timed. These are None where the system begins no peak anew.
    rss_whole_mib: its peak from its start to its end. rss_drawing_mib: that of the process that drew the network.
    """
    start, framework, K = perf_counter(), job["framework"], job["chunk"]
    rule, synapses, cells = (import_module(f"drtrl_bench.{name}") for name in modules(framework, job["rule"]))
    array = to_array(framework)
    array(np.zeros(1)).sum()  # JAX starts its threads
    started = resident.peak()
    resident.give_back()
    setup_peak = resident.peak_from_now()
    before = setup_peak()
    stage("reading the network")
    about, patterns, weights = brain_network.load(Path(job["network"]))
    row = {k: v for k, v in job.items() if k != "network"} | about
    given = change(job, wired(synapses, patterns), [{k: array(v) for k, v in w.items()} for w in weights])
    del patterns, weights
    stage("compilation and first chunks")
    step = Stepper(framework, rule, cells_of(cells), given, K)
    for _ in range(3):
        step()
    setup = setup_peak()
    stage("timing")
    resident.give_back()
    peak = resident.peak_from_now()
    seconds = [clock.once(step) for _ in range(CHUNKS)]
    row |= {"rss_before_mib": before, "rss_setup_mib": setup, "rss_peak_mib": peak()}
    row["rss_whole_mib"] = max((each for each in (started, setup, resident.peak()) if each), default=None)
    if not np.asarray(step.grads[0]["r"]).any():
        raise ValueError(f"the gradient of {row['data']} is 0: its neurons do not spike")
    row["ms_per_step"] = 1e3 * median(seconds) / K
    row["slowest_ms_per_step"] = 1e3 * max(seconds) / K
    row["spikes_at_the_end"] = step.spikes()
    row["seconds"] = perf_counter() - start
    return [row]
