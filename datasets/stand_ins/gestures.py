"""A stand-in for DVS-Gesture: eleven kinds of motion, rendered, in front of a model of an event camera.

The files are those that tonic reads: userNN_lighting/CLASS.npy, events [E, 4] of x, y, polarity and time in ms. Each
user has a size, a speed and a contrast of their own, and each recording its place, phase and direction; the classes are
no gestures of hands. Everything is synthetic.
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
    """Writes `per_class` recordings of each motion, each by another user or in another light.

    split: "train" or "test", which have no user in common. report: called with how many are done, and of how many.
    ValueError if there are not that many users and lightings.
    """
    scenes = [(user, lighting) for lighting in LIGHTINGS for user in USERS[split]]
    if not 1 <= per_class <= len(scenes):
        raise ValueError(f"{split} has {len(scenes)} pairs of user and light; ask for as many, not {per_class}")
    for number, (user, lighting) in enumerate(scenes[:per_class]):
        folder = path / f"user{user:02d}_{lighting}"
        folder.mkdir(parents=True)
        for motion in range(len(MOTIONS)):
            own = np.random.default_rng([seed, user])
            rng = np.random.default_rng([seed, user, LIGHTINGS.index(lighting), motion])
            light = np.log(1 + own.uniform(1.0, 3.0) / (1 + LIGHTINGS.index(lighting) / 4))
            looks = (light * shape for shape in shapes(motion, own, rng))
            np.save(folder / f"{motion}.npy", camera.watch(looks, STEP, THRESHOLD, rng).astype(np.int32))
            report(number * len(MOTIONS) + motion + 1, per_class * len(MOTIONS))


def shapes(motion: int, own: np.random.Generator, rng: np.random.Generator) -> Iterator[NDArray[np.float64]]:
    """Brightness [128, 128] from 0 to 1 of a motion, at every look. own: the user's habits; rng: this recording's."""
    length, width, pace = own.uniform(20, 32), own.uniform(4, 8), own.uniform(0.75, 1.3)
    phase, turn = rng.uniform(0, 1), rng.uniform(-0.3, 0.3)
    x0, y0 = rng.uniform(-10, 10, 2)
    for t in np.arange(LENGTH // STEP + 1) * STEP / 1000:
        if motion < 4:
            away = (phase + 0.6 * pace * t) % 1 * 1.5 * PIXELS - 0.75 * PIXELS
            dx, dy = ((away, 0), (-away, 0), (0, away), (0, -away))[motion]
            yield bar(x0 * (dx == 0) + dx, y0 * (dy == 0) + dy, turn + np.pi / 2 * (dy == 0), length, width)
        elif motion < 6:
            way = 1 if motion == 4 else -1
            yield bar(x0, y0, 2 * np.pi * (phase + way * 0.6 * pace * t), length, width)
        elif motion < 8:
            grown = (phase + 0.8 * pace * t) % 1
            yield ring(x0, y0, 8 + 48 * (grown if motion == 6 else 1 - grown), width)
        else:
            swing = 0.9 * length * np.sin(2 * np.pi * (phase + 1.2 * pace * t))
            dx, dy = ((swing, 0), (0, swing), (swing / np.sqrt(2), swing / np.sqrt(2)))[motion - 8]
            angle = turn + (np.pi / 2, 0.0, 3 * np.pi / 4)[motion - 8]
            yield bar(x0 + dx, y0 + dy, angle, length, width)


def bar(x: float, y: float, angle: float, length: float, width: float) -> NDArray[np.float64]:
    """A bar around (x, y), its length at `angle` from the x-axis towards the y-axis; half sizes in pixels."""
    c, s = np.cos(angle), np.sin(angle)
    along, across = (X - x) * c + (Y - y) * s, (Y - y) * c - (X - x) * s
    return soft(length - np.abs(along)) * soft(width - np.abs(across))


def ring(x: float, y: float, radius: float, width: float) -> NDArray[np.float64]:
    return soft(width - np.abs(np.hypot(X - x, Y - y) - radius))


def soft(inside: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 well inside, 0 well outside, and a straight edge between."""
    return np.clip(inside / EDGE + 0.5, 0, 1)
