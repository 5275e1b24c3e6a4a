"""Define the style of lines and marks in all figures: colour and marker by algorithm, shade by K."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from drtrl_bench.figures import selection
from drtrl_bench.figures.nothing import DPI
from drtrl_bench.view.caption import Frame

SEPARATOR = " / "
GREY, INK, SOFT, PALE = "#8a8f98", "#22252a", "#5b616b", "#e8eaed"
HOLLOW: dict[str, Any] = {"markerfacecolor": "white", "linestyle": "none", "zorder": 3}
FORMULA: dict[str, Any] = {"linestyle": (0, (1.2, 1.5)), "linewidth": 1.1, "alpha": 0.9, "zorder": 1.8}
FORWARD: dict[str, Any] = {"color": GREY, "linewidth": 1.1, "marker": ".", "markersize": 4, "zorder": 1.7}
BAR: dict[str, Any] = {"linestyle": "none", "elinewidth": 1.2, "capsize": 2}
DOTTED: dict[str, Any] = {"linestyle": (0, (1.2, 1.2)), "linewidth": 1.5}
RING: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 10, "markerfacecolor": "none"}
DOUBTFUL, FORMULA_NAME, FORWARD_NAME = "unstable, or machine busy", "by formula", "forward pass alone"
ONE_CHUNK, EQUAL, LIMIT = "to one chunk, K = T", "BPTT needs as much memory", "the gate's limit"

RC: dict[Any, Any] = {
    "figure.dpi": DPI,
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.titlepad": 5,
    "axes.grid": True,
    "grid.color": PALE,
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "xtick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.color": GREY,
    "ytick.labelcolor": INK,
    "lines.linewidth": 1.7,
    "lines.markersize": 5.5,
    "lines.markeredgewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "pdf.fonttype": 42,
}

OWN = ("backend", "interactive", "toolbar", "timezone", "datapath", "date.epoch", "webagg", "tk.", "macosx", "keymap")
"""First letters of the settings of matplotlib that belong to the session and not to a figure."""


def look() -> AbstractContextManager[None]:
    """Return the context in which figures are drawn and saved, so that they look the same with any settings."""
    defaults: dict[Any, Any] = dict(matplotlib.rcParamsDefault)
    return matplotlib.rc_context({key: value for key, value in defaults.items() if not key.startswith(OWN)} | RC)


class Line(NamedTuple):
    """The style of a line of a figure."""

    colour: tuple[float, float, float]
    marker: str
    style: Any

    def look(self) -> dict[str, Any]:
        """Return the style as matplotlib's options."""
        return {"color": self.colour, "marker": self.marker, "linestyle": self.style, "markeredgecolor": "white"}


def lines(rows: Frame) -> dict[str, Line]:
    """Return the style of each line: colour and marker of its algorithm; the smaller K, the lighter, and dashed."""
    styles = {}
    for line, group in rows.groupby("line", sort=False):
        algorithm, order = str(group["algorithm"].iloc[0]), group["order"].iloc[0]
        _, colour, marker = selection.ALGORITHMS.get(algorithm, ("", *selection.OTHER))
        orders = sorted(rows.loc[rows["algorithm"] == algorithm, "order"].unique())
        below = len(orders) - 1 - orders.index(order)
        white = 0.55 * below / max(len(orders) - 1, 1)
        red, green, blue = (part + (1 - part) * white for part in to_rgb(colour))
        dashes = ("-", (0, (5, 1.5)), (0, (2.5, 1.2)), (0, (6, 1.5, 1.2, 1.5)))[below % 4]
        styles[str(line)] = Line((red, green, blue), marker, dashes)
    return styles


def curves(rows: Frame) -> Iterator[tuple[str, Frame]]:
    """Yield each line to draw with its points, in the order of T."""
    for line, group in rows.groupby("line", sort=False):
        yield str(line), group.sort_values("steps")


def interval(rows: Frame) -> str:
    """Say what an error bar of a time is."""
    rounds = rows["rounds"].max()
    return "95 % interval of the median" if rounds == 1 else f"range of the medians of {rounds} rounds"


def timed(axes: Axes, rows: Frame, line: Line, at: tuple[Any, Any], which: str) -> None:
    """Draw intervals of times in ms, along the axis `which`, at the points of a line."""
    bars = [(rows["time_s"] - rows["low_s"]).clip(lower=0) * 1e3, (rows["high_s"] - rows["time_s"]).clip(lower=0) * 1e3]
    spread: dict[str, Any] = {f"{which}err": bars, "color": line.colour, "label": interval(rows), **BAR}
    axes.errorbar(*at, **spread)


def doubt(axes: Axes, rows: Frame, line: Line, at: tuple[Any, Any]) -> None:
    """Draw hollow marks at the points of a line whose times are in doubt."""
    doubtful = rows[["unstable", "busy"]].any(axis=1).to_numpy(bool)
    if doubtful.any():
        hollow: dict[str, Any] = line.look() | HOLLOW | {"markeredgecolor": line.colour, "label": DOUBTFUL}
        axes.plot(*(np.asarray(values)[doubtful] for values in at), **hollow)
