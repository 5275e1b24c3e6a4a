"""Model an event camera, whose pixels send an event whenever their log-intensity has moved by a threshold.

As in Lichtsteiner, Posch & Delbruck 2008 (IEEE J. Solid-State Circuits 43:566): the change counts from where the pixel
stood at its last event. Events that nothing caused (noise) are spread evenly over pixels and time.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

NOISE = 0.001
"""Noise events per event."""


def watch(
    samples: Iterable[NDArray[np.float64]], step: float, threshold: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the events [E, 4] of a scene, in order of time: x, y, polarity and time of each.

    samples: log-intensity [rows, columns] of the scene, `step` apart. Time is in the unit of `step`, rounded down.
    Between two samples a log-intensity moves on a straight line, and may pass several thresholds.
    """
    samples = iter(samples)
    level = next(samples)
    shape = level.shape
    # The pixels' last events lie before the recording, anywhere within a threshold.
    reference = level + rng.uniform(-threshold, threshold, shape)
    parts, number = [], 0
    for sample in samples:
        crossings = np.trunc((sample - reference) / threshold)
        active = np.flatnonzero(crossings)
        if len(active):
            counts = np.abs(crossings.flat[active]).astype(np.int64)
            pixel = np.repeat(active, counts)
            sign = np.sign(crossings.flat[pixel])
            # The number of an event among its pixel's between two samples: 1, 2 ...
            nth = np.arange(len(pixel)) - np.repeat(np.cumsum(counts) - counts, counts) + 1
            before, after = level.flat[pixel], sample.flat[pixel]
            fraction = (reference.flat[pixel] + nth * sign * threshold - before) / (after - before)
            parts.append((pixel, sign > 0, (number + np.clip(fraction, 0, 1)) * step))
            reference += crossings * threshold
        level, number = sample, number + 1
    pixel, brighter, t = (np.concatenate(column) for column in zip(*parts, strict=True))
    noise = rng.poisson(NOISE * len(t))
    pixel = np.concatenate([pixel, rng.integers(level.size, size=noise)])
    brighter = np.concatenate([brighter, rng.random(noise) < 0.5])
    t = np.minimum(np.concatenate([t, rng.uniform(0, number * step, noise)]), number * step - 1).astype(np.int64)
    order = np.argsort(t, kind="stable")
    return np.stack([pixel % shape[1], pixel // shape[1], brighter.astype(np.int64), t], axis=1)[order]
