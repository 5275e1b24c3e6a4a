"""Augment recordings of spoken words: blends within a class, shifted channels, dilated time, jittered units.

Source: the authors of Eventprop, training on SHD (Nowotny, Turner & Knight 2022, arXiv 2212.01232).
"""

from collections.abc import Sequence

import numpy as np

from .recordings import Events

UNITS = 700
END = 1_400_000  # us
BLENDED = 3
KEEP = 0.33
"""Probability that a blend keeps an event."""
SHIFT = 40
DILATION = (0.95, 1.2)
JITTER = 4.0


def blended(rng: np.random.Generator, recordings: Sequence[Events]) -> Events:
    """Blend recordings of a class: each is moved to their common mean unit and time, by whole units and ms."""
    spoken = [r for r in recordings if len(r.t)]
    if not spoken:
        return recordings[0]
    unit, time = np.mean([r.x.mean() for r in spoken]), np.mean([r.t.mean() for r in spoken])
    times, units = [], []
    for r in spoken:
        chosen = rng.random(len(r.t)) < KEEP
        times.append(r.t[chosen] + 1000 * round((time - r.t.mean()) / 1000))
        units.append(r.x[chosen].astype(np.int64) + round(unit - r.x.mean()))
    return inside(np.concatenate(times), np.concatenate(units))


def moved(rng: np.random.Generator, recording: Events) -> Events:
    """Shift all units of a recording together, dilate its time, and jitter the unit of each event."""
    shift = int(rng.uniform(-SHIFT, SHIFT))
    dilation = np.exp(rng.uniform(*np.log(DILATION)))
    jitter = np.rint(rng.normal(0, JITTER, len(recording.t)))
    return inside(recording.t * dilation, recording.x + (shift + jitter))


def inside(t: np.ndarray, x: np.ndarray) -> Events:
    """Return events in order of time, without those that left the units or the time."""
    valid = (t >= 0) & (t < END) & (x >= 0) & (x < UNITS)
    t, x = t[valid], x[valid]
    order = np.argsort(t, kind="stable")
    zeros = np.zeros(len(t))
    return Events(
        t[order].astype(np.int32), x[order].astype(np.uint16), zeros.astype(np.uint16), zeros.astype(np.uint8)
    )
