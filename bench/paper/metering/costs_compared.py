"""Compares what rules cost: with the quickest BPTT, over the number of steps, and over the width of a network."""

from collections.abc import Mapping

import numpy as np

from drtrl_bench import registry
from drtrl_bench.figures import selection
from drtrl_bench.paper.measures import intervals
from drtrl_bench.view.caption import Frame


def of_study(rows: Frame, study: str) -> Frame:
    """Return the rows of a study that memory held."""
    return rows[(rows["study"] == study) & (rows["status"] == "ok")]


def beside_bptt(rows: Frame) -> Frame:
    """Return the corrected rows of the lengths at which BPTT was measured, too; longer ones memory may not hold."""
    lengths = rows[rows["algorithm"].isin(registry.BPTT)].groupby("framework")["steps"].unique()
    at = [
        steps in lengths.get(framework, ()) for framework, steps in zip(rows["framework"], rows["steps"], strict=True)
    ]
    return rows[at]


def quickest(rows: Frame) -> str:
    """Return the BPTT that takes least time, of the corrected rows of one framework and length."""
    times = rows[rows["algorithm"].isin(registry.BPTT)].groupby("algorithm")["time_s"].median()
    return str(times.idxmin())


def against_bptt(rows: Frame, rule: str, column: str) -> intervals.Summary:
    """Summarize a column of a rule over that of the quickest BPTT, seed by seed; of one framework and length."""
    own, other = (rows[rows["algorithm"] == name].set_index("seed")[column] for name in (rule, quickest(rows)))
    ratio = (own / other).dropna().to_numpy(float)
    return intervals.summary(ratio[:, None])


def growth(rows: Frame, rule: str) -> float:
    """Return the memory at the longest sequence over that at the shortest; of one framework."""
    own = rows[rows["algorithm"] == rule].sort_values("steps")
    first, last = (
        own.loc[own["steps"] == T, "working_bytes"].median() for T in (own["steps"].min(), own["steps"].max())
    )
    return float(last / first)


def exponent(rows: Frame, rule: str) -> float:
    """Return the power of the width with which the bytes grow that a rule carries; of one framework."""
    own = rows[rows["algorithm"] == rule].sort_values("width")
    widths, carried = own["width"].to_numpy(float), own["carried_bytes"].to_numpy(float)
    return float(np.log(carried[-1] / carried[0]) / np.log(widths[-1] / widths[0]))


def below(longest: Mapping[str, Frame], rule: str, column: str) -> bool | None:
    """Tell whether a rule costs no more than the quickest BPTT in every framework; None where 1 is in an interval."""
    ratios = [against_bptt(own, rule, column) for own in longest.values()]
    if all(ratio.high <= 1 for ratio in ratios):
        return True
    return False if any(ratio.low > 1 for ratio in ratios) else None


def told(values: Mapping[str, Mapping[str, float]], form: str) -> str:
    """Write a number of each rule in each framework in words."""
    parts = []
    for framework, own in values.items():
        numbers = ", ".join(f"{name(rule)} {form.format(value)}" for rule, value in own.items())
        parts.append(f"{selection.FRAMEWORKS[framework]}: {numbers}")
    return "; ".join(parts)


def told_against(longest: Mapping[str, Frame], column: str) -> str:
    """Write the ratio of each rule to the quickest BPTT in words, with its interval."""
    parts = []
    for framework, own in longest.items():
        best = quickest(own)
        rules = [rule for rule in own["algorithm"].unique() if rule != best]
        numbers = ", ".join(f"{name(rule)} {against_bptt(own, rule, column)}" for rule in rules)
        parts.append(f"{selection.FRAMEWORKS[framework]}, over {name(best)}: {numbers}")
    return "; ".join(parts)


def name(rule: str) -> str:
    """Return the name of a rule in figures and tables."""
    return selection.ALGORITHMS[rule][0]
