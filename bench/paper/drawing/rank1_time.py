"""Draws experiment 2.2: the cosine over the steps, a panel for each model, as published and corrected."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator
from numpy.typing import NDArray

from drtrl_bench.figures import layout
from drtrl_bench.paper import report
from drtrl_bench.paper.drawing import marks
from drtrl_bench.paper.measures import intervals, settings
from drtrl_bench.paper.studies.weight_gradient_judged import LIMIT
from drtrl_bench.view.caption import Frame

STATES: dict[str, tuple[str, Any]] = {
    "V": ("#0072B2", "-"),
    "g": ("#D55E00", (0, (5, 1.5))),
    "a": ("#009E73", (0, (2.5, 1.2))),
    "x": ("#CC79A7", (0, (6, 1.5, 1.2, 1.5))),
    "u": ("#444444", (0, (1.2, 1.2))),
}
"""Colour and dashes of a neuron's states."""
NAMES = {"V": "V, potential", "g": "g, synaptic current", "a": "a, adaptation", "x": "x, depression", "u": "u, use"}
PROTOCOLS = {
    marks.PUBLISHED: "as published: mean of one network's recordings, undefined = 0, Student's 95 % interval",
    marks.CORRECTED: "corrected: median of recordings and seeds, undefined left out, 95 % interval of a bootstrap",
}
Curve = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""Middle, low and high end at every step."""


def published(values: NDArray[np.float64]) -> Curve | None:
    """Return mean and Student's interval [T] of the first seed; None for a state that is 0 in the second half."""
    from scipy import stats

    one = np.nan_to_num(values[0], nan=0.0)
    middle = one.mean(axis=0)
    if not middle[len(middle) // 2 :].mean():
        return None
    half = np.zeros_like(middle)
    if len(one) > 1:
        half = stats.t.ppf(0.975, len(one) - 1) * one.std(axis=0, ddof=1) / np.sqrt(len(one))
    return middle, middle - half, middle + half


def corrected(values: NDArray[np.float64]) -> Curve | None:
    """Return median and bootstrap interval [T]; None for a state that is undefined throughout."""
    return None if np.isnan(values).all() else intervals.curves(values, intervals.RESAMPLES)


def curves(rows: Frame) -> dict[tuple[str, str, str], Curve]:
    """Return what is drawn, by protocol, model and state."""
    by_state: dict[tuple[str, str, str], Curve] = {}
    for (cell, state), own in rows.groupby(["cell", "state"], sort=False):
        values = intervals.by_seed(own[["seed", "cosine"]], "cosine")
        for protocol, curve in ((marks.PUBLISHED, published(values)), (marks.CORRECTED, corrected(values))):
            if curve:
                by_state[protocol, str(cell), str(state)] = curve
    return by_state


def panel(axes: Axes, states: dict[str, Curve], judged: bool) -> None:
    """Draw the states of a model. judged: with the limit of the verdict, where that looks."""
    for state, (middle, low, high) in states.items():
        colour, dashes = STATES[state]
        steps = np.arange(len(middle))
        axes.fill_between(steps, low, high, color=colour, alpha=0.2, linewidth=0)
        axes.plot(steps, middle, color=colour, linestyle=dashes, label=NAMES[state])
        axes.set_xlim(-2, len(middle) + 2)
    if judged and states:
        last = max(len(middle) for middle, _, _ in states.values()) - 1
        axes.plot([(last + 1) // 2, last], [LIMIT, LIMIT], label=marks.LIMIT, **marks.DASHED)
    low, high = axes.get_ylim()
    axes.set(ylim=(min(0, low), max(1.05, high)), xlabel="step", ylabel="cosine")
    axes.yaxis.set_major_locator(MultipleLocator(0.2))


def draw(rows: Frame, by_state: dict[tuple[str, str, str], Curve]) -> Figure:
    """Draw the panels of both protocols, four models in a band."""
    cells, bands = [str(cell) for cell in rows["cell"].unique()], []
    for protocol, heading in PROTOCOLS.items():
        for first in range(0, len(cells), 4):
            panels = []
            for cell in cells[first : first + 4]:
                own = {state: curve for (kind, of, state), curve in by_state.items() if (kind, of) == (protocol, cell)}
                shown = partial(panel, states=own, judged=protocol == marks.CORRECTED)
                panels.append(layout.Panel(settings.MODELS.get(cell, cell), shown))
            bands.append(layout.Band(heading if first == 0 else "", panels, 1.5))
    every = dict.fromkeys(zip(rows["cell"].astype(str), rows["state"].astype(str), strict=True))
    absent = [(cell, state) for cell, state in every if (marks.CORRECTED, cell, state) not in by_state]
    never = ", ".join(f"{settings.MODELS.get(cell, cell)} {state}" for cell, state in absent)
    undefined = np.isnan(np.array(rows["cosine"].tolist(), float))
    job = rows.iloc[0]
    notes = [
        f"{job['data']}, T = {job['steps']}, N = {job['neurons']}, "
        f"{rows['sample'].nunique()} recordings of each seed; float64, JAX",
        f"undefined: {int(undefined.sum())} of {undefined.size} cosines" + (f"; throughout: {never}" if never else ""),
        "verdict: on the mean of each recording's cosines over the second half of the steps, corrected; intervals of "
        "Student are as wide on both sides, and may end above 1",
        report.activity(rows[rows["state"] == "V"]),
    ]
    return layout.sheet("2.2 Trace of D-RTRL and (mean x) (x) (sum f)", bands, report.footer(rows, *notes))


def figures(rows: Frame) -> dict[str, tuple[Figure, Frame]]:
    """Draw a figure for each data set and length, with its points."""
    drawn = {}
    for (dataset, steps), own in rows.groupby(["dataset", "steps"], sort=False):
        by_state = curves(own)
        columns = ("protocol", "cell", "state", "step", "cosine", "low", "high")
        points = [
            dict(zip(columns, (*key, step, *values), strict=True))
            for key, curve in by_state.items()
            for step, values in enumerate(zip(*curve, strict=True))
        ]
        drawn[f"rank1_time_{dataset}_{steps}"] = (draw(own, by_state), pd.DataFrame(points))
    return drawn
