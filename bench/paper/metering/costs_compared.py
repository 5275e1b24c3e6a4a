"""Compares what rules cost: with BPTT, over the number of steps, and over the width of a network."""

import math
from collections.abc import Mapping

import numpy as np

from drtrl_bench import registry
from drtrl_bench.figures import selection
from drtrl_bench.paper.measures import intervals, limits
from drtrl_bench.view.caption import Frame

MIB, MS = 2.0**20, 1e-3
ALIKE = 1.1
"""Bytes that are no more than so many times others are as many: a version of a compiler moves them by as much."""


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
    own, other = (rows[rows["algorithm"] == name].set_index("seed") for name in (rule, quickest(rows)))
    return of_column(own.assign(ratio=own[column] / other[column]).dropna(subset=["ratio"]), "ratio")


def of_column(rows: Frame, column: str) -> intervals.Summary:
    """Summarize a column of one rule.

    The seeds that one process measured are no processes of their own, so that the interval is over processes first.
    """
    return limits.of_processes(rows.assign(process=rows["seeds"].map(str)), column)


def taken(rows: Frame) -> dict[str, float]:
    """Return the bytes that each rule takes, of the corrected rows of one framework and length; they are counted."""
    return {str(rule): float(own["working_bytes"].median()) for rule, own in rows.groupby("algorithm", sort=False)}


def less(longest: Mapping[str, Frame], rule: str, base: str) -> bool | None:
    """Tell whether a rule takes less memory than another in every framework that measured both."""
    return limits.every(less_in(longest, rule, base).values())


def less_in(longest: Mapping[str, Frame], rule: str, base: str) -> dict[str, bool | None]:
    """Tell of each framework that measured both whether a rule takes less memory than another."""
    takes = {framework: taken(own) for framework, own in longest.items()}
    return {f: lower(each[rule], each[base]) for f, each in takes.items() if rule in each and base in each}


def equal_in(longest: Mapping[str, Frame], rule: str, base: str) -> str:
    """Say in which frameworks two rules take equal memory, which leaves open whether one takes less."""
    frameworks = [selection.FRAMEWORKS[f] for f, less in less_in(longest, rule, base).items() if less is None]
    return f"they are equal within a tenth in {' and '.join(frameworks)}" if frameworks else "one was not measured"


def lower(bytes_: float, others: float) -> bool | None:
    """Tell whether bytes are fewer than others: None if they are as many but for a tenth."""
    return None if max(bytes_, others) <= ALIKE * min(bytes_, others) else bytes_ < others


def over_steps(rows: Frame, rule: str) -> list[float]:
    """Return the bytes that a rule takes at each length, the shortest first; of one framework."""
    return rows[rows["algorithm"] == rule].groupby("steps")["working_bytes"].median().sort_index().tolist()


def growth(rows: Frame, rule: str) -> float:
    """Return the memory at the longest sequence over that at the shortest; of one framework."""
    curve = over_steps(rows, rule)
    return curve[-1] / curve[0] if curve else math.nan


def grows(rows: Frame, rule: str, most: float) -> bool | None:
    """Tell whether the longest sequence takes more than `most` times the memory of every shorter one.

    False if it takes at most that of the one that takes least. None between the two, or if there is one length.
    """
    *shorter, longest = over_steps(rows, rule) or [math.nan]
    if shorter and longest > most * max(shorter):
        return True
    return False if shorter and longest <= most * min(shorter) else None


def exponent(rows: Frame, rule: str) -> float:
    """Return the power of the width with which the bytes grow that a rule carries; of one framework."""
    own = rows[rows["algorithm"] == rule].sort_values("width")
    widths, carried = own["width"].to_numpy(float), own["carried_bytes"].to_numpy(float)
    return float(np.log(carried[-1] / carried[0]) / np.log(widths[-1] / widths[0]))


def below(longest: Mapping[str, Frame], rule: str, column: str) -> bool | None:
    """Tell whether a rule costs less than the quickest BPTT in every framework.

    A framework is open where 1 is in the interval, and where a time of either is unstable, of a busy machine or of
    another machine than the rest.
    """
    return limits.every(
        None if doubtful(own, rule) else limits.within([against_bptt(own, rule, column)], high=1)
        for own in longest.values()
    )


def doubtful(rows: Frame, rule: str) -> bool:
    """Tell whether a time of a rule or of the quickest BPTT is unstable, of a busy machine, or of several machines."""
    own = rows[rows["algorithm"].isin([rule, quickest(rows)])]
    return bool(own[["busy", "unstable"]].astype(bool).any(axis=None)) or rows["setup"].nunique() > 1


def told(values: Mapping[str, Mapping[str, str]]) -> str:
    """Write what is said of each rule in each framework."""
    parts = []
    for framework, own in values.items():
        numbers = ", ".join(f"{name(rule)} {text}" for rule, text in own.items())
        parts.append(f"{selection.FRAMEWORKS[framework]}: {numbers}")
    return "; ".join(parts)


def told_bytes(longest: Mapping[str, Frame]) -> str:
    """Write the memory of each rule in MiB."""
    return told({f: {rule: f"{b / MIB:.3g}" for rule, b in taken(own).items()} for f, own in longest.items()}) + " MiB"


def told_less(longest: Mapping[str, Frame], rule: str, base: str) -> str:
    """Write the memory of each rule in MiB, after the frameworks in which a rule takes less than another, or not."""
    holds = less_in(longest, rule, base)
    said = {True: "yes", False: "no", None: "equal within a tenth"}
    words = [f"{said[less]} in {selection.FRAMEWORKS[framework]}" for framework, less in holds.items()]
    return "; ".join(filter(None, (", ".join(words), told_bytes(longest))))


def told_times(longest: Mapping[str, Frame], judged: str) -> str:
    """Write the time of each rule in ms, and of one its ratio to the quickest BPTT with its interval."""
    values: dict[str, dict[str, str]] = {}
    for framework, own in longest.items():
        for rule, of_rule in own.groupby("algorithm", sort=False):
            ratio = f", {against_bptt(own, judged, 'time_s')} times BPTT" if rule == judged else ""
            values.setdefault(framework, {})[str(rule)] = f"{of_rule['time_s'].median() / MS:.3g} ms{ratio}"
    return told(values)


def told_carried(own: Frame, rule: str) -> str:
    """Write the power of the width with which grows what a rule carries, and the bytes; of one framework."""
    carried = own[own["algorithm"] == rule].sort_values("width")["carried_bytes"] / MIB
    return f"{exponent(own, rule):.2f} ({carried.iloc[0]:.3g} to {carried.iloc[-1]:.3g} MiB)"


def name(rule: str) -> str:
    """Return the name of a rule in figures and tables."""
    return selection.ALGORITHMS[rule][0]
