"""Draws trainings: accuracy and loss over updates and over wall time, and those of the test at peak memory."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from drtrl_bench import data
from drtrl_bench.figures import layout, scales, style
from drtrl_bench.paper import report
from drtrl_bench.paper.drawing import marks
from drtrl_bench.paper.learning import testing, trainings
from drtrl_bench.paper.measures import intervals
from drtrl_bench.view.caption import Frame

INTERVAL = "95 % interval of the median"
BARS = (
    "bars: bootstrap over seeds; of a test accuracy over other test trials, too, the same for all seeds where they are "
    "recordings; over updates of the last validation, each with its mark, beside the lines; over wall time of the last "
    "validation and of its time, at the end of each line; at the same memory beside each other"
)
WALL = (
    "wall time: the median time of an update, times their number, without validation and compilation; nothing kept "
    "other work off the machine meanwhile, so that the order of the rules in it says little"
)
MEMORY = "peak memory: of a gradient, beyond weights and batch; a training that ended keeps its last value"
ASIDE = 0.045
"""By how much of an axis the marks of one rule stand beside those of the next, so that none hides another."""
PUBLISHED: dict[str, Any] = {"linestyle": (0, (2.5, 1.2)), "markerfacecolor": "white"}
"""How lines of a rule as published differ from the corrected ones."""


def look(rule: str, variant: str) -> dict[str, Any]:
    """Return the options of a rule's line."""
    _, options = marks.of_rule(rule)
    return options | {"linestyle": "-"} | (PUBLISHED | {"markeredgecolor": options["color"]} if variant else {})


def name(rule: str, variant: str) -> str:
    """Return a rule's name in a legend."""
    return marks.of_rule(rule)[0] + (f", as published: {variant}" if variant else "")


def curve(axes: Axes, rows: Frame, column: str, across: str, unit: float = 1.0) -> None:
    """Draw a column of the validations for each rule, over updates or over seconds of wall time.

    Bands of many rules would hide each other: the interval of the last is a bar, over updates beside the lines, and
    over seconds at the end of each, with that of its time over seeds.
    """
    ends, last = [], 0.0
    for (rule, variant), own in rows.groupby(["rule", "variant"], sort=False):
        x, values = trainings.curves(own, column)
        took = seconds(own) if across == "seconds" else (1.0, 1.0, 1.0)
        middle, low, high = (unit * each for each in curves(values))
        options: dict[str, Any] = look(str(rule), str(variant)) | {"label": name(str(rule), str(variant))}
        axes.plot(x * took[0], middle, markevery=max(1, len(x) // 6), **options)
        ends.append(([x[-1] * each for each in took], (middle[-1], low[-1], high[-1]), options))
        last = max(last, *ends[-1][0])
    if across == "seconds":
        for (at, least, most), summary, options in ends:
            bar(axes, at, summary, options["color"], xerr=[[at - least], [most - at]])
        axes.set(xlim=(0, 1.05 * last), xlabel="wall time of updates (s)")
        return
    for number, (_, summary, options) in enumerate(ends, start=1):
        at = last * (1 + ASIDE * number)
        bar(axes, at, summary, options["color"])
        axes.plot([at], summary[:1], **options | {"linestyle": "none", "markersize": 4.5})
    axes.set(xlim=(0, last * (1 + ASIDE * (len(ends) + 1))), xlabel="updates")


def seconds(rows: Frame) -> tuple[float, float, float]:
    """Return the median time of an update of a rule's trainings in seconds, with its interval over seeds."""
    return intervals.summary(rows["seconds_per_update"].to_numpy(float)[:, None])[:3]


def bar(axes: Axes, at: float, summary: Sequence[float], colour: str, **more: Any) -> None:
    """Draw an interval: median, low and high end."""
    middle, low, high = summary
    ends = [[middle - low], [high - middle]]
    axes.errorbar([at], [middle], yerr=ends, color=colour, label=INTERVAL, **style.BAR, **more)


def accuracy(axes: Axes, rows: Frame, across: str, chance: float) -> None:
    """Draw the validation accuracy of each rule over updates, or over seconds of wall time."""
    curve(axes, rows, "valid_accuracy", across, 100)
    level(axes, chance)
    axes.set_ylabel("validation accuracy (%)")


def loss(axes: Axes, rows: Frame, across: str) -> None:
    """Draw the validation loss of each rule over updates, or over seconds of wall time."""
    curve(axes, rows, "valid_loss", across)
    axes.set_ylabel("validation loss (nats)")


def level(axes: Axes, chance: float) -> None:
    """Draw the accuracy of guesses."""
    axes.axhline(100 * chance, color=style.INK, label="chance", **style.FORMULA)


def test_loss(rows: Frame) -> intervals.Summary:
    """Return the median test loss of the seeds of a rule, with its interval over seeds; nan where none is tested."""
    return intervals.summary(rows["test_loss"].to_numpy(float)[:, None])


def memory(axes: Axes, rows: Frame, measure: Callable[[Frame], Sequence[float]], unit: float, label: str) -> None:
    """Draw what a test measures of each rule at its peak memory."""
    groups = list(rows.groupby(["rule", "variant"], sort=False))
    bytes_ = [float(own["working_bytes"].iloc[0]) for _, own in groups]
    for ((rule, variant), own), at in zip(groups, beside(bytes_), strict=True):
        summary = [unit * each for each in measure(own)[:3]]
        options: dict[str, Any] = look(str(rule), str(variant)) | {"linestyle": "none"}
        bar(axes, at / 2**20, summary, options["color"])
        axes.plot([at / 2**20], summary[:1], label=name(str(rule), str(variant)), **options)
    scales.scale_values(axes, "x", "peak memory (MiB)")
    axes.set_ylabel(label)
    low, high = axes.get_xlim()
    axes.set_xlim(low / 1.5, high * 1.5)


def tested(axes: Axes, rows: Frame, chance: float) -> None:
    """Draw the test accuracy of each rule at its peak memory."""
    memory(axes, rows, testing.accuracy, 100, "test accuracy (%)")
    level(axes, chance)


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


def bands(rows: Frame, condition: str, chance: float, in_line: bool) -> list[layout.Band]:
    """Return the panels of a condition: a band of accuracies and one of losses, or all in line."""
    right = [
        layout.Panel("", partial(accuracy, rows=rows, across="updates", chance=chance)),
        layout.Panel("", partial(accuracy, rows=rows, across="seconds", chance=chance)),
        layout.Panel("", partial(tested, rows=rows, chance=chance)),
    ]
    lost = [
        layout.Panel("", partial(loss, rows=rows, across="updates")),
        layout.Panel("", partial(loss, rows=rows, across="seconds")),
        layout.Panel("", partial(memory, rows=rows, measure=test_loss, unit=1, label="test loss (nats)")),
    ]
    if in_line:
        return [layout.Band(condition, [*right, *lost], 1.9)]
    return [layout.Band(condition, right, 1.6), layout.Band("", lost, 1.6)]


def figure(rows: Frame, title: str, chance: float, notes: list[str]) -> Figure:
    """Draw all conditions of an experiment, those of JAX; notes: lines of the caption on the task.

    More than two conditions have a band each, so that the figure is no higher than a page.
    """
    ours, drawn = rows[rows["framework"] == "jax"], []
    conditions = list(ours.groupby("condition", sort=False))
    for condition, own in conditions:
        drawn += bands(own, str(condition), chance, in_line=len(conditions) > 2)
    keys = {
        name(str(rule), str(variant)): Line2D([], [], **look(str(rule), str(variant)))
        for rule, variant in ours[["rule", "variant"]].drop_duplicates().itertuples(index=False)
    }
    lines = [*notes, BARS, WALL, MEMORY, trainings.protocol(ours), trainings.activity(ours), trainings.agreement(rows)]
    return layout.sheet(titled(title, rows), drawn, report.footer(rows, *lines), keys)


def titled(title: str, rows: Frame) -> str:
    """Name the data in a title whose data set is published as files, where others stand in for them."""
    events, label = data.dataset(rows["dataset"].iloc[0]).events, str(rows["data"].iloc[0])
    if events is None or label == events.published.name:
        return title
    return f"{title.replace(f' ({events.published.name})', '')}, {label}"


def points(rows: Frame) -> Frame:
    """Return a row for each condition, rule, framework and validation: median and interval, and what it took."""
    summaries: list[dict[str, Any]] = []
    for key, own in rows.groupby(["condition", "rule", "variant", "framework"], sort=False):
        common = dict(zip(("condition", "rule", "variant", "framework"), key, strict=True))
        common |= {"rate": own["rate"].iloc[0], "working_bytes": int(own["working_bytes"].iloc[0])}
        took, test, lost = seconds(own), testing.accuracy(own), test_loss(own)
        common |= {"seeds": len(own), "solved": int(own["solved"].sum())}
        common |= {"test": test.median, "test_low": test.low, "test_high": test.high}
        common |= {"test_loss": lost.median, "test_loss_low": lost.low, "test_loss_high": lost.high}
        common |= dict(zip(("second", "second_low", "second_high"), took, strict=True))
        x, values = trainings.curves(own, "valid_accuracy")
        losses = curves(trainings.curves(own, "valid_loss")[1])
        for number, *ends in zip(x, *losses, *curves(values), strict=True):
            names = ("loss", "loss_low", "loss_high", "valid", "low", "high")
            of_point = {"updates": int(number), "seconds": number * took[0]}
            summaries.append(common | of_point | dict(zip(names, ends, strict=True)))
    return pd.DataFrame(summaries)


def curves(values: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the median over seeds and both ends of its interval, of curves [seeds, points]."""
    return intervals.curves(values[:, None])
