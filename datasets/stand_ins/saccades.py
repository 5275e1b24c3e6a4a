"""A stand-in for N-MNIST: the digits of scikit-learn in front of a model of an event camera, in N-MNIST's own files.

The 1,797 digits of 8 x 8 pixels (Alpaydin & Kaynak 1998, UCI, CC BY 4.0) are enlarged to the 28 x 28 pixels of MNIST
and shown to 34 x 34 pixels. The three saccades walk the triangle of N-MNIST: 3.5 pixels right and 7 down, 3.5 right
and 7 up, 7 left, 105 ms each. The digits are real, the events are computed: no recording, and not N-MNIST.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import camera

PIXELS = 34
ENLARGED = 28 / 8
TRIANGLE = np.array([[-3.5, -3.5], [0.0, 3.5], [3.5, -3.5], [-3.5, -3.5]])
"""Where the digit stands (x, y) before, between and after the saccades, in pixels from the sensor's centre."""
SACCADE = 105_000  # us
STEP = 1_000  # us
BACKGROUND = 2.0
"""Light where there is no ink; ink runs from 0 to 16."""
THRESHOLD = 0.4
HELD_FOR_TEST = 6
"""Every sixth digit of a class is for the test part, and no other."""


def make(path: Path, split: str, per_class: int, seed: int, report: Callable[[int, int], None]) -> None:
    """Writes `per_class` recordings of each digit as path/DIGIT/NUMBER.bin.

    split: "train" or "test", which have no digit in common. report: called with how many are done, and of how many.
    ValueError if there are not that many digits.
    """
    images, labels = glyphs()
    chosen = [members(labels, digit, split) for digit in range(10)]
    most = min(map(len, chosen))
    if not 1 <= per_class <= most:
        raise ValueError(f"{split} has {most} digits of each class; ask for 1 to {most}, not {per_class}")
    done = 0
    for digit, numbers in enumerate(chosen):
        (path / str(digit)).mkdir(parents=True)
        for number in np.random.default_rng([seed, digit]).permutation(numbers)[:per_class]:
            events = camera.watch(looks(images[number]), STEP, THRESHOLD, np.random.default_rng([seed, 10, number]))
            (path / str(digit) / f"{number + 1:05d}.bin").write_bytes(encoded(events))
            done += 1
            report(done, 10 * per_class)


def members(labels: NDArray[np.int32], digit: int, split: str) -> NDArray[np.int64]:
    """The numbers of a part's images of a digit."""
    numbers = np.flatnonzero(labels == digit)
    test = np.arange(len(numbers)) % HELD_FOR_TEST == HELD_FOR_TEST - 1
    return numbers[test if split == "test" else ~test]


def glyphs() -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """The digits as they ship: ink [1797, 8, 8] from 0 to 16, and labels [1797]."""
    from sklearn.datasets import load_digits

    digits: Any = load_digits()
    return digits.images, digits.target.astype(np.int32)


def looks(image: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """Log-intensity [34, 34] of a digit at every ms of the saccades, which set off and come to rest smoothly."""
    saccades = len(TRIANGLE) - 1
    whole, part = np.divmod(np.arange(saccades * SACCADE // STEP + 1) * STEP / SACCADE, 1)
    along = whole + (1 - np.cos(np.pi * part)) / 2
    xs, ys = (np.interp(along, np.arange(saccades + 1), corner) for corner in TRIANGLE.T)
    for x, y in zip(xs, ys, strict=True):
        yield np.log(BACKGROUND + spread(y) @ image @ spread(x).T)


def spread(offset: float) -> NDArray[np.float64]:
    """How 34 sensor pixels see 8 digit pixels displaced by `offset`, on one axis: [34, 8], a cubic B-spline."""
    seen_at = (np.arange(PIXELS) - (PIXELS - 1) / 2 - offset) / ENLARGED + 3.5
    d = np.abs(seen_at[:, None] - np.arange(8))
    return np.where(d < 1, 2 / 3 - d**2 + d**3 / 2, np.clip(2 - d, 0, None) ** 3 / 6)


def encoded(events: NDArray[np.int64]) -> bytes:
    """Events of x, y, polarity and time (us) in N-MNIST's 40 bits: x, y, polarity before 23 bits of time."""
    x, y, p, t = events.T
    columns = (x, y, p << 7 | t >> 16 & 127, t >> 8 & 255, t & 255)
    return np.stack(columns, axis=1).astype(np.uint8).tobytes()
