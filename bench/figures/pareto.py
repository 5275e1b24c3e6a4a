"""Draw the time of one gradient against its working memory, a point for each chunk length K."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from drtrl_bench import figures
from drtrl_bench.figures import annotations, captions, layout, scales, selection, style
from drtrl_bench.view import caption
from drtrl_bench.view.caption import Frame

MIB = 2**20
NEEDS = "an algorithm with a time and a memory at three lengths of chunk K, and the same T"


def points(frame: Frame) -> Frame:
    """Return the points of the problem and the T at which most algorithms were measured at three K or more."""
    rows = selection.points(frame).drop_duplicates(["case_key", "setup", "data"])
    rows = selection.measured(rows, "time_s", "working_bytes")
    chosen = rows[~rows["auto"].astype(bool)]  # a K picked by the cost model would join the line of the swept ones
    rows = selection.some(chosen, frame, NEEDS)
    chunks = rows.groupby(["panel", "steps", "algorithm", "way"])["chunk"].nunique()
    algorithms = chunks[chunks > 2].reset_index().groupby(["panel", "steps"])["algorithm"].nunique()
    swept = algorithms[algorithms == algorithms.max()].reset_index()[["panel", "steps"]]
    shown = selection.some(rows.merge(swept, on=["panel", "steps"]), frame, NEEDS)
    shown = shown.sort_values(["panel", "steps", "way", "algorithm", "chunk"], ignore_index=True)
    shown.attrs = rows.attrs
    return shown


def data(frame: Frame) -> Frame:
    """Return the plotted points."""
    columns = ["panel", "algorithm", "framework", "mode", "chunk", "steps", "time_s", "low_s", "high_s"]
    return points(frame)[[*columns, "working_bytes", "unstable", "busy", "rounds", "case_key", "env_hash"]]


def draw(frame: Frame) -> Figure:
    """Draw a panel per problem and way to run; a line joins the points of one algorithm in the order of K."""
    rows, bands = points(frame), []
    for (panel, steps), group in rows.groupby(["panel", "steps"], sort=False):
        ways = {
            way: layout.Panel(way, lambda axes, points=points: curves(axes, points))
            for way, points in group.groupby("way")
        }
        title = f"{panel} · T = {steps}" if len(rows[["panel", "steps"]].drop_duplicates()) > 1 else ""
        bands.append(layout.Band(title, [ways[name] for name in selection.ordered(group)], 3.0))
    shown = selection.points(frame)
    shown = shown[shown["case_key"].isin(rows["case_key"])]
    footer = [
        f"{captions.shared(shown)} · T = {rows['steps'].iloc[0]}"
        if rows["steps"].nunique() == 1
        else captions.shared(shown),
        "numbers beside points: K, steps in a chunk; T: one chunk" + segment_words(rows) + turn_words(rows),
        captions.OWN_SCALES,
        *caption.machines(shown),
    ]
    return layout.sheet("Time against memory, over the length of a chunk", bands, footer)


def labels(rows: Frame) -> list[str]:
    """Return what stands beside each point: its number of checkpointed segments, if it was asked for, else its K."""
    columns = zip(rows["segments"], rows["chunk"], rows["steps"], strict=True)
    return [f"{segments} seg." if segments else "T" if K == T else str(K) for segments, K, T in columns]


def segment_words(rows: Frame) -> str:
    """Say what the number of segments beside a point is, if a point has one."""
    return "; seg.: checkpoints before so many segments" if rows["segments"].any() else ""


def turn_words(rows: Frame) -> str:
    """Say why a line turns back, if one does."""
    for _, group in rows.groupby(["panel", "steps", "way", "algorithm"]):
        last = group["working_bytes"].tolist()[-2:]
        if group["chunk"].iloc[-1] == group["steps"].iloc[0] and last[-1] < last[0]:
            return " · a line turns back where one chunk takes less memory than several, because it updates no carry"
    return ""


def curves(axes: Axes, rows: Frame) -> None:
    """Draw the lines of one panel."""
    scales.scale_values(axes, "x", "working memory (MiB)")
    scales.scale_values(axes, "y", "time (ms)")
    for algorithm, group in rows.groupby("algorithm", sort=False):
        _, colour, marker = selection.ALGORITHMS.get(str(algorithm), ("", *selection.OTHER))
        name = selection.named(str(algorithm))
        memory, time = group["working_bytes"] / MIB, group["time_s"] * 1e3
        line = style.Line(to_rgb(colour), marker, "-")
        style.timed(axes, group, line, (memory, time), "y")
        several = (group["chunk"] < group["steps"]).to_numpy(bool)
        mark: dict[str, Any] = line.look() | {"linestyle": "none"}
        if several.any():
            axes.plot(memory[several], time[several], label=name, **line.look())
        if several.any() and not several.all():
            axes.plot(memory[-2:], time[-2:], color=colour, label=style.ONE_CHUNK, **style.DOTTED)
        axes.plot(memory[~several], time[~several], label=name, **mark)
        style.doubt(axes, group, line, (memory, time))
        if len(group) > 1:
            for x, y, text in zip(memory, time, labels(group), strict=True):
                annotations.annotate(axes, text, x, y)
    scales.limit_around(axes, "x", rows["working_bytes"] / MIB)
    scales.limit_around(axes, "y", rows[["time_s", "low_s", "high_s"]] * 1e3)


if __name__ == "__main__":
    figures.main("pareto", __doc__)
