"""Draws experiment 2.5: memory and time over the steps in both protocols, their ratios to BPTT, and what is carried."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from drtrl_bench.figures import layout, scales, selection, style
from drtrl_bench.paper import report
from drtrl_bench.paper.drawing import marks
from drtrl_bench.paper.measures import intervals
from drtrl_bench.paper.metering import costs_compared as compared
from drtrl_bench.view.caption import Frame

MIB, MS = 2.0**20, 1e-3
WHOLE, INPUTS = "memory of the whole machine, the published meter on a CPU", "dense inputs, by formula"
DONE, EQUAL = "until the device is done, in the colour of its rule", "as the quickest BPTT"
LATER = 1.05
"""From how many times the published time on that until the device is done is drawn, too."""
MEASURES = {
    ("published", "memory"): ("in_use_bytes", MIB, "in use after a batch (MiB)"),
    ("corrected", "memory"): ("working_bytes", MIB, "peak (MiB)"),
    ("published", "time"): ("time_s", MS, "a batch (ms)"),
    ("corrected", "time"): ("time_s", MS, "a gradient (ms)"),
}
"""By study and quantity: the column, its unit, and what an axis calls it."""
SAID = {
    "published": "as published: batches with clipping and Adam, one network, all lengths in one process; BPTT (native) "
    "is one program over inputs on the device, an online rule a loop of a program a step, with copies; the mean leaves "
    "out the first and last batch; the clock stops when the last program is sent off; memory is what is in use after",
    "corrected": "corrected: gradient alone, checked in float64, a process per rule and length, the rules in turns; "
    "inputs on the device for all and not counted; synchronised; median of the seeds of each seed's median; memory is "
    "the peak beside the arguments",
}
LINES: dict[str, dict[str, Any]] = {
    WHOLE: {"color": style.INK, "linewidth": 1.2},
    INPUTS: marks.DASHED,
    EQUAL: {"color": style.GREY, "linewidth": 1, "zorder": 1.7},
}
"""How lines look that are none of a rule's: no two alike."""
Summaries = dict[float, intervals.Summary]


def over(rows: Frame, across: str, summary: Callable[[Frame], intervals.Summary]) -> Summaries:
    """Summarize the rows at each value of a column."""
    return {float(x): summary(own) for x, own in rows.groupby(across)}


def in_doubt(rows: Frame) -> bool:
    """Tell whether a time of corrected rows is unstable, or of a busy machine."""
    return bool(rows[["busy", "unstable"]].astype(bool).any(axis=None))


def curve(axes: Axes, summaries: Summaries, rule: str, unit: float, doubted: Sequence[float]) -> None:
    """Draw the medians of a rule with their intervals. doubted: where a time is in doubt, so that a mark is hollow."""
    name, options = marks.of_rule(rule)
    x = np.array(list(summaries))
    middle, low, high = (np.array([each[i] for each in summaries.values()], float) / unit for i in range(3))
    if (high > low).any():
        bars: dict[str, Any] = {"color": options["color"], "label": marks.INTERVAL, **style.BAR}
        axes.errorbar(x, middle, yerr=[middle - low, high - middle], **bars)
    axes.plot(x, middle, label=name, **options)
    if (where := np.isin(x, doubted)).any():
        look = {"color": options["color"], "marker": options["marker"], "label": style.DOUBTFUL}
        axes.plot(x[where], middle[where], **look, **style.HOLLOW)


def of_rules(rows: Frame) -> list[tuple[str, Frame]]:
    """Return the rows of each rule, in the order of the registry's names."""
    return [(rule, own) for rule in selection.ALGORITHMS if len(own := rows[rows["algorithm"] == rule])]


def cost(axes: Axes, rows: Frame, study: str, quantity: str) -> None:
    """Draw memory or time of one protocol and framework over the steps."""
    column, unit, label = MEASURES[study, quantity]
    for rule, own in of_rules(rows):
        timed = (study, quantity) == ("corrected", "time")
        doubted = [steps for steps, of in own.groupby("steps") if timed and in_doubt(of)]
        curve(axes, over(own, "steps", partial(compared.of_column, column=column)), rule, unit, doubted)
        if (study, quantity) == ("published", "time"):
            times = own.groupby("steps")[["time_s", "done_s"]].median() / unit
            if (times["done_s"] > LATER * times["time_s"]).any():
                colour = selection.ALGORITHMS[rule][1]
                axes.plot(times.index, times["done_s"], label=DONE, color=colour, **style.FORMULA)
    steps = sorted(int(T) for T in rows["steps"].unique())
    if quantity == "memory":
        job = rows.iloc[0]
        inputs = [4 * T * job["batch"] * job["features"] / unit for T in steps]
        axes.plot(steps, inputs, label=INPUTS, **LINES[INPUTS])
        if study == "published" and rows["machine_bytes"].notna().any():
            whole = rows.groupby("steps")["machine_bytes"].median() / unit
            axes.plot(whole.index, whole, label=WHOLE, **LINES[WHOLE])
    over_steps(axes, steps)
    scales.scale_values(axes, "y", label)


def over_steps(axes: Axes, steps: list[int]) -> None:
    """Set a logarithmic axis of T with a tick at each length."""
    scales.scale_steps(axes, steps)
    axes.set_xlabel("T, steps")


def ratio(axes: Axes, rows: Frame, quantity: str) -> None:
    """Draw memory or time of each rule over that of the quickest BPTT, seed by seed; of one framework."""
    column, *_ = MEASURES["corrected", quantity]
    rows = compared.beside_bptt(rows)
    for rule, own in of_rules(rows):
        at = rows[rows["steps"].isin(own["steps"].unique())]
        timed = quantity == "time"
        doubted = [steps for steps, of in at.groupby("steps") if timed and compared.doubtful(of, rule)]
        curve(axes, over(at, "steps", partial(compared.against_bptt, rule=rule, column=column)), rule, 1, doubted)
    axes.axhline(1, label=EQUAL, **LINES[EQUAL])
    over_steps(axes, sorted(int(T) for T in rows["steps"].unique()))
    scales.scale_values(axes, "y", f"{quantity} / BPTT's")


def carried(axes: Axes, rows: Frame) -> None:
    """Draw the bytes that each online rule carries over the width of the network; of one framework."""
    for rule, own in of_rules(rows):
        name, options = marks.of_rule(rule)
        axes.plot(own["width"], own["carried_bytes"] / MIB, label=name, **options)
    widths = sorted(float(w) for w in rows["width"].unique())
    axes.set(xscale="log", xlabel="multiple of N and of I")
    axes.set_xticks(widths, [f"{w:g}" for w in widths])
    axes.xaxis.set_minor_locator(NullLocator())
    scales.scale_values(axes, "y", "carried (MiB)")


def sheet(rows: Frame) -> Figure:
    """Draw all panels: columns are frameworks and protocols, rows what is measured."""
    of = {study: compared.of_study(rows, study) for study in (*SAID, "carried")}
    frameworks = [f for f in selection.FRAMEWORKS if (of["corrected"]["framework"] == f).any()]
    own = {(study, f): each[each["framework"] == f] for study, each in of.items() for f in frameworks}
    bands = []
    for quantity, heading in (("memory", "memory of a batch"), ("time", "time of a batch")):
        panels = []
        for f in frameworks:
            for study, name in (("published", marks.PUBLISHED), ("corrected", marks.CORRECTED)):
                if len(own[study, f]):
                    draw = partial(cost, rows=own[study, f], study=study, quantity=quantity)
                    panels.append(layout.Panel(f"{selection.FRAMEWORKS[f]}, {name}", draw))
        bands.append(layout.Band(heading, panels, 1.5))
    panels = [
        layout.Panel(
            f"{selection.FRAMEWORKS[f]}, {quantity}", partial(ratio, rows=own["corrected", f], quantity=quantity)
        )
        for f in frameworks
        for quantity in ("memory", "time")
    ]
    bands.append(layout.Band("corrected: over that of the quickest BPTT, paired by seed", panels, 1.4))
    panels = [layout.Panel(selection.FRAMEWORKS[f], partial(carried, rows=own["carried", f])) for f in frameworks]
    bands.append(layout.Band("beyond the paper: what a rule carries from step to step", panels, 1.2))
    return layout.sheet("2.5 Memory and time over the number of steps", bands, report.footer(rows, *notes(rows)))


def notes(rows: Frame) -> list[str]:
    """Say which network was measured, how, and what went wrong."""
    job, corrected = rows.iloc[0], compared.of_study(rows, "corrected")
    online = corrected[corrected["algorithm"].isin(["drtrl"])]
    K = ", ".join(f"{k:.0f}" for k in sorted(online["chunk"].unique()))
    rates = np.array(corrected["rate"].tolist(), float)
    doubtful = int(corrected[["busy", "unstable"]].any(axis=1).sum())
    lost = rows[rows["status"] == "oom"]
    timed = (
        "the processor's time for the process" if (corrected["clock"] == "processor").all() else "those of the clock"
    )
    network = f"3 layers of lif_delta, N = {job['neurons']}, I = {job['features']}, B = {job['batch']}, leaky readout"
    return [
        f"{network}, float32, {job['device']}, {job['threads']} thread(s); decay {job['decay']:g}; K = {K} for D-RTRL",
        *SAID.values(),
        f"corrected times are {timed}",
        f"firing rate of a layer {rates.min():.1f} to {rates.max():.1f} Hz (1 ms per step), in the window of the check",
        f"{doubtful} of {len(corrected)} corrected times unstable, or measured while the machine was busy; a mark is "
        "hollow if a time of one of its seeds is, or of the BPTT beside it in a ratio; in_doubt in the CSV",
        f"the first batch or gradient, with compilation, takes {rows['first_s'].min():.2g} to "
        f"{rows['first_s'].max():.2g} s; not drawn, first_s in the CSV",
        f"out of memory: {', '.join(map(lost_at, lost.itertuples()))}" if len(lost) else "",
    ]


def lost_at(row: Any) -> str:
    """Name a case that memory did not hold."""
    where = f" at T = {row.steps:.0f}" if row.steps == row.steps else ""
    return f"{compared.name(row.algorithm)}, {selection.FRAMEWORKS[row.framework]}, {row.study}{where}"


TIMED = ("time_s", "wall_s")
"""The columns that may be in doubt."""


def points(rows: Frame) -> Frame:
    """Return a row for each study, framework, rule and length or width: medians with their intervals."""
    summaries: list[dict[str, Any]] = []
    columns = {
        "published": ("time_s", "done_s", "first_s", "in_use_bytes", "machine_bytes"),
        "corrected": ("time_s", "wall_s", "first_s", "working_bytes", "analytic_bytes"),
        "carried": ("carried_bytes",),
    }
    for study, measured in columns.items():
        across = "width" if study == "carried" else "steps"
        own = compared.of_study(rows, study)
        for (framework, rule, x), group in own.groupby(["framework", "algorithm", across], sort=False):
            for column in measured:
                middle = compared.of_column(group, column)
                values = {"median": middle.median, "low": middle.low, "high": middle.high, "seeds": middle.values}
                values |= {"in_doubt": study == "corrected" and column in TIMED and in_doubt(group)}
                names = {"study": study, "framework": framework, "algorithm": rule, across: x, "measure": column}
                summaries.append(names | values)
    return pd.DataFrame(summaries)


def figures(rows: Frame) -> dict[str, tuple[Figure, Frame]]:
    """Draw the only figure."""
    return {"memory_speed": (sheet(rows), points(rows))}
