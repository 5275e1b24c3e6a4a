"""Compare a rule on sparse weights with the dense rule, on the same small network, in a process of its own.

The network is that of `brain_cost`. The dense rule is the project's own, and computes with weights that are 0 where no
synapse is; to set its gradient to 0 there would take time, too, and is left out. Chunks of both are timed in turns.
"""

from contextlib import nullcontext
from functools import partial
from importlib import import_module
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drtrl_bench import registry
from drtrl_bench.experiments import brain_cost, brain_network
from drtrl_bench.implementations.sparse.pattern import Pattern
from drtrl_bench.measure import stats

ROUNDS, WARM_UP = 101, 8
"""Chunks of each that are timed, and chunks before that are not."""
CHECKED = 4
"""Chunks whose gradients are compared in float64."""
Weights = list[dict[str, NDArray[Any]]]


def densely(patterns: list[dict[str, Pattern]], weights: Weights) -> Weights:
    """Return the weights, or a gradient, of each layer as dense ones [J, Gk, N], 0 where no synapse is."""
    return [
        {k: of_layer[k].dense(v) if k in of_layer else np.asarray(v) for k, v in w.items()}
        for of_layer, w in zip(patterns, weights, strict=True)
    ]


def difference(found: Weights, right: Weights, patterns: list[dict[str, Pattern]]) -> float:
    """Return the largest difference of two dense gradients at the synapses, as a share of the kind's largest entry.

    Raises ValueError if a kind of weight has no gradient.
    """
    largest = 0.0
    for one, other, of_layer in zip(found, right, patterns, strict=True):
        for k, g in other.items():
            masked = np.where(of_layer[k].dense(of_layer[k].exists) if k in of_layer else True, g, 0)
            if not (scale := np.abs(masked).max()) > 0:
                raise ValueError(f"the gradient of {k!r} is 0, and says nothing: its neurons do not spike")
            largest = max(largest, float(np.abs(one[k] - masked).max() / scale))
    return largest


def in_turns(calls: dict[str, brain_cost.Stepper]) -> dict[str, list[tuple[float, float]]]:
    """Time calls in turns, in the other order every second time: seconds by the clock and of the processor."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for turn in range(WARM_UP + ROUNDS):
        for name in list(calls)[:: 1 if turn % 2 else -1]:
            start = perf_counter(), process_time()
            calls[name]()
            times[name].append((perf_counter() - start[0], process_time() - start[1]))
    return {name: each[WARM_UP:] for name, each in times.items()}


def compute(job: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the row of a job, its framework, rule, neurons, pairs and chunk: the times of both and how they differ."""
    framework, name, K = job["framework"], job["rule"], job["chunk"]
    sparse, synapses, cells = (import_module(f"drtrl_bench.{each}") for each in brain_cost.modules(framework, name))
    dense, array = registry.ALGORITHMS[name].module(name, framework), brain_cost.to_array(framework)
    engine = import_module(f"drtrl_bench.implementations.engine.network_{framework}")
    brain_cost.stage("gradients in float64")
    about, patterns, weights = brain_network.load(Path(job["network"]))
    net, wiring = brain_cost.cells_of(cells), brain_cost.wired(synapses, patterns)

    def arrays(weights: Weights, dtype: str) -> Any:
        return [{k: array(v.astype(dtype)) for k, v in w.items()} for w in weights]

    def gradient(rule: Any, *given: Any) -> Weights:
        inputs, targets = brain_cost.data(CHECKED * K)
        advance, carry = partial(rule.advance, net, *given), rule.init(net, *given, 1)
        inputs, targets = array(inputs.astype("float64")), array(targets)
        grads = engine.fold(advance, carry, given[-1], inputs, targets, K)[2]
        return [{k: np.asarray(g) for k, g in w.items()} for w in grads]

    both = {"sparse": (sparse, weights), "dense": (dense, densely(patterns, weights))}
    with import_module("jax").enable_x64(True) if framework == "jax" else nullcontext():
        found = densely(patterns, gradient(sparse, wiring, arrays(weights, "float64")))
        differs = difference(found, gradient(dense, arrays(both["dense"][1], "float64")), patterns)
    steppers = {
        kind: brain_cost.Stepper(
            framework, rule, net, (*([wiring] if kind == "sparse" else []), arrays(w, "float32")), K
        )
        for kind, (rule, w) in both.items()
    }
    brain_cost.stage("timing")
    times = in_turns(steppers)
    ratios = [
        [one[clock] / other[clock] for one, other in zip(times["sparse"], times["dense"], strict=True)]
        for clock in (0, 1)
    ]
    low, high = stats.median_interval(ratios[0])
    return [
        {k: v for k, v in job.items() if k != "network"}
        | {"data": about["data"], "density": job["pairs"] / job["neurons"] ** 2}
        | {f"{kind}_ms_per_step": 1e3 * median(wall for wall, _ in each) / K for kind, each in times.items()}
        | {f"{kind}_cpu_ms_per_step": 1e3 * median(cpu for _, cpu in each) / K for kind, each in times.items()}
        | {"ratio": median(ratios[0]), "ratio_low": low, "ratio_high": high, "cpu_ratio": median(ratios[1])}
        | {"differs_float64": differs, "spikes_at_the_end": steppers["sparse"].spikes()}
    ]
