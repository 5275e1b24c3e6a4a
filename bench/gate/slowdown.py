"""Compares the times of one case on two sides: which samples are judged, their ratio, and its interval."""

import numpy as np

from drtrl_bench.measure.stats import median_interval
from drtrl_bench.records.record import Record

SLOWER = 1.3
"""A ratio of times above this is a regression."""


def rounds(records: list[Record], kind: str = "samples_s") -> list[list[float]]:
    """The samples of each round that was timed, in seconds."""
    return [r["time"][kind] for r in records if r["status"] == "ok" and r["time"].get(kind)]


def ratio_interval(old: list[list[float]], new: list[list[float]]) -> tuple[float, float]:
    """Interval of the ratio of medians: from the lowest end over the highest of the rounds' intervals, to the reverse.

    A round's interval is that of `stats.median_interval`, from its order statistics. 260 of 274 intervals of a commit
    against itself (results/gate/gate.jsonl) hold 1, which is 95 %; with percentiles of a bootstrap, which knows only
    what varied within the two rounds of a side, it was 224.
    """
    before, after = ([median_interval(samples) for samples in side] for side in (old, new))
    low = min(low for low, _ in after) / max(high for _, high in before)
    high = max(high for _, high in after) / min(low for low, _ in before)
    return low, high


def ratios(old: list[list[float]], new: list[list[float]]) -> tuple[float, float]:
    """Ratio of the medians of all samples, and of the medians of the fastest rounds: both must rise to be believed."""
    whole = [float(np.median(np.concatenate([np.asarray(r) for r in side]))) for side in (old, new)]
    best = [min(float(np.median(r)) for r in side) for side in (old, new)]
    return whole[1] / whole[0], best[1] / best[0]


def believed(old: list[Record], new: list[Record]) -> tuple[list[list[float]], list[list[float]], bool]:
    """The samples that a verdict is made of: the processor's, where one thread works and every round has them.

    Returns both sides' rounds, and whether they are the processor's.

    On a shared machine they vary less than the clock's. Several threads may wait for each other while they work.
    """
    records = [r for r in (*old, *new) if r["status"] == "ok"]
    alone = all(r["case"]["threads"] == 1 and r["case"]["device"] == "cpu" for r in records)
    kind = "cpu_samples_s" if alone and all(r["time"].get("cpu_samples_s") for r in records) else "samples_s"
    return rounds(old, kind), rounds(new, kind), kind == "cpu_samples_s"


def slower(old: list[Record], new: list[Record]) -> bool:
    """Whether the times of one case look like a regression: reason to measure it once more."""
    *sides, _ = believed(old, new)
    return all(sides) and min(ratios(*sides)) > SLOWER
