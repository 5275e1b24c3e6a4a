"""Draw the time per step of exact RTRL against the number of neurons, and the exponent of its growth."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from drtrl_bench import figures
from drtrl_bench.figures import annotations, captions, layout, scales, selection, style
from drtrl_bench.view import caption
from drtrl_bench.view.caption import Frame

STRAIGHT = 0.3
"""A line has one exponent if the exponents between neighbouring sizes differ by no more than this."""
LINE = ["way", "chunk", "batch", "steps"]


def points(frame: Frame) -> Frame:
    """Return the points of RTRL at three sizes or more: seconds per step, and the exponent from the size before."""
    rows = selection.points(frame).drop_duplicates(["case_key", "setup", "data"])
    rows = selection.measured(rows[rows["algorithm"] == "rtrl"], "time_s")
    rows = rows[rows.groupby(LINE)["neurons"].transform("nunique") > 2] if len(rows) else rows
    rows = selection.some(rows, frame, "rtrl with a time at three numbers of neurons, the rest alike")
    rows = rows.sort_values([*LINE, "neurons"], ignore_index=True)
    per_step = {f"step_{name}": rows[name] / rows["steps"] for name in ("time_s", "low_s", "high_s")}
    rows = rows.assign(**per_step)
    lines = rows.groupby(LINE)
    exponent = np.log(rows["time_s"] / lines["time_s"].shift()) / np.log(rows["neurons"] / lines["neurons"].shift())
    return rows.assign(exponent=exponent)


def data(frame: Frame) -> Frame:
    """Return the plotted points; `exponent` is that of the time from the next smaller n to this one."""
    columns = ["framework", "mode", "chunk", "neurons", "batch", "steps", "step_time_s", "step_low_s", "step_high_s"]
    return points(frame)[[*columns, "exponent", "unstable", "busy", "rounds", "case_key", "env_hash"]]


def growth_words(line: Frame) -> str:
    """Write the exponent of a line if it has one, else that of its last size."""
    exponents = line["exponent"].dropna()
    if exponents.max() - exponents.min() <= STRAIGHT:
        slope = np.polyfit(np.log(line["neurons"]), np.log(line["step_time_s"]), 1)[0]
        return f"grows as {power(slope)}"
    before, last = line["neurons"].tolist()[-2:]
    return f"{power(exponents.iloc[-1])} from {before} to {last}"


def power(exponent: float) -> str:
    """Write a power of n in superscript letters, because a legend sets no formulas."""
    return f"n{exponent:.1f}".translate(str.maketrans("0123456789.-", "⁰¹²³⁴⁵⁶⁷⁸⁹·⁻"))


def panel(axes: Axes, rows: Frame) -> None:
    """Draw the lines of one way to run, with the exponent from each size to the next beside them."""
    axes.set_xscale("log", base=2)
    scales.scale_values(axes, "y", "time of a step (ms)")
    chunks = sorted(rows["chunk"].unique())
    for (K, _, _), group in rows.groupby(LINE[1:]):
        white = 0.0 if chunks[-1] == K else 0.5
        red, green, blue = (part + (1 - part) * white for part in to_rgb(selection.ALGORITHMS["rtrl"][1]))
        line = style.Line((red, green, blue), "D", "-" if chunks[-1] == K else (0, (5, 1.5)))
        times = group.assign(**{name: group[f"step_{name}"] for name in ("time_s", "low_s", "high_s")})
        at = group["neurons"], group["step_time_s"] * 1e3
        style.timed(axes, times, line, at, "y")
        axes.plot(*at, label=f"{rows['way'].iloc[0]}, K = {K}: {growth_words(group)}", **line.look())
        style.doubt(axes, times, line, at)
        middle = [np.sqrt(values * values.shift()) for values in at]
        for x, y, slope in zip(*middle, group["exponent"], strict=True):
            if not np.isnan(slope):
                annotations.annotate(axes, f"{slope:.1f}", x, y)
    sizes = sorted(rows["neurons"].unique())
    axes.set_xlim(sizes[0] / 1.25, sizes[-1] * 1.25)
    axes.set_xticks(sizes, [str(n) for n in sizes])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("n, neurons (one state each)")
    axes.grid(visible=False, axis="x")


def draw(frame: Frame) -> Figure:
    """Draw time per step against n, double logarithmic: the slope of a line is its exponent."""
    rows = points(frame)
    ways = {way: layout.Panel(way, lambda axes, group=group: panel(axes, group)) for way, group in rows.groupby("way")}
    shown = selection.points(frame)
    shown = shown[shown["case_key"].isin(rows["case_key"])]
    footer = [
        captions.shared(shown),
        "numbers beside lines: exponent of the time between two neighbouring n",
        "at small n the fixed cost of a step dominates",
        captions.OWN_SCALES,
        *caption.machines(shown),
    ]
    return layout.sheet(
        "Exact RTRL: time of a step", [layout.Band("", [ways[name] for name in selection.ordered(rows)], 2.8)], footer
    )


if __name__ == "__main__":
    figures.main("cost_vs_n", __doc__)
