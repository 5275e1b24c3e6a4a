"""Draw the working memory of one gradient against the length of the sequence, measured and by formula."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from drtrl_bench import figures
from drtrl_bench.figures import captions, layout, scales, selection, style
from drtrl_bench.view import cell_text
from drtrl_bench.view.caption import Frame

MIB = 2**20
COLUMNS = ["panel", "facet", "line", "algorithm", "framework", "mode", "chunk", "steps"]


def points(frame: Frame) -> Frame:
    """Return the points of the figure, with all their columns."""
    needs = "cases with a working memory"
    return selection.facets(selection.some(selection.measured(selection.points(frame), "working_bytes"), frame, needs))


def data(frame: Frame) -> Frame:
    """Return the plotted points, bytes as measured."""
    return points(frame)[[*COLUMNS, "working_bytes", "analytic_bytes", "rounds", "case_key", "env_hash"]]


def sweep(axes: Axes, rows: Frame, lines: dict[str, style.Line]) -> None:
    """Draw measured lines with markers over T, and the formula of each as a thin dotted line."""
    scales.scale_steps(axes, sorted(rows["steps"].unique()))
    scales.scale_values(axes, "y", "working memory (MiB)")
    for line, group in style.curves(selection.measured(rows, "analytic_bytes")):
        formula: dict[str, Any] = {"color": lines[line].colour, "label": style.FORMULA_NAME, **style.FORMULA}
        axes.plot(group["steps"], group["analytic_bytes"] / MIB, **formula)
    for line, group in style.curves(rows):
        axes.plot(group["steps"], group["working_bytes"] / MIB, label=line, **lines[line].look())


def dots(axes: Axes, rows: Frame, lines: dict[str, style.Line], names: list[str]) -> None:
    """Draw measured memory at one T, and a dotted line from it to the memory by formula."""
    scales.scale_values(axes, "x", "working memory (MiB)")
    scales.list_lines(axes, names)
    for line, group in style.curves(selection.measured(rows, "analytic_bytes")):
        ends = [group["working_bytes"].iloc[0] / MIB, group["analytic_bytes"].iloc[0] / MIB]
        formula: dict[str, Any] = {"color": lines[line].colour, "label": style.FORMULA_NAME, **style.FORMULA}
        axes.plot(
            ends, [names.index(line)] * 2, marker="|", markersize=9, markeredgewidth=1.4, markevery=[1], **formula
        )
    for line, group in style.curves(rows):
        y = [names.index(line)] * len(group)
        mark: dict[str, Any] = lines[line].look() | {"linestyle": "none"}
        axes.plot(group["working_bytes"] / MIB, y, label=f"_{line}", **mark)
    scales.limit_around(axes, "x", [*rows["working_bytes"] / MIB, *rows["analytic_bytes"].dropna() / MIB])


def by_formula(rows: Frame) -> str:
    """Say what the formula counts, and how far it is from what was measured; nothing if no row has it."""
    shares = (rows["working_bytes"] / rows["analytic_bytes"]).dropna()
    if shares.empty:
        return ""
    low, high = (cell_text.digits(share) for share in (shares.min(), shares.max()))
    return (
        "by formula: the arrays that the algorithm must hold (carry, gradients, arrays of a chunk) · a framework adds "
        "temporaries, and a compiler may do without some of the arrays · "
        f"measured / formula here: {low if low == high else f'{low} to {high}'}"
    )


def draw(frame: Frame) -> Figure:
    """Draw working memory beyond the arguments against T, double logarithmic."""
    rows, left_out = selection.readable(points(frame))
    apart = f"each panel has its own scale and its own meter, {captions.WHY_APART}"
    footer = captions.footer(selection.points(frame), by_formula(rows), apart, left_out)
    return layout.sheet("Working memory of one gradient, beyond its arguments", layout.bands(rows, sweep, dots), footer)


if __name__ == "__main__":
    figures.main("memory_vs_t", __doc__)
