"""Summarize a list of samples: median, spread, and the confidence interval of the median."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

LEVEL = 0.95
"""Probability that an interval holds the median."""
UNSTABLE = 0.10
"""A case whose interquartile range exceeds this share of its median is marked unstable."""


def median_interval(samples: ArrayLike) -> tuple[float, float]:
    """Return the 95 % interval of the median (Hettmansperger & Sheather 1986, Stat. Probab. Lett. 4:75).

    The interval from the k-th smallest sample to the k-th largest contains the median with a probability that follows
    from the binomial distribution, whatever the distribution of the samples. Between the two k whose probabilities
    enclose 95 %, the ends are interpolated. For five samples or fewer the interval is their range, which contains the
    median with a lower probability: 94 % for five. (For 7 to 10 samples, of which there often are no more, percentiles
    of a bootstrap contain it with 88 to 92 %.)
    """
    x = np.sort(np.asarray(samples, dtype=float))
    n = len(x)
    k, coverage, inner = 1, 1.0 - 2 * 0.5**n, 0.0  # probability between the k-th samples from both ends; the next k's
    while k < n / 2:
        inner = coverage - 2 * math.comb(n, k) * 0.5**n
        if inner < LEVEL:
            break
        k, coverage = k + 1, inner
    if coverage <= LEVEL:
        return float(x[k - 1]), float(x[n - k])
    share = (coverage - LEVEL) / (coverage - inner)
    weight = (n - k) * share / (k + (n - 2 * k) * share)
    ends = (x[i] + weight * (x[j] - x[i]) for i, j in ((k - 1, k), (n - k, n - k - 1)))
    low, high = (float(end) for end in ends)
    return low, high


def summary(samples: ArrayLike) -> dict[str, Any]:
    """Summarize samples in seconds: median_s, iqr_s, low_s and high_s (95 % interval of the median), unstable."""
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
    """Return whether the half-width of the median's interval is under `width` times the median."""
    low, high = median_interval(samples)
    return (high - low) / 2 < width * float(np.median(samples))
