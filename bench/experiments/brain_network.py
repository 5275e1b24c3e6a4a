"""Draw the network that is measured into a file, in a process of its own, and read it where it is measured.

To draw a brain takes more memory than to run it: pairs are sorted, and numbered in 64 bits. The process that measures
reads the file, and none of that is in its peak.

The network: LIF neurons with the pairs of a connectome, whose weights are in proportion to a pair's synapses; 68 input
lines, one to each neuron; a leaky readout of 68 units, one for each neuron, as if a unit were a neuropil. Each neuron
has a constant current by which it would spike alone, at rates that are log-normal around 2 % of the steps.
"""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from drtrl_bench.datasets.connectomes.connectome import Connectome
from drtrl_bench.datasets.connectomes.flywire import flywire
from drtrl_bench.datasets.connectomes.generated import generated
from drtrl_bench.experiments import resident
from drtrl_bench.implementations.sparse.pattern import Pattern, pattern_of

UNITS, TAU, RATE, RATE_SPREAD = 68, 20.0, 0.02, 0.3
"""Input lines and units of the readout; time constant in steps; spikes a step, and deviation of their logarithm."""
COUPLING = 0.001
"""The jump of a potential, in thresholds, for one synapse."""


class Network(NamedTuple):
    """Hold a network with what tables say about it."""

    about: dict[str, Any]
    """Columns of its rows: the label of the data, neurons, pairs, and the peak of memory while it was drawn."""
    patterns: list[dict[str, Pattern]]
    """The pattern of each layer's kinds of weight that are sparse."""
    weights: list[dict[str, NDArray[np.float32]]]
    """The weights of each layer, by kind, in the slots of their patterns."""


def connectome(neurons: int, pairs: int) -> Connectome:
    """Return a generated connectome, or FlyWire's if no number of neurons is asked for."""
    return generated(neurons, pairs) if neurons else flywire()


def network(brain: Connectome) -> Network:
    """Return the network of a connectome."""
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
    about = {"data": brain.label, "neurons": N, "pairs": len(brain.pre)}
    single = [{k: v.astype(np.float32) for k, v in w.items()} for w in weights]
    return Network(about, [{"x": lines, "r": recurrent}, {"x": units}], single)


def save(file: Path, drawn: Network) -> None:
    """Write a network to a file, which appears when it is whole."""
    arrays: dict[str, Any] = {"about": json.dumps(drawn.about)}
    for i, (of_layer, w) in enumerate(zip(drawn.patterns, drawn.weights, strict=True)):
        arrays |= {f"{i} {k} weights": v for k, v in w.items()}
        for k, pattern in of_layer.items():
            arrays |= {f"{i} {k} {name}": value for name, value in vars(pattern).items()}
    part = file.with_suffix(".part")
    with part.open("wb") as opened:
        np.savez(opened, allow_pickle=False, **arrays)
    os.replace(part, file)


def load(file: Path) -> Network:
    """Read a network from its file, array by array, so that nothing is in memory twice."""
    with np.load(file) as arrays:
        layers: list[dict[str, dict[str, Any]]] = [{}, {}]
        for layer, kind, name in (key.split() for key in arrays if key != "about"):
            value = arrays[f"{layer} {kind} {name}"]
            layers[int(layer)].setdefault(kind, {})[name] = value if value.ndim else value.item()
        about = json.loads(arrays["about"].item())
    weights = [{k: values.pop("weights") for k, values in layer.items()} for layer in layers]
    patterns = [{k: Pattern(**values) for k, values in layer.items() if values} for layer in layers]
    return Network(about, patterns, weights)


def compute(job: dict[str, Any]) -> list[dict[str, Any]]:
    """Draw the network of a job into its file; return what tables say about it."""
    drawn = network(connectome(job["neurons"], job["pairs"]))
    about = drawn.about | {"rss_drawing_mib": resident.peak()}
    save(Path(job["network"]), drawn._replace(about=about))
    return [about]
