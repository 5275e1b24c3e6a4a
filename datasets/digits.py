"""Convert real handwritten digits into the events that an event camera would send, binned into frames.

Source: the 1,797 digits of 8 x 8 pixels and 17 grey levels that ship with scikit-learn, which are the test set
of "Optical Recognition of Handwritten Digits" (Alpaydin & Kaynak 1998, UCI Machine Learning Repository,
CC BY 4.0, archive.ics.uci.edu/dataset/80). Nothing is downloaded.

Conversion: the camera makes the three saccades of N-MNIST (Orchard et al. 2015, Front. Neurosci. 9:437), a
triangle walked in 3 x 100 ms. A pixel sends an event whenever its log-intensity has moved by THRESHOLD from
where it stood at the pixel's last event. There is no noise: a digit always gives the same events.

The digits are real, the events are computed from them: this is not a recording from an event camera, and not
N-MNIST. It stands where N-MNIST would, and needs no network.
"""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drtrl_bench.files import diskcache

from .events.folders import cache_folder

LABEL = "digits (event-converted)"
SYNTHETIC = False
CLASSES = 10
SENSOR = (16, 16, 2)
"""Width, height, polarities: the sensor size as tonic writes it."""
FEATURES = 2 * 16 * 16
SAMPLES = 1797

SACCADE = 100_000  # us
TRIANGLE = np.array([[-1.5, -1.5], [0.0, 1.5], [1.5, -1.5], [-1.5, -1.5]])
"""Where the digit stands (x, y) before, between and after the saccades, in pixels from the sensor's centre."""
SCALE = 1.5
"""Sensor pixels per digit pixel: 12 of 16 pixels, so that the digit stays in sight on its way."""
BACKGROUND = 2.0
"""Light where there is no ink; ink runs from 0 to 16."""
THRESHOLD = 0.3
"""Change of log-intensity that makes a pixel send an event."""
STEP = 1_000
"""us between two samples of the scene, so short that no log-intensity moves by THRESHOLD in between."""

EVENT = np.dtype([("x", int), ("y", int), ("t", int), ("p", int)])
"""One event as tonic's NMNIST has it: column, row, us since the start, 1 for brighter and 0 for darker."""
PACKED = np.dtype([("x", "u1"), ("y", "u1"), ("t", "<i4"), ("p", "u1")])
"""One event in 7 bytes, for the cache."""


def batch(steps: int, size: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return `size` different digits in `steps` frames each, drawn from all digits by `seed`.

    Returns inputs [T, B, 512], events per bin (polarity, row, column flattened), and targets [T, B], the digit
    at every step. A bin lasts about 300 ms / T. Raises ValueError if `size` is not between 1 and the number of
    digits, or `steps` is below 1.
    """
    if steps < 1:
        raise ValueError(f"steps must be at least 1, not {steps}")
    if not 1 <= size <= SAMPLES:
        raise ValueError(f"size must be between 1 and {SAMPLES}, the number of digits, not {size}")
    indices = np.random.default_rng(seed).choice(SAMPLES, size, replace=False)
    inputs = np.empty((steps, size, FEATURES), np.float32)
    for b, index in enumerate(indices):
        inputs[:, b] = frames(events(index), steps).reshape(steps, FEATURES)
    return inputs, np.tile(labels()[indices], (steps, 1))


def events(index: int) -> NDArray[Any]:
    """Return the events of digit `index` (0 to 1796), ordered in time: [E] of EVENT."""
    recording = _recordings()
    return recording["events"][recording["first"][index] : recording["first"][index + 1]].astype(EVENT)


def labels() -> NDArray[np.int32]:
    """Return which digit each sample shows: [1797]."""
    return _recordings()["labels"]


def frames(recording: NDArray[Any], steps: int) -> NDArray[np.int16]:
    """Count events [E] in `steps` equal bins of time: [T, polarity, row, column].

    The counts are those of tonic's ToFrame(n_time_bins=steps), at a fraction of its time. Bins start at the first event
    and last a whole number of us, rounded down. So the last event, and the few in the remainder before it, belong to
    no bin.
    """
    shape = (steps, *SENSOR[::-1])
    if len(recording) == 0:
        return np.zeros(shape, np.int16)
    start = recording["t"][0]
    width = (recording["t"][-1] - start) // steps
    inside = recording[recording["t"] < start + steps * width]
    # With width 0 no event is inside, and there is nothing to divide.
    bins = (inside["t"] - start) // max(width, 1)
    cells = np.ravel_multi_index((bins, inside["p"], inside["y"], inside["x"]), shape)
    return np.bincount(cells, minlength=np.prod(shape)).astype(np.int16).reshape(shape)


def glyphs() -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Return the digits of scikit-learn: ink [1797, 8, 8] from 0 to 16, and labels [1797]."""
    # Inside, because scikit-learn takes seconds to import and is not needed once the events are cached.
    from sklearn.datasets import load_digits

    digits: Any = load_digits()
    return digits.images, digits.target.astype(np.int32)


def path(corners: NDArray[np.float64] = TRIANGLE, duration: int = SACCADE, step: int = STEP) -> NDArray[np.float64]:
    """Return the digit's position (x, y) at every sample, in pixels from the sensor's centre: [samples, 2].

    corners: positions [saccades + 1, 2] before, between and after the saccades. duration: us of a saccade. step: us
    between two samples. Each saccade sets off and comes to rest smoothly, so the rate of events has one bump for each
    saccade, as in N-MNIST.
    """
    saccades = len(corners) - 1
    number, fraction = np.divmod(np.arange(saccades * duration // step + 1) * step / duration, 1)
    progress = number + (1 - np.cos(np.pi * fraction)) / 2
    return np.stack([np.interp(progress, np.arange(saccades + 1), axis) for axis in corners.T], axis=1)


def spread(offset: float, pixels: int = SENSOR[0], scale: float = SCALE) -> NDArray[np.float64]:
    """Return the weights [pixels, 8] of 8 digit pixels, displaced by `offset`, in sensor pixels along one axis.

    scale: sensor pixels per digit pixel. The kernel is the cubic B-spline: smooth, so motion by a fraction of a pixel
    shows, and never negative.
    """
    positions = (np.arange(pixels) - (pixels - 1) / 2 - offset) / scale + 3.5
    d = np.abs(positions[:, None] - np.arange(8))
    return np.where(d < 1, 2 / 3 - d**2 + d**3 / 2, np.clip(2 - d, 0, None) ** 3 / 6)


def convert(images: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Convert ink [n, 8, 8] into the images' events in turn, [E] of PACKED, and each image's first event, [n + 1]."""
    ink = images.reshape(len(images), 64)

    def log_intensity(position: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the log-intensity at every pixel of every image: [n * 256]."""
        optics = np.kron(spread(position[1]), spread(position[0]))
        return np.log(BACKGROUND + ink @ optics.T).ravel()

    start, *positions = path()
    level = log_intensity(start)
    # The pixels' last events lie before the recording, anywhere within a threshold. Without this all pixels would
    # wait for their first event, and where the triangle closes rounding would decide about the last.
    phase = np.random.default_rng(0).uniform(-THRESHOLD, THRESHOLD, 16 * 16)
    reference = level + np.tile(phase, len(images))
    pixels, times, polarities = [], [], []
    for number, position in enumerate(positions):
        before, level = level, log_intensity(position)
        active = np.flatnonzero(np.abs(level - reference) >= THRESHOLD)
        brighter = level[active] > reference[active]
        reference[active] += np.where(brighter, THRESHOLD, -THRESHOLD)
        # The threshold was passed somewhere between two samples; a straight line says when.
        fraction = (reference[active] - before[active]) / (level[active] - before[active])
        pixels.append(active)
        times.append((number + fraction) * STEP)
        polarities.append(brighter)

    sample, pixel = np.divmod(np.concatenate(pixels), 16 * 16)
    packed = np.empty(len(pixel), PACKED)
    packed["y"], packed["x"] = np.divmod(pixel, 16)
    packed["t"] = np.concatenate(times)
    packed["p"] = np.concatenate(polarities)
    order = np.lexsort((packed["t"], sample))
    return packed[order], np.searchsorted(sample[order], np.arange(len(images) + 1))


@cache
def _recordings() -> dict[str, NDArray[Any]]:
    """Convert all digits, or read them from the cache: events [E] of PACKED, first [1798] and labels [1797]."""
    file = cache_file()
    if stored := diskcache.load(file):
        return stored
    images, targets = glyphs()
    packed, first = convert(images)
    recordings = {"events": packed, "first": first, "labels": targets}
    try:
        diskcache.save(file, recordings)
    except OSError as error:
        diskcache.note_unwritable(file, error)
    return recordings


def cache_file() -> Path:
    """Return the file of the converted events: under $DRTRL_BENCH_CACHE, else ~/.cache/drtrl-bench.

    The name carries a hash of this source, so a changed conversion never reads what the old one wrote.
    """
    return cache_folder() / f"digits-{hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]}.npz"
