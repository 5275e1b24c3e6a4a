"""Medians with bootstrap intervals, over seeds and the samples of each seed; what is undefined is counted apart."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drtrl_bench.view.caption import Frame

LEVEL = 0.95
RESAMPLES = 2000
EXPLAINED = "median, with the 95 % interval of a bootstrap over seeds and over the samples of each"
"""What an interval of `summary` is, for a caption."""


def by_seed(rows: Frame, column: str) -> NDArray[np.float64]:
    """Return a column of rows, each the values of a sample, as [seeds, samples, ...]; nan where one is undefined.

    A seed that has fewer samples than others, as one whose jobs ran out of memory, has nan in their place.
    """
    return padded([list(of_seed[column]) for _, of_seed in rows.groupby("seed", sort=True)])


def padded(groups: list[Any]) -> NDArray[np.float64]:
    """Return groups of values [samples of a group, ...] as one array [groups, samples, ...], filled up with nan."""
    arrays = [np.asarray(group, float) for group in groups]
    most = max(map(len, arrays), default=0)
    widths = [[(0, most - len(a)), *[(0, 0)] * (a.ndim - 1)] for a in arrays]
    return np.array([np.pad(a, width, constant_values=np.nan) for a, width in zip(arrays, widths, strict=True)])


class Summary(NamedTuple):
    """A median with its interval; all three are nan where no value is defined."""

    median: float
    low: float
    high: float
    undefined: int
    """Of the values, how many are nan."""
    values: int

    def __str__(self) -> str:
        return f"{self.median:.3f} [{self.low:.3f}, {self.high:.3f}]"


def median(values: ArrayLike, axis: int = -1) -> NDArray[np.float64]:
    """Return the medians along an axis of the values that are not nan; nan where all are."""
    x = np.sort(np.moveaxis(np.asarray(values, float), axis, -1), axis=-1)  # nan go last
    defined = (~np.isnan(x)).sum(axis=-1)
    last = np.maximum(defined - 1, 0)
    low, high = (np.take_along_axis(x, each[..., None], -1)[..., 0] for each in (last // 2, last - last // 2))
    return (low + high) / 2


def bootstrap(values: ArrayLike, resamples: int = RESAMPLES) -> NDArray[np.float64]:
    """Draw seeds, then samples of each drawn seed, with replacement, and return the medians of all draws.

    values [seeds, samples, ...] -> [resamples, ...]. The draws are the same at every call.
    """
    x, rng = np.asarray(values, float), np.random.default_rng(0)
    seeds, samples = x.shape[:2]
    chosen = rng.integers(seeds, size=(resamples, seeds, 1))
    within = rng.integers(samples, size=(resamples, seeds, samples))
    return median(x[chosen, within].reshape(resamples, seeds * samples, *x.shape[2:]), axis=1)


def curves(values: ArrayLike, resamples: int = 500) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the median and both ends of its interval, over seeds and samples: [seeds, samples, ...] -> [...] each."""
    x = np.asarray(values, float)
    draws = np.sort(bootstrap(x, resamples), axis=0)  # nan, of draws in which nothing is defined, go last
    defined = (~np.isnan(draws)).sum(axis=0)
    ends = []
    for share in ((1 - LEVEL) / 2, (1 + LEVEL) / 2):
        place = np.rint(share * np.maximum(defined - 1, 0)).astype(int)
        ends.append(np.take_along_axis(draws, place[None], 0)[0])
    return median(x.reshape(-1, *x.shape[2:]), axis=0), ends[0], ends[1]


def of_column(rows: Frame, column: str) -> Summary:
    """Return the median of a column with its interval, over the seeds and samples of the rows."""
    undefined = int(rows[column].isna().sum())  # of the rows, and not of what takes the place of those that lack
    return summary(by_seed(rows, column))._replace(undefined=undefined, values=len(rows))


def summary(values: ArrayLike) -> Summary:
    """Return the median of values [seeds, samples] with its interval, and how many are undefined."""
    x = np.asarray(values, float)
    middle, low, high = (float(each) for each in curves(x, RESAMPLES))
    return Summary(middle, low, high, int(np.isnan(x).sum()), x.size)
