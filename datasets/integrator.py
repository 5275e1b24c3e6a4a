"""Draw the integrator task: the running sum of a noisy input.

The task of the integrator example of braintrace, after Sussillo's tutorial on recurrent networks: white noise around a
bias that differs from trial to trial, on one line; 25 steps in a trial of 1 s. There the sum is regressed. Here a
target is a class, so the sum is told in eight ranges that are equally likely at the end of a trial; `sums` gives the
numbers themselves.
"""

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

LABEL = "integrator (synthetic, sum in 8 ranges)"
SYNTHETIC = True
CLASSES = 8
FEATURES = 1
MEAN, SCALE = 0.025, 0.01


def batch(steps: int, size: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Draw `size` trials in `steps` steps, by `seed`.

    Returns inputs [T, B, 1] and targets [T, B], the range from 0 to 7 of the sum up to each step, itself included.
    Raises ValueError if there are no steps or no trials.
    """
    inputs, total = sums(steps, size, seed)
    return inputs, np.searchsorted(edges(steps), total, side="right").astype(np.int32)


def sums(steps: int, size: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Draw inputs [T, B, 1], and compute their running sum [T, B]."""
    if min(steps, size) < 1:
        raise ValueError(f"steps and size must be at least 1, not {steps} and {size}")
    rng = np.random.default_rng(seed)
    bias = 2 * MEAN * (rng.standard_normal(size) - 0.5)
    noise = SCALE * np.sqrt(steps) * rng.standard_normal((steps, size))
    inputs = (bias + noise)[..., None].astype(np.float32)
    return inputs, inputs[..., 0].cumsum(axis=0, dtype=np.float64)


def edges(steps: int) -> NDArray[np.float64]:
    """Compute the seven sums that bound the ranges: after `steps` steps each range is as likely as the others."""
    deviation = steps * np.hypot(2 * MEAN, SCALE)
    last = NormalDist(-MEAN * steps, float(deviation))
    return np.array([last.inv_cdf(k / CLASSES) for k in range(1, CLASSES)])
