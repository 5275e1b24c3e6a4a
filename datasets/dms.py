"""Draw delayed match-to-sample: is the direction shown after a delay the one shown before?

The task of Wang et al. 2026 (Nat. Commun. 17:1745). A trial is 10 ms of fixation, 500 of sample, 1000 of delay and 500
of test. Each input line has a preferred direction; in sample and test it spikes at up to 100 Hz where the stimulus, one
of 8 directions, is near, and always at 1 Hz besides. Half of the trials match; in the others the test is one of the
other 7 directions. Only the steps of the test have a target.
"""

import numpy as np
from numpy.typing import NDArray

LABEL = "delayed match-to-sample (synthetic)"
SYNTHETIC = True
CLASSES = 2
FEATURES = 100
PERIODS = (10, 500, 1000, 500)
"""ms of fixation, sample, delay and test. With a step per ms, as in the paper, a trial has 2010 steps."""
DIRECTIONS = 8
KAPPA = 3.0
PEAK = 100.0  # Hz
ALWAYS = 1.0  # Hz
NO_TARGET = -1


def batch(
    steps: int, size: int, seed: int, features: int = FEATURES, periods: tuple[int, int, int, int] = PERIODS
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Draw `size` trials in `steps` steps of equal length, by `seed`.

    Returns inputs [T, B, features], 1 for a spike, and targets [T, B]: in the test 1 for a match and 0 for none, before
    it NO_TARGET. The same trials have more spikes per step in fewer steps, up to one. Raises ValueError if there
    are too few steps for a period, no trials, or no lines.
    """
    if min(steps, size, features) < 1:
        raise ValueError(f"steps, size and features must be at least 1, not {steps}, {size} and {features}")
    edges = np.rint(np.cumsum((0, *periods)) / sum(periods) * steps).astype(int)
    if (np.diff(edges)[1:] < 1).any():
        raise ValueError(f"{steps} steps are too few for sample, delay and test of {periods[1:]} ms")
    rng = np.random.default_rng(seed)
    sample, test = trials(rng, size)
    step_s = sum(periods) / 1000 / steps
    inputs = rng.random((steps, size, features), np.float32)
    for period, shown in enumerate((None, sample, None, test)):
        rate = ALWAYS + (0 if shown is None else PEAK * tuning(shown, features))
        part = slice(edges[period], edges[period + 1])
        inputs[part] = inputs[part] < np.float32(step_s) * rate
    targets = np.full((steps, size), NO_TARGET, np.int32)
    targets[edges[3] :] = sample == test
    return inputs, targets


def trials(rng: np.random.Generator, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw the sample's and the test's direction [B] of each trial, from 0 to 7."""
    sample, match = rng.integers(DIRECTIONS, size=size), rng.random(size) < 0.5
    turned = rng.integers(1, DIRECTIONS, size=size)
    return sample, np.where(match, sample, (sample + turned) % DIRECTIONS)


def tuning(direction: NDArray[np.int64], features: int) -> NDArray[np.float32]:
    """Compute how much each line prefers a direction, from 0 to 1: [B, features], a von Mises bump."""
    angle = 2 * np.pi * direction[:, None] / DIRECTIONS
    preferred = 2 * np.pi * np.arange(features) / features
    return np.exp(KAPPA * (np.cos(angle - preferred) - 1)).astype(np.float32)
