"""Independent Bernoulli spikes with a random class: nothing to learn, any size.

For measuring time and memory, where only the shapes and the density of the spikes matter. Wang et al. (Nat.
Commun. 2026, 17:1745) use the same, with rate 0.1, for their scaling measurements.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LABEL = "bernoulli (synthetic)"
SYNTHETIC = True
CLASSES = 10
FEATURES = 64
BLOCK = 2**16
"""How many random numbers are drawn at a time."""


@dataclass(frozen=True)
class Packed:
    """A batch as bits: `bits` [T, B * features / 8, rounded up], and its classes [B]."""

    bits: NDArray[np.uint8]
    classes: NDArray[np.int32]
    lines: int

    def dense(self, start: int, stop: int, dtype: Any) -> NDArray[Any]:
        """Return steps start to stop - 1 as [K, B, lines]."""
        size = len(self.classes)
        spikes = np.unpackbits(self.bits[start:stop], axis=1, count=size * self.lines)
        return spikes.reshape(-1, size, self.lines).astype(dtype, copy=False)

    def targets(self, start: int, stop: int) -> NDArray[np.int32]:
        """Return the classes at steps start to stop - 1, the same at every step: [K, B]."""
        return np.tile(self.classes, (stop - start, 1))


def batch(
    steps: int, size: int, seed: int, features: int = FEATURES, rate: float = 0.1
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Draw `size` samples of `steps` steps, by `seed`.

    Returns inputs [T, B, features], 1 with probability `rate` (spikes per step) and else 0, and targets [T, B],
    one class per sample at every step. Raises ValueError if a size is not positive or the rate is no probability.
    """
    packed = sparse(steps, size, seed, features, rate)
    return packed.dense(0, steps, np.float32), packed.targets(0, steps)


def sparse(steps: int, size: int, seed: int, features: int = FEATURES, rate: float = 0.1) -> Packed:
    """Draw the batch that `batch` draws as bits, never dense as a whole."""
    if min(steps, size, features) < 1:
        raise ValueError(f"steps, size and features must be at least 1, not {steps}, {size} and {features}")
    if not 0 <= rate <= 1:
        raise ValueError(f"rate must be between 0 and 1, not {rate}")
    rng = np.random.default_rng(seed)
    # Classes first and time outermost: with the same seed, a longer sequence continues a shorter one.
    classes = rng.integers(CLASSES, size=size, dtype=np.int32)
    bits = np.empty((steps, -(-size * features // 8)), np.uint8)
    rows = max(1, BLOCK // (size * features))
    for start in range(0, steps, rows):
        block = bits[start : start + rows]
        block[:] = np.packbits(rng.random((len(block), size * features), np.float32) < rate, axis=1)
    return Packed(bits, classes, features)
