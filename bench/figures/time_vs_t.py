"""Time of one gradient against the length of the sequence, above the floor of the forward pass."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from drtrl_bench import figures
from drtrl_bench.caption import Frame
from drtrl_bench.figures import style

FLOOR: dict[str, Any] = {"color": style.GREY, "linewidth": 1.0, "markersize": 3, "markeredgewidth": 0}


def data(frame: Frame) -> Frame:
    """The plotted points, in seconds; low_s and high_s are the ends of the error bars."""
    columns = ["panel", "line", "algorithm", "framework", "chunk", "steps", "time_s", "low_s", "high_s", "forward_s"]
    rows = style.measured(style.points(frame), "time_s")
    return rows[[*columns, "unstable", "busy", "samples", "rounds", "case_key", "env_hash"]]


def panel(axes: Axes, rows: Frame, colours: style.Colours) -> None:
    """Medians with their intervals; the forward pass alone in grey; hollow where a time is not to be trusted."""
    style.scale_values(axes, "time (ms)")
    floor = style.measured(rows, "forward_s").assign(line="forward")
    for _, framework, group in style.curves(floor):
        times = group.groupby("steps")["forward_s"].median() * 1e3
        axes.plot(times.index, times, **style.look(framework) | FLOOR)
    known = style.measured(rows, "time_s")
    known = known if known["steps"].nunique() > 1 else style.dodged(known, colours)
    for line, framework, group in style.curves(known):
        look: dict[str, Any] = style.look(framework) | {"color": colours[line]}
        down, up = group["time_s"] - group["low_s"], group["high_s"] - group["time_s"]
        bars = [down.clip(lower=0) * 1e3, up.clip(lower=0) * 1e3]
        axes.errorbar(group["steps"], group["time_s"] * 1e3, yerr=bars, elinewidth=1, **look)
        doubtful = group[group["unstable"] | group["busy"]]
        hollow: dict[str, Any] = look | style.HOLLOW | {"markeredgecolor": colours[line]}
        axes.plot(doubtful["steps"], doubtful["time_s"] * 1e3, **hollow)


def draw(frame: Frame) -> Figure:
    """Median time of one gradient of the whole sequence against T, double logarithmic."""
    rows = style.points(frame)
    notes = []
    if not style.measured(rows, "forward_s").empty:
        notes.append(Line2D([], [], label="forward pass only", **FLOOR))
    if style.measured(rows, "time_s")[["unstable", "busy"]].any(axis=None):
        notes.append(Line2D([], [], color=style.INK, marker="o", label="unstable or busy", **style.HOLLOW))
    return style.compose("Time of one gradient of the whole sequence", rows, [panel], notes)


if __name__ == "__main__":
    figures.main("time_vs_t", __doc__)
