"""What a list of samples says: median, spread, and how sure one can be of it."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

LEVEL = 0.95
"""Probability that an interval holds the median."""
UNSTABLE = 0.10
"""A row whose interquartile range exceeds this share of its median is marked unstable."""


def median_interval(samples: ArrayLike) -> tuple[float, float]:
    """95 % interval of the median, between order statistics (Hettmansperger & Sheather 1986, Stat. Probab. Lett. 4:75).

    The interval from the k-th smallest sample to the k-th largest holds the median with a probability that the binomial
    distribution tells, whatever the samples' own distribution is. Between the two k that enclose 95 %, the ends are
    interpolated. Of five samples or fewer it is the whole range, which holds it with less: 94 % for five. (Percentiles
    of a bootstrap hold it with 88 to 92 % for 7 to 10 samples, which is how many there often are.)
    """
    x = np.sort(np.asarray(samples, dtype=float))
    n = len(x)
    k, holds, inner = 1, 1.0 - 2 * 0.5**n, 0.0
    while k < n / 2:
        inner = holds - 2 * math.comb(n, k) * 0.5**n
        if inner < LEVEL:
            break
        k, holds = k + 1, inner
    if holds <= LEVEL:
        return float(x[k - 1]), float(x[n - k])
    part = (holds - LEVEL) / (holds - inner)
    weight = (n - k) * part / (k + (n - 2 * k) * part)
    ends = (x[i] + weight * (x[j] - x[i]) for i, j in ((k - 1, k), (n - k, n - k - 1)))
    low, high = (float(end) for end in ends)
    return low, high


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
    low, high = median_interval(samples)
    return (high - low) / 2 < width * float(np.median(samples))
