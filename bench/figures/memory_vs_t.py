"""Working memory against the length of the sequence, measured and by formula."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from drtrl_bench import figures
from drtrl_bench.caption import Frame
from drtrl_bench.figures import style

MIB = 2**20


def data(frame: Frame) -> Frame:
    """The plotted points, bytes as measured."""
    columns = ["panel", "line", "algorithm", "framework", "chunk", "steps", "working_bytes", "analytic_bytes"]
    return style.measured(style.points(frame), "working_bytes")[[*columns, "rounds", "case_key", "env_hash"]]


def panel(axes: Axes, rows: Frame, colours: style.Colours) -> None:
    """Measured lines with markers, and the formula of each as a thin dashed one."""
    style.scale_values(axes, "working memory (MiB)")
    for line, group in style.measured(rows, "analytic_bytes").groupby("line", sort=False):
        formula = group.groupby("steps")["analytic_bytes"].median() / MIB
        axes.plot(formula.index, formula, color=colours[str(line)], **style.ANALYTIC)
    known = style.measured(rows, "working_bytes")
    known = known if known["steps"].nunique() > 1 else style.dodged(known, colours)
    for line, framework, group in style.curves(known):
        axes.plot(group["steps"], group["working_bytes"] / MIB, color=colours[line], **style.look(framework))


def draw(frame: Frame) -> Figure:
    """Working memory beyond the arguments against T, double logarithmic."""
    notes = [Line2D([], [], color=style.INK, label="by formula", **style.ANALYTIC)]
    return style.compose("Memory of one gradient", style.points(frame), [panel], notes)


if __name__ == "__main__":
    figures.main("memory_vs_t", __doc__)
