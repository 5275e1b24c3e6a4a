"""Judges medians by a limit on their intervals, and draws the intervals of times and of test accuracies.

Every claim on a limit is judged by `within`, and what is undefined is treated in one way: it is in no median, it is
counted, and a median of nothing is neither above a limit nor below it.
"""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drtrl_bench.paper.measures import intervals
from drtrl_bench.paper.measures.intervals import LEVEL, RESAMPLES, Summary
from drtrl_bench.view.caption import Frame


def within(summaries: Iterable[Summary], low: float = -np.inf, high: float = np.inf) -> bool | None:
    """Tell whether medians lie between two limits.

    True if all intervals do, False if one lies wholly below or above, None otherwise: if one contains a limit, if
    nothing of one is defined, or if there is none.
    """
    every = list(summaries)
    if any(each.high < low or each.low > high for each in every):
        return False
    return True if every and all(each.low > low and each.high < high for each in every) else None


def counted(summaries: Mapping[str, Summary], limit: float, what: str) -> str:
    """Say how many medians are above a limit, how many below, where the ends are, and how much is undefined."""
    defined = {name: each for name, each in summaries.items() if not np.isnan(each.median)}
    if not defined:
        return f"nothing is defined in {len(summaries)} {what}" if summaries else "nothing was measured"
    above, below = (sum(yes) for yes in zip(*((e.low > limit, e.high < limit) for e in defined.values()), strict=True))
    worst, best = (pick(defined, key=lambda name: defined[name].median) for pick in (min, max))
    undefined, values = (sum(each[i] for each in summaries.values()) for i in (3, 4))
    throughout = f", {len(summaries) - len(defined)} undefined throughout" if len(summaries) > len(defined) else ""
    text = f"{above} of {len(summaries)} {what} above {limit:g}, {below} below{throughout}; "
    text += f"from {defined[worst]} ({worst}) to {defined[best]} ({best})"
    return f"{text}; {undefined} of {values} values undefined" if undefined else text


def every(answers: Iterable[bool | None]) -> bool | None:
    """Tell whether a claim holds of all: False if it does not of one, None if one is open or there is none."""
    told = list(answers)
    return False if False in told else True if told and None not in told else None


def of_processes(rows: Frame, column: str) -> Summary:
    """Return the median of a column with its interval over processes, `process`, and over the rows of each.

    What one process measures is alike for reasons that the next one does not have. Processes may have different
    numbers of rows.
    """
    if rows.empty:
        return Summary(np.nan, np.nan, np.nan, 0, 0)
    groups = [own[column].to_numpy(float) for _, own in rows.groupby("process", sort=True)]
    undefined = int(rows[column].isna().sum())
    return intervals.summary(intervals.padded(groups))._replace(undefined=undefined, values=len(rows))


def retested(
    rates: ArrayLike, trials: int, shared: bool, stream: int = 0, resamples: int = RESAMPLES
) -> NDArray[np.float64]:
    """Draw seeds with replacement, and of each the share of right answers that other test trials might have given.

    rates [seeds] -> [resamples, seeds]. shared: all seeds are tested on the same trials, so that what is luck in these
    is the same for all. The share right of so many trials varies as a binomial does, here as its normal approximation,
    with half a right and half a wrong answer added, so that a rate of 1 varies, too. All calls draw the same seeds, for
    pairs; stream: which luck in trials.
    """
    p = np.asarray(rates, float)
    chosen = np.random.default_rng(0).integers(len(p), size=(resamples, len(p)))
    luck = np.random.default_rng([1, stream]).standard_normal((resamples, 1 if shared else len(p)))
    smooth = (p * trials + 0.5) / (trials + 1)
    return np.clip(p[chosen] + luck * np.sqrt(smooth * (1 - smooth) / trials)[chosen], 0, 1)


def of_draws(values: ArrayLike, draws: ArrayLike) -> Summary:
    """Return the median of values with the interval of the medians that were drawn in its place."""
    x = np.asarray(values, float)
    low, high = np.quantile(np.asarray(draws, float), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Summary(float(intervals.median(x.ravel())), float(low), float(high), int(np.isnan(x).sum()), x.size)
