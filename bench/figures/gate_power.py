"""Draw how often the speed gate raises an alarm, against the injected slowdown: at 1 every alarm is a false one."""

import math
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from drtrl_bench import figures
from drtrl_bench.figures import captions, layout, selection, style
from drtrl_bench.gate import alarms, selftest, slowdown
from drtrl_bench.view import caption, collapse
from drtrl_bench.view.caption import Frame

COLUMNS = ["case", "algorithm", "framework", "slowdown", "alarms", "comparisons", "rate", "low", "high"]
INTERVAL = "95 % interval, each pair counted once"


def data(frame: Frame) -> Frame:
    """Return alarms, comparisons and rate per case and factor; low and high are the ends of the error bars."""
    lines: list[Any] = [  # no complete records: only what the gate reads of them
        {name: row[name] for name in ("plan", "case_key", "round")}
        | {
            "case": {name: row[name] for name in ("algorithm", "framework", "threads", "device")},
            "status": row["status"],
        }
        | {"time": {name: row[name] for name in ("samples_s", "cpu_samples_s")}}
        for row in frame.to_dict("records")
    ]
    points: list[dict[str, Any]] = []
    for quartets in alarms.quartets_by_case(lines):
        for factor in selftest.FACTORS:
            raised, number = alarms.count_slower(quartets, factor)
            if number:
                line = quartets[0][0]
                case = (line["case_key"], line["case"]["algorithm"], line["case"]["framework"])
                values = (*case, factor, raised, number, raised / number, *wilson(raised / number, number / 2))
                points.append(dict(zip(COLUMNS, values, strict=True)))
    needs = "comparisons of a commit with itself, as drtrl-bench rehearse records them"
    return selection.some(pd.DataFrame(points, columns=COLUMNS), frame, needs)


def wilson(rate: float, number: float) -> tuple[float, float]:
    """Return the 95 % interval of a rate of `number` independent comparisons (Wilson 1927).

    The two orders of A and B are not independent, so a pair of them counts once.
    """
    z = 1.959964
    middle, scale = rate + z * z / (2 * number), 1 + z * z / number
    half = z * math.sqrt(rate * (1 - rate) / number + z * z / (4 * number * number))
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def panel(axes: Axes, rows: Frame, names: list[str]) -> None:
    """Draw the rate of alarms of each algorithm, the points a little apart sideways."""
    axes.axvline(slowdown.SLOWER, label=style.LIMIT, **layout.GENERAL[style.LIMIT])
    for algorithm, group in rows.groupby("algorithm", sort=False):
        name, (_, colour, marker) = (
            selection.named(algorithm),
            selection.ALGORITHMS.get(algorithm, ("", *selection.OTHER)),
        )
        aside = 0.012 * (names.index(algorithm) - (len(names) - 1) / 2)
        at = group["slowdown"] + aside, 100 * group["rate"]
        bars = [100 * (group["rate"] - group["low"]).clip(lower=0), 100 * (group["high"] - group["rate"]).clip(lower=0)]
        axes.errorbar(*at, yerr=bars, color=colour, label=INTERVAL, **style.BAR)
        axes.plot(*at, label=name, **style.Line(to_rgb(colour), marker, "-").look())
    axes.xaxis.set_major_locator(FixedLocator(sorted(rows["slowdown"].unique())))
    axes.set(xlabel="slowdown (samples times this)", ylabel="alarms (%)", ylim=(-4, 104))


def draw(frame: Frame) -> Figure:
    """Draw the rate of alarms against the injected slowdown, a line per case."""
    points = data(frame)
    names = list(points["algorithm"].unique())
    panels = [
        layout.Panel(
            selection.FRAMEWORKS.get(str(name), str(name)), lambda axes, group=group: panel(axes, group, names)
        )
        for name, group in points.groupby("framework")
    ]
    rows = collapse.rounds(frame[frame["plan"] == selftest.A_A])
    number = " to ".join(str(n) for n in sorted({points["comparisons"].min(), points["comparisons"].max()}))
    footer = [
        f"{number} comparisons of a commit with itself per point, both orders of A and B",
        "points are set apart sideways",
        "verdicts by the processor's time · the machine was shared with other work",
        captions.shared(rows),
        *caption.machines(rows),
    ]
    return layout.sheet("Alarms of the speed gate", [layout.Band("", panels, 2.8)], footer)


if __name__ == "__main__":
    figures.main("gate_power", __doc__)
