"""A model of an event camera: a pixel sends an event whenever its log-intensity has moved by a threshold.

As in Lichtsteiner, Posch & Delbruck 2008 (IEEE J. Solid-State Circuits 43:566): the change counts from where the pixel
stood at its last event. Events that nothing caused (noise) are spread evenly over pixels and time.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

NOISE = 0.001
"""Noise events per event."""


def watch(
    looks: Iterable[NDArray[np.float64]], step: float, threshold: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Events [E, 4] of x, y, polarity and time, in order of time, of what is seen in looks `step` apart.

    looks: log-intensity [rows, columns]. Time is in the unit of `step`, rounded down. Between two looks a log-intensity
    moves on a straight line, and passes as many thresholds as it will.
    """
    looks = iter(looks)
    level = next(looks)
    shape = level.shape
    # The pixels' last events lie before the recording, anywhere within a threshold.
    reference = level + rng.uniform(-threshold, threshold, shape)
    parts, number = [], 0
    for look in looks:
        passed = np.trunc((look - reference) / threshold)
        fired = np.flatnonzero(passed)
        if len(fired):
            times = np.abs(passed.flat[fired]).astype(np.int64)
            pixel, sign = np.repeat(fired, times), np.sign(passed.flat[np.repeat(fired, times)])
            # Of each pixel's events between two looks: the first, the second ...
            nth = np.arange(len(pixel)) - np.repeat(np.cumsum(times) - times, times) + 1
            before, after = level.flat[pixel], look.flat[pixel]
            along = (reference.flat[pixel] + nth * sign * threshold - before) / (after - before)
            parts.append((pixel, sign > 0, (number + np.clip(along, 0, 1)) * step))
            reference += passed * threshold
        level, number = look, number + 1
    pixel, brighter, t = (np.concatenate(column) for column in zip(*parts, strict=True))
    extra = rng.poisson(NOISE * len(t))
    pixel = np.concatenate([pixel, rng.integers(level.size, size=extra)])
    brighter = np.concatenate([brighter, rng.random(extra) < 0.5])
    t = np.minimum(np.concatenate([t, rng.uniform(0, number * step, extra)]), number * step - 1).astype(np.int64)
    order = np.argsort(t, kind="stable")
    return np.stack([pixel % shape[1], pixel // shape[1], brighter.astype(np.int64), t], axis=1)[order]
