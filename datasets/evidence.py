"""Draw evidence accumulation: were there more cues on the left or on the right?

The task of Wang et al. 2026 (Nat. Commun. 17:1745), after Morcos & Harvey 2016 (Nat. Neurosci. 19:1672). Seven cues of
100 ms, each after a gap of 50, then 1000 ms of delay and 150 of recall. A quarter of the lines each spikes at 40 Hz
during left cues, right cues and recall, and a quarter at 10 Hz always. In a trial each cue is left with probability 0.7
or 0.3. Only the steps of the recall have a target.
"""

import numpy as np
from numpy.typing import NDArray

LABEL = "evidence accumulation (synthetic)"
SYNTHETIC = True
CLASSES = 2
FEATURES = 100
CUES = 7
GAP, CUE, DELAY, RECALL = 50, 100, 1000, 150
"""ms. With a step per ms, as in the paper, a trial has 2200 steps."""
BIAS = 0.7
CUED = 40.0  # Hz
NOISE = 10.0  # Hz
NO_TARGET = -1


def batch(
    steps: int, size: int, seed: int, features: int = FEATURES, cues: int = CUES, delay: int = DELAY
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Draw `size` trials in `steps` steps of equal length, by `seed`; `delay` in ms.

    Returns inputs [T, B, features], 1 for a spike: a quarter each of the lines for left cues, right cues, recall and
    noise; and targets [T, B]: in the recall 1 if most cues were left and else 0, before it NO_TARGET. The same trials
    have more spikes per step in fewer steps, up to one. Raises ValueError if the lines cannot be quartered, if cues
    are not odd, or if there are too few steps for a cue, or no trials.
    """
    if min(steps, size, features) < 1:
        raise ValueError(f"steps, size and features must be at least 1, not {steps}, {size} and {features}")
    if features % 4 or cues % 2 == 0 or cues < 1:
        raise ValueError(f"features must be a multiple of 4 and cues odd, not {features} and {cues}")
    length = cues * (GAP + CUE) + delay + RECALL
    starts = np.arange(cues) * (GAP + CUE) + GAP
    periods = [*((start, start + CUE) for start in starts), (length - RECALL, length)]
    edges = np.rint(np.array(periods) / length * steps).astype(int)
    if (edges[:, 1] <= edges[:, 0]).any():
        raise ValueError(f"{steps} steps of {length / steps:.0f} ms are too few for cues of {CUE} ms")
    rng = np.random.default_rng(seed)
    left = trials(rng, size, cues)
    step_s, quarter = length / 1000 / steps, features // 4
    rate = np.zeros((steps, size, 4), np.float32)
    rate[..., 3] = NOISE
    for (start, stop), is_left in zip(edges, left.T, strict=False):
        rate[start:stop, :, 0] = CUED * is_left
        rate[start:stop, :, 1] = CUED * ~is_left
    rate[edges[-1, 0] :, :, 2] = CUED
    inputs = rng.random((steps, size, 4, quarter), np.float32) < np.float32(step_s) * rate[..., None]
    targets = np.full((steps, size), NO_TARGET, np.int32)
    targets[edges[-1, 0] :] = 2 * left.sum(axis=1) > cues
    return inputs.reshape(steps, size, features).astype(np.float32), targets


def trials(rng: np.random.Generator, size: int, cues: int) -> NDArray[np.bool_]:
    """Draw whether each cue [B, cues] is on the left."""
    probability = np.where(rng.random((size, 1)) < 0.5, BIAS, 1 - BIAS)
    return rng.random((size, cues)) < probability
