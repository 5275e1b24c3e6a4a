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


class Layer(NamedTuple):
    """One recurrent layer and what goes in."""

    weights: dict[str, NDArray[np.float64]]
    """x [I, 1, N], r [N, 1, N], b [1, 1, N]."""
    inputs: NDArray[np.float64]
    """[T, B, I], events per step."""
    density: float
    """Share of the inputs that are not 0."""


def layer_cell(job: dict[str, Any], module: Any = spec) -> Any:
    """Make the cell of a job: the specification, or that of a framework's module of cells."""
    kind, options = registry.CELLS[job["cell"]]
    assert isinstance(kind, str)
    return getattr(module, kind)(**options, **job["constants"])


def draw(job: dict[str, Any]) -> Layer:
    """Draw the weights and the recordings of a job, in float64."""
    events = data.dataset(job["dataset"])
    inputs, _ = events.batch(job["steps"], job["samples"], job["seed"], **job["reading"])
    cell = replace(layer_cell(job), scale_x=job["ff"], scale_r=job["rec"], initial="truncated")
    rng = np.random.default_rng([job["seed"], 1])  # apart from the stream that draws the recordings
    weights = cell.initial_weights(rng, inputs.shape[-1], job["neurons"])
    return Layer(weights, inputs.astype(np.float64), float(np.count_nonzero(inputs) / inputs.size))
