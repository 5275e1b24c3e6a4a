"""Draw the time of one gradient against the length of the sequence, with the forward pass alone for comparison."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from drtrl_bench import figures
from drtrl_bench.figures import captions, layout, scales, selection, style
from drtrl_bench.view.caption import Frame

COLUMNS = ["panel", "facet", "line", "algorithm", "framework", "mode", "chunk", "steps"]
TIMES = ["time_s", "low_s", "high_s", "forward_s", "unstable", "busy"]


def points(frame: Frame) -> Frame:
    """Return the points of the figure, with all their columns."""
    return selection.facets(
        selection.some(selection.measured(selection.points(frame), "time_s"), frame, "cases with a time")
    )


def data(frame: Frame) -> Frame:
    """Return the plotted points, in seconds; low_s and high_s are the ends of the error bars."""
    return points(frame)[[*COLUMNS, *TIMES, "samples", "rounds", "case_key", "env_hash"]]


def marks(axes: Axes, rows: Frame, line: style.Line, at: tuple[Any, Any], which: str, label: str) -> None:
    """Draw the marks of one line with their intervals along the axis `which`; hollow where a time is in doubt."""
    look: dict[str, Any] = line.look() | ({} if which == "y" else {"linestyle": "none"})
    style.timed(axes, rows, line, at, which)
    axes.plot(*at, label=label, **look)
    style.doubt(axes, rows, line, at)


def sweep(axes: Axes, rows: Frame, lines: dict[str, style.Line]) -> None:
    """Draw medians with their intervals over T; the forward pass alone in grey."""
    scales.scale_steps(axes, sorted(rows["steps"].unique()))
    scales.scale_values(axes, "y", "time (ms)")
    forward = selection.measured(rows, "forward_s").groupby("steps")["forward_s"].median() * 1e3
    if len(forward):
        axes.plot(forward.index, forward, label=style.FORWARD_NAME, **style.FORWARD)
    for line, group in style.curves(rows):
        marks(axes, group, lines[line], (group["steps"], group["time_s"] * 1e3), "y", line)


def dots(axes: Axes, rows: Frame, lines: dict[str, style.Line], names: list[str]) -> None:
    """Draw medians with their intervals at one T, a row for each line; the forward pass alone in grey."""
    scales.scale_values(axes, "x", "time (ms)")
    scales.list_lines(axes, names)
    forward = selection.measured(rows, "forward_s")["forward_s"] * 1e3
    if len(forward):
        alone: dict[str, Any] = style.FORWARD | {"marker": ""}
        axes.axvline(forward.median(), label=style.FORWARD_NAME, **alone)
    for line, group in style.curves(rows):
        at = group["time_s"] * 1e3, [names.index(line)] * len(group)
        marks(axes, group, lines[line], at, "x", f"_{line}")
    scales.limit_around(axes, "x", [*forward, *rows["low_s"] * 1e3, *rows["high_s"] * 1e3, *rows["time_s"] * 1e3])


def draw(frame: Frame) -> Figure:
    """Draw the median time of one gradient of the whole sequence against T, double logarithmic."""
    rows, left_out = selection.readable(points(frame))
    footer = captions.footer(selection.points(frame), captions.OWN_SCALES, left_out)
    bands = layout.bands(rows, sweep, dots)
    return layout.sheet("Time of one gradient of the whole sequence", bands, footer)


if __name__ == "__main__":
    figures.main("time_vs_t", __doc__)
