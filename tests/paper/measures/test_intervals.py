"""Medians and their bootstrap intervals."""

import numpy as np
import pandas as pd
import pytest

from drtrl_bench.paper.measures import intervals

NAN = float("nan")


@pytest.mark.parametrize(
    ("values", "middle"),
    [([3, 1, 2], 2), ([4, 1, 2, 3], 2.5), ([NAN, 1, 3], 2), ([NAN, 5, NAN], 5), ([1, NAN, 7, 2], 2)],
)
def test_medians_leave_out_what_is_undefined(values: list[float], middle: float) -> None:
    assert intervals.median(values) == middle


def test_the_median_of_nothing_is_undefined() -> None:
    assert np.isnan(intervals.median([NAN, NAN]))


def test_a_summary_counts_what_is_undefined() -> None:
    summary = intervals.summary([[1, 2, NAN], [3, NAN, NAN]])
    assert (summary.median, summary.undefined, summary.values) == (2, 3, 6)
    assert 1 <= summary.low <= 2 <= summary.high <= 3


def test_seeds_are_drawn_first_and_then_their_samples() -> None:
    """With one sample of each seed repeated, the interval is that of the seeds; it does not narrow with samples."""
    seeds = np.array([[1.0], [2.0], [3.0], [4.0], [10.0]])
    one, many = intervals.summary(seeds), intervals.summary(np.repeat(seeds, 40, axis=1))
    assert (one.low, one.high) == (many.low, many.high)
    assert one.low == 1
    assert one.high == 10
    pooled = intervals.summary(np.repeat(seeds, 40).reshape(1, -1))  # as if they were independent: far too narrow
    assert pooled.low >= 2
    assert pooled.high <= 4


def test_samples_of_a_seed_are_drawn_too() -> None:
    values = np.arange(100.0)[None]
    summary = intervals.summary(values)
    # of the order statistics of a binomial: 49.5 -+ 1.96 sqrt(100) / 2
    assert summary.low == pytest.approx(39.7, abs=3)
    assert summary.high == pytest.approx(59.3, abs=3)


def test_curves_are_summaries_at_each_place() -> None:
    values = np.random.default_rng(0).normal(size=(4, 3, 2))
    values[0, 0, 1] = NAN
    middle, low, high = intervals.curves(values, intervals.RESAMPLES)
    for place in range(2):
        summary = intervals.summary(values[:, :, place])
        assert (middle[place], low[place], high[place]) == (summary.median, summary.low, summary.high)


def test_a_seed_of_which_memory_took_a_sample_is_one_seed_all_the_same() -> None:
    rows = pd.DataFrame({"seed": [0, 1, 1, 1], "rate": [9.0, 1.0, 2.0, NAN]})
    assert intervals.by_seed(rows, "rate") == pytest.approx(np.array([[9, NAN, NAN], [1, 2, NAN]]), nan_ok=True)
    summary = intervals.of_column(rows, "rate")
    assert (summary.median, summary.undefined, summary.values) == (2, 1, 4)  # not 3 of 6
    assert (summary.low, summary.high) == (1, 9)
    curves = pd.DataFrame({"seed": [0, 0, 1], "cosine": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]})
    expected = np.array([[[1, 2], [3, 4]], [[5, 6], [NAN, NAN]]])
    assert intervals.by_seed(curves, "cosine") == pytest.approx(expected, nan_ok=True)
