"""Draws what it changes that a path within a step counts twice: cosines and ratios of norms by cell and rule."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from drtrl_bench.figures import layout, scales, selection, style
from drtrl_bench.paper import report
from drtrl_bench.paper.drawing import marks
from drtrl_bench.paper.measures import intervals, settings
from drtrl_bench.view.caption import Frame

MEASURES = {"cosine": "cosine with BPTT", "norm_ratio": "norm / BPTT's norm"}
PARTS = {"layer0": "hidden layer", "readout": "readout", "all": "all weights"}
DRAWN = ("layer0", "all")
PROTOCOLS = {marks.CORRECTED: ("", -0.17), marks.PUBLISHED: ("published_", 0.17)}
"""What the columns of a protocol start with, and how far its marks are from the middle of a line."""
NAMES = settings.MODELS | {"lstm": "LSTM"}
SAID = (
    "as published: the learning signal is by a state where it is computed, so that a path to another state of the same "
    "neuron and step (g' to V', u' to x', c' to h') counts twice; in STD and STP it also has a path that D-RTRL cuts, "
    "once: from x' and u' through the recurrent weights of the same step; emulated in NumPy",
    "corrected: each path within a neuron once, none through recurrent weights, as the rules here are; all else is the "
    "same in both; in the readout, too, which has no such path and is not drawn",
    "median, with its interval in both; values that are undefined are left out",
)


def summarized(rows: Frame) -> Frame:
    """Return a row for each cell, rule, part, measure and protocol: the median with its interval."""
    summaries, by = [], ["cell", "rule", "part"]
    for key, own in rows[rows["framework"] == "jax"].groupby(by, sort=False):
        for measure in MEASURES:
            for protocol, (prefix, _) in PROTOCOLS.items():
                values = intervals.of_column(own, f"{prefix}{measure}")
                named = dict(zip(by, key, strict=True)) | {"measure": measure, "protocol": protocol}
                summaries.append(named | values._asdict())
    return pd.DataFrame(summaries)


def panel(axes: Axes, own: Frame, measure: str) -> None:
    """Draw a measure of every cell, as published and corrected."""
    cells = [cell for cell in NAMES if (own["cell"] == cell).any()]
    for protocol, (_, aside) in PROTOCOLS.items():
        line = own[own["protocol"] == protocol].set_index("cell").loc[cells]
        places, (middle, low, high) = np.arange(len(cells)) + aside, line[["median", "low", "high"]].to_numpy(float).T
        bars: dict[str, Any] = {"xerr": [middle - low, high - middle], "color": marks.LOOKS[protocol]["color"]}
        axes.errorbar(middle, places, label=marks.INTERVAL, **bars, **style.BAR)
        axes.plot(middle, places, label=protocol, **marks.LOOKS[protocol])
    scales.list_lines(axes, [NAMES[cell] for cell in cells])
    drawn = own[["median", "low", "high"]].to_numpy(float)
    if measure == "norm_ratio" and (drawn > 0).any():
        scales.scale_values(axes, "x", MEASURES[measure])
        scales.limit_around(axes, "x", np.append(drawn, 1.0))
        return
    axes.set(xlabel=MEASURES[measure], xlim=(np.nanmin(np.append(drawn, 0.0)) - 0.05, 1.05))


def agreeing(rows: Frame) -> str:
    """Say how far the frameworks are apart, and from the reference."""
    columns = [f"{prefix}{measure}" for prefix, _ in PROTOCOLS.values() for measure in MEASURES]
    apart = marks.apart(rows, ["cell", "seed", "sample", "rule", "part"], columns)
    apart = apart.replace("samples that", "comparisons, of values kept to five digits, that")
    frameworks = " and ".join({"jax": "JAX", "torch": "PyTorch"}[name] for name in rows["framework"].unique())
    most = f"by {rows['error'].max():.0e} of a weight's gradient at most"
    return f"corrected: {frameworks}, which differ from NumPy with each path once {most}; {apart}"


def activity(rows: Frame) -> str:
    """Say how much the neurons of each spiking cell are active: medians of samples and seeds."""
    told = []
    for cell, own in rows[rows["rate"].notna()].groupby("cell", sort=False):
        rate, silent = (float(intervals.median(own[name].to_numpy(float))) for name in ("rate", "silent"))
        told.append(f"{NAMES[str(cell)]} {rate:.3g} Hz, {silent:.2g}")
    return f"median firing rate, and share of silent neurons: {'; '.join(told) or 'nothing spikes'}"


def figures(rows: Frame) -> dict[str, tuple[Figure, Frame]]:
    """Draw each rule, in the hidden layer and in all weights, with the points of all parts."""
    points, job, bands = summarized(rows), rows.iloc[0], []
    own = rows[rows["framework"] == "jax"]
    for rule in points["rule"].unique():
        name = selection.ALGORITHMS[rule][0] + (f", k = {job['rank']}" if rule == "es_drtrl" else "")
        of = points[points["rule"] == rule].groupby(["part", "measure"])
        panels = [
            layout.Panel(PARTS[part], partial(panel, own=of.get_group((part, measure)), measure=measure))
            for part in DRAWN
            for measure in MEASURES
        ]
        bands.append(layout.Band(name, panels, 0.24 * points["cell"].nunique()))
    undefined = points[(points["measure"] == "cosine") & points["part"].isin(DRAWN)]
    lstm = rows[rows["cell"] == "lstm"]
    strengths = (
        [f"the LSTM is none of the paper's networks; strengths {lstm['rec'].iloc[0]:g}, {lstm['ff'].iloc[0]:g}"]
        if len(lstm)
        else []
    )
    notes = [
        f"T = {job['steps']}, N = {job['neurons']}; {own['sample'].nunique()} recordings of each seed, each a gradient "
        "of its own; sum of the losses of all steps, leaky readout; float64",
        *SAID,
        *strengths,
        f"undefined: {int(undefined['undefined'].sum())} of {int(undefined['values'].sum())} cosines",
        agreeing(rows),
        report.activity(own[own["rate"].notna()]),
        activity(own),
    ]
    title = "2.4 Paths within a step: in the learning signal twice, or once"
    return {"in_step": (layout.sheet(title, bands, report.footer(rows, *notes)), points)}
