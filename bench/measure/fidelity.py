"""Measure gradient fidelity: how far a gradient is from the float64 BPTT gradient of the same problem."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drtrl_bench.protocols import Weights

Gradient = Weights


def named(gradient: Gradient) -> dict[str, NDArray[np.float64]]:
    """Return each weight's gradient as a flat float64 vector, by name: "layer0.x", "layer0.r", ..., "readout.x"."""
    names = [f"layer{i}" for i in range(len(gradient) - 1)] + ["readout"]
    return {
        f"{name}.{kind}": np.asarray(g, dtype=np.float64).ravel()
        for name, layer in zip(names, gradient, strict=True)
        for kind, g in layer.items()
    }


def agreement(g: NDArray[np.float64], reference: NDArray[np.float64]) -> dict[str, float | None]:
    """Compare two vectors: cosine, relative L2 error, ratio of norms, share of equal signs where `reference` is not 0.

    All are None if the reference is a zero vector, and the cosine is None if `g` is one.
    """
    norm, reference_norm = float(np.linalg.norm(g)), float(np.linalg.norm(reference))
    if reference_norm == 0:
        return {"cosine": None, "error": None, "norm_ratio": None, "sign_agreement": None}
    nonzero = reference != 0
    return {
        "cosine": float(g @ reference / (norm * reference_norm)) if norm else None,
        "error": float(np.linalg.norm(g - reference) / reference_norm),
        "norm_ratio": norm / reference_norm,
        "sign_agreement": float(np.mean(np.sign(g[nonzero]) == np.sign(reference[nonzero]))),
    }


def compare(gradient: Gradient, reference: Gradient) -> dict[str, Any]:
    """Return the `agreement` of all weights as one vector, of each layer's as one vector, and of each weight."""
    vectors, true = named(gradient), named(reference)
    layers: dict[str, list[str]] = {}
    for name in true:
        layers.setdefault(name.partition(".")[0], []).append(name)

    def together(names: Iterable[str]) -> dict[str, float | None]:
        chosen = list(names)
        return agreement(*(np.concatenate([side[name] for name in chosen]) for side in (vectors, true)))

    return {
        "overall": together(true),
        "per_layer": {layer: together(names) for layer, names in layers.items()},
        "per_parameter": {name: agreement(vectors[name], true[name]) for name in true},
    }


def worst_error(gradient: Gradient, reference: Gradient) -> tuple[str, float]:
    """Return the weight with the largest relative L2 error, and that error: infinite if it is not finite."""
    vectors, true = named(gradient), named(reference)
    errors = {}
    for name, vector in true.items():
        scale = float(np.linalg.norm(vector))
        distance = float(np.linalg.norm(vectors[name] - vector))
        error = distance / scale if scale else distance
        errors[name] = error if np.isfinite(error) else float("inf")  # nan would never be the largest
    name = max(errors, key=lambda k: errors[k])
    return name, errors[name]


def activity(outputs: list[NDArray[Any]]) -> dict[str, list[float]]:
    """Return each spiking layer's mean firing rate per step, and its share of neurons that never fire.

    outputs: the spikes of each layer [T, B, N].
    """
    return {
        "firing_rate": [float(spikes.mean()) for spikes in outputs],
        "silent": [float((spikes.sum((0, 1)) == 0).mean()) for spikes in outputs],
    }
