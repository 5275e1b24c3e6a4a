"""Summarizes test accuracies, with intervals over seeds and over the trials that the test might have had instead.

Generated trials are drawn anew for each seed. Recordings are the same for all seeds and rules, so that luck in them
does not average out over seeds; but rules are compared recording by recording, as what is hard for both says nothing of
either. Of records without the answer to each recording, the luck of a difference is taken as that of two tests, which
widens its interval.
"""

import numpy as np
from numpy.typing import NDArray

from drtrl_bench import data
from drtrl_bench.paper.measures import intervals, limits
from drtrl_bench.view.caption import Frame


def accuracy(rows: Frame) -> intervals.Summary:
    """Return the median test accuracy of the seeds of a rule, with its interval."""
    if answered(rows):
        return crossed(np.array(list(rows["right"]), float))
    values = rows.sort_values("seed")["test_accuracy"].to_numpy(float)
    if np.isnan(values).all():  # a training that ended early is not tested
        return intervals.summary(values[:, None])
    return limits.of_draws(values, intervals.median(limits.retested(values, trials(rows), shared(rows))))


def difference(rows: Frame, others: Frame) -> intervals.Summary:
    """Return the median difference of two rules' test accuracies, of pairs of the same seed, with its interval."""
    both = rows.merge(others, on="seed", suffixes=("", "_other")).sort_values("seed")
    if answered(rows) and answered(others):
        right, other = (np.array(list(both[name]), float) for name in ("right", "right_other"))
        return crossed(right - other)
    pair = [both[name].to_numpy(float) for name in ("test_accuracy", "test_accuracy_other")]
    drawn = [limits.retested(each, trials(rows), shared(rows), stream) for stream, each in enumerate(pair)]
    return limits.of_draws(pair[0] - pair[1], intervals.median(drawn[0] - drawn[1]))


def crossed(values: NDArray[np.float64]) -> intervals.Summary:
    """Return the median over seeds of the mean over recordings, with its interval: [seeds, recordings].

    The bootstrap draws seeds and recordings, and the drawn recordings are the same for all seeds, as the test part is:
    another test part could be easier for all of them.
    """
    (seeds, recordings), rng = values.shape, np.random.default_rng(0)
    times = rng.multinomial(recordings, np.full(recordings, 1 / recordings), size=intervals.RESAMPLES)
    means = times @ values.T / recordings
    drawn = intervals.median(np.take_along_axis(means, rng.integers(seeds, size=means.shape), axis=1))
    return limits.of_draws(values.mean(axis=1), drawn)


def answered(rows: Frame) -> bool:
    """Tell whether it is known which recording of the test each seed told right."""
    return "right" in rows and bool(rows["right"].notna().all())


def shared(rows: Frame) -> bool:
    """Tell whether all seeds are tested on the same trials, as on recordings."""
    return data.dataset(rows["dataset"].iloc[0]).events is not None


def trials(rows: Frame) -> int:
    """Return the number of test trials of a training: no more than were asked for, however many steps have a target.

    The steps of a trial are alike, so that it counts once.
    """
    return int(min(rows["tested"].max(), rows["held_out"].max()))
