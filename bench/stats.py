"""What a list of samples says: median, spread, and how sure one can be of it."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

UNSTABLE = 0.10
"""A row whose interquartile range exceeds this share of its median is marked unstable."""


def median_interval(samples: ArrayLike, resamples: int = 1000, seed: int = 0) -> tuple[float, float]:
    """95 % bootstrap interval of the median (percentile method; Efron & Tibshirani 1993)."""
    x = np.asarray(samples, dtype=float)
    draws = np.random.default_rng(seed).choice(x, size=(resamples, x.size))
    low, high = np.quantile(np.median(draws, axis=1), [0.025, 0.975])
    return float(low), float(high)


def summary(samples: ArrayLike) -> dict[str, Any]:
    """median_s, iqr_s, low_s and high_s (95 % interval of the median), unstable; samples in seconds."""
    x = np.asarray(samples, dtype=float)
    quarter, median, three_quarters = np.quantile(x, [0.25, 0.5, 0.75])
    low, high = median_interval(x)
    iqr = float(three_quarters - quarter)
    return {
        "median_s": float(median),
        "iqr_s": iqr,
        "low_s": low,
        "high_s": high,
        "unstable": bool(iqr > UNSTABLE * median),
    }


def settled(samples: list[float], width: float = 0.02) -> bool:
    """Whether the half-width of the median's interval is under `width` of the median."""
    low, high = median_interval(samples, resamples=200)
    return (high - low) / 2 < width * float(np.median(samples))
