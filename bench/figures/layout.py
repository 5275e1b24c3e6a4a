"""Lay a figure out: title, legend, bands of panels, and caption, from top to bottom.

A band is a heading and panels side by side. The legend is gathered from the labels of all that is drawn, so every mark
has a name: an artist's label is either an entry of the legend, or made of entries, joined by SEPARATOR; labels that
start with "_" are named on an axis.
"""

import textwrap
from collections.abc import Callable
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from drtrl_bench.figures import annotations, scales, selection, style
from drtrl_bench.view import caption
from drtrl_bench.view.caption import Frame

SAID, NAME, TITLE = 24, 60, 150
"""At most: lines of a caption, letters of a name in a legend, letters of a panel's title."""

COLUMN, MARGIN = 3.55, 0.9
"""Inches: a panel's width with its axis, and what the first takes besides."""

Draw = Callable[[Axes], None]


class Panel(NamedTuple):
    """One axes: its title, and the function that fills it."""

    title: str
    draw: Draw


class Band(NamedTuple):
    """Panels side by side. The height of the axes is in inches."""

    heading: str
    panels: list[Panel]
    height: float = 2.5


def bands(rows: Frame, sweep: Callable[[Axes, Frame, dict[str, style.Line]], None], dots: Any) -> list[Band]:
    """Return a band for each problem and facet of `selection.facets`, with a panel for each way to run."""
    lines, bands = style.lines(rows), []
    for (panel, facet), group in rows.groupby(["panel", "facet"], sort=False):
        over = facet == selection.OVER_T
        names = list(group["line"].unique())
        drawn = {
            name: Panel(name, (lambda axes, own=own: sweep(axes, own, lines)))
            if over
            else Panel(name, (lambda axes, own=own, names=names: dots(axes, own, lines, names)))
            for name, own in group.groupby("way", sort=False)
        }
        heading = " · ".join(str(part) for part in (panel, "" if over else facet) if part)
        height = 2.45 if over else 0.23 * len(names) + 0.25
        bands.append(Band(heading, [drawn[name] for name in selection.ordered(group)], height))
    return bands


def write_heading(axes: Axes, text: str) -> None:
    """Write a band's heading into axes of its own above the panels."""
    axes.axis("off")
    bold: dict[str, Any] = {"fontsize": 9.5, "fontweight": "bold", "va": "bottom", "in_layout": False}
    axes.text(0, 0, scales.literal(text), transform=axes.transAxes, **bold)


def sheet(title: str, bands: list[Band], footer: list[str], keys: dict[str, Line2D] | None = None) -> Figure:
    """Lay out a figure of bands.

    footer: the lines of the caption. keys: the marks in the legend of names that are parts of labels; they come first.
    """
    with style.look():
        columns = max(len(band.panels) for band in bands)
        width = MARGIN + max(columns, 1.45) * (COLUMN if columns < 3 else 2.75 if columns == 3 else 2.1)
        bands = [band._replace(heading=caption.wrap(band.heading, int(width * 11))) for band in bands]
        heights = []
        for band in bands:
            heights += [0.16 * (1 + band.heading.count("\n"))] if band.heading else []
            heights.append(band.height)
        parts = [part for text in footer if text for part in caption.wrap(text, int(width * 16)).splitlines()]
        lines = [scales.literal(line) for part in parts for line in textwrap.wrap(part, int(width * 16))]
        lines = lines[:SAID] + ["…"] * (len(lines) > SAID)
        below = 0.14 * len(lines) + 0.12
        above = max((1 + panel.title.count("\n") for band in bands for panel in band.panels), default=0)
        inner = sum(heights) + (0.62 + 0.14 * above) * len(bands) + 0.1 * len(heights)
        figure = Figure(figsize=(width, inner), layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.add_gridspec(len(heights), columns, height_ratios=heights)
        row = 0
        for band in bands:
            if band.heading:
                write_heading(figure.add_subplot(grid[row, :]), band.heading)
                row += 1
            for column, panel in enumerate(band.panels):
                axes = figure.add_subplot(grid[row, column])
                axes.set_title(scales.literal(panel.title, TITLE))
                panel.draw(axes)
            row += 1
        title = textwrap.fill(title, int(width * 9.5))
        named = 0.2 * title.count("\n")
        head = 0.34 + named + legend(figure, keys or {}, width)
        height = head + inner + below
        figure.set_size_inches(width, height)
        figure.get_layout_engine().set(rect=(0.005, below / height, 0.99, inner / height), hspace=0.03)  # type: ignore
        for own in figure.legends:
            own.set_bbox_to_anchor((0.1 / width, 1 - (0.3 + named) / height))
        left = {"x": 0.12 / width, "ha": "left", "in_layout": False}
        figure.text(y=1 - 0.08 / height, s=title, va="top", fontsize=12, fontweight="bold", **left)
        figure.text(
            y=0.08 / height, s="\n".join(lines), va="bottom", fontsize=7, color=style.SOFT, linespacing=1.35, **left
        )
        annotations.settle(figure)
    return figure


def legend(figure: Figure, keys: dict[str, Line2D], width: float) -> float:
    """Draw the legend of all labels below the title, and return its height in inches."""
    entries: dict[str, Any] = dict(keys)
    drawn = [pair for axes in figure.axes for pair in zip(*axes.get_legend_handles_labels(), strict=True)]
    apart = {
        label: handle
        for handle, label in reversed(drawn)
        if not all(part in keys for part in label.split(style.SEPARATOR))
    }
    apart = dict(reversed(apart.items()))
    later = {label: proxy(handle, label) for label, handle in apart.items() if is_general(handle, label)}
    entries |= {label: handle for label, handle in apart.items() if label not in later} | later
    if not entries:
        return 0.1
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    how: dict[str, Any] = {"loc": "upper left", "handlelength": 2.4, "borderaxespad": 0}
    for columns in range(min(len(entries), 6), 0, -1):
        figure.legends.clear()
        own = figure.legend(
            list(entries.values()), [scales.literal(name, NAME) for name in entries], ncols=columns, **how
        )
        own.set_in_layout(False)
        if own.get_window_extent(renderer).width / figure.dpi < width - 0.2:
            break
    return figure.legends[0].get_window_extent(renderer).height / figure.dpi


GENERAL: dict[str, dict[str, Any]] = {
    style.FORWARD_NAME: style.FORWARD,
    style.FORMULA_NAME: {"color": style.INK, **style.FORMULA},
    style.ONE_CHUNK: {"color": style.INK, **style.DOTTED},
    style.LIMIT: {"color": style.INK, "linewidth": 1.0, "linestyle": (0, (4, 3))},
    style.EQUAL: {"markeredgecolor": style.INK, **style.RING},
    style.DOUBTFUL: {"color": style.INK, "marker": "o", "markeredgecolor": style.INK, **style.HOLLOW},
}
"""Marks in the legend of the names that stand for marks of all colours."""


def is_general(handle: Any, label: str) -> bool:
    """Return whether a mark of the legend belongs to no line; these marks stand last."""
    return label in GENERAL or isinstance(handle, ErrorbarContainer)


def proxy(handle: Any, label: str) -> Any:
    """Return a mark that belongs to no line, without the colour of one."""
    if label in GENERAL:
        return Line2D([], [], **GENERAL[label])
    (bars,) = handle.lines[2]
    bars = LineCollection([], colors=[style.INK], linewidths=bars.get_linewidths())
    nothing: Any = None
    return ErrorbarContainer((nothing, (), (bars,)), has_xerr=handle.has_xerr, has_yerr=handle.has_yerr)
