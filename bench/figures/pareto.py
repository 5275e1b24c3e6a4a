"""Time of one gradient against its working memory, a point for each chunk length K: what can be traded for what."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from drtrl_bench import caption, figures
from drtrl_bench.caption import Frame
from drtrl_bench.figures import style

MIB = 2**20


def data(frame: Frame) -> Frame:
    """The plotted points: of the problem and length T at which most rules were measured at three K or more."""
    rows = style.points(frame).drop_duplicates(["case_key", "setup", "data"])
    rows = style.measured(rows, "time_s", "working_bytes")
    rows = rows[~rows["auto"].astype(bool)]  # what auto picked is a K of its own, or one that is there already
    if rows.empty:
        return rows
    chunks = rows.groupby(["panel", "steps", "algorithm", "framework"])["chunk"].nunique()
    rules = chunks[chunks > 2].reset_index().groupby(["panel", "steps"])["algorithm"].nunique()
    swept = rules[rules == rules.max()].reset_index()[["panel", "steps"]]
    columns = ["panel", "algorithm", "framework", "chunk", "steps", "time_s", "low_s", "high_s", "working_bytes"]
    kept = rows.merge(swept, on=["panel", "steps"])[[*columns, "unstable", "busy", "case_key", "env_hash"]]
    return kept.sort_values(["panel", "steps", "framework", "algorithm", "chunk"], ignore_index=True)


def draw(frame: Frame) -> Figure:
    """A panel per problem and framework; points of one rule joined in the order of K, which is written beside them."""
    found = data(frame)
    panels = list(found.groupby(["panel", "steps", "framework"], sort=False)) if len(found) else []
    with style.matplotlib.rc_context(style.RC):
        figure = Figure(figsize=(max(4.6, 4.1 * len(panels)), 4.4), layout="constrained")
        style.FigureCanvasAgg(figure)
        grid = figure.subplots(1, max(1, len(panels)), squeeze=False)[0]
        for axes, ((_, steps, framework), rows) in zip(grid, panels, strict=False):
            axes.set_title(f"{style.FRAMEWORKS[framework][0]}, T = {steps}")
            curves(axes, rows)
        grid[0].set_ylabel("time (ms)")
        grid[-1].legend()
        figure.suptitle("Time against memory, over K", x=0.012, ha="left", fontsize=12, fontweight="bold")
        shown = style.points(frame)
        said = [shared_by(shown, found), *caption.machines(shown)]
        text = "\n".join(caption.wrap(line, 22 * int(figure.get_figwidth())) for line in said)
        figure.supxlabel(text, x=0.012, ha="left", fontsize=7, color="#5b616b")
    return figure


def shared_by(rows: Frame, found: Frame) -> str:
    """What the problems of the figure have in common, in words."""
    return caption.shared(rows[rows["case_key"].isin(found["case_key"])])


def curves(axes: Axes, rows: Frame) -> None:
    """The lines of one panel."""
    axes.set_xscale("log")
    axes.set_xlabel("working memory (MiB)")
    axes.xaxis.set_major_formatter(style.FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(style.NullFormatter())
    style.scale_values(axes, "")
    for algorithm, group in rows.groupby("algorithm", sort=False):
        name, colour = style.ALGORITHMS[str(algorithm)]
        memory, time = group["working_bytes"] / MIB, group["time_s"] * 1e3
        axes.plot(memory, time, marker="o", markersize=4, color=colour, label=name)
        if len(group) > 1:
            for x, y, K, T in zip(memory, time, group["chunk"], group["steps"], strict=True):
                axes.annotate("T" if K == T else str(K), (x, y), (3, 3), textcoords="offset points", fontsize=7)


if __name__ == "__main__":
    figures.main("pareto", __doc__)
