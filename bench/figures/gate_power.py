"""How often the speed gate raises an alarm, against the slowdown that was planted: 1 is a false alarm."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench import caption, compare, figures, table
from bench.caption import Frame
from bench.figures import style

FACTORS = (1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2.0)
QUARTET = 4
"""Rounds of one comparison: A B B A."""


def alarm(rounds: list[list[float]], factor: float) -> bool:
    """Whether the gate calls B slower, B's samples being `factor` times as long; it looks twice, as the gate does."""
    for start in (0, QUARTET):
        a, b, c, d = rounds[start : start + QUARTET]
        planted = [[factor * s for s in samples] for samples in (b, c)]
        ratio, best = compare.slowdown([a, d], planted)
        if min(ratio, best) <= compare.SLOWER:
            return False
    return True


def rates(rounds: list[list[float]], factor: float) -> tuple[int, int]:
    """Alarms and comparisons. Real rounds in the order of their measurement; for factor 1 no round is used twice."""
    step = QUARTET if factor == 1 else 1
    starts = range(0, len(rounds) - 2 * QUARTET + 1, step)
    return sum(alarm(rounds[start : start + 2 * QUARTET], factor) for start in starts), len(starts)


def data(frame: Frame) -> Frame:
    """Alarms, comparisons and rate per case and factor."""
    found: list[dict[str, Any]] = []
    for key, group in frame[frame["status"] == "ok"].groupby("case_key"):
        rounds = list(group.sort_values("started")["samples_s"])
        for factor in FACTORS:
            alarms, number = rates(rounds, factor)
            case = {"case_key": key, "framework": group["framework"].iloc[0]}
            found.append(case | {"slowdown": factor, "alarms": alarms, "comparisons": number, "rate": alarms / number})
    return pd.DataFrame(found)


def draw(frame: Frame) -> Figure:
    """Rate of alarms against the planted slowdown, a line per framework."""
    points = data(frame)
    with style.matplotlib.rc_context(style.RC):
        figure = Figure(figsize=(5.2, 3.6), layout="constrained")
        style.FigureCanvasAgg(figure)
        axes: Axes = figure.subplots()
        for framework, group in points.groupby("framework"):
            name, look = style.FRAMEWORKS[str(framework)][0], style.look(str(framework))
            axes.plot(group["slowdown"], 100 * group["rate"], label=name, color="#009E73", **look)
        axes.axvline(compare.SLOWER, color=style.GREY, linewidth=1, linestyle=":")
        axes.text(compare.SLOWER, 50, " the gate's limit", color="#5b616b")
        axes.set(xlabel="planted slowdown", ylabel="alarms (%)", ylim=(-4, 104), title="Alarms of the speed gate")
        axes.legend()
        number = points.groupby("slowdown")["comparisons"].sum()
        said = f"{number.iloc[0]} comparisons at 1 without a shared round, {number.iloc[-1]} at each other factor"
        machines = caption.machines(table.collapse(frame))
        figure.supxlabel(
            "\n".join([said, *caption.wrap(machines[0], 90).splitlines()]),
            fontsize=7,
            color="#5b616b",
            x=0.02,
            ha="left",
        )
    return figure


if __name__ == "__main__":
    figures.main("gate_power", __doc__)
