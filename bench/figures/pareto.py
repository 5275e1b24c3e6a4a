"""Time of one gradient against its working memory, a point for each chunk length K: what can be traded for what."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from drtrl_bench import figures
from drtrl_bench.figures import annotations, captions, layout, scales, selection, style
from drtrl_bench.view import caption
from drtrl_bench.view.caption import Frame

MIB = 2**20
NEEDS = "a rule with a time and a memory at three lengths of chunk K, and the same T"


def found(frame: Frame) -> Frame:
    """The points of the problem and length T at which most rules were measured at three K or more."""
    rows = selection.points(frame).drop_duplicates(["case_key", "setup", "data"])
    rows = selection.measured(rows, "time_s", "working_bytes")
    rows = selection.some(
        rows[~rows["auto"].astype(bool)], frame, NEEDS
    )  # auto picks a K that is there, or one of its own
    chunks = rows.groupby(["panel", "steps", "algorithm", "way"])["chunk"].nunique()
    rules = chunks[chunks > 2].reset_index().groupby(["panel", "steps"])["algorithm"].nunique()
    swept = rules[rules == rules.max()].reset_index()[["panel", "steps"]]
    kept = selection.some(rows.merge(swept, on=["panel", "steps"]), frame, NEEDS)
    kept = kept.sort_values(["panel", "steps", "way", "algorithm", "chunk"], ignore_index=True)
    kept.attrs = rows.attrs
    return kept


def data(frame: Frame) -> Frame:
    """The plotted points."""
    columns = ["panel", "algorithm", "framework", "mode", "chunk", "steps", "time_s", "low_s", "high_s"]
    return found(frame)[[*columns, "working_bytes", "unstable", "busy", "rounds", "case_key", "env_hash"]]


def draw(frame: Frame) -> Figure:
    """A panel per problem and way; points of one rule joined in the order of K, which is written beside them."""
    rows, bands = found(frame), []
    for (panel, steps), group in rows.groupby(["panel", "steps"], sort=False):
        ways = {way: layout.Panel(way, lambda axes, own=own: curves(axes, own)) for way, own in group.groupby("way")}
        said = f"{panel} · T = {steps}" if len(rows[["panel", "steps"]].drop_duplicates()) > 1 else ""
        bands.append(layout.Band(said, [ways[name] for name in selection.ordered(group)], 3.0))
    shown = selection.points(frame)
    shown = shown[shown["case_key"].isin(rows["case_key"])]
    said = [
        f"{captions.shared(shown)} · T = {rows['steps'].iloc[0]}"
        if rows["steps"].nunique() == 1
        else captions.shared(shown),
        "numbers beside points: K, steps in a chunk; T: one chunk" + back(rows),
        captions.UNLIKE,
        *caption.machines(shown),
    ]
    return layout.sheet("Time against memory, over the length of a chunk", bands, said)


def back(rows: Frame) -> str:
    """Why a line turns back, if one does."""
    for _, group in rows.groupby(["panel", "steps", "way", "algorithm"]):
        last = group["working_bytes"].tolist()[-2:]
        if group["chunk"].iloc[-1] == group["steps"].iloc[0] and last[-1] < last[0]:
            return (
                " · a line turns back where one chunk takes less memory than several: there is no carry between chunks"
            )
    return ""


def curves(axes: Axes, rows: Frame) -> None:
    """The lines of one panel."""
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
            for x, y, K, T in zip(memory, time, group["chunk"], group["steps"], strict=True):
                annotations.annotate(axes, "T" if K == T else str(K), x, y)
    scales.room(axes, "x", rows["working_bytes"] / MIB)
    scales.room(axes, "y", rows[["time_s", "low_s", "high_s"]] * 1e3)


if __name__ == "__main__":
    figures.main("pareto", __doc__)
