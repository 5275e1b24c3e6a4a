"""How often the speed gate raises an alarm, against the slowdown that was planted: 1 is a false alarm."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from drtrl_bench import caption, compare, figures, rehearsal, table
from drtrl_bench.caption import Frame
from drtrl_bench.figures import style

COLUMNS = ["case", "algorithm", "framework", "slowdown", "alarms", "comparisons", "rate"]


def data(frame: Frame) -> Frame:
    """Alarms, comparisons and rate per case and factor."""
    lines = [
        {name: row[name] for name in ("plan", "case_key", "round")}
        | {
            "case": {name: row[name] for name in ("algorithm", "framework", "threads", "device")},
            "status": row["status"],
        }
        | {"time": {name: row[name] for name in ("samples_s", "cpu_samples_s")}}
        for row in frame.to_dict("records")
    ]
    found: list[dict[str, Any]] = []
    for quartets in rehearsal.looks(lines):
        for factor in rehearsal.FACTORS:
            alarms, number = rehearsal.alarms(quartets, factor)
            rate = alarms / number if number else None
            line = quartets[0][0]
            of = (line["case_key"], line["case"]["algorithm"], line["case"]["framework"])
            found.append(dict(zip(COLUMNS, (*of, factor, alarms, number, rate), strict=True)))
    return pd.DataFrame(found, columns=COLUMNS)


def draw(frame: Frame) -> Figure:
    """Rate of alarms against the planted slowdown, a line per case."""
    points = data(frame)
    with style.matplotlib.rc_context(style.RC):
        figure = Figure(figsize=(6.4, 4.2), layout="constrained")
        style.FigureCanvasAgg(figure)
        axes: Axes = figure.subplots()
        for (_, algorithm, framework), group in points.groupby(COLUMNS[:3], sort=False):
            name, colour = style.ALGORITHMS[str(algorithm)]
            label = f"{name}, {style.FRAMEWORKS[str(framework)][0]}"
            axes.plot(group["slowdown"], 100 * group["rate"], label=label, color=colour, **style.look(str(framework)))
        axes.axvline(compare.SLOWER, color=style.GREY, linewidth=1, linestyle=":")
        axes.text(compare.SLOWER, 3, "  the gate's limit", color="#5b616b")
        axes.set(
            xlabel="slowdown (samples scaled)", ylabel="alarms (%)", ylim=(-4, 104), title="Alarms of the speed gate"
        )
        axes.legend()
        number = " to ".join(str(n) for n in sorted({points["comparisons"].min(), points["comparisons"].max()}))
        rows = frame[frame["plan"] == rehearsal.ALIKE]
        said = (
            f"{number} comparisons of a commit with itself per point, both orders of A and B",
            "verdicts by the processor's time · the machine was shared with other work",
            *(line for text in caption.machines(table.collapse(rows)) for line in caption.wrap(text, 90).splitlines()),
        )
        figure.supxlabel("\n".join(said), fontsize=7, color="#5b616b", x=0.02, ha="left")
    return figure


if __name__ == "__main__":
    figures.main("gate_power", __doc__)
