"""Compute surrogate derivatives of a spike by name, in NumPy float64; `cells.Spiking` has the equations."""

from math import pi

import numpy as np

from drtrl_bench.implementations.cells import spec as cells
from drtrl_bench.implementations.reference.dual import Array


def normal(v: Array, mean: float, deviation: float) -> Array:
    """Return the density of a normal distribution at v."""
    return np.exp(-((v - mean) ** 2) / (2 * deviation**2)) / np.sqrt(2 * pi * deviation**2)


def psi(cell: cells.Spiking, v: Array) -> Array:
    """Return the surrogate derivative of `cell.surrogate` at v; `cells.Spiking` has the equations."""
    logistic = 1 / (1 + np.exp(-4 * v))
    return {
        "relu": cell.alpha * np.maximum(cell.width - np.abs(v), 0),
        "sigmoid": 4 * logistic * (1 - logistic),
        "gaussian": 0.5 * normal(v, 0, 0.5),
        "multi_gaussian": 0.5 * (1.15 * normal(v, 0, 0.5) - 0.15 * (normal(v, 0.5, 3) + normal(v, -0.5, 3))),
        "s2nn": np.where(v < 0, 4 * logistic * (1 - logistic), 1 / (np.maximum(v, 0) + 1)),
        "boxcar": np.where(np.abs(v) <= 0.5, 1.0, 0.0),
        "atan": 1 / (1 + pi**2 * v**2),
        "fast_sigmoid": (1 + 25 * np.abs(v)) ** -2.0,
        "superspike": (1 + 100 * np.abs(v)) ** -2.0,
    }[cell.surrogate]
