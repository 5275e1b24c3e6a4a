"""How often the speed gate raises an alarm, against the slowdown that was planted: 1 is a false alarm."""

import math
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from drtrl_bench import figures
from drtrl_bench.figures import captions, layout, selection, style
from drtrl_bench.gate import selftest, slowdown
from drtrl_bench.view import caption, collapse
from drtrl_bench.view.caption import Frame

COLUMNS = ["case", "algorithm", "framework", "slowdown", "alarms", "comparisons", "rate", "low", "high"]
INTERVAL = "95 % interval, each pair counted once"


def data(frame: Frame) -> Frame:
    """Alarms, comparisons and rate per case and factor; low and high are the ends of the error bars."""
    lines: list[Any] = [  # no whole records: what the gate reads of them
        {name: row[name] for name in ("plan", "case_key", "round")}
        | {
            "case": {name: row[name] for name in ("algorithm", "framework", "threads", "device")},
            "status": row["status"],
        }
        | {"time": {name: row[name] for name in ("samples_s", "cpu_samples_s")}}
        for row in frame.to_dict("records")
    ]
    found: list[dict[str, Any]] = []
    for quartets in selftest.looks(lines):
        for factor in selftest.FACTORS:
            alarms, number = selftest.alarms(quartets, factor)
            if number:
                line = quartets[0][0]
                of = (line["case_key"], line["case"]["algorithm"], line["case"]["framework"])
                values = (*of, factor, alarms, number, alarms / number, *wilson(alarms / number, number / 2))
                found.append(dict(zip(COLUMNS, values, strict=True)))
    needs = "comparisons of a commit with itself, as drtrl-bench rehearse records them"
    return selection.some(pd.DataFrame(found, columns=COLUMNS), frame, needs)


def wilson(rate: float, number: float) -> tuple[float, float]:
    """95 % interval of a rate (Wilson 1927). The two orders of a pair are not independent: a pair is one."""
    z = 1.959964
    middle, scale = rate + z * z / (2 * number), 1 + z * z / number
    half = z * math.sqrt(rate * (1 - rate) / number + z * z / (4 * number * number))
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def panel(axes: Axes, rows: Frame, names: list[str]) -> None:
    """Rate of alarms of each rule, the points a little apart sideways."""
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
    """Rate of alarms against the planted slowdown, a line per case."""
    points = data(frame)
    names = list(points["algorithm"].unique())
    panels = [
        layout.Panel(selection.FRAMEWORKS.get(str(name), str(name)), lambda axes, own=own: panel(axes, own, names))
        for name, own in points.groupby("framework")
    ]
    rows = collapse.collapse(frame[frame["plan"] == selftest.ALIKE])
    number = " to ".join(str(n) for n in sorted({points["comparisons"].min(), points["comparisons"].max()}))
    said = [
        f"{number} comparisons of a commit with itself per point, both orders of A and B",
        "points are set apart sideways",
        "verdicts by the processor's time · the machine was shared with other work",
        captions.shared(rows),
        *caption.machines(rows),
    ]
    return layout.sheet("Alarms of the speed gate", [layout.Band("", panels, 2.8)], said)


if __name__ == "__main__":
    figures.main("gate_power", __doc__)
