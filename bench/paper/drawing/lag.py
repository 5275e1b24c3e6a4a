"""Draws the fidelity per delay: for each model, what every rule keeps of the gradient through a delay."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from drtrl_bench.figures import layout, scales
from drtrl_bench.paper import report
from drtrl_bench.paper.drawing import marks
from drtrl_bench.paper.measures import gradients, intervals, settings
from drtrl_bench.view.caption import Frame

MEASURES = {
    "kept": ("share kept of the gradient through a delay: projection on it", "share kept"),
    "cosine": ("cosine with the gradient through a delay", "cosine"),
    "norm_ratio": ("norm of a rule's gradient through a delay / norm of BPTT's", "norm / BPTT's"),
    "share": ("norm of the gradient through a delay / norm of the gradient", "norm / whole"),
}
"""What is measured, as a heading and as an axis name it."""
FILES = {"": ("kept", "cosine"), "_norms": ("norm_ratio", "share")}
"""The measures of a figure, by what they add to the name of its file: each is no higher than a page."""
LIMITS = (1e-3, 1e3)
"""Ratios of norms that are drawn."""
DASHES = ((0, (2.5, 1.2)), (0, (5, 1.5)), (0, (6, 1.5, 1.2, 1.5)))
TINTS = (0.0, 0.3, 0.6)
"""Share of black in the colour of each rank of ES-D-RTRL, the lowest first: dashes alone are alike in a small panel."""
READOUTS = {"leaky": "leaky readout, as published", "linear": "linear readout, which keeps nothing"}


def looks(rules: list[str]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return name and look of each rule; the ranks of ES-D-RTRL differ by dashes and by how dark they are."""
    by_rule, number = {}, 0
    for rule in rules:
        kind, k, _ = gradients.split(rule)
        name, look = marks.of_rule(kind)
        look |= {"markersize": 3.6, "linewidth": 1.3}
        if k:
            name, look["linestyle"] = f"{name}, k = {k}", DASHES[number % len(DASHES)]
            look["color"] = tuple((1 - TINTS[number % len(TINTS)]) * part for part in to_rgb(look["color"]))
            number += 1
        by_rule[rule] = (name, look)
    return by_rule


def summarized(rows: Frame) -> Frame:
    """Return a row for each readout, model, rule, measure and delay: the median with its interval."""
    summaries = []
    for (readout, cell, rule), own in rows.groupby(["readout", "cell", "rule"], sort=False):
        for measure in MEASURES:
            if (measure == "share") != (rule == "bptt"):
                continue
            values = intervals.by_seed(own[["seed", measure]], measure)
            curves = intervals.curves(values)
            undefined = np.isnan(values).sum(axis=(0, 1))
            for lag, *ends, absent in zip(own["lags"].iloc[0], *curves, undefined, strict=True):
                keys = {"readout": readout, "cell": cell, "rule": rule, "measure": measure, "lag": lag}
                ends = dict(zip(("median", "low", "high"), ends, strict=True))
                summaries.append(keys | ends | {"undefined": absent, "values": values[..., 0].size})
    return pd.DataFrame(summaries)


def panel(axes: Axes, own: Frame, measure: str, rules: dict[str, tuple[str, dict[str, Any]]]) -> None:
    """Draw the rules of a model over the delay."""
    for rule, (name, look) in rules.items():
        line = own[(own["rule"] == rule) & (own["measure"] == measure)]
        if measure in ("norm_ratio", "share"):  # whose axis is logarithmic
            line = line[line["median"] > 0]
        if line["median"].notna().any():
            x = line["lag"].to_numpy(float) + 1
            axes.fill_between(x, line["low"], line["high"], color=look["color"], alpha=0.2, linewidth=0)
            axes.plot(x, line["median"], label=name, **look)
    ticks = [lag for lag in (0, 1, 3, 10, 30, 100) if lag <= own["lag"].max()]
    axes.set(xscale="log", xlabel="delay d (steps)", ylabel=MEASURES[measure][1])
    axes.set_xticks([tick + 1 for tick in ticks], [str(tick) for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    if measure == "share":
        scales.scale_values(axes, "y", MEASURES[measure][1])
        drawn = own.loc[own["measure"] == measure, ["median", "low", "high"]]
        if (drawn["median"] > 0).any():
            scales.limit_around(axes, "y", drawn)
    elif measure == "norm_ratio":
        scales.scale_values(axes, "y", MEASURES[measure][1])
        drawn = own.loc[own["measure"] == measure, ["median", "low", "high"]].to_numpy(float)
        scales.limit_around(axes, "y", np.append(np.clip(drawn, *LIMITS), 1.0))
    else:
        low, high = axes.get_ylim()
        axes.set_ylim(min(-0.05, max(low, -0.5 if measure == "kept" else -1.05)), min(max(1.1, high), 2.5))


def draw(rows: Frame, points: Frame, measures: Sequence[str]) -> Figure:
    """Draw the bands of measures, four models in a band."""
    names, bands = list(dict.fromkeys(rows["rule"])), []
    cells = [cell for cell in settings.MODELS if (points["cell"] == cell).any()]
    for measure in measures:
        heading, _ = MEASURES[measure]
        rules = looks([rule for rule in names if (rule == "bptt") == (measure == "share")])
        for first in range(0, len(cells), 4):
            panels = [
                layout.Panel(
                    settings.MODELS[cell],
                    partial(panel, own=points[points["cell"] == cell], measure=measure, rules=rules),
                )
                for cell in cells[first : first + 4]
            ]
            bands.append(layout.Band(heading if first == 0 else "", panels, 1.25))
    one = rows.iloc[0]
    undefined = [
        f"{int(own['undefined'].sum())} of {int(own['values'].sum())} ({MEASURES[measure][1]})"
        for measure, own in points.groupby("measure", sort=False)
    ]
    notes = [
        f"{one['data']}, T = {one['steps']}, N = {one['neurons']}, "
        f"{rows['sample'].nunique()} recordings of each seed; input and recurrent weights; float64, JAX",
        "not run in PyTorch: weight_gradient.png says how far its gradients through all delays are from JAX's, with a "
        "leaky readout; tests hold those of both frameworks, with either readout, to a reference in NumPy, and the "
        "parts of the delays, in JAX, to equations by hand",
        "shaded: 95 % interval of the median, bootstrap over seeds and samples; BPTT: kept, cosine and ratio 1; "
        f"not drawn: shares kept beyond -0.5 and 2.5, ratios beyond {LIMITS[0]:g} and {LIMITS[1]:g}, ratios of 0; "
        "lines may hide each other, as those of ES-D-RTRL of several k do",
        f"undefined and left out: {', '.join(undefined)}; the delays that are drawn have marks",
        report.activity(rows[rows["rule"] == "bptt"]),
        silent(rows[rows["rule"] == "bptt"]),
    ]
    title = f"Beyond 1: fidelity per delay{', norms' * ('share' in measures)}: {READOUTS[one['readout']]}"
    return layout.sheet(title, bands, report.footer(rows, *notes))


def silent(rows: Frame) -> str:
    """Say which share of the neurons of each model is silent: the median of samples and seeds."""
    told = [
        f"{settings.MODELS[str(cell)]} {float(intervals.median(own['silent'].to_numpy(float))):.2g}"
        for cell, own in rows.groupby("cell", sort=False)
    ]
    return f"median share of silent neurons: {', '.join(told)}"


def figures(rows: Frame) -> dict[str, tuple[Figure, Frame]]:
    """Draw two figures for each readout, with their points."""
    drawn, points = {}, summarized(rows)
    for readout, own in rows.groupby("readout", sort=False):
        of_readout = points[points["readout"] == readout]
        for file, measures in FILES.items():
            of_figure = of_readout[of_readout["measure"].isin(measures)]
            drawn[f"lag_{readout}{file}"] = (draw(own, of_figure, measures), of_figure)
    return drawn
