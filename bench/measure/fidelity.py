"""Gradient fidelity: how far a gradient is from the float64 BPTT gradient of the same problem."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drtrl_bench.protocols import Weights

Gradient = Weights


def named(gradient: Gradient) -> dict[str, NDArray[np.float64]]:
    """{"layer0.x": flat vector, ..., "readout.x": ...} in float64."""
    names = [f"layer{i}" for i in range(len(gradient) - 1)] + ["readout"]
    return {
        f"{name}.{kind}": np.asarray(g, dtype=np.float64).ravel()
        for name, layer in zip(names, gradient, strict=True)
        for kind, g in layer.items()
    }


def agreement(g: NDArray[np.float64], reference: NDArray[np.float64]) -> dict[str, float | None]:
    """cosine, relative L2 error, ratio of norms, share of equal signs where the reference is not 0.

    None where the reference (or, for the cosine, either) is zero: nothing can be said then.
    """
    size, reference_size = float(np.linalg.norm(g)), float(np.linalg.norm(reference))
    if reference_size == 0:
        return {"cosine": None, "error": None, "norm_ratio": None, "sign_agreement": None}
    live = reference != 0
    return {
        "cosine": float(g @ reference / (size * reference_size)) if size else None,
        "error": float(np.linalg.norm(g - reference) / reference_size),
        "norm_ratio": size / reference_size,
        "sign_agreement": float(np.mean(np.sign(g[live]) == np.sign(reference[live]))),
    }


def compare(gradient: Gradient, reference: Gradient) -> dict[str, Any]:
    """`agreement` of every parameter, of each layer's parameters as one vector, and of all of them as one vector."""
    found, true = named(gradient), named(reference)
    layers: dict[str, list[str]] = {}
    for name in true:
        layers.setdefault(name.partition(".")[0], []).append(name)

    def together(names: Iterable[str]) -> dict[str, float | None]:
        own = list(names)
        return agreement(*(np.concatenate([vectors[name] for name in own]) for vectors in (found, true)))

    return {
        "overall": together(true),
        "per_layer": {layer: together(names) for layer, names in layers.items()},
        "per_parameter": {name: agreement(found[name], true[name]) for name in true},
    }


def worst_error(gradient: Gradient, reference: Gradient) -> tuple[str, float]:
    """The parameter with the largest relative L2 error, and the error; infinite where anything is not finite."""
    found, true = named(gradient), named(reference)
    errors = {}
    for name, vector in true.items():
        scale = float(np.linalg.norm(vector))
        distance = float(np.linalg.norm(found[name] - vector))
        error = distance / scale if scale else distance
        errors[name] = error if np.isfinite(error) else float("inf")  # nan would never be the largest
    name = max(errors, key=lambda k: errors[k])
    return name, errors[name]


def activity(outputs: list[NDArray[Any]]) -> dict[str, list[float]]:
    """Of each spiking layer's outputs [T, B, N]: mean firing rate per step, and share of neurons that never fire."""
    return {
        "firing_rate": [float(o.mean()) for o in outputs],
        "silent": [float((o.sum((0, 1)) == 0).mean()) for o in outputs],
    }
