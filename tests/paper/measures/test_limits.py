"""What intervals say of a limit: yes, no or open; and the intervals of times and of test accuracies."""

import numpy as np
import pandas as pd
import pytest

from drtrl_bench.paper.measures import intervals, limits
from drtrl_bench.paper.measures.intervals import Summary

NAN = float("nan")
NOTHING = Summary(NAN, NAN, NAN, 4, 4)


def around(low: float, high: float, undefined: int = 0) -> Summary:
    return Summary((low + high) / 2, low, high, undefined, 4)


@pytest.mark.parametrize(
    ("found", "holds"),
    [
        ([around(0.91, 0.95), around(0.92, 0.99)], True),
        ([around(0.91, 0.95), around(0.89, 0.95)], None),  # no interval lies below
        ([around(0.89, 0.95), around(0.7, 0.8)], False),
        ([around(0.91, 0.95), NOTHING], None),
        ([around(0.7, 0.8), NOTHING], False),
        ([around(0.91, 0.95, undefined=2)], True),  # of what is defined
        ([around(0.9, 0.95)], None),  # on the limit
        ([], None),
    ],
)
def test_a_claim_is_open_unless_all_say_yes_or_one_says_no(found: list[Summary], holds: bool | None) -> None:
    assert limits.within(found, low=0.9) is holds
    assert limits.within([Summary(-m, -high, -low, u, n) for m, low, high, u, n in found], high=-0.9) is holds


def test_two_limits() -> None:
    assert limits.within([around(-0.01, 0.01)], -0.05, 0.05) is True
    assert limits.within([around(-0.09, 0.01)], -0.05, 0.05) is None
    assert limits.within([around(-0.09, -0.06)], -0.05, 0.05) is False


@pytest.mark.parametrize(
    ("found", "holds"),
    [([True, True], True), ([True, None], None), ([None, False], False), ([np.False_, True], False), ([], None)],
)
def test_one_no_is_a_no_and_one_open_leaves_open(found: list[bool | None], holds: bool | None) -> None:
    assert limits.every(found) is holds


def test_what_is_counted_in_words() -> None:
    found = {"a": around(0.91, 0.95), "b": around(0.7, 0.8, undefined=1), "c": around(0.85, 0.95), "d": NOTHING}
    assert limits.counted(found, 0.9, "settings") == (
        "1 of 4 settings above 0.9, 1 below, 1 undefined throughout; from 0.750 [0.700, 0.800] (b) to "
        "0.930 [0.910, 0.950] (a); 5 of 16 values undefined"
    )
    assert limits.counted({"d": NOTHING}, 0.9, "settings") == "nothing is defined in 1 settings"
    assert limits.counted({}, 0.9, "settings") == "nothing was measured"


def test_seeds_of_one_process_are_no_processes() -> None:
    """Of two processes that differ, the interval is from one to the other, however many seeds each measured."""
    rows = pd.DataFrame({"process": list("aaabb"), "time": [1.0, 1.0, 1.0, 2.0, 2.0]})
    found = limits.of_processes(rows, "time")
    assert tuple(found) == (1, 1, 2, 0, 5)
    same = limits.of_processes(rows.assign(time=[1.0, 1.1, 1.2, 1.1, 1.1]), "time")
    assert (same.median, same.low, same.high) == pytest.approx((1.1, 1.0, 1.2), abs=0.11)
    uneven = pd.DataFrame({"process": ["a"] * 20 + ["b"] * 2, "time": [1.0] * 20 + [2.0] * 2})
    found = limits.of_processes(uneven, "time")
    assert (found.median, found.low, found.high) == (1, 1, 2)
    assert intervals.summary(uneven["time"].to_numpy()[:, None]).high == 1  # as if all seeds were independent
    assert np.isnan(limits.of_processes(rows.iloc[:0], "time").median)


def test_other_test_trials_move_an_accuracy_as_a_binomial_does() -> None:
    """Of one seed that is right in 80 of 100 trials: sqrt(.8 .2 / 100) = .04."""
    drawn = limits.retested([0.8], 100, shared=False, resamples=20_000)
    assert drawn.shape == (20_000, 1)
    assert drawn.mean() == pytest.approx(0.8, abs=2e-3)
    assert drawn.std() == pytest.approx(0.04, rel=0.03)
    sure = limits.retested([1.0], 11, shared=False)
    assert 0.7 < sure.min() < 0.95  # that all of 11 are right does not make the next ones right
    assert sure.max() == 1


def test_luck_in_trials_that_all_seeds_share_does_not_average_out() -> None:
    one, many = ([0.8] * seeds for seeds in (1, 50))
    apart = {
        (shared, len(rates)): limits.retested(rates, 100, shared, resamples=4000).mean(axis=1).std()
        for shared in (True, False)
        for rates in (one, many)
    }
    assert apart[True, 50] == pytest.approx(0.04, rel=0.05)
    assert apart[False, 50] == pytest.approx(0.04 / np.sqrt(50), rel=0.05)


def test_pairs_stay_pairs() -> None:
    """The seeds are the same in every call, so that their levels cancel; the luck of two tests does not."""
    rates = np.array([0.2, 0.5, 0.8])
    apart = limits.retested(rates, 10**9, shared=False) - limits.retested(rates - 0.1, 10**9, shared=False, stream=1)
    np.testing.assert_allclose(apart, 0.1, atol=1e-3)
    lucky = limits.retested(rates, 100, False) - limits.retested(rates, 100, False, stream=1)
    assert lucky.std() == pytest.approx(np.sqrt(2 * (0.16 + 0.25 + 0.16) / 3 / 100), rel=0.05)


def test_an_interval_of_draws() -> None:
    found = limits.of_draws([1.0, 2.0, 4.0], np.arange(1001))
    assert tuple(found) == pytest.approx((2, 25, 975, 0, 3))
