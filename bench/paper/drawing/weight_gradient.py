"""Summarizes experiment 2.4, and draws its models; `weight_gradient_studies.py` draws the other studies."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from drtrl_bench.figures import layout, scales, style
from drtrl_bench.paper import report
from drtrl_bench.paper.drawing import marks
from drtrl_bench.paper.measures import gradients, intervals, settings
from drtrl_bench.paper.studies.weight_gradient_judged import LIMIT
from drtrl_bench.view.caption import Frame

COSINE, RATIO = "cosine with BPTT", "norm / BPTT's norm"
AXES = {
    "cosine": COSINE,
    "norm_ratio": RATIO,
    "rate": "firing rate (Hz, at 1 ms per step)",
    "silent": "share of silent neurons",
}
"""What is measured, as an axis names it."""
CORRECTED = "corrected: median of samples and seeds, undefined left out; the filters' own bias correction"
POOLED = (
    "as published: mean of one network's samples, undefined values counted as 0; ES-D-RTRL with the bias correction "
    "of the published code"
)
HEIGHT = 1.5
"""Inches of the axes of a panel: three bands are no higher than a page."""
MIDDLE = 20
"""The rank of ES-D-RTRL where one is drawn."""
BY = ["study", "dataset", "data", "steps", "cell", "layers", "neurons"]
BY += ["ff_factor", "rec_factor", "warm_up", "traces", "part"]
"""What tells settings apart."""
JUDGED = "verdicts: on D-RTRL, and on ES-D-RTRL at the best rank of each model and data set; corrected"
Drawn = dict[str, tuple[Figure, Frame]]
"""Figures with their points, by name."""


def summarized(rows: Frame) -> Frame:
    """Return a row for each setting, part, rule and measure: the median with its interval, and the published value."""
    summaries: list[dict[str, Any]] = []
    for key, own in rows[rows["framework"] == "jax"].groupby(BY, sort=False):
        common = dict(zip(BY, key, strict=True)) | {"median_rate": own["rate"].median()}
        every = list(own["rules"].iloc[0])
        rules = shown(common, every)
        for measure in ("cosine", "norm_ratio") if rules else ():
            values = intervals.by_seed(own[["seed", measure]], measure)[..., [every.index(rule) for rule in rules]]
            middle, low, high = intervals.curves(values, intervals.RESAMPLES)
            pooled = np.nan_to_num(values[0], nan=0.0).mean(axis=0)
            undefined = np.isnan(values).sum(axis=(0, 1))
            for i, rule in enumerate(rules):
                one = {"median": middle[i], "low": low[i], "high": high[i], "undefined": undefined[i]}
                summaries.append(common | {"rule": rule, "measure": measure} | one | {"published": pooled[i]})
        for measure in ("rate", "silent") if common["part"] == "layer0" and not common["warm_up"] else ():
            one = intervals.of_column(own, measure)
            ends = {"median": one.median, "low": one.low, "high": one.high, "undefined": one.undefined}
            summaries.append(common | {"rule": "", "measure": measure} | ends)
    return pd.DataFrame(summaries)


def shown(setting: Mapping[str, Any], rules: list[str]) -> list[str]:
    """Return the rules that a figure draws of a setting and part, as bootstraps of the others take longer."""
    plain, kind = not setting["warm_up"], setting["part"]
    if kind == "readout" and (setting["study"] == "sweeps" or not plain):
        return []
    if plain and kind != "all" and not kind.startswith("layer0."):
        return rules
    few = ["drtrl", f"es_drtrl {MIDDLE} corrected"] + [f"es_drtrl {MIDDLE} as_published"] * plain
    return [rule for rule in rules if rule in few]


def name(rule: str) -> str:
    """Name a rule, ES-D-RTRL with its rank."""
    kind, k, _ = gradients.split(rule)
    return {"no_trace": "no trace", "drtrl": "D-RTRL"}.get(kind) or f"ES-D-RTRL, k = {k}"


def beside(own: Frame, column: str, places: Sequence[Any]) -> Iterator[tuple[str, NDArray[np.float64], Frame]]:
    """Yield each model, where it stands at the places that it has, beside the others, and its rows there."""
    cells = [cell for cell in settings.MODELS if (own["cell"] == cell).any()]
    for number, cell in enumerate(cells):
        chosen = own[own["cell"] == cell]
        at = np.array([places.index(place) for place in chosen[column]])
        yield cell, np.sort(at) + (number - (len(cells) - 1) / 2) * 0.07, chosen.iloc[np.argsort(at)]


def curves(
    axes: Axes, own: Frame, column: str, places: Sequence[Any], published: bool = False, apart: Sequence[int] = ()
) -> None:
    """Draw a curve for each model over places, the values of a column.

    Models stand beside each other at each place. apart: places that no line leads to. published: what the published
    protocol makes of it, without intervals.
    """
    for cell, x, chosen in beside(own, column, places):
        middle, (colour, marker) = chosen["published" if published else "median"].to_numpy(float), marks.MODELS[cell]
        if not published:
            ends = [middle - chosen["low"].to_numpy(float), chosen["high"].to_numpy(float) - middle]
            bars: dict[str, Any] = {"linestyle": "none", "elinewidth": 0.9, "color": colour}
            axes.errorbar(x, middle, yerr=np.maximum(ends, 0), label=marks.INTERVAL, **bars)
        joined = np.where(np.isin(np.rint(x), list(apart)), np.nan, middle)
        look: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 5, "markeredgecolor": "white"}
        label = settings.MODELS[cell]
        axes.plot(x, joined, label=label, linewidth=1, **look)
        axes.plot(x, np.where(np.isnan(joined), middle, np.nan), label=label, linestyle="none", **look)
        if not published:
            marks.hollow(axes, x, middle, chosen["median_rate"] == 0, color=colour, marker=marker)
    axes.set_xlim(-0.6, len(places) - 0.4)


def dotted(axes: Axes, own: Frame, column: str, places: Sequence[Any]) -> None:
    """Draw what the published protocol makes of each model, over places, as a dotted line."""
    for cell, x, chosen in beside(own, column, places):
        look = {"color": marks.MODELS[cell][0], "label": marks.PUBLISHED, **style.FORMULA}
        axes.plot(x, chosen["published"].to_numpy(float), **look)


def finish(axes: Axes, own: Frame, measure: str, ticks: Sequence[str], xlabel: str) -> None:
    """Set the axes of a panel of cosines, or of ratios of norms."""
    axes.set_xticks(range(len(ticks)), list(ticks))
    axes.set_xlabel(xlabel)
    if measure == "norm_ratio":
        drawn = own[["median", "low", "high"]].to_numpy(float)
        if (np.isfinite(drawn) & (drawn > 0)).any():
            scales.scale_values(axes, "y", AXES[measure])
            scales.limit_around(axes, "y", drawn)
    else:
        lowest = np.nanmin([0.0, *own["low"].to_numpy(float)])
        axes.set(ylim=(min(-0.03, lowest - 0.05), 1.05), ylabel=AXES[measure])


def over_rules(axes: Axes, own: Frame, measure: str, published: bool = False) -> None:
    """Draw a measure over the rules: no trace, ES-D-RTRL by rank, D-RTRL."""
    kind = "as_published" if published else "corrected"
    rules = [rule for rule in own["rule"].unique() if rule and gradients.split(rule)[2] in (None, kind)]
    own = own[(own["measure"] == measure) & own["rule"].isin(rules)]
    if measure == "cosine" and not published and (own["part"] == "layer0").all():
        axes.axhline(LIMIT, label=marks.LIMIT, **marks.DASHED)
    curves(axes, own, "rule", rules, published, apart=(0, len(rules) - 1))
    ticks = ["no\ntrace", *(str(gradients.split(rule)[1]) for rule in rules[1:-1]), "D-\nRTRL"]
    finish(axes, own, measure, ticks, "rule; numbers: rank k of ES-D-RTRL")


def over_models(axes: Axes, own: Frame, measure: str) -> None:
    """Draw a measure of the activity of each model."""
    own = own[own["measure"] == measure]
    cells = [cell for cell in settings.MODELS if (own["cell"] == cell).any()]
    summaries, silent = {}, own.set_index("cell")["median_rate"] == 0
    for place, cell in enumerate(cells):
        one = own[own["cell"] == cell].iloc[0]
        summaries[place] = intervals.Summary(one["median"], one["low"], one["high"], 0, 0)
    marks.listed(axes, summaries, marks.CORRECTED, silent=[silent[cell] for cell in cells])
    scales.list_lines(axes, [settings.MODELS[cell] for cell in cells])
    axes.set_xlabel(AXES[measure])


def panels(points: Frame, draw: Any, **options: Any) -> list[layout.Panel]:
    """Return a panel for each data set and length."""
    return [
        layout.Panel(marks.heading(label, steps), partial(draw, own=own, **options))
        for (label, steps), own in points.groupby(["data", "steps"], sort=False)
    ]


HELD = "not run in PyTorch: tests hold both frameworks, by these rules, in one to three layers of these cells, to NumPy"
"""Why a figure of networks that are computed in JAX alone would be the same in PyTorch."""


def apart(rows: Frame) -> str:
    """Say how far the cosines and norms of the frameworks are apart at most."""
    by = ["cell", "dataset", "steps", "seed", "sample", "part", "warm_up"]
    own = rows[(rows["study"] == "models") & rows["traces"]]
    both = own[own["framework"] == "jax"].merge(own[own["framework"] == "torch"], on=by, suffixes=("", "_torch"))
    if both.empty:
        return "PyTorch was not run"
    most = {}
    for column in ("cosine", "norm_ratio"):
        ours, twins = (np.array(both[f"{column}{end}"].tolist(), float) for end in ("", "_torch"))
        most[column] = np.nanmax(np.abs(ours - twins) / (1 if column == "cosine" else np.maximum(ours, 1e-300)))
    compared = f"{len(both)} comparisons of {len(both.drop_duplicates(by[:5]))} samples that both computed"
    differ = f"by {most['cosine']:.0e} in a cosine and by {most['norm_ratio']:.0e} of a ratio of norms at most"
    if not any(most.values()):
        differ = "in none of the five digits that are kept"
    return f"in one layer without warm-up JAX and PyTorch differ {differ}, in {compared}"


def notes(rows: Frame, points: Frame) -> list[str]:
    """Return the lines of a caption that all figures have."""
    cosines = np.array([cosine for own in rows["cosine"] for cosine in own], float)
    return [
        f"N = {', '.join(str(n) for n in points['neurons'].unique())}; {rows['sample'].nunique()} recordings of each "
        "seed, each a gradient of its own; sum of the losses of all steps; float64, JAX",
        f"undefined: {int(np.isnan(cosines).sum())} of {cosines.size} cosines, of a gradient that is 0",
        report.activity(rows.drop_duplicates(["dataset", "steps", "cell", "seed", "sample", "layers", "neurons"])),
    ]


def quiet(points: Frame) -> dict[str, Line2D]:
    """Return the mark in the legend of settings whose median network is silent."""
    return marks.keys(points["median_rate"] == 0)


def models(rows: Frame, points: Frame, frameworks: str) -> Drawn:
    """Draw the rules for every model on every data set: hidden layer, readout, and activity.

    frameworks: how far they are apart.
    """
    own = points[(points["warm_up"] == 0) & points["part"].isin(["layer0", "readout"])]
    hidden, readout = own[own["part"] == "layer0"], own[own["part"] == "readout"]
    spiking = hidden["measure"].isin(["rate", "silent"])
    measured: list[tuple[str, Any, dict[str, Any]]] = [
        ("corrected", over_rules, {"measure": "cosine"}),
        ("as published", over_rules, {"measure": "cosine", "published": True}),
        ("ratio of norms", over_rules, {"measure": "norm_ratio"}),
    ]
    activity = [("", over_models, {"measure": measure}) for measure in ("rate", "silent")]
    listed = {
        "weight_gradient": (
            "Weight gradients and that of BPTT: hidden layer",
            hidden[~spiking],
            measured,
        ),
        "weight_gradient_readout": (
            "Weight gradients and that of BPTT: readout",
            readout,
            measured,
        ),
        "weight_gradient_activity": (
            "Activity of the hidden layer",
            hidden[spiking],
            activity,
        ),
    }
    plain = rows[(rows["warm_up"] == 0) & (rows["framework"] == "jax") & rows["part"].isin(["layer0", "readout"])]
    text, drawn = [*notes(plain, own), CORRECTED], {}
    for file, (title, of, shown) in listed.items():
        bands = [layout.Band(head, panels(of, draw, **options), HEIGHT) for head, draw, options in shown]
        more = text if file.endswith("activity") else [frameworks, *text, POOLED]
        more = [*more, JUDGED] if file == "weight_gradient" else more
        drawn[file] = (layout.sheet(f"2.4 {title}", bands, report.footer(rows, *more), quiet(of)), of)
    return drawn
