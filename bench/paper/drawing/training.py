"""Draws trainings: loss and accuracy over updates, accuracy over wall time and over peak memory, by condition."""

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
from drtrl_bench.paper.learning import trainings
from drtrl_bench.paper.measures import intervals
from drtrl_bench.view.caption import Frame

INTERVAL = "95 % interval, bootstrap over seeds"
BAND = (
    "peak memory: of a gradient, beyond weights and batch; shaded and bars: 95 % interval of the median, bootstrap "
    "over seeds; a training that ended keeps its last value"
)
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


def over(axes: Axes, rows: Frame, across: str, chance: float) -> None:
    """Draw the validation accuracy of each rule over updates, or over seconds of wall time."""
    for (rule, variant), own in rows.groupby(["rule", "variant"], sort=False):
        x, values = trainings.held(own, "valid_accuracy")
        middle, low, high = curves(values)
        seconds = float(own["seconds_per_update"].median())
        at = x * (seconds if across == "seconds" else 1)
        colour = selection.ALGORITHMS[str(rule)][1]
        axes.fill_between(at, 100 * low, 100 * high, color=colour, alpha=0.13, linewidth=0)
        options: dict[str, Any] = look(str(rule), str(variant)) | {"markevery": max(1, len(x) // 6)}
        axes.plot(at, 100 * middle, label=name(str(rule), str(variant)), **options)
    level(axes, chance)
    axes.set(xlabel="updates" if across == "updates" else "wall time of updates (s)", ylabel="validation accuracy (%)")
    axes.set_xlim(left=0)


def loss(axes: Axes, rows: Frame) -> None:
    """Draw the validation loss of each rule over updates."""
    for (rule, variant), own in rows.groupby(["rule", "variant"], sort=False):
        x, values = trainings.held(own, "valid_loss")
        middle, low, high = curves(values)
        options: dict[str, Any] = look(str(rule), str(variant)) | {"markevery": max(1, len(x) // 6)}
        axes.fill_between(x, low, high, color=options["color"], alpha=0.13, linewidth=0)
        axes.plot(x, middle, label=name(str(rule), str(variant)), **options)
    axes.set(xlabel="updates", ylabel="validation loss (nats)")
    axes.set_xlim(left=0)


def level(axes: Axes, chance: float) -> None:
    """Draw the accuracy of guesses."""
    axes.axhline(100 * chance, color=style.INK, label="chance", **style.FORMULA)


def memory(axes: Axes, rows: Frame, chance: float) -> None:
    """Draw the test accuracy of each rule at its peak memory."""
    for (rule, variant), own in rows.groupby(["rule", "variant"], sort=False):
        found, at = intervals.of_column(own, "test_accuracy"), float(own["working_bytes"].iloc[0]) / 2**20
        ends = [[100 * (found.median - found.low)], [100 * (found.high - found.median)]]
        options: dict[str, Any] = look(str(rule), str(variant)) | {"linestyle": "none"}
        axes.errorbar([at], [100 * found.median], yerr=ends, color=options["color"], label=INTERVAL, **style.BAR)
        axes.plot([at], [100 * found.median], label=name(str(rule), str(variant)), **options)
    level(axes, chance)
    scales.scale_values(axes, "x", "peak memory (MiB)")
    axes.set_ylabel("test accuracy (%)")
    low, high = axes.get_xlim()
    axes.set_xlim(low / 1.5, high * 1.5)


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
    lines = [*said, BAND, trainings.protocol(ours), trainings.activity(ours), trainings.agreement(rows)]
    return layout.sheet(title, bands, report.footer(rows, *lines), keys)


def points(rows: Frame) -> Frame:
    """Return a row for each condition, rule, framework and validation: median and interval, and what it took."""
    found: list[dict[str, Any]] = []
    for key, own in rows.groupby(["condition", "rule", "variant", "framework"], sort=False):
        common = dict(zip(("condition", "rule", "variant", "framework"), key, strict=True))
        common |= {"rate": own["rate"].iloc[0], "working_bytes": int(own["working_bytes"].iloc[0])}
        seconds, test = float(own["seconds_per_update"].median()), intervals.of_column(own, "test_accuracy")
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
