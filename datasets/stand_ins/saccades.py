"""Make a stand-in for N-MNIST: the digits of scikit-learn before a model of an event camera, in N-MNIST's format.

The 1,797 digits of 8 x 8 pixels (Alpaydin & Kaynak 1998, UCI, CC BY 4.0) are enlarged to the 28 x 28 pixels of MNIST
and shown to 34 x 34 pixels. The three saccades walk the triangle of N-MNIST: 3.5 pixels right and 7 down, 3.5 right
and 7 up, 7 left, 105 ms each. The digits are real, the events are computed: no recording, and not N-MNIST.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .. import digits
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
TEST_STRIDE = 6
"""Every sixth digit of a class is for the test part, and no other."""


def make(path: Path, split: str, per_class: int, seed: int, report: Callable[[int, int], None]) -> None:
    """Write `per_class` recordings of each digit as path/DIGIT/NUMBER.bin.

    split: "train" or "test", which have no digit in common. report: called with the number of recordings that are done
    and the number of all. Raises ValueError if a class has fewer digits.
    """
    images, labels = digits.glyphs()
    numbers_of = [members(labels, digit, split) for digit in range(10)]
    most = min(map(len, numbers_of))
    if not 1 <= per_class <= most:
        raise ValueError(f"{split} has {most} digits of each class; ask for 1 to {most}, not {per_class}")
    done = 0
    for digit, numbers in enumerate(numbers_of):
        (path / str(digit)).mkdir(parents=True)
        for number in np.random.default_rng([seed, digit]).permutation(numbers)[:per_class]:
            events = camera.watch(samples(images[number]), STEP, THRESHOLD, np.random.default_rng([seed, 10, number]))
            (path / str(digit) / f"{number + 1:05d}.bin").write_bytes(encode(events))
            done += 1
            report(done, 10 * per_class)


def members(labels: NDArray[np.int32], digit: int, split: str) -> NDArray[np.int64]:
    """Return the numbers of the images of a digit that belong to a split."""
    numbers = np.flatnonzero(labels == digit)
    test = np.arange(len(numbers)) % TEST_STRIDE == TEST_STRIDE - 1
    return numbers[test if split == "test" else ~test]


def samples(image: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """Yield the log-intensity [34, 34] of a digit at every ms of the saccades."""
    for x, y in digits.path(TRIANGLE, SACCADE, STEP):
        yield np.log(BACKGROUND + digits.spread(y, PIXELS, ENLARGED) @ image @ digits.spread(x, PIXELS, ENLARGED).T)


def encode(events: NDArray[np.int64]) -> bytes:
    """Return events [E, 4] of x, y, polarity and time (us) in N-MNIST's 40 bits: x, y, polarity, 23 bits of time."""
    x, y, p, t = events.T
    columns = (x, y, p << 7 | t >> 16 & 127, t >> 8 & 255, t & 255)
    return np.stack(columns, axis=1).astype(np.uint8).tobytes()
