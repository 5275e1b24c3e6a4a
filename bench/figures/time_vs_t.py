"""Time of one gradient against the length of the sequence, above the floor of the forward pass."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from drtrl_bench import figures
from drtrl_bench.figures import captions, layout, scales, selection, style
from drtrl_bench.view.caption import Frame

COLUMNS = ["panel", "facet", "line", "algorithm", "framework", "mode", "chunk", "steps"]
TIMES = ["time_s", "low_s", "high_s", "forward_s", "unstable", "busy"]


def found(frame: Frame) -> Frame:
    """The points of the figure, with all their columns."""
    return selection.apart(
        selection.some(selection.measured(selection.points(frame), "time_s"), frame, "cases with a time")
    )


def data(frame: Frame) -> Frame:
    """The plotted points, in seconds; low_s and high_s are the ends of the error bars."""
    return found(frame)[[*COLUMNS, *TIMES, "samples", "rounds", "case_key", "env_hash"]]


def marks(axes: Axes, rows: Frame, line: style.Line, at: tuple[Any, Any], which: str, label: str) -> None:
    """Marks of one line with their intervals along `which`; hollow where a time is not to be trusted."""
    look: dict[str, Any] = line.look() | ({} if which == "y" else {"linestyle": "none"})
    style.timed(axes, rows, line, at, which)
    axes.plot(*at, label=label, **look)
    style.doubt(axes, rows, line, at)


def sweep(axes: Axes, rows: Frame, looks: dict[str, style.Line]) -> None:
    """Medians with their intervals over T; the forward pass alone in grey."""
    scales.scale_steps(axes, sorted(rows["steps"].unique()))
    scales.scale_values(axes, "y", "time (ms)")
    floor = selection.measured(rows, "forward_s").groupby("steps")["forward_s"].median() * 1e3
    if len(floor):
        axes.plot(floor.index, floor, label=style.FORWARD_NAME, **style.FORWARD)
    for line, group in style.curves(rows):
        marks(axes, group, looks[line], (group["steps"], group["time_s"] * 1e3), "y", line)


def dots(axes: Axes, rows: Frame, looks: dict[str, style.Line], names: list[str]) -> None:
    """Medians with their intervals at one T, a line of dots for each rule; the forward pass alone in grey."""
    scales.scale_values(axes, "x", "time (ms)")
    scales.list_lines(axes, names)
    floor = selection.measured(rows, "forward_s")["forward_s"] * 1e3
    if len(floor):
        alone: dict[str, Any] = style.FORWARD | {"marker": ""}
        axes.axvline(floor.median(), label=style.FORWARD_NAME, **alone)
    for line, group in style.curves(rows):
        at = group["time_s"] * 1e3, [names.index(line)] * len(group)
        marks(axes, group, looks[line], at, "x", f"_{line}")
    scales.room(axes, "x", [*floor, *rows["low_s"] * 1e3, *rows["high_s"] * 1e3, *rows["time_s"] * 1e3])


def draw(frame: Frame) -> Figure:
    """Median time of one gradient of the whole sequence against T, double logarithmic."""
    rows, left = selection.readable(found(frame))
    said = captions.footer(selection.points(frame), captions.UNLIKE, left)
    bands = layout.bands(rows, sweep, dots)
    return layout.sheet("Time of one gradient of the whole sequence", bands, said)


if __name__ == "__main__":
    figures.main("time_vs_t", __doc__)
