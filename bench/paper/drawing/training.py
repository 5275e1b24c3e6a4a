"""Draws trainings: loss and accuracy over updates, accuracy over wall time, and the test's at peak memory."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from drtrl_bench.figures import layout, scales, selection, style
from drtrl_bench.paper import report
from drtrl_bench.paper.learning import testing, trainings
from drtrl_bench.paper.measures import intervals
from drtrl_bench.view.caption import Frame

INTERVAL = "95 % interval of the median"
BARS = (
    "bars: bootstrap over seeds; of a test accuracy over other test trials, too, the same for all seeds where they are "
    "recordings; over updates of the last validation, beside the lines; at the same memory beside each other"
)
MEMORY = "peak memory: of a gradient, beyond weights and batch; a training that ended keeps its last value"
ASIDE = 0.045
"""By how much of an axis the marks of one rule stand beside those of the next, so that none hides another."""
PUBLISHED: dict[str, Any] = {"linestyle": (0, (2.5, 1.2)), "markerfacecolor": "white"}
"""How lines of a rule as published differ from the corrected ones."""


def look(rule: str, variant: str) -> dict[str, Any]:
    """Return the options of a rule's line."""
    _, colour, marker = selection.ALGORITHMS[rule]
    return {"color": colour, "marker": marker, "linestyle": "-", "markeredgecolor": "white"} | (
        PUBLISHED | {"markeredgecolor": colour} if variant else {}
    )


def name(rule: str, variant: str) -> str:
    """Return a rule's name in a legend."""
    return selection.ALGORITHMS[rule][0] + (f", as published: {variant}" if variant else "")


def curve(axes: Axes, rows: Frame, column: str, across: str = "updates", unit: float = 1.0) -> None:
    """Draw a column of the validations for each rule, over updates or over seconds of wall time.

    Bands of many rules would hide each other: over updates, the interval of the last is a bar beside the lines.
    """
    ends, last = [], 0.0
    for (rule, variant), own in rows.groupby(["rule", "variant"], sort=False):
        x, values = trainings.held(own, column)
        at = x * (float(own["seconds_per_update"].median()) if across == "seconds" else 1)
        middle, low, high = (unit * each for each in curves(values))
        options: dict[str, Any] = look(str(rule), str(variant)) | {"markevery": max(1, len(x) // 6)}
        axes.plot(at, middle, label=name(str(rule), str(variant)), **options)
        ends.append(((middle[-1], low[-1], high[-1]), options["color"]))
        last = max(last, float(at[-1]))
    if across == "seconds":
        axes.set(xlim=(0, 1.05 * last), xlabel="wall time of updates (s)")
        return
    for number, (summary, colour) in enumerate(ends, start=1):
        bar(axes, last * (1 + ASIDE * number), summary, colour)
    axes.set(xlim=(0, last * (1 + ASIDE * (len(ends) + 1))), xlabel="updates")


def bar(axes: Axes, at: float, summary: Sequence[float], colour: str) -> None:
    """Draw an interval: median, low and high end."""
    middle, low, high = summary
    axes.errorbar([at], [middle], yerr=[[middle - low], [high - middle]], color=colour, label=INTERVAL, **style.BAR)


def over(axes: Axes, rows: Frame, across: str, chance: float) -> None:
    """Draw the validation accuracy of each rule over updates, or over seconds of wall time."""
    curve(axes, rows, "valid_accuracy", across, 100)
    level(axes, chance)
    axes.set_ylabel("validation accuracy (%)")


def loss(axes: Axes, rows: Frame) -> None:
    """Draw the validation loss of each rule over updates."""
    curve(axes, rows, "valid_loss")
    axes.set_ylabel("validation loss (nats)")


def level(axes: Axes, chance: float) -> None:
    """Draw the accuracy of guesses."""
    axes.axhline(100 * chance, color=style.INK, label="chance", **style.FORMULA)


def memory(axes: Axes, rows: Frame, chance: float) -> None:
    """Draw the test accuracy of each rule at its peak memory."""
    groups = list(rows.groupby(["rule", "variant"], sort=False))
    bytes_ = [float(own["working_bytes"].iloc[0]) for _, own in groups]
    for ((rule, variant), own), at in zip(groups, beside(bytes_), strict=True):
        summary = [100 * each for each in testing.accuracy(own)[:3]]
        options: dict[str, Any] = look(str(rule), str(variant)) | {"linestyle": "none"}
        bar(axes, at / 2**20, summary, options["color"])
        axes.plot([at / 2**20], summary[:1], label=name(str(rule), str(variant)), **options)
    level(axes, chance)
    scales.scale_values(axes, "x", "peak memory (MiB)")
    axes.set_ylabel("test accuracy (%)")
    low, high = axes.get_xlim()
    axes.set_xlim(low / 1.5, high * 1.5)


def beside(values: list[float]) -> list[float]:
    """Move values that would cover each other on a logarithmic axis aside, around their mean."""
    step = (2.25 * max(values) / min(values)) ** ASIDE
    order, moved = sorted(range(len(values)), key=lambda i: (values[i], i)), list(values)
    while order:
        group = [order.pop(0)]
        while order and values[order[0]] < values[group[-1]] * step:
            group.append(order.pop(0))
        middle = float(np.exp(np.mean(np.log([values[i] for i in group]))))
        for place, i in enumerate(group):
            moved[i] = middle * step ** (place - (len(group) - 1) / 2)
    return moved


def figure(rows: Frame, title: str, chance: float, said: list[str]) -> Figure:
    """Draw all conditions of an experiment, those of JAX; said: lines of the caption on the task."""
    ours, bands = rows[rows["framework"] == "jax"], []
    for condition, own in ours.groupby("condition", sort=False):
        panels = [
            layout.Panel("", partial(loss, rows=own)),
            layout.Panel("", partial(over, rows=own, across="updates", chance=chance)),
            layout.Panel("", partial(over, rows=own, across="seconds", chance=chance)),
            layout.Panel("", partial(memory, rows=own, chance=chance)),
        ]
        bands.append(layout.Band(str(condition), panels, 1.9))
    keys = {
        name(str(rule), str(variant)): Line2D([], [], **look(str(rule), str(variant)))
        for rule, variant in ours[["rule", "variant"]].drop_duplicates().itertuples(index=False)
    }
    lines = [*said, BARS, MEMORY, trainings.protocol(ours), trainings.activity(ours), trainings.agreement(rows)]
    return layout.sheet(title, bands, report.footer(rows, *lines), keys)


def points(rows: Frame) -> Frame:
    """Return a row for each condition, rule, framework and validation: median and interval, and what it took."""
    found: list[dict[str, Any]] = []
    for key, own in rows.groupby(["condition", "rule", "variant", "framework"], sort=False):
        common = dict(zip(("condition", "rule", "variant", "framework"), key, strict=True))
        common |= {"rate": own["rate"].iloc[0], "working_bytes": int(own["working_bytes"].iloc[0])}
        seconds, test = float(own["seconds_per_update"].median()), testing.accuracy(own)
        common |= {"seeds": len(own), "solved": int(own["solved"].sum())}
        common |= {"test": test.median, "test_low": test.low, "test_high": test.high}
        x, values = trainings.held(own, "valid_accuracy")
        losses = intervals.median(trainings.held(own, "valid_loss")[1], axis=0)
        for number, lost, *accuracy in zip(x, losses, *curves(values), strict=True):
            ends = dict(zip(("loss", "valid", "low", "high"), (lost, *accuracy), strict=True))
            found.append(common | {"updates": int(number), "seconds": number * seconds} | ends)
    return pd.DataFrame(found)


def curves(values: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the median over seeds and both ends of its interval, of curves [seeds, points]."""
    return intervals.curves(values[:, None])
