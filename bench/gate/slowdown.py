"""Compare the times of one case on two sides: choose the samples, and return their ratio and its interval."""

import numpy as np

from drtrl_bench.measure.stats import median_interval
from drtrl_bench.records.record import Record

SLOWER = 1.3
"""A ratio of times above this is a regression."""
LOOKS = 3
"""A B B A of a case are measured this often at most; the case is slower if it is after each, over all rounds so far.

On a machine that is disturbed for minutes, two looks raised a false alarm in 2 of 20 comparisons of a commit with
itself, three in none of 19 (results/README.md).
"""


def rounds(records: list[Record], kind: str = "samples_s") -> list[list[float]]:
    """Return the samples of each round that was timed, in seconds."""
    return [r["time"][kind] for r in records if r["status"] == "ok" and r["time"].get(kind)]


def ratio_interval(old: list[list[float]], new: list[list[float]]) -> tuple[float, float]:
    """Return the interval of the ratio of medians, new over old.

    Its low end is the lowest low end of the new rounds' intervals over the highest high end of the old rounds', its
    high end the reverse. A round's interval is that of `stats.median_interval`. Of 274 intervals of a commit
    against itself on a calm machine 260, which is 95 %, contain 1; on a disturbed one 146 of 168 (results/gate/).
    Percentiles of a bootstrap would see only the variation within the two rounds of a side.
    """
    before, after = ([median_interval(samples) for samples in side] for side in (old, new))
    low = min(low for low, _ in after) / max(high for _, high in before)
    high = max(high for _, high in after) / min(low for low, _ in before)
    return low, high


def ratios(old: list[list[float]], new: list[list[float]]) -> tuple[float, float]:
    """Return the ratio of the medians of all samples, and that of the fastest rounds: a slowdown shows in both."""
    medians = [float(np.median(np.concatenate([np.asarray(r) for r in side]))) for side in (old, new)]
    best = [min(float(np.median(r)) for r in side) for side in (old, new)]
    return medians[1] / medians[0], best[1] / best[0]


def judged_samples(old: list[Record], new: list[Record]) -> tuple[list[list[float]], list[list[float]], bool]:
    """Choose the samples to judge, and return both sides' rounds, and whether their times are the processor's.

    The processor's times are chosen if one thread works and every round has them, because on a shared machine they vary
    less than the clock's. Of several threads they would count the time in which one waits for another.
    """
    records = [r for r in (*old, *new) if r["status"] == "ok"]
    alone = all(r["case"]["threads"] == 1 and r["case"]["device"] == "cpu" for r in records)
    kind = "cpu_samples_s" if alone and all(r["time"].get("cpu_samples_s") for r in records) else "samples_s"
    return rounds(old, kind), rounds(new, kind), kind == "cpu_samples_s"


def slower(old: list[Record], new: list[Record]) -> bool:
    """Return whether the times of one case are a regression, which is a reason to measure them again."""
    *sides, _ = judged_samples(old, new)
    return all(sides) and min(ratios(*sides)) > SLOWER
