"""Draws depths and sweeps of experiment 2.4, and lists all its figures; `weight_gradient.py` draws the others."""

from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from drtrl_bench.figures import layout, scales, style
from drtrl_bench.paper import report
from drtrl_bench.paper.drawing import marks, weight_gradient
from drtrl_bench.paper.drawing.weight_gradient import AXES, CORRECTED, MIDDLE, POOLED, curves, finish, name, said
from drtrl_bench.paper.measures import intervals, settings
from drtrl_bench.view.caption import Frame

ACROSS = {"neurons": "N, neurons", "ff_factor": "feed-forward strength / setting",
          "rec_factor": "recurrent strength / setting"}  # fmt: skip
RULES = ("no_trace", f"es_drtrl {MIDDLE} corrected", "drtrl")


def over_layers(axes: Axes, own: Frame, rule: str, measure: str) -> None:
    """Draw a measure over the layers, the lowest first."""
    own = own[(own["rule"] == rule) & (own["measure"] == measure)]
    layers = int(own["layers"].iloc[0])
    places = [*(f"layer{i}" for i in range(layers)), "readout"]
    curves(axes, own, "part", places, apart=(layers,))
    finish(axes, own, measure, [*(str(i + 1) for i in range(layers)), "readout"], "layer")


def depths(rows: Frame, points: Frame) -> Figure:
    """Draw every layer of the deep networks: columns are depths."""
    bands = []
    for rule in RULES:
        for measure in ("cosine", "norm_ratio"):
            panels = [
                layout.Panel(f"{layers} layers", partial(over_layers, own=own, rule=rule, measure=measure))
                for layers, own in points.groupby("layers", sort=True)
            ]
            bands.append(layout.Band(name(rule) if measure == "cosine" else "", panels, 1.6))
    steps = ", ".join(str(T) for T in points["steps"].unique())
    return layout.sheet(
        f"2.4 Deep networks on {settings.DATASETS['shd']}, T = {steps}",
        bands,
        report.footer(rows, *said(rows, points), CORRECTED, "JAX"),
    )


def sweep(axes: Axes, own: Frame, across: str, rule: str, measure: str) -> None:
    """Draw a curve of each model over one of the swept numbers, corrected and as published."""
    as_published = own[(own["rule"] == rule.replace("corrected", "as_published")) & (own["measure"] == measure)]
    own = own[(own["rule"] == rule) & (own["measure"] == measure)]
    ticks = sorted(float(x) for x in own[across].unique())
    for cell, of_cell in own.groupby("cell", sort=False):
        at = of_cell.set_index(across).loc[ticks]
        ends = at[["median", "low", "high"]].to_numpy(float)
        found = [intervals.Summary(middle, low, high, 0, 0) for middle, low, high in ends]
        marks.curve(axes, ticks, found, str(cell), settings.MODELS[str(cell)])
        if measure == "cosine":
            other = as_published[as_published["cell"] == cell].set_index(across).loc[ticks, "published"]
            look = {"color": marks.MODELS[str(cell)][0], "label": marks.PUBLISHED, **style.FORMULA}
            axes.plot(ticks, other.to_numpy(float), **look)
    axes.set(xscale="log", xlabel=ACROSS[across], ylabel=AXES[measure])
    if measure == "cosine":
        axes.set_ylim(min(-0.03, float(np.nanmin(own["low"])) - 0.05), 1.05)
    elif measure == "norm_ratio" and (own["median"] > 0).any():
        scales.scale_values(axes, "y", AXES[measure])
        scales.limit_around(axes, "y", own["median"])
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())


def sweeps(rows: Frame, points: Frame) -> Figure:
    """Draw the sweeps: bands are what is measured, columns what is swept."""
    own, plain = points[points["part"] == "layer0"], rows[rows["part"] == "layer0"]
    ff, rec = own["ff_factor"] == 1, own["rec_factor"] == 1
    usual = int(own.loc[~ff, "neurons"].iloc[0])
    of = {"neurons": own[ff & rec], "ff_factor": own[rec & (own["neurons"] == usual)],
          "rec_factor": own[ff & (own["neurons"] == usual)]}  # fmt: skip
    bands = []
    for rule, measure in ((RULES[2], "cosine"), (RULES[1], "cosine"), (RULES[0], "cosine"), (RULES[2], "norm_ratio"),
                          ("", "rate")):  # fmt: skip
        panels = [
            layout.Panel("", partial(sweep, own=of[across], across=across, rule=rule, measure=measure))
            for across in ACROSS
        ]
        heading = f"{name(rule)}, {'cosine' if measure == 'cosine' else 'ratio of norms'}" if rule else "activity"
        bands.append(layout.Band(heading, panels, 1.6))
    steps, dataset = points["steps"].iloc[0], settings.DATASETS["dvs_gesture"]
    text = [f"{dataset}, T = {steps}; hidden layer; strengths at N = {usual}; JAX", *said(plain, own), CORRECTED]
    text.append(f"{POOLED}; dotted, in the colour of the model")
    keys = {marks.PUBLISHED: Line2D([], [], color=style.INK, **style.FORMULA)}
    return layout.sheet("2.4 Weight gradients over size and strengths", bands, report.footer(rows, *text), keys)


def figures(rows: Frame) -> dict[str, tuple[Figure, Frame]]:
    """Draw all figures whose jobs were run, with what each plots."""
    drawn, points = {}, weight_gradient.summarized(rows)
    for study, draw, title in (
        ("models", weight_gradient.models, "weight_gradient"),
        ("models", weight_gradient.warm_up, "weight_gradient_warm_up"),
        ("models", weight_gradient.parameters, "weight_gradient_parameters"),
        ("depth", depths, "weight_gradient_depth"),
        ("sweeps", sweeps, "weight_gradient_sweeps"),
    ):
        own = rows[rows["study"] == study]
        if len(own):
            of_study = points[points["study"] == study]
            drawn[title] = (draw(own, of_study), of_study)
    return drawn
