"""Draws warm-up, parameters, depths and sweeps of experiment 2.4, and lists all its figures."""

from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from drtrl_bench.figures import layout, scales, style
from drtrl_bench.paper import report
from drtrl_bench.paper.drawing import marks, weight_gradient
from drtrl_bench.paper.drawing.weight_gradient import (
    AXES,
    CORRECTED,
    HEIGHT,
    HELD,
    MIDDLE,
    POOLED,
    Drawn,
    curves,
    dotted,
    finish,
    name,
    notes,
    panels,
    quiet,
)
from drtrl_bench.paper.measures import intervals, settings
from drtrl_bench.paper.studies.weight_gradient_judged import LIMIT
from drtrl_bench.view.caption import Frame

ACROSS = {"neurons": "N, neurons", "ff_factor": "feed-forward strength / setting",
          "rec_factor": "recurrent strength / setting"}  # fmt: skip
KINDS = {"layer0": "all", "layer0.x": "input", "layer0.r": "rec.", "layer0.b": "bias", "all": "+ out"}
"""The weights of the hidden layer that enter a cosine, and with those of the readout."""
SHORT = {"rate": "firing rate (Hz)"}
"""What is measured, as a narrow axis names it."""
RULES = ("no_trace", f"es_drtrl {MIDDLE} corrected", "drtrl")
FILES = {"cosine": ("", "cosine"), "norm_ratio": ("_norms", "ratio of norms")}
"""What a measure adds to the name of a figure's file, and to its title."""
HIDING = "lines may hide each other, as those of LIF-Delta and ALIF-Delta do"
JUDGED = "verdict: on D-RTRL, in hidden layers"
KEYS = {marks.PUBLISHED: Line2D([], [], color=style.INK, **style.FORMULA)}


def over_warm_up(axes: Axes, own: Frame, rule: str, measure: str, traces: bool) -> None:
    """Draw a measure over the share of the steps that are without a loss."""
    shares = sorted(own["warm_up"].unique())
    chosen = (own["traces"] == traces) | (own["warm_up"] == 0)
    own = own[(own["rule"] == rule) & (own["measure"] == measure) & chosen]
    curves(axes, own, "warm_up", shares)
    finish(axes, own, measure, [f"{share:g}" for share in shares], "share of the steps without loss")


def warm_up(rows: Frame, points: Frame, frameworks: str) -> Drawn:
    """Draw what traces that start after the warm-up do: a figure for each rule and measure.

    frameworks: how far they are apart, here and below.
    """
    of, plain = points[points["part"] == "layer0"], rows[(rows["framework"] == "jax") & (rows["part"] == "layer0")]
    text = [*notes(plain, of), "hidden layer; BPTT goes back to the first step in both; median of samples and seeds"]
    text += [f"{frameworks}; with a warm-up {HELD}, if traces run from the first step"]
    hows = {True: "corrected: traces run from the first step", False: "as published: traces start at 0 at t0"}
    drawn = {}
    for rule in RULES[:0:-1]:
        for measure, (file, words) in FILES.items():
            own = of[(of["rule"] == rule) & (of["measure"] == measure)]
            bands = [
                layout.Band(how, panels(own, over_warm_up, rule=rule, measure=measure, traces=traces), HEIGHT)
                for traces, how in hows.items()
            ]
            title = f"2.4 Warm-up without loss, {name(rule)}: {words}"
            figure = layout.sheet(title, bands, report.footer(rows, *text), quiet(own))
            drawn[f"weight_gradient_warm_up_{rule.split()[0]}{file}"] = (figure, own)
    return drawn


def over_kinds(axes: Axes, own: Frame, rule: str, measure: str) -> None:
    """Draw a measure over the parameters that enter it."""
    own = own[(own["rule"] == rule) & (own["measure"] == measure)]
    places = [part for part in KINDS if (own["part"] == part).any()]
    curves(axes, own, "part", places, apart=range(len(places)))
    finish(axes, own, measure, [KINDS[part] for part in places], "weights that enter")


def parameters(rows: Frame, points: Frame, frameworks: str) -> Drawn:
    """Draw which parameters enter cosine and ratio of norms: a figure for each."""
    rules = {"drtrl": "D-RTRL", f"es_drtrl {MIDDLE} corrected": f"ES-D-RTRL, k = {MIDDLE}, corrected"}
    rules[f"es_drtrl {MIDDLE} as_published"] = f"ES-D-RTRL, k = {MIDDLE}, bias correction as published"
    of = points[(points["warm_up"] == 0) & points["part"].isin(list(KINDS)) & points["rule"].isin(list(rules))]
    plain = rows[(rows["warm_up"] == 0) & (rows["framework"] == "jax") & rows["part"].isin(list(KINDS))]
    meaning = "all: a layer's weights as one vector, as published; input, rec., bias: each; + out: with the readout's"
    text, drawn = [meaning, frameworks, *notes(plain, of), CORRECTED], {}
    for measure, (file, words) in FILES.items():
        own = of[of["measure"] == measure]
        bands = [
            layout.Band(heading, panels(own, over_kinds, rule=rule, measure=measure), HEIGHT)
            for rule, heading in rules.items()
        ]
        title = f"2.4 Which parameters enter: {words}"
        drawn[f"weight_gradient_parameters{file}"] = (
            layout.sheet(title, bands, report.footer(rows, *text), quiet(own)),
            own,
        )
    return drawn


def over_layers(axes: Axes, own: Frame, rule: str, measure: str) -> None:
    """Draw a measure over the layers, the lowest first; of a cosine what the published protocol makes, too."""
    pooled = own[(own["rule"] == published(rule)) & (own["measure"] == measure)]
    own = own[(own["rule"] == rule) & (own["measure"] == measure)]
    layers = int(own["layers"].iloc[0])
    places = [*(f"layer{i}" for i in range(layers)), "readout"]
    if measure == "cosine" and rule == "drtrl":
        axes.plot([-0.5, layers - 0.5], [LIMIT, LIMIT], label=marks.LIMIT, **marks.DASHED)
    curves(axes, own, "part", places, apart=(layers,))
    if measure == "cosine":
        dotted(axes, pooled, "part", places)
    finish(axes, own, measure, [*(str(i + 1) for i in range(layers)), "readout"], "layer")


def published(rule: str) -> str:
    """Return a rule with the bias correction of the published code."""
    return rule.replace("corrected", "as_published")


def depths(rows: Frame, points: Frame, frameworks: str) -> Drawn:
    """Draw every layer of the deep networks, a figure for each measure: bands are depths, columns the rules."""
    steps, drawn = ", ".join(str(T) for T in points["steps"].unique()), {}
    text = [f"{HELD}; {frameworks}", *notes(rows, points), CORRECTED, f"{POOLED}; dotted, in the colour of the model"]
    text += [JUDGED]
    for measure, (file, words) in FILES.items():
        own, bands = points[(points["measure"] == measure)], []
        for layers, of in own.groupby("layers", sort=True):
            columns = [
                layout.Panel(name(rule), partial(over_layers, own=of, rule=rule, measure=measure)) for rule in RULES
            ]
            bands.append(layout.Band(f"{layers} layers", columns, 1.3 * HEIGHT))
        title, lines = f"2.4 Deep networks, {words}: {report.datasets(rows)}, T = {steps}", text
        if measure != "cosine":
            lines = [line for line in text if POOLED not in line and line != JUDGED]
        keys = quiet(own) | (KEYS if measure == "cosine" else {})
        figure = layout.sheet(title, bands, report.footer(rows, *lines), keys)
        drawn[f"weight_gradient_depth{file}"] = (figure, own)
    return drawn


def sweep(axes: Axes, own: Frame, across: str, rule: str, measure: str) -> None:
    """Draw a curve of each model over one of the swept numbers, corrected and as published."""
    pooled = own[(own["rule"] == published(rule)) & (own["measure"] == measure)]
    own = own[(own["rule"] == rule) & (own["measure"] == measure)]
    ticks = sorted(float(x) for x in own[across].unique())
    for cell, of_cell in own.groupby("cell", sort=False):
        at = of_cell.set_index(across).reindex(ticks)  # nan where memory ran out
        ends, silent = at[["median", "low", "high"]].to_numpy(float), at["median_rate"] == 0
        summaries = [intervals.Summary(middle, low, high, 0, 0) for middle, low, high in ends]
        marks.curve(axes, ticks, summaries, str(cell), settings.MODELS[str(cell)], silent)
        if measure == "cosine":
            other = pooled[pooled["cell"] == cell].set_index(across)["published"].reindex(ticks)
            look = {"color": marks.MODELS[str(cell)][0], "label": marks.PUBLISHED, **style.FORMULA}
            axes.plot(ticks, other.to_numpy(float), **look)
    axes.set(xscale="log", xlabel=ACROSS[across], ylabel=SHORT.get(measure, AXES[measure]))
    if measure == "cosine":
        axes.set_ylim(min(-0.03, float(np.nanmin(own["low"])) - 0.05), 1.05)
    elif measure == "norm_ratio" and (own["median"] > 0).any():
        scales.scale_values(axes, "y", AXES[measure])
        scales.limit_around(axes, "y", own[["median", "low", "high"]])
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())


def sweeps(rows: Frame, points: Frame, frameworks: str) -> Drawn:
    """Draw the sweeps, a figure for each measure: bands are the rules, columns what is swept."""
    points, plain = points[points["part"] == "layer0"], rows[rows["part"] == "layer0"]
    usual = int(points.loc[points["ff_factor"] != 1, "neurons"].iloc[0])
    text = f"{report.datasets(rows)}, T = {points['steps'].iloc[0]}; hidden layer; strengths at N = {usual}"
    pooled = f"{POOLED}; dotted, in the colour of the model"
    drawn: Drawn = {}
    for file, words, listed in (
        ("", "cosine", [(rule, "cosine") for rule in RULES[::-1]]),
        ("_norms", "ratio of norms", [(rule, "norm_ratio") for rule in RULES[::-1]]),
        ("_activity", "activity", [("", "rate"), ("", "silent")]),
    ):
        own = points[points["measure"].isin([measure for _, measure in listed])]
        bands = [
            layout.Band(name(rule) if rule else "", columns(own, usual, rule=rule, measure=measure), HEIGHT)
            for rule, measure in listed
        ]
        lines = [text, f"{HELD}; {frameworks}", *notes(plain, points), CORRECTED]
        lines += {"cosine": [pooled], "activity": [HIDING]}.get(words, [])
        keys = quiet(own) | (KEYS if words == "cosine" else {})
        title = f"2.4 Weight gradients over size and strengths: {words}"
        figure = layout.sheet(title, bands, report.footer(rows, *lines), keys)
        drawn[f"weight_gradient_sweeps{file}"] = (figure, own)
    return drawn


def columns(own: Frame, usual: int, **options: Any) -> list[layout.Panel]:
    """Return a panel for each of the swept numbers; usual: the number of neurons at which strengths are swept."""
    ff, rec = own["ff_factor"] == 1, own["rec_factor"] == 1
    of = {"neurons": own[ff & rec], "ff_factor": own[rec & (own["neurons"] == usual)],
          "rec_factor": own[ff & (own["neurons"] == usual)]}  # fmt: skip
    return [layout.Panel("", partial(sweep, own=of[across], across=across, **options)) for across in ACROSS]


def figures(rows: Frame) -> Drawn:
    """Draw all figures whose jobs were run, with what each plots."""
    drawn, points, frameworks = {}, weight_gradient.summarized(rows), weight_gradient.apart(rows)
    for study, draw in (
        ("models", weight_gradient.models),
        ("models", warm_up),
        ("models", parameters),
        ("depth", depths),
        ("sweeps", sweeps),
    ):
        own = rows[rows["study"] == study]
        if len(own):
            drawn |= draw(own, points[points["study"] == study], frameworks)
    return drawn
