"""What the figures have in common: colour and marker are the algorithm, shade its K; each framework has its own panel.

A figure is a sheet of bands, one below the other; a band is a heading and panels side by side. The legend is gathered
from the labels of what was drawn, so nothing in a figure is without its name: an artist's label is either in the legend
as it stands, or made of names that are, joined by SEPARATOR; labels that start with "_" are named on an axis.
"""

import math
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import pairwise
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation
from matplotlib.ticker import FuncFormatter, Locator, MaxNLocator, NullLocator
from matplotlib.transforms import Bbox

from drtrl_bench.figures import DPI, NothingToDraw
from drtrl_bench.view import caption, collapse, display
from drtrl_bench.view.caption import Frame

ALGORITHMS = {
    "bptt": ("BPTT", "#0072B2", "o"),
    "bptt_checkpointed": ("BPTT, checkpointed", "#56B4E9", "s"),
    "rtrl": ("RTRL", "#D55E00", "D"),
    "drtrl": ("D-RTRL", "#009E73", "^"),
    "es_drtrl": ("ES-D-RTRL", "#CC79A7", "v"),
    "snap1": ("SnAp-1", "#E69F00", ">"),
    "drtrl_window": ("D-RTRL, windows", "#6A5ACD", "<"),
    "random_feedback": ("random feedback", "#7F7F7F", "X"),
    "no_trace": ("no trace", "#444444", "p"),
}
"""Name, colour and marker. Okabe and Ito's colours, told apart by colour-blind readers; the markers tell all apart."""
OTHER = ("#B8860B", "h")
"""Colour and marker of an algorithm that is not the project's own."""
FRAMEWORKS = {"jax": "JAX", "torch": "PyTorch"}
WAYS = {
    ("jax", "plain"): "JAX, compiled",
    ("torch", "plain"): "PyTorch, eager",
    ("torch", "compile"): "PyTorch, torch.compile",
    ("torch", "cuda_graph"): "PyTorch, CUDA graph",
    ("torch", "triton"): "PyTorch, Triton",
}
"""How a framework runs a case, in words."""
ENDINGS = {"skip": "skipped", "wrong": "failed its check", "oom": "out of memory", "timeout": "over the time limit"}
UNLIKE = "each panel has its own scale: compiled JAX and eager PyTorch are no comparison of the frameworks"

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
OVER_T = "over T"
NEAR = (7, 7)
"""Points between an annotation and what it is of, before `settle` moves it."""
MOST = {
    "band": (12, "problems, those with most points"),
    "way": (6, "ways to run them"),
    "line": (12, "lines, evenly chosen"),
}
"""How much a figure shows of what each of its parts is of."""
SAID, TICK, NAME, TITLE = 24, 28, 60, 150
"""Lines of a caption; letters of a name on an axis, of one in a legend, and of a panel's title, at most."""
COLUMN, MARGIN = 3.55, 0.9
"""Inches: a panel's width with its axis, and what the first takes besides."""

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
"""Settings of matplotlib, by how they start, that belong to the session and not to a figure."""


def look() -> AbstractContextManager[None]:
    """Makes figures look alike whatever matplotlib was set to: drawing and saving are done in this context."""
    defaults: dict[Any, Any] = dict(matplotlib.rcParamsDefault)
    return matplotlib.rc_context({key: value for key, value in defaults.items() if not key.startswith(OWN)} | RC)


Draw = Callable[[Axes], None]


class Panel(NamedTuple):
    """One axes: its title, and what fills it."""

    title: str
    draw: Draw


class Band(NamedTuple):
    """Panels side by side. The height of the axes is in inches."""

    heading: str
    panels: list[Panel]
    height: float = 2.5


class Line(NamedTuple):
    """How a line of a figure looks."""

    colour: tuple[float, float, float]
    marker: str
    style: Any

    def look(self) -> dict[str, Any]:
        """As matplotlib takes it."""
        return {"color": self.colour, "marker": self.marker, "linestyle": self.style, "markeredgecolor": "white"}


def points(frame: Frame) -> Frame:
    """The collapsed rows, each with the `line` it lies on ("D-RTRL, K = 32"), its `order`, its `panel` and its `way`.

    K = T of several T is a line, and so is each K that is smaller than some T; a row that lies on both is there
    twice. Of cases measured again on the same machine the last measurement counts. A panel is a problem; the way is
    the framework and how it runs.
    """
    rows = collapse.collapse(frame).drop_duplicates(["case_key", "setup", "data"], keep="last")
    if rows.empty:
        return rows.assign(line=[], order=[], panel=[], way=[])
    rows = rows.assign(
        panel=headings(rows), way=[way(*pair) for pair in zip(rows["framework"], rows["mode"], strict=True)]
    )
    shorter = rows[rows["chunk"] < rows["steps"]]
    chunks = {name: sorted(own.unique()) for name, own in shorter.groupby("algorithm")["chunk"]}
    orders = {name: {K: order for order, K in enumerate(own)} for name, own in chunks.items()}
    pairs = list(zip(rows["algorithm"], rows["chunk"], strict=True))
    swept = rows[[K in orders.get(name, ()) for name, K in pairs]]
    swept = swept.assign(
        line=[on_line(*pair) for pair in zip(swept["algorithm"], swept["chunk"], strict=True)],
        order=[orders[name][K] for name, K in zip(swept["algorithm"], swept["chunk"], strict=True)],
    )
    whole = rows[rows["chunk"] == rows["steps"]]
    apart = {name for name, T in zip(whole["algorithm"], whole["steps"], strict=True) if T not in orders.get(name, ())}
    whole = whole[whole["algorithm"].isin(apart)]
    whole = whole.assign(
        line=[on_line(name, None) for name in whole["algorithm"]],
        order=[len(orders.get(name, ())) for name in whole["algorithm"]],
    )
    joined = pd.concat([part for part in (swept, whole) if len(part)] or [swept], ignore_index=True)
    by = [*caption.FIELDS, "algorithm", "order", "framework", "steps"]
    joined = joined.sort_values(by, kind="stable", ignore_index=True)
    joined.attrs = rows.attrs
    return joined


def on_line(algorithm: str, chunk: int | None) -> str:
    """The line of an algorithm at a length of chunk; without one, at K = T."""
    if chunk is None:
        return named(algorithm) if algorithm.startswith("bptt") else f"{named(algorithm)}, K = T"
    return f"{named(algorithm)}, K = {chunk}{' (truncated)' if algorithm == 'bptt' else ''}"


def headings(rows: Frame) -> list[str]:
    """What sets each row's problem apart, in words; what is as usual is not said, unless nothing else is."""
    differ = [name for name in caption.varying(rows) if name not in ("mode", "auto", "limit_mib")]
    found = []
    for row in rows.to_dict("records"):
        said = [name for name in differ if caption.UNSAID.get(name) != row[name] or name == "setup"]
        found.append(" · ".join(caption.phrase(name, row[name]) for name in said or differ))
    return found


def way(framework: str, mode: str) -> str:
    """A framework and how it runs, in words."""
    known = FRAMEWORKS.get(framework, framework)
    return WAYS.get((framework, mode), display.shown(known if mode == "plain" else f"{known}, {mode}"))


def named(algorithm: str) -> str:
    """An algorithm's name in a figure."""
    return ALGORITHMS[algorithm][0] if algorithm in ALGORITHMS else display.shown(algorithm)


def measured(rows: Frame, *columns: str) -> Frame:
    """The points that can be drawn: status ok and a number in each of the columns."""
    return rows[(rows["status"] == "ok") & rows[list(columns)].notna().all(axis=1)]


def some(found: Frame, frame: Frame, needs: str) -> Frame:
    """The rows found, or `NothingToDraw` if there are none: what the figure needs, and what the records are."""
    if found.empty:
        endings = ", ".join(
            f"{number} {status}" for status, number in Counter(collapse.collapse(frame)["status"]).items()
        )
        raise NothingToDraw(f"it needs {needs}; there are no such cases among {endings or 'no records'}")
    return found


def apart(rows: Frame) -> Frame:
    """The points with the `facet` each is drawn in: over T, or at one T.

    A line that was measured at one T only is no line. All that were measured at that T stand beside it.
    """
    lengths = rows.groupby(["panel", "line", "way"])["steps"].transform("nunique")
    swept = rows[lengths > 1].assign(facet=OVER_T)
    alone = rows.loc[lengths == 1, ["panel", "way", "steps"]].drop_duplicates()
    beside = rows.reset_index().merge(alone, on=["panel", "way", "steps"]).set_index("index").sort_index()
    beside = beside.drop_duplicates(["case_key", "setup", "data"])
    beside = beside.assign(facet=[f"T = {T}" for T in beside["steps"]])
    found = pd.concat([swept, beside]) if len(beside) else swept
    order = {panel: place for place, panel in enumerate(rows["panel"].unique())}
    found = found.sort_values("panel", kind="stable", key=lambda panels: panels.map(order), ignore_index=True)
    found.attrs = rows.attrs
    return found


def readable(rows: Frame) -> tuple[Frame, str]:
    """The points of as many bands, ways and lines as a figure can show, and in words what it does not show.

    Of bands (problems, or problem and length T) and ways, those with most points; of lines, as of K, evenly chosen ones
    with the first and the last.
    """
    said = []
    rows = rows.assign(band=rows["panel"].astype(str) + (" · " + rows["facet"] if "facet" in rows else ""))
    for column, (most, what) in MOST.items():
        names = rows[column].value_counts(sort=False)
        if len(names) > most:
            if column == "line":
                kept = names.index[[round(i * (len(names) - 1) / (most - 1)) for i in range(most)]]
            else:
                kept = names.sort_values(ascending=False, kind="stable").index[:most]
            rows = rows[rows[column].isin(kept)].reset_index(drop=True)
            said.append(f"{most} of {len(names)} {what}")
    rows.attrs = {}  # of which every step would make a deep copy
    return rows, f"drawn: {', '.join(said)}; the CSV has the points of all" if said else ""


def lines(rows: Frame) -> dict[str, Line]:
    """How each line looks: colour and marker of its algorithm; the smaller K is, the lighter, and dashed."""
    found = {}
    for line, group in rows.groupby("line", sort=False):
        algorithm, order = str(group["algorithm"].iloc[0]), group["order"].iloc[0]
        _, colour, marker = ALGORITHMS.get(algorithm, ("", *OTHER))
        orders = sorted(rows.loc[rows["algorithm"] == algorithm, "order"].unique())
        below = len(orders) - 1 - orders.index(order)
        white = 0.55 * below / max(len(orders) - 1, 1)
        red, green, blue = (part + (1 - part) * white for part in to_rgb(colour))
        dashes = ("-", (0, (5, 1.5)), (0, (2.5, 1.2)), (0, (6, 1.5, 1.2, 1.5)))[below % 4]
        found[str(line)] = Line((red, green, blue), marker, dashes)
    return found


def curves(rows: Frame) -> Iterator[tuple[str, Frame]]:
    """Line and points, in steps' order, of everything to be drawn."""
    for line, group in rows.groupby("line", sort=False):
        yield str(line), group.sort_values("steps")


def interval(rows: Frame) -> str:
    """What an error bar of a time is, in words."""
    rounds = rows["rounds"].max()
    return "95 % interval of the median" if rounds == 1 else f"range of the medians of {rounds} rounds"


def timed(axes: Axes, rows: Frame, line: Line, at: tuple[Any, Any], which: str) -> None:
    """Intervals of times in ms, along `which`, at the points of a line."""
    bars = [(rows["time_s"] - rows["low_s"]).clip(lower=0) * 1e3, (rows["high_s"] - rows["time_s"]).clip(lower=0) * 1e3]
    spread: dict[str, Any] = {f"{which}err": bars, "color": line.colour, "label": interval(rows), **BAR}
    axes.errorbar(*at, **spread)


def doubt(axes: Axes, rows: Frame, line: Line, at: tuple[Any, Any]) -> None:
    """Hollow marks at the points of a line whose times are not to be trusted."""
    doubtful = rows[["unstable", "busy"]].any(axis=1).to_numpy(bool)
    if doubtful.any():
        hollow: dict[str, Any] = line.look() | HOLLOW | {"markeredgecolor": line.colour, "label": DOUBTFUL}
        axes.plot(*(np.asarray(values)[doubtful] for values in at), **hollow)


def bands(rows: Frame, sweep: Callable[[Axes, Frame, dict[str, Line]], None], dots: Any) -> list[Band]:
    """A band for each problem and facet of `apart`, a panel for each way."""
    looks, found = lines(rows), []
    for (panel, facet), group in rows.groupby(["panel", "facet"], sort=False):
        over = facet == OVER_T
        names = list(group["line"].unique())
        drawn = {
            name: Panel(name, (lambda axes, own=own: sweep(axes, own, looks)))
            if over
            else Panel(name, (lambda axes, own=own, names=names: dots(axes, own, looks, names)))
            for name, own in group.groupby("way", sort=False)
        }
        said = " · ".join(str(part) for part in (panel, "" if over else facet) if part)
        height = 2.45 if over else 0.23 * len(names) + 0.25
        found.append(Band(said, [drawn[name] for name in ordered(group)], height))
    return found


def ordered(rows: Frame) -> list[str]:
    """The ways that occur, in the order of `WAYS`."""
    known = list(WAYS.values())
    return sorted(rows["way"].unique(), key=lambda name: known.index(name) if name in known else len(known))


def heading(axes: Axes, text: str) -> None:
    """A band's heading, in a place of its own above the panels."""
    axes.axis("off")
    bold: dict[str, Any] = {"fontsize": 9.5, "fontweight": "bold", "va": "bottom", "in_layout": False}
    axes.text(0, 0, literal(text), transform=axes.transAxes, **bold)


def sheet(title: str, bands: list[Band], said: list[str], keys: dict[str, Line2D] | None = None) -> Figure:
    """A figure of bands: title, legend, panels, caption from top to bottom.

    keys: how names that are part of labels look in the legend; they come first.
    """
    with look():
        columns = max(len(band.panels) for band in bands)
        width = MARGIN + max(columns, 1.45) * (COLUMN if columns < 3 else 2.75 if columns == 3 else 2.1)
        bands = [band._replace(heading=caption.wrap(band.heading, int(width * 11))) for band in bands]
        heights = []
        for band in bands:
            heights += [0.16 * (1 + band.heading.count("\n"))] if band.heading else []
            heights.append(band.height)
        parts = [part for text in said if text for part in caption.wrap(text, int(width * 16)).splitlines()]
        lines = [literal(line) for part in parts for line in textwrap.wrap(part, int(width * 16))]
        lines = lines[:SAID] + ["…"] * (len(lines) > SAID)
        footer = 0.14 * len(lines) + 0.12
        above = max((1 + panel.title.count("\n") for band in bands for panel in band.panels), default=0)
        inner = sum(heights) + (0.62 + 0.14 * above) * len(bands) + 0.1 * len(heights)
        figure = Figure(figsize=(width, inner), layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.add_gridspec(len(heights), columns, height_ratios=heights)
        place = 0
        for band in bands:
            if band.heading:
                heading(figure.add_subplot(grid[place, :]), band.heading)
                place += 1
            for column, panel in enumerate(band.panels):
                axes = figure.add_subplot(grid[place, column])
                axes.set_title(literal(panel.title, TITLE))
                panel.draw(axes)
            place += 1
        head = 0.34 + legend(figure, keys or {}, width)
        height = head + inner + footer
        figure.set_size_inches(width, height)
        figure.get_layout_engine().set(rect=(0.005, footer / height, 0.99, inner / height), hspace=0.03)  # type: ignore
        for own in figure.legends:
            own.set_bbox_to_anchor((0.1 / width, 1 - 0.3 / height))
        left = {"x": 0.12 / width, "ha": "left", "in_layout": False}
        figure.text(y=1 - 0.08 / height, s=title, va="top", fontsize=12, fontweight="bold", **left)
        figure.text(y=0.08 / height, s="\n".join(lines), va="bottom", fontsize=7, color=SOFT, linespacing=1.35, **left)
        settle(figure)
    return figure


def legend(figure: Figure, keys: dict[str, Line2D], width: float) -> float:
    """Puts the legend of all that has a label below the title, and returns its height in inches."""
    found: dict[str, Any] = dict(keys)
    drawn = [pair for axes in figure.axes for pair in zip(*axes.get_legend_handles_labels(), strict=True)]
    apart = {
        label: handle for handle, label in reversed(drawn) if not all(part in keys for part in label.split(SEPARATOR))
    }
    apart = dict(reversed(apart.items()))
    later = {label: proxy(handle, label) for label, handle in apart.items() if is_general(handle, label)}
    found |= {label: handle for label, handle in apart.items() if label not in later} | later
    if not found:
        return 0.1
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    how: dict[str, Any] = {"loc": "upper left", "handlelength": 2.4, "borderaxespad": 0}
    for columns in range(min(len(found), 6), 0, -1):
        figure.legends.clear()
        own = figure.legend(list(found.values()), [literal(name, NAME) for name in found], ncols=columns, **how)
        own.set_in_layout(False)
        if own.get_window_extent(renderer).width / figure.dpi < width - 0.2:
            break
    return figure.legends[0].get_window_extent(renderer).height / figure.dpi


GENERAL: dict[str, dict[str, Any]] = {
    FORWARD_NAME: FORWARD,
    FORMULA_NAME: {"color": INK, **FORMULA},
    ONE_CHUNK: {"color": INK, **DOTTED},
    LIMIT: {"color": INK, "linewidth": 1.0, "linestyle": (0, (4, 3))},
    EQUAL: {"markeredgecolor": INK, **RING},
    DOUBTFUL: {"color": INK, "marker": "o", "markeredgecolor": INK, **HOLLOW},
}
"""How names look in the legend that stand for marks of all colours."""


def is_general(handle: Any, label: str) -> bool:
    """Whether a mark of the legend belongs to no line: such stand last."""
    return label in GENERAL or isinstance(handle, ErrorbarContainer)


def proxy(handle: Any, label: str) -> Any:
    """A mark that belongs to no line, without the colour of one."""
    if label in GENERAL:
        return Line2D([], [], **GENERAL[label])
    (bars,) = handle.lines[2]
    bars = LineCollection([], colors=[INK], linewidths=bars.get_linewidths())
    nothing: Any = None
    return ErrorbarContainer((nothing, (), (bars,)), has_xerr=handle.has_xerr, has_yerr=handle.has_yerr)


def settle(figure: Figure) -> None:
    """Fixes the layout, hides tick labels that would touch, and moves annotations apart."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        thin(axes.xaxis)
        thin(axes.yaxis)
    for axes in figure.axes:
        spread(axes)


def thin(axis: Axis) -> None:
    """Hides labels of an axis so that those that stay do not touch; the first and the last stay, if both can."""
    labels = [
        (label, label.get_window_extent())
        for label in axis.get_ticklabels()
        if label.get_text() and label.get_visible()
    ]
    kept: list[Bbox] = []
    for label, box in [*labels[:1], *labels[-1:], *labels[1:-1]]:
        wide = Bbox.from_extents(box.x0 - 4, box.y0 - 1, box.x1 + 4, box.y1 + 1)
        if any(other is not box and wide.overlaps(other) for other in kept):
            label.set_visible(False)
        elif box not in kept:
            kept.append(box)


def spread(axes: Axes) -> None:
    """Moves each annotation of an axes to the nearest place around its point where it touches no other and no mark."""
    notes = [text for text in axes.texts if isinstance(text, Annotation)]
    if not notes:
        return
    marks = [box for line in axes.lines if line.get_transform().contains_branch(axes.transData) for box in inked(line)]
    inside, taken, scale = axes.get_window_extent(), [], axes.figure.dpi / 72
    places = [(far, angle) for far in (7, 11, 16, 22) for angle in range(45, 405, 30)]
    for note in notes:
        start, costs = note.get_window_extent().padded(1.5), []
        for far, angle in places:
            x, y = far * math.cos(math.radians(angle)), far * math.sin(math.radians(angle))
            box = start.translated((x - NEAR[0]) * scale, (y - NEAR[1]) * scale)
            over = 10 * overlap(box, taken) + overlap(box, marks)
            out = box.width * box.height - overlap(box, [inside])
            costs.append((over + out, far, angle, (x, y), box))
        *_, position, box = min(costs, key=lambda cost: cost[:3])
        note.set_position(position)
        taken.append(box)


def inked(line: Line2D) -> list[Bbox]:
    """Boxes around the marks of a line and along it, in pixels."""
    at = line.get_transform().transform(np.asarray(line.get_xydata()).reshape(-1, 2))
    marked = line.get_marker() not in ("", "None", None)
    boxes = [Bbox.from_extents(x - 6, y - 6, x + 6, y + 6) for x, y in at] if marked else []
    if line.get_linestyle() not in ("", "None", "none"):
        for start, end in pairwise(at):
            number = int(np.hypot(*(end - start)) // 6) + 1
            between = start + np.linspace(0, 1, number)[:, None] * (end - start)
            boxes += [Bbox.from_extents(x - 2, y - 2, x + 2, y + 2) for x, y in between]
    return boxes


def overlap(box: Bbox, others: list[Bbox]) -> float:
    """The area that a box shares with others."""
    if not others:
        return 0.0
    ends = np.array([other.extents for other in others])
    low, high = np.maximum(ends[:, :2], box.extents[:2]), np.minimum(ends[:, 2:], box.extents[2:])
    return float((high - low).clip(min=0).prod(axis=1).sum())


def literal(text: str, most: int | None = None) -> str:
    """Text as a figure shows it, cut to some length: what matplotlib takes for a formula is text, too."""
    said = display.shown_lines(text)
    said = said if most is None or len(said) <= most else f"{said[: most - 1]}…"
    return said.replace("$", r"\$")


def annotate(axes: Axes, text: str, x: float, y: float) -> None:
    """A small word at a point; `settle` finds its place."""
    how: dict[str, Any] = {"textcoords": "offset points", "fontsize": 7, "color": SOFT, "ha": "center", "va": "center"}
    axes.annotate(text, (x, y), NEAR, **how).set_in_layout(False)


def scale_steps(axes: Axes, steps: list[int]) -> None:
    """A logarithmic axis of T with a tick at each length that occurs."""
    axes.set_xscale("log", base=2)
    axes.set_xlabel("T, steps of the sequence")
    axes.set_xlim(steps[0] / 1.3, steps[-1] * 1.3)
    axes.set_xticks(steps, [str(T) for T in steps])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(visible=False, axis="x")


def scale_values(axes: Axes, which: str, label: str) -> None:
    """A logarithmic axis with three to six ticks, whatever it spans."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axes.set(**{f"{which}scale": "log", f"{which}label": label})
    axis.set_major_locator(Ticks())
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: spelt(value)))


class Ticks(Locator):
    """Ticks of a logarithmic axis: 1, 10, 100 if it is long, 1, 2, 5 if it is shorter, even steps if it is short."""

    SETS = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 5.0, 7.0))

    def __call__(self) -> list[float]:
        return self.tick_values(*self.axis.get_view_interval())  # type: ignore[union-attr]

    def tick_values(self, vmin: float, vmax: float) -> list[float]:
        """Of the limits of the axis."""
        low, high = sorted((vmin, vmax))
        if not 0 < low < high:
            return []
        tens = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        for own in self.SETS:
            found = [start * 10.0**ten for ten in tens for start in own if low <= start * 10.0**ten <= high]
            if len(found) > 2:
                return found[:: -(-len(found) // 6)]
        return [float(tick) for tick in MaxNLocator(4).tick_values(low, high) if low <= tick <= high]


def spelt(value: float) -> str:
    """A tick of a logarithmic axis: 0.1, 1, 10, and powers of ten where the digits would be many."""
    if 1e-3 <= value < 1e5:
        return f"{value:g}"
    ten = math.floor(math.log10(value) + 1e-9)
    front = value / 10.0**ten
    return f"$10^{{{ten}}}$" if math.isclose(front, 1) else rf"${front:g}\times10^{{{ten}}}$"


def list_lines(axes: Axes, names: list[str]) -> None:
    """The vertical axis of a dot plot: one place per line, the first on top; named once for all panels of a band."""
    first = axes.get_subplotspec().colspan.start == 0  # type: ignore[union-attr]
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_yticks(range(len(names)), [literal(name, TICK) for name in names])
    axes.tick_params(axis="y", length=0, labelleft=first)
    axes.grid(visible=False, axis="y")


def room(axes: Axes, which: str, values: Any) -> None:
    """Limits a logarithmic axis a little beyond the values, and to no less than half a decade."""
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known) & (known > 0)]
    low, high = known.min(), known.max()
    more = max(1.18 * (high / low) ** 0.04, math.sqrt(3.2 * low / high) if high / low < 3.2 else 1)
    axes.set(**{f"{which}lim": (low / more, high * more)})


def footer(rows: Frame, *said: str) -> list[str]:
    """The caption: problem and data, machine, what else is to say, and what is missing."""
    first = shared(rows) + (f" · K = {rows['chunk'].iloc[0]}" if rows["chunk"].nunique() == 1 else "")
    return [first, *(text for text in said if text), *caption.machines(rows), *missing(rows)]


def shared(rows: Frame) -> str:
    """The problem and its data, in words; synthetic data are called so, whatever their label."""
    made = sorted(
        {str(label) for label, synthetic in zip(rows["data"], rows["synthetic"], strict=True) if synthetic is True}
    )
    unsaid = [label for label in made if "synthetic" not in label]
    return caption.shared(rows) + (f" · synthetic data: {', '.join(unsaid)}" if unsaid else "")


def missing(rows: Frame, limit: int = 6) -> list[str]:
    """A line for each line of the figure that has gaps: which lengths, and how they ended."""
    gaps = []
    failed = rows[rows["status"] != "ok"].drop_duplicates(["case_key", "setup"])
    for (panel, line, name, status), group in failed.groupby(["panel", "line", "way", "status"], sort=False):
        lengths = ", ".join(str(T) for T in sorted(group["steps"].unique()))
        what = f"{line}, {name}, T = {lengths}: {ENDINGS.get(status, status)}"
        gaps.append(f"not measured: {panel} · {what}" if panel else f"not measured: {what}")
    more = [f"and {len(gaps) - limit} more lines like these; the table has them all, with reasons"]
    return [textwrap.shorten(gap, 200, placeholder=" …") for gap in gaps[:limit]] + more * (len(gaps) > limit)
