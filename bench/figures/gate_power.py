"""How often the speed gate raises an alarm, against the slowdown that was planted: 1 is a false alarm."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench import caption, compare, figures, rehearsal, table
from bench.caption import Frame
from bench.figures import style

HALVES = ("first", "second")
"""The gate's limit was chosen on the first half of the comparisons; the second is what it is worth."""


def data(frame: Frame) -> Frame:
    """Alarms, comparisons and rate per framework, half of the comparisons, and factor."""
    lines = [
        {name: row[name] for name in ("plan", "case_key", "round")}
        | {"case": {name: row[name] for name in ("framework", "threads", "device")}, "status": row["status"]}
        | {"time": {name: row[name] for name in ("samples_s", "cpu_samples_s")}}
        for row in frame.to_dict("records")
    ]
    found: list[dict[str, Any]] = []
    for quartets in rehearsal.looks(lines):
        middle = (len(quartets) + 1) // 2
        for half, part in zip(HALVES, (quartets[:middle], quartets[middle:]), strict=True):
            for factor in rehearsal.FACTORS:
                alarms, number = rehearsal.alarms(part, factor)
                case = {"framework": part[0][0]["case"]["framework"], "half": half} if part else {}
                rate = alarms / number if number else None
                found.append(case | {"slowdown": factor, "alarms": alarms, "comparisons": number, "rate": rate})
    return pd.DataFrame(found, columns=["framework", "half", "slowdown", "alarms", "comparisons", "rate"])


def draw(frame: Frame) -> Figure:
    """Rate of alarms against the planted slowdown, a line per framework and half."""
    points = data(frame)
    with style.matplotlib.rc_context(style.RC):
        figure = Figure(figsize=(5.6, 3.9), layout="constrained")
        style.FigureCanvasAgg(figure)
        axes: Axes = figure.subplots()
        for (framework, half), group in points.groupby(["framework", "half"]):
            name = style.FRAMEWORKS[str(framework)][0]
            faint: dict[str, Any] = {} if half == HALVES[1] else {"alpha": 0.35}
            label = name if half == HALVES[1] else None
            axes.plot(
                group["slowdown"],
                100 * group["rate"],
                label=label,
                color="#009E73",
                **style.look(str(framework)),
                **faint,
            )
        axes.axvline(compare.SLOWER, color=style.GREY, linewidth=1, linestyle=":")
        axes.text(compare.SLOWER, 50, " the gate's limit", color="#5b616b")
        axes.set(
            xlabel="slowdown (samples scaled)", ylabel="alarms (%)", ylim=(-4, 104), title="Alarms of the speed gate"
        )
        axes.legend()
        number = points.groupby(["half", "slowdown"])["comparisons"].sum().min()
        rows = frame[frame["plan"] == rehearsal.ALIKE]
        said = (
            f"at least {number} comparisons of a commit with itself per point and half, both orders of A and B",
            "faint: the half that the limit was chosen on · the machine was shared with other work",
            *caption.wrap(caption.machines(table.collapse(rows))[0], 90).splitlines(),
        )
        figure.supxlabel("\n".join(said), fontsize=7, color="#5b616b", x=0.02, ha="left")
    return figure


if __name__ == "__main__":
    figures.main("gate_power", __doc__)
