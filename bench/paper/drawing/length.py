"""Draws trainings over the length of their sequences: test accuracy, its distance from BPTT's, and peak memory."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from drtrl_bench.figures import layout, scales, style
from drtrl_bench.paper import report
from drtrl_bench.paper.drawing import marks, training
from drtrl_bench.paper.learning import testing, trainings
from drtrl_bench.paper.measures import intervals
from drtrl_bench.view.caption import Frame

UNKNOWN = intervals.Summary(np.nan, np.nan, np.nan, 1, 1)
"""The difference from a BPTT that was not trained, as where it ran out of memory."""
ASIDE = 1.03
"""By how much the marks of one rule stand beside those of the next, so that their bars can be told apart."""
BARS = (
    "bars: 95 % interval of the median, bootstrap over seeds and over other test trials, the same for all seeds where "
    "they are recordings; difference: of pairs of the same seed; peak memory: of a gradient, beyond weights and batch"
)


def points(rows: Frame) -> Frame:
    """Return a row for each data set, length and rule: accuracy, its difference from BPTT's, memory, chosen rate.

    Rules as published are left out, and the twins in PyTorch.
    """
    summaries: list[dict[str, Any]] = []
    for (dataset, steps, rule), own in corrected(rows).groupby(["dataset", "steps", "rule"], sort=False):
        base = trainings.of_rule(rows, "bptt", own["condition"].iloc[0])
        test = testing.accuracy(own)
        behind = testing.difference(own, base) if len(base) else UNKNOWN
        row = {"dataset": dataset, "steps": steps, "rule": rule, "seeds": len(own), "rate": own["rate"].iloc[0]}
        row |= {"test": test.median, "low": test.low, "high": test.high}
        row |= {"difference": behind.median, "difference_low": behind.low, "difference_high": behind.high}
        summaries.append(row | {"working_bytes": int(own["working_bytes"].iloc[0])})
    return pd.DataFrame(summaries)


def corrected(rows: Frame) -> Frame:
    """Return the trainings in JAX, without those as published."""
    return rows[(rows["framework"] == "jax") & (rows["variant"] == "")]


def over(axes: Axes, summaries: Frame, columns: tuple[str, str, str], label: str) -> None:
    """Draw a share with its interval over the length, in percent, a line for each rule that has one."""
    for rule, own in summaries.groupby("rule", sort=False):
        x = beside(summaries, str(rule))
        middle, low, high = (100 * own[name].to_numpy(float) for name in columns)
        options = training.look(str(rule), "")
        bars: dict[str, Any] = {"yerr": [middle - low, high - middle], "color": options["color"], **style.BAR}
        axes.errorbar(x, middle, label=training.INTERVAL, **bars)
        axes.plot(x, middle, label=training.name(str(rule), ""), **options)
    scales.scale_steps(axes, sorted(int(T) for T in summaries["steps"].unique()))
    axes.set_ylabel(label)


def beside(summaries: Frame, rule: str) -> NDArray[np.float64]:
    """Return the lengths of a rule, a little aside of those of the others."""
    rules = list(dict.fromkeys(summaries["rule"]))
    own = summaries.loc[summaries["rule"] == rule, "steps"].to_numpy(float)
    return own * ASIDE ** (rules.index(rule) - (len(rules) - 1) / 2)


def accuracy(axes: Axes, summaries: Frame, chance: Mapping[int, float]) -> None:
    """Draw the test accuracy, with that of guesses."""
    over(axes, summaries, ("test", "low", "high"), "test accuracy (%)")
    lengths = sorted(chance)
    ends = [lengths[0] / 1.3, *lengths, lengths[-1] * 1.3]
    level = [chance[lengths[0]], *(chance[T] for T in lengths), chance[lengths[-1]]]
    axes.plot(ends, 100 * np.array(level), color=style.INK, label="chance", **style.FORMULA)


def difference(axes: Axes, summaries: Frame, margin: float) -> None:
    """Draw what the test accuracy lacks of BPTT's."""
    columns = ("difference", "difference_low", "difference_high")
    over(axes, summaries[summaries["rule"] != "bptt"], columns, "accuracy - BPTT's (points)")
    colour = training.look("bptt", "")["color"]
    axes.axhline(0, color=colour, linewidth=1.2, zorder=1.7, label=training.name("bptt", ""))
    axes.axhline(-100 * margin, label=marks.LIMIT, **marks.DASHED)


def memory(axes: Axes, summaries: Frame) -> None:
    """Draw the peak memory of a gradient."""
    for rule, own in summaries.groupby("rule", sort=False):
        mebibytes = own["working_bytes"].to_numpy(float) / 2**20
        axes.plot(
            beside(summaries, str(rule)), mebibytes, label=training.name(str(rule), ""), **training.look(str(rule), "")
        )
    scales.scale_steps(axes, sorted(int(T) for T in summaries["steps"].unique()))
    scales.scale_values(axes, "y", "peak memory (MiB)")


def drawn(
    rows: Frame, title: str, chance: Mapping[str, Mapping[int, float]], margin: float, notes: list[str]
) -> tuple[Figure, Frame]:
    """Draw a band for each data set, and return the figure with its points.

    chance: by data set and length. margin: how far below BPTT a rule may be to count as good. notes: lines of the
    caption on the task.
    """
    summaries, bands = points(rows), []
    for dataset, own in summaries.groupby("dataset", sort=False):
        panels = [
            layout.Panel("", partial(accuracy, summaries=own, chance=chance[str(dataset)])),
            layout.Panel("", partial(difference, summaries=own, margin=margin)),
            layout.Panel("", partial(memory, summaries=own)),
        ]
        name = str(rows.loc[rows["dataset"] == dataset, "data"].iloc[0])
        bands.append(layout.Band(name, panels, 2.1))
    ours = corrected(rows)
    chunk = int(ours.loc[ours["rule"] != "bptt", "chunk"].max())
    lines = [*notes, f"{BARS}; chunks of {chunk} steps, BPTT in one", trainings.protocol(ours)]
    lines += [trainings.activity(ours), trainings.agreement(rows)]
    return layout.sheet(title, bands, report.footer(rows, *lines)), summaries
