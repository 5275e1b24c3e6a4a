"""Draws medians with their intervals, as published and corrected, along a list of names or over an axis.

And says how far the frameworks are apart.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from drtrl_bench.figures import selection, style
from drtrl_bench.paper.measures import intervals
from drtrl_bench.view.caption import Frame

CORRECTED, PUBLISHED, TWIN = "corrected", "as published", "PyTorch"
INTERVAL = "95 % interval, bootstrap over seeds and samples"
LIMIT = "limit of the verdict"
"""Where a figure draws it, dashed."""
SILENT = "hollow: the median network is silent"
HOLLOW: dict[str, Any] = {"markerfacecolor": "white", "markersize": 4.5, "linestyle": "none"}
"""Marks of these, as wide as others with their white edge."""
MODELS: dict[str, tuple[str, str]] = {
    "lif_delta": ("#0072B2", "o"),
    "lif_expcu": ("#D55E00", "s"),
    "lif_std": ("#009E73", "^"),
    "lif_stp": ("#CC79A7", "v"),
    "alif_delta": ("#56B4E9", "D"),
    "alif_expcu": ("#E69F00", "P"),
    "alif_std": ("#6A5ACD", "<"),
    "alif_stp": ("#444444", "X"),
}
"""Colour and marker of each model: Okabe and Ito's colours for colour-blind readers; the markers differ, too."""
LOOKS: dict[str, dict[str, Any]] = {
    CORRECTED: {"color": "#0072B2", "marker": "o", "linestyle": "none", "markeredgecolor": "white"},
    PUBLISHED: {"color": "#D55E00", "marker": "s", "linestyle": "none", "markerfacecolor": "white"},
    TWIN: {"color": style.INK, "marker": "x", "linestyle": "none", "markersize": 4.5, "markeredgewidth": 1.2},
}
"""Marks of the two protocols, and of the other framework."""
DASHED: dict[str, Any] = {"color": style.GREY, "linestyle": (0, (5, 2)), "linewidth": 1.3}
"""A limit or a formula, beside a dotted one."""


def of_rule(rule: str) -> tuple[str, dict[str, Any]]:
    """Return the name of a rule in a legend, and the options of its line: colour and marks."""
    name, colour, marker = selection.ALGORITHMS[rule]
    return name, {"color": colour, "marker": marker, "markeredgecolor": "white"}


def hollow(axes: Axes, x: ArrayLike, y: ArrayLike, silent: ArrayLike, **look: Any) -> None:
    """Draw hollow marks over those of networks that are silent. look: colour and marker."""
    where = np.asarray(silent, bool)
    if where.any():
        axes.plot(np.asarray(x)[where], np.asarray(y)[where], label=SILENT, **look, **HOLLOW)


def keys(silent: ArrayLike) -> dict[str, Line2D]:
    """Return the mark in the legend of networks that are silent, if there are any."""
    return {SILENT: Line2D([], [], color=style.INK, marker="o", **HOLLOW)} if np.any(silent) else {}


def listed(
    axes: Axes,
    summaries: Mapping[int, Sequence[float]],
    name: str,
    aside: float = 0,
    label: str = "",
    silent: Sequence[bool] = (),
) -> None:
    """Draw medians, and their ends, along a list: each at the number of its line, a little aside.

    name: the protocol, whose mark is drawn. Only what is corrected has an interval: no source says how the published
    values were spread. silent: which lines are of silent networks.
    """
    places = np.array(list(summaries)) + aside
    middle, low, high = (np.array([each[i] for each in summaries.values()], float) for i in range(3))
    if name == CORRECTED:
        bars: dict[str, Any] = {"xerr": [middle - low, high - middle], "color": LOOKS[name]["color"]}
        axes.errorbar(middle, places, label=INTERVAL, **bars, **style.BAR)
    axes.plot(middle, places, label=label or name, **LOOKS[name])
    if len(silent):
        hollow(axes, middle, places, silent, color=LOOKS[name]["color"], marker=LOOKS[name]["marker"])


def curve(
    axes: Axes,
    x: Sequence[float],
    summaries: Sequence[intervals.Summary],
    cell: str,
    label: str,
    silent: Sequence[bool],
) -> None:
    """Draw summaries of a model over an axis. silent: which are of silent networks."""
    colour, marker = MODELS[cell]
    middle, low, high = (np.array([each[i] for each in summaries], float) for i in range(3))
    axes.errorbar(x, middle, yerr=[middle - low, high - middle], color=colour, label=INTERVAL, **style.BAR)
    axes.plot(x, middle, color=colour, marker=marker, markeredgecolor="white", label=label)
    hollow(axes, x, middle, silent, color=colour, marker=marker)


def heading(label: Any, steps: Any) -> str:
    """Name the data of a panel, by the label of its files, and the length of its sequences."""
    return f"{str(label).replace(' (', chr(10) + '(')}, T = {steps}"


def apart(rows: Frame, by: list[str], columns: list[str]) -> str:
    """Say how far columns of the frameworks are apart at most, in the samples, told apart `by`, that both computed."""
    both = rows[rows["framework"] == "jax"].merge(rows[rows["framework"] == "torch"], on=by, suffixes=("", "_torch"))
    if both.empty:
        return "PyTorch was not run"
    ours, twins = both[columns], both[[f"{column}_torch" for column in columns]]
    most = np.nanmax(np.abs(ours.to_numpy(float) - twins.to_numpy(float)))
    return f"JAX and PyTorch differ by {most:.1e} at most, in {len(both)} samples that both computed"
