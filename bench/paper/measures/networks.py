"""Draws the layer and the inputs of a job of the studies of Jacobians and gradients.

A job has cell, constants (time constants in steps), rec and ff (strengths), neurons, dataset, reading (its options),
steps, samples and seed, which draws both the weights and the recordings.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from drtrl_bench import data, registry
from drtrl_bench.implementations.cells import spec

SLICE = 2**27
"""Bytes of inputs that are laid out at a time."""


class Layer(NamedTuple):
    """One recurrent layer and what goes in.

    The inputs of a camera are too many to be kept. What they feed to the neurons is computed once, and the layer reads
    that, each neuron its own: `weights` x is the identity.
    """

    weights: dict[str, NDArray[np.float64]]
    """x [N, 1, N], r [N, 1, N], b [1, 1, N]."""
    currents: NDArray[np.float64]
    """Inputs times input weights [T, B, N]."""
    density: float
    """Share of the inputs that are not 0."""
    products: NDArray[np.float64] | None
    """x_t . x_q of the inputs of each sample [B, T, T], if asked for."""


def layer_cell(job: dict[str, Any], module: Any = spec) -> Any:
    """Make the cell of a job: the specification, or that of a framework's module of cells."""
    kind, options = registry.CELLS[job["cell"]]
    assert isinstance(kind, str)
    return getattr(module, kind)(**options, **job["constants"])


def draw(job: dict[str, Any], products: bool = False) -> Layer:
    """Draw the weights and the recordings of a job, in float64."""
    steps, neurons = job["steps"], job["neurons"]
    dataset, reading = data.dataset(job["dataset"]), dict(job["reading"])
    lines = reading.pop("features", dataset.FEATURES)
    batch = dataset.sparse(steps, job["samples"], job["seed"], features=lines, **reading)
    cell = replace(layer_cell(job), scale_x=job["ff"], scale_r=job["rec"], initial="truncated")
    rng = np.random.default_rng([job["seed"], 1])  # apart from the stream that draws the recordings
    weights = cell.initial_weights(rng, lines, neurons)
    slices, filled = [], 0
    width = max(1, SLICE // (8 * job["samples"] * lines))
    for start in range(0, steps, width):
        inputs = batch.dense(start, min(start + width, steps), np.float64)
        filled += np.count_nonzero(inputs)
        flat = inputs.reshape(-1, lines)  # a product for each step would read all weights in every step
        slices.append((flat @ weights["x"][:, 0]).reshape(*inputs.shape[:2], neurons))
    weights["x"] = np.eye(neurons)[:, None]
    density = filled / (steps * job["samples"] * lines)
    return Layer(weights, np.concatenate(slices), density, products_of(batch, steps) if products else None)


def products_of(batch: Any, steps: int) -> NDArray[np.float64]:
    """Return x_t . x_q of the inputs of each sample [B, T, T]; float32 holds every count."""
    inputs = batch.dense(0, steps, np.float32)
    return np.stack([sample @ sample.T for sample in np.moveaxis(inputs, 1, 0)]).astype(np.float64)
