"""Draws medians with their intervals, as published and corrected, along a list of names or over an axis."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from drtrl_bench.figures import style
from drtrl_bench.paper.measures import intervals

CORRECTED, PUBLISHED, TWIN = "corrected", "as published", "PyTorch"
INTERVAL = "95 % interval, bootstrap over seeds and samples"
POOLED = "95 % interval, of values as if independent"
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


def keys(names: Sequence[str]) -> dict[str, Line2D]:
    """Return the marks of a legend for protocols by name."""
    return {name: Line2D([], [], **LOOKS[name]) for name in names}


def pooled(means: Sequence[float], squares: Sequence[float], number: int) -> intervals.Summary:
    """Return a mean with the interval that it had if all values behind it were independent, as published.

    means, squares: of the values and of their squares, of each sample; number: of the values of all samples together.
    """
    mean, square = float(np.mean(means)), float(np.mean(squares))
    half = 1.96 * float(np.sqrt(max(square - mean**2, 0) / number))
    return intervals.Summary(mean, mean - half, mean + half, 0, number)


def listed(axes: Axes, found: Mapping[int, intervals.Summary], name: str, aside: float = 0, label: str = "") -> None:
    """Draw summaries along a list: each at the number of its line, a little aside, with the mark of a protocol."""
    places = np.array(list(found)) + aside
    middle, low, high = (np.array([each[i] for each in found.values()], float) for i in range(3))
    if name != TWIN:
        bars: dict[str, Any] = {"xerr": [middle - low, high - middle], "color": LOOKS[name]["color"]}
        axes.errorbar(middle, places, label=POOLED if name == PUBLISHED else INTERVAL, **bars, **style.BAR)
    axes.plot(middle, places, label=label or name, **LOOKS[name])


def curve(axes: Axes, x: Sequence[float], found: Sequence[intervals.Summary], cell: str, label: str) -> None:
    """Draw summaries of a model over an axis."""
    colour, marker = MODELS[cell]
    middle, low, high = (np.array([each[i] for each in found], float) for i in range(3))
    axes.errorbar(x, middle, yerr=[middle - low, high - middle], color=colour, label=INTERVAL, **style.BAR)
    axes.plot(x, middle, color=colour, marker=marker, markeredgecolor="white", label=label)
