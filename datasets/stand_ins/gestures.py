"""Make a stand-in for DVS-Gesture: eleven rendered motions before a model of an event camera.

The files have the form that tonic reads: userNN_lighting/CLASS.npy, events [E, 4] of x, y, polarity and time in ms.
Each user has a size, a speed and a contrast, and each recording a position, a phase and a direction; the classes are no
gestures of hands. Everything is synthetic.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import camera

PIXELS = 128
STEP = 4  # ms
LENGTH = 2000  # ms
THRESHOLD = 0.4
EDGE = 3.0
"""Pixels over which a bar's edge goes from bright to dark."""
LIGHTINGS = ("fluorescent", "fluorescent_led", "lab", "led", "natural")
USERS = {"train": range(1, 24), "test": range(24, 30)}
"""As in the original: nobody is in both parts."""
MOTIONS = (
    "moves right", "moves left", "moves down", "moves up", "turns clockwise", "turns counter-clockwise",
    "expands", "contracts", "swings sideways", "swings up and down", "swings diagonally",
)  # fmt: skip

Y, X = np.mgrid[:PIXELS, :PIXELS] - (PIXELS - 1) / 2


def make(path: Path, split: str, per_class: int, seed: int, report: Callable[[int, int], None]) -> None:
    """Write `per_class` recordings of each motion, each by another user or in another light.

    split: "train" or "test", which have no user in common. report: called with the number of recordings that are done
    and the number of all. Raises ValueError if there are fewer pairs of user and lighting.
    """
    scenes = [(user, lighting) for lighting in LIGHTINGS for user in USERS[split]]
    if not 1 <= per_class <= len(scenes):
        raise ValueError(f"{split} has {len(scenes)} pairs of user and light; ask for as many, not {per_class}")
    for number, (user, lighting) in enumerate(scenes[:per_class]):
        folder = path / f"user{user:02d}_{lighting}"
        folder.mkdir(parents=True)
        for motion in range(len(MOTIONS)):
            habits = np.random.default_rng([seed, user])
            rng = np.random.default_rng([seed, user, LIGHTINGS.index(lighting), motion])
            light = np.log(1 + habits.uniform(1.0, 3.0) / (1 + LIGHTINGS.index(lighting) / 4))
            samples = (light * shape for shape in shapes(motion, habits, rng))
            np.save(folder / f"{motion}.npy", camera.watch(samples, STEP, THRESHOLD, rng).astype(np.int32))
            report(number * len(MOTIONS) + motion + 1, per_class * len(MOTIONS))


def shapes(motion: int, habits: np.random.Generator, rng: np.random.Generator) -> Iterator[NDArray[np.float64]]:
    """Yield the brightness [128, 128] of a motion, from 0 to 1, every STEP ms.

    habits: draws what a user's recordings share. rng: draws what differs from recording to recording.
    """
    length, width, pace = habits.uniform(20, 32), habits.uniform(4, 8), habits.uniform(0.75, 1.3)
    phase, turn = rng.uniform(0, 1), rng.uniform(-0.3, 0.3)
    x0, y0 = rng.uniform(-10, 10, 2)
    for t in np.arange(LENGTH // STEP + 1) * STEP / 1000:
        if motion < 4:
            distance = (phase + 0.6 * pace * t) % 1 * 1.5 * PIXELS - 0.75 * PIXELS
            dx, dy = ((distance, 0), (-distance, 0), (0, distance), (0, -distance))[motion]
            yield bar(x0 * (dx == 0) + dx, y0 * (dy == 0) + dy, turn + np.pi / 2 * (dy == 0), length, width)
        elif motion < 6:
            direction = 1 if motion == 4 else -1
            yield bar(x0, y0, 2 * np.pi * (phase + direction * 0.6 * pace * t), length, width)
        elif motion < 8:
            growth = (phase + 0.8 * pace * t) % 1
            yield ring(x0, y0, 8 + 48 * (growth if motion == 6 else 1 - growth), width)
        else:
            swing = 0.9 * length * np.sin(2 * np.pi * (phase + 1.2 * pace * t))
            dx, dy = ((swing, 0), (0, swing), (swing / np.sqrt(2), swing / np.sqrt(2)))[motion - 8]
            angle = turn + (np.pi / 2, 0.0, 3 * np.pi / 4)[motion - 8]
            yield bar(x0 + dx, y0 + dy, angle, length, width)


def bar(x: float, y: float, angle: float, length: float, width: float) -> NDArray[np.float64]:
    """Return a bar around (x, y), its length at `angle` from the x-axis towards the y-axis; half sizes in pixels."""
    c, s = np.cos(angle), np.sin(angle)
    along, across = (X - x) * c + (Y - y) * s, (Y - y) * c - (X - x) * s
    return soft(length - np.abs(along)) * soft(width - np.abs(across))


def ring(x: float, y: float, radius: float, width: float) -> NDArray[np.float64]:
    """Return a ring around (x, y); `width` is half its line's, in pixels."""
    return soft(width - np.abs(np.hypot(X - x, Y - y) - radius))


def soft(depth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the brightness of pixels `depth` pixels inside a shape: 1 well inside, 0 well outside, linear between."""
    return np.clip(depth / EDGE + 0.5, 0, 1)
