"""What the figures have in common: colour is the algorithm, shade its K, marker and line the framework."""

import itertools
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from drtrl_bench import caption, table
from drtrl_bench.caption import Frame

ALGORITHMS = {
    "bptt": ("BPTT", "#0072B2"),
    "bptt_checkpointed": ("BPTT, checkpointed", "#56B4E9"),
    "rtrl": ("RTRL", "#D55E00"),
    "drtrl": ("D-RTRL", "#009E73"),
    "es_drtrl": ("ES-D-RTRL", "#CC79A7"),
    "snap1": ("SnAp-1", "#E69F00"),
    "drtrl_window": ("D-RTRL, windows", "#6A5ACD"),
    "random_feedback": ("random feedback", "#7F7F7F"),
    "no_trace": ("no trace", "#444444"),
}
"""Name and colour; the colours are Okabe and Ito's, told apart by colour-blind readers."""

FRAMEWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "jax": ("JAX", {"marker": "o", "markersize": 5, "zorder": 2.2, "markeredgecolor": "white"}),
    "torch": ("PyTorch", {"marker": "s", "markersize": 7, "linestyle": (0, (5, 1.5)), "markeredgecolor": "white"}),
}
ANALYTIC: dict[str, Any] = {"linestyle": (0, (1.5, 1.5)), "linewidth": 1.0, "alpha": 0.8}
ENDINGS = {"skip": "skipped", "wrong": "failed its check", "oom": "out of memory", "timeout": "over the time limit"}
HOLLOW: dict[str, Any] = {"markerfacecolor": "white", "linestyle": "none", "zorder": 3}
Colours = dict[str, tuple[float, float, float]]
Drawer = Callable[[Axes, Frame, Colours], None]
GREY, INK = "#8a8f98", "#22252a"

RC: dict[Any, Any] = {
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "grid.color": "#e8eaed",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "lines.linewidth": 1.6,
    "lines.markeredgewidth": 0.9,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "errorbar.capsize": 2,
}


def points(frame: Frame) -> Frame:
    """The collapsed rows, each with the `line` it lies on ("D-RTRL, K = 32"), its `order` and its `panel`.

    K = T of several T is a line, and so is each K that is smaller than some T; a row that lies on both is there
    twice. Of cases measured again on the same machine the last measurement counts.
    """
    rows = table.collapse(frame).drop_duplicates(["case_key", "setup", "data"], keep="last")
    if rows.empty:
        return rows.assign(line=[], order=[], panel=[])
    differ = caption.varying(rows)
    title = rows.apply(lambda row: " · ".join(caption.phrase(name, row[name]) for name in differ), axis=1)
    rows = rows.assign(panel=title)
    found = []
    for algorithm, group in rows.groupby("algorithm"):
        name = ALGORITHMS.get(str(algorithm), (str(algorithm).upper(), ""))[0]
        chunks = sorted(group.loc[group["chunk"] < group["steps"], "chunk"].unique())
        truncated = " (truncated)" if algorithm == "bptt" else ""
        for order, K in enumerate(chunks):
            found.append(group[group["chunk"] == K].assign(line=f"{name}, K = {K}{truncated}", order=order))
        whole = group[group["chunk"] == group["steps"]]
        if not whole["steps"].isin(chunks).all():
            line = name if algorithm == "bptt" else f"{name}, K = T"
            found.append(whole.assign(line=line, order=len(chunks)))
    joined = pd.concat(found, ignore_index=True)
    by = [*caption.FIELDS, "algorithm", "order", "framework", "steps"]
    joined = joined.sort_values(by, ignore_index=True)
    joined.attrs = rows.attrs
    return joined


def measured(rows: Frame, *columns: str) -> Frame:
    """The points that can be drawn: status ok and a number in each of the columns."""
    return rows[(rows["status"] == "ok") & rows[list(columns)].notna().all(axis=1)]


def colour(rows: Frame, line: str) -> tuple[float, float, float]:
    """The algorithm's colour, the lighter the smaller K is."""
    on_line = rows[rows["line"] == line].iloc[0]
    same = rows.loc[rows["algorithm"] == on_line["algorithm"], "order"]
    rgb = to_rgb(ALGORITHMS.get(on_line["algorithm"], ("", "#CC79A7"))[1])
    white = 0.6 * (1 - on_line["order"] / max(same.max(), 1)) if same.nunique() > 1 else 0.0
    red, green, blue = (part + (1 - part) * white for part in rgb)
    return red, green, blue


def look(framework: str) -> dict[str, Any]:
    """Marker and line style of a framework."""
    return FRAMEWORKS.get(framework, (framework, {"marker": "^", "linestyle": "-."}))[1]


def curves(rows: Frame) -> Iterator[tuple[str, str, Frame]]:
    """Line, framework and points, in steps' order, of everything to be drawn."""
    for (line, framework), group in rows.groupby(["line", "framework"], sort=False):
        yield str(line), str(framework), group.sort_values("steps")


def dodged(rows: Frame, colours: Colours) -> Frame:
    """The points, moved apart sideways by line, where many would lie on top of each other."""
    places = {line: (number + 0.5) / len(colours) - 0.5 for number, line in enumerate(colours)}
    return rows.assign(steps=rows["steps"] * 1.35 ** rows["line"].map(places))


def compose(title: str, rows: Frame, drawers: list[Drawer], notes: list[Line2D]) -> Figure:
    """A figure of `points`: one axes per problem and drawer; the legend stands beside them, the caption below.

    A drawer fills one axes with the points of one problem, given the colour of each line. Those of one problem
    stand below each other, or side by side if there is only one problem.
    """
    with matplotlib.rc_context(RC):
        titles = rows["panel"].unique().tolist() or [""]
        alone, count = len(titles) == 1, len(drawers)
        columns = count if alone else min(3, len(titles))
        down = 1 if alone else -(-len(titles) // columns) * count
        width, height = max(4.6, 3.5 * columns) + 1.9, 2.6 * down + (2.3 if down == 1 else 1.5)
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.subplots(down, columns, squeeze=False)
        colours = {line: colour(rows, line) for line in rows["line"].unique()}
        for axes in grid.flat:
            axes.set_visible(False)
        for place, (panel, (number, draw)) in enumerate(itertools.product(titles, enumerate(drawers))):
            problem = place // count
            at = (0, number) if alone else (problem // columns * count + number, problem % columns)
            axes, here = grid[at], rows[rows["panel"] == panel]
            axes.set_visible(True)
            axes.set_title(panel if number == 0 else "")
            scale_steps(axes, here, labels=alone or number == count - 1)
            draw(axes, here, colours)
            finish(axes, label=alone or at[1] == 0)
        figure.legend(handles=legend(rows, colours, notes), loc="outside right upper", handlelength=2.8)
        figure.suptitle(title, x=0.012, ha="left", fontsize=12, fontweight="bold")
        figure.supxlabel(footer(rows, int(width * 17)), x=0.012, ha="left", fontsize=7, color="#5b616b")
    return figure


def scale_steps(axes: Axes, rows: Frame, labels: bool) -> None:
    """A logarithmic axis of T with a tick at each length that occurs."""
    steps = sorted(rows["steps"].unique())
    axes.set_xscale("log", base=2)
    axes.set_xlabel("T, steps of the sequence" if labels else "")
    axes.tick_params(axis="x", labelbottom=labels)
    if steps:
        axes.set_xlim(steps[0] / 1.35, steps[-1] * 1.35)
        axes.set_xticks(steps, [str(T) for T in steps])
    axes.xaxis.set_minor_locator(NullLocator())


def scale_values(axes: Axes, label: str) -> None:
    """A logarithmic y axis that writes 0.1, 1, 10 rather than powers."""
    axes.set_yscale("log")
    axes.set_ylabel(label)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def finish(axes: Axes, label: bool) -> None:
    """Says so if the axes are empty; finer ticks on a short logarithmic axis; one y label per row of axes."""
    if not axes.lines:
        axes.set_yticks([])
        axes.yaxis.set_minor_locator(NullLocator())
        axes.text(0.5, 0.5, "nothing was measured", transform=axes.transAxes, ha="center", color=GREY)
    low, high = axes.get_ylim()
    if axes.lines and axes.get_yscale() == "log" and high < 300 * low:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    if not label:
        axes.set_ylabel("")


def legend(rows: Frame, colours: Colours, notes: list[Line2D]) -> list[Line2D]:
    """Lines by colour, frameworks by marker, then what else is in the figure."""
    handles = [Line2D([], [], color=shade, linewidth=3, label=line) for line, shade in colours.items()]
    handles.append(Line2D([], [], linestyle="none", label=" "))
    for name in sorted(rows["framework"].unique()):
        label = FRAMEWORKS.get(name, (name,))[0]
        handles.append(Line2D([], [], color=INK, label=label, **look(name)))
    return handles + notes


def footer(rows: Frame, width: int) -> str:
    """The caption: problem, machine, and what is missing."""
    if rows.empty:
        return "no records"
    said = [caption.wrap(text, width) for text in (caption.shared(rows), *caption.machines(rows))]
    if rows["chunk"].nunique() == 1:
        said[0] += f" · K = {rows['chunk'].iloc[0]}"
    return "\n".join([*said, *missing(rows, width)])


def missing(rows: Frame, width: int, limit: int = 6) -> list[str]:
    """A line for each line of the figure that has gaps: which lengths, and how they ended."""
    gaps = []
    failed = rows[rows["status"] != "ok"].drop_duplicates(["case_key", "setup"])
    for (panel, line, framework, status), group in failed.groupby(["panel", "line", "framework", "status"], sort=False):
        lengths = ", ".join(str(T) for T in sorted(group["steps"].unique()))
        what = f"{line}, {FRAMEWORKS.get(framework, (framework,))[0]}, T = {lengths}: {ENDINGS.get(status, status)}"
        gaps.append(f"not measured: {panel} · {what}" if panel else f"not measured: {what}")
    more = [f"and {len(gaps) - limit} more lines like these; the table has them all, with reasons"]
    return [textwrap.shorten(gap, width, placeholder=" …") for gap in gaps[:limit]] + more * (len(gaps) > limit)
