"""Working memory against the length of the sequence, measured and by formula."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from drtrl_bench import figures
from drtrl_bench.figures import captions, layout, scales, selection, style
from drtrl_bench.view import cell_text
from drtrl_bench.view.caption import Frame

MIB = 2**20
COLUMNS = ["panel", "facet", "line", "algorithm", "framework", "mode", "chunk", "steps"]


def found(frame: Frame) -> Frame:
    """The points of the figure, with all their columns."""
    needs = "cases with a working memory"
    return selection.apart(selection.some(selection.measured(selection.points(frame), "working_bytes"), frame, needs))


def data(frame: Frame) -> Frame:
    """The plotted points, bytes as measured."""
    return found(frame)[[*COLUMNS, "working_bytes", "analytic_bytes", "rounds", "case_key", "env_hash"]]


def sweep(axes: Axes, rows: Frame, looks: dict[str, style.Line]) -> None:
    """Measured lines with markers over T, and the formula of each as a thin dotted one."""
    scales.scale_steps(axes, sorted(rows["steps"].unique()))
    scales.scale_values(axes, "y", "working memory (MiB)")
    for line, group in style.curves(selection.measured(rows, "analytic_bytes")):
        formula: dict[str, Any] = {"color": looks[line].colour, "label": style.FORMULA_NAME, **style.FORMULA}
        axes.plot(group["steps"], group["analytic_bytes"] / MIB, **formula)
    for line, group in style.curves(rows):
        axes.plot(group["steps"], group["working_bytes"] / MIB, label=line, **looks[line].look())


def dots(axes: Axes, rows: Frame, looks: dict[str, style.Line], names: list[str]) -> None:
    """Measured memory at one T, and a dotted line from it to the formula's."""
    scales.scale_values(axes, "x", "working memory (MiB)")
    scales.list_lines(axes, names)
    for line, group in style.curves(selection.measured(rows, "analytic_bytes")):
        ends = [group["working_bytes"].iloc[0] / MIB, group["analytic_bytes"].iloc[0] / MIB]
        formula: dict[str, Any] = {"color": looks[line].colour, "label": style.FORMULA_NAME, **style.FORMULA}
        axes.plot(
            ends, [names.index(line)] * 2, marker="|", markersize=9, markeredgewidth=1.4, markevery=[1], **formula
        )
    for line, group in style.curves(rows):
        place = [names.index(line)] * len(group)
        mark: dict[str, Any] = looks[line].look() | {"linestyle": "none"}
        axes.plot(group["working_bytes"] / MIB, place, label=f"_{line}", **mark)
    scales.room(axes, "x", [*rows["working_bytes"] / MIB, *rows["analytic_bytes"].dropna() / MIB])


def by_formula(rows: Frame) -> str:
    """What the formula is, and how far it is from what was measured; nothing if no row has it."""
    shares = (rows["working_bytes"] / rows["analytic_bytes"]).dropna()
    if shares.empty:
        return ""
    low, high = (cell_text.digits(share) for share in (shares.min(), shares.max()))
    return (
        "by formula: the arrays that the rule itself has to hold (its carry, the gradients, the arrays of a chunk) · "
        "it leaves out a framework's temporaries, and counts arrays that a compiler can do without · "
        f"measured / formula here: {low if low == high else f'{low} to {high}'}"
    )


def draw(frame: Frame) -> Figure:
    """Working memory beyond the arguments against T, double logarithmic."""
    rows, left = selection.readable(found(frame))
    said = captions.footer(selection.points(frame), by_formula(rows), captions.UNLIKE + ", and its own meter", left)
    return layout.sheet("Working memory of one gradient, beyond its arguments", layout.bands(rows, sweep, dots), said)


if __name__ == "__main__":
    figures.main("memory_vs_t", __doc__)
