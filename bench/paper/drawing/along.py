"""Draws the fidelity along training, and the accuracy that a rule reaches over the fidelity that it had on the way."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from drtrl_bench.figures import layout, scales, style
from drtrl_bench.paper import report
from drtrl_bench.paper.drawing import marks
from drtrl_bench.paper.measures import intervals
from drtrl_bench.view.caption import Frame

MEASURES = {
    "cosine": ("cosine with BPTT's gradient", "cosine"),
    "norm_ratio": ("norm of the gradient / norm of BPTT's", "ratio of norms"),
}
"""What is measured, as a heading and as an axis name it."""
TASKS = {"copying": ("copying", 1 / 8), "dms": ("delayed match", 1 / 2)}
"""Name in a title, and accuracy of guesses."""
LAYERS = {"layer0": "hidden layer", "readout": "readout"}
SMALL: dict[str, Any] = {"markersize": 3.8, "linewidth": 1.3}
"""Marks of lines that lie close to each other."""


def over_updates(rows: Frame) -> Frame:
    """Return a row for each task, rule, layer, update and measure: the median over seeds with its interval."""
    summaries = []
    names = ["task", "rule", "layer", "update"]
    for keys, own in rows[rows["rule"] != "bptt"].groupby(names, sort=False):
        for measure in MEASURES:
            values = intervals.of_column(own, measure)
            summaries.append(dict(zip(names, keys, strict=True)) | {"measure": measure} | values._asdict())
    return pd.DataFrame(summaries)


def reached(rows: Frame) -> Frame:
    """Return a row for each task, rule and seed: median fidelity of the hidden layer, and the test accuracy."""
    points = []
    names = ["task", "rule", "seed"]
    for keys, own in rows[rows["layer"] != "readout"].groupby(names, sort=False):
        medians = {measure: float(intervals.median(own[measure].to_numpy(float))) for measure in MEASURES}
        accuracy = {"test_accuracy": float(own["test_accuracy"].iloc[0])}
        points.append(dict(zip(names, keys, strict=True)) | medians | accuracy)
    return pd.DataFrame(points)


def curves(axes: Axes, own: Frame, measure: str) -> None:
    """Draw a measure of each rule over updates."""
    for rule, line in own.groupby("rule", sort=False):
        name, options = marks.of_rule(str(rule))
        axes.fill_between(line["update"], line["low"], line["high"], color=options["color"], alpha=0.2, linewidth=0)
        axes.plot(line["update"], line["median"], label=name, **options, **SMALL)
    axes.set_xlabel("updates")
    drawn = own[["median", "low", "high"]].to_numpy(float)
    if measure == "norm_ratio" and (drawn > 0).any():
        scales.scale_values(axes, "y", MEASURES[measure][1])
        scales.limit_around(axes, "y", np.append(drawn, 1.0))
        return
    lowest = np.nanmin(np.append(drawn, 0.0))
    axes.set(ylabel=MEASURES[measure][1], ylim=(lowest - 0.08, 1.08))


def accuracies(axes: Axes, own: Frame, measure: str, chance: float) -> None:
    """Draw the test accuracy of each rule and seed over a measure."""
    for rule, seeds in own.groupby("rule", sort=False):
        name, options = marks.of_rule(str(rule))
        options |= {"linestyle": "none", "markersize": 5.5}
        axes.plot(seeds[measure], 100 * seeds["test_accuracy"], label=name, **options)
    axes.axhline(100 * chance, color=style.INK, label="chance", **style.FORMULA)
    axes.set(ylabel="test accuracy (%)", ylim=(0, 104))
    drawn = own[measure].to_numpy(float)
    if measure == "norm_ratio" and (drawn > 0).any():
        scales.scale_values(axes, "x", MEASURES[measure][1])
        scales.limit_around(axes, "x", drawn)
    else:
        axes.set(xlabel=MEASURES[measure][1], xlim=(np.nanmin(np.append(drawn, 0.0)) - 0.05, 1.05))


def notes(rows: Frame) -> list[str]:
    """Say how the networks were trained, and what is not comparable."""
    lines = []
    for task, own in rows.groupby("task", sort=False):
        job = own.iloc[0]
        cell = "GRU units" if job["cell"] == "gru" else "GIF neurons"
        lines.append(
            f"{TASKS[str(task)][0]}, {job['condition']}: {job['neurons']} {cell}, T = {job['steps']}; {job['updates']} "
            f"updates of {job['batch']} trials; Adam, rate {job['rate']:g}, norm of a gradient cut to {job['clip']:g}; "
            f"decay of ES-D-RTRL {job['rule_options']['decay']:.3g} per step"
        )
    spiking = rows[rows["rate_per_step"].notna()]
    if len(spiking):
        rate, silent = (
            f"{spiking[name].min():.3f} to {spiking[name].max():.3f}" for name in ("rate_per_step", "silent")
        )
        lines.append(f"after training, spikes of a neuron per step {rate}, share of silent neurons {silent}")
    lines.append("rates are fixed, the same for all rules, and not tuned: an accuracy is not the best of a rule")
    lines.append("gradients of one batch apart from training; float32, JAX; 2.6 and 2.11 repeat updates in PyTorch")
    return lines


def figures(rows: Frame) -> dict[str, tuple[Figure, Frame]]:
    """Draw the fidelity over updates, and the accuracy over the fidelity, with the points of each."""
    points, ends = over_updates(rows), reached(rows)
    tasks = [task for task in TASKS if (rows["task"] == task).any()]
    bands, other = [], []
    for measure, (heading, _) in MEASURES.items():
        own = points[points["measure"] == measure]
        panels = [
            layout.Panel(
                f"{TASKS[task][0]}, {name}",
                partial(curves, own=own[(own["task"] == task) & (own["layer"] == layer)], measure=measure),
            )
            for task in tasks
            for layer, name in LAYERS.items()
        ]
        bands.append(layout.Band(heading, panels, 1.7))
        panels = [
            layout.Panel(
                TASKS[task][0],
                partial(accuracies, own=ends[ends["task"] == task], measure=measure, chance=TASKS[task][1]),
            )
            for task in tasks
        ]
        other.append(layout.Band(f"{heading}, hidden layer, median along training", panels, 2.2))
    undefined = points[points["measure"] == "cosine"]
    of_training = [
        "shaded: 95 % interval of the median, bootstrap over seeds; BPTT has 1 throughout, and is not drawn",
        "lines may hide each other, as where the gradient of a readout is that of BPTT by several rules",
        f"undefined and left out: {int(undefined['undefined'].sum())} of {int(undefined['values'].sum())} cosines",
    ]
    of_accuracy = [
        f"a mark: a rule and a seed, tested once after training; {int(ends['cosine'].isna().sum())} of {len(ends)} "
        "medians undefined and left out",
    ]
    return {
        "along_training": (
            layout.sheet("Beyond 2: fidelity along training", bands, report.footer(rows, *notes(rows), *of_training)),
            points,
        ),
        "along_accuracy": (
            layout.sheet("Beyond 2: accuracy over fidelity", other, report.footer(rows, *notes(rows), *of_accuracy)),
            ends,
        ),
    }
