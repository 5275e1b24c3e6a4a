"""Draws experiment 2.1: the models on each data set, and the sweeps over size and strength."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from drtrl_bench.figures import layout, scales, style
from drtrl_bench.paper import report
from drtrl_bench.paper.drawing import marks
from drtrl_bench.paper.measures import intervals, settings
from drtrl_bench.paper.studies.weight_gradient_judged import LIMIT
from drtrl_bench.view.caption import Frame

COLUMNS = {
    "single": "cosine of J and D, one step",
    "all": "cosine of their products over all steps",
    "error": "|J - D| / |J|, one step",
    "radius": "spectral radius of J - D, mid step",
    "log_J": "log10 of the norm of the product of J over all steps",
    "log_D": "log10 of the norm of the product of D over all steps",
    "rate": "firing rate (Hz, at 1 ms per step)",
}
"""What is measured of a sample, as an axis names it."""
SHORT = {"single": "cosine, one step", "all": "cosine, all steps", "rate": "firing rate (Hz)"}
"""The measures of the sweeps, as an axis names them."""
FILES = {
    "": ("2.1 Hidden Jacobian J and its part D within the neurons", ("single", "all", "error")),
    "_radius": ("2.1 Hidden Jacobian: what D leaves out, and activity", ("radius", "rate")),
}
"""Titles and measures of the figures of all models, by what they add to the name of a file: a page each."""
ACROSS = {"neurons": "N, neurons", "ff_factor": "feed-forward strength / setting",
          "rec_factor": "recurrent strength / setting"}  # fmt: skip

CORRECTED = "corrected: steps of a sample averaged, then the median of all samples and seeds, undefined values left out"
POOLED = "as published: steps of all samples pooled, one network, undefined values counted as 0, products in float32"


def published(rows: Frame, column: str) -> float | None:
    """Return the mean that the published protocol makes of a column, from one network; None where it has none."""
    name = {"single": "published", "all": "all_published"}.get(column)
    return float(rows.loc[rows["seed"] == rows["seed"].min(), name].mean()) if name else None


def points(rows: Frame, by: list[str]) -> Frame:
    """Return a row for each setting and column: the median with its interval, and the published value."""
    summaries: list[dict[str, Any]] = []
    for key, own in rows.groupby(by, sort=False):
        common = dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True))
        common |= {"density": own["density"].mean(), "silent": int((own["rate"] == 0).sum()), "samples": len(own)}
        for column in COLUMNS:
            middle = intervals.of_column(own, column)
            values = {"median": middle.median, "low": middle.low, "high": middle.high, "undefined": middle.undefined}
            values |= {"published": published(own, column)}
            summaries.append(common | {"measure": column} | values)
    return pd.DataFrame(summaries)


def is_silent(rows: Frame) -> bool:
    """Tell whether the median of the samples has no spike."""
    return float(rows["rate"].median()) == 0


def panel(axes: Axes, rows: Frame, column: str, start: float) -> None:
    """Draw a column for each model of a data set: corrected, as published, and in PyTorch.

    start: where the axis of the cosine of one step begins.
    """
    if column in ("single", "all"):
        axes.axvline(LIMIT, label=marks.LIMIT, **marks.DASHED)
    cells = [cell for cell in settings.MODELS if (rows["cell"] == cell).any()]
    for framework, name, aside in (("jax", marks.CORRECTED, -0.25), ("torch", marks.TWIN, 0.0)):
        own = {cell: rows[(rows["cell"] == cell) & (rows["framework"] == framework)] for cell in cells}
        summaries = {
            place: intervals.of_column(own[cell], column) for place, cell in enumerate(cells) if len(own[cell])
        }
        if summaries and name == marks.TWIN:
            marks.listed(axes, summaries, name, aside, f"{marks.TWIN}, first seed")
        elif summaries:
            marks.listed(axes, summaries, name, aside, silent=[is_silent(own[cells[place]]) for place in summaries])
    own = rows[rows["framework"] == "jax"]
    pooled = {place: published(own[own["cell"] == cell], column) for place, cell in enumerate(cells)}
    if defined := {place: (each,) * 3 for place, each in pooled.items() if each is not None}:
        marks.listed(axes, defined, marks.PUBLISHED, 0.25)
    scales.list_lines(axes, [settings.MODELS[cell] for cell in cells])
    axes.set_xlabel(COLUMNS[column])
    low, high = axes.get_xlim()
    if column == "single":
        axes.set_xlim(start, 1 + 0.03 * (1 - start))
    elif column in ("all", "error"):
        axes.set_xlim(min(-0.03, low) if column == "all" else -0.03, max(1.05, high) if column == "error" else 1.05)


def begin(of_models: Frame) -> float:
    """Return where the axis of the cosine of one step begins: below the limit, and below all that is drawn."""
    drawn = of_models.loc[of_models["measure"] == "single", ["low", "published"]].to_numpy(float)
    return float(np.floor(20 * (np.nanmin(np.append(drawn, LIMIT)) - 0.005)) / 20)


def apart(rows: Frame) -> str:
    """Say how far the frameworks are apart at most."""
    by = ["cell", "dataset", "steps", "seed", "sample"]
    return marks.apart(rows, by, ["single", "all", "error", "radius", "rate"])


def models(rows: Frame, of_models: Frame, title: str, columns: Sequence[str]) -> Figure:
    """Draw columns of every model on every data set."""
    start = begin(of_models)
    panels = [(marks.heading(*key), own) for key, own in rows.groupby(["data", "steps"], sort=False)]
    bands = [
        layout.Band(
            "",
            [layout.Panel(name, partial(panel, rows=own, column=column, start=start)) for name, own in panels],
            1.75,
        )
        for column in columns
    ]
    jax = rows[rows["framework"] == "jax"]
    notes = [
        f"N = {jax['neurons'].iloc[0]}, {jax['sample'].nunique()} recordings of each seed; float64 · {apart(rows)}",
        CORRECTED,
        POOLED if "single" in columns else "",
        f"the axis of the cosine of one step begins at {start:g}" if "single" in columns else "",
        f"undefined: {int(jax['undefined'].sum())} cosines of a step, {int(jax['all'].isna().sum())} of all steps",
        report.activity(jax),
    ]
    silent = [is_silent(own) for _, own in jax.groupby(["dataset", "steps", "cell"], sort=False)]
    return layout.sheet(title, bands, report.footer(rows, *notes), marks.keys(silent))


def sweep(axes: Axes, rows: Frame, across: str, column: str) -> None:
    """Draw a column of each model over one of the swept numbers."""
    ticks = sorted(float(x) for x in rows[across].unique())
    for cell, own in rows.groupby("cell", sort=False):
        groups, colour = {x: own[own[across] == x] for x in ticks}, marks.MODELS[str(cell)][0]
        groups = {x: group for x, group in groups.items() if len(group)}  # memory may have run out
        summaries = [intervals.of_column(group, column) for group in groups.values()]
        silent = [is_silent(group) for group in groups.values()]
        marks.curve(axes, list(groups), summaries, str(cell), settings.MODELS[str(cell)], silent)
        pooled = [each for group in groups.values() if (each := published(group, column)) is not None]
        if pooled:
            axes.plot(list(groups), pooled, color=colour, label=marks.PUBLISHED, **style.FORMULA)
    axes.set(xscale="log", xlabel=ACROSS[across], ylabel=SHORT[column])
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())


def sweeps(rows: Frame) -> Figure:
    """Draw the sweeps: rows of panels are what is measured, columns what is swept and was not left out."""
    bands, usual = [], rows.loc[(rows["ff_factor"] != 1) | (rows["rec_factor"] != 1), "neurons"].unique()
    for (label, steps), own in rows.groupby(["data", "steps"], sort=False):
        ff, rec = own["ff_factor"] == 1, own["rec_factor"] == 1
        of = {
            "neurons": own[ff & rec],
            "ff_factor": own[rec & own["neurons"].isin(usual)],
            "rec_factor": own[ff & own["neurons"].isin(usual)],
        }
        names = [name for name in ACROSS if len(of[name])]
        for column in SHORT:
            panels = [layout.Panel("", partial(sweep, rows=of[name], across=name, column=column)) for name in names]
            bands.append(layout.Band(f"{label}, T = {steps}" if column == "single" else "", panels, 1.9))
    notes = [
        "".join(f"strengths at N = {N}; " for N in usual)
        + f"{rows['sample'].nunique()} recordings of each seed; float64, JAX; jacobian.png "
        "says how far PyTorch is from it, in one network of each model and data set",
        f"rec, ff at factor 1: {strengths(rows)}; jacobian.png has strengths of its own",
        CORRECTED,
        f"{POOLED}; dotted, in the colour of the model",
        report.activity(rows),
    ]
    by = ["dataset", "steps", "cell", *ACROSS]
    keys = marks.keys([is_silent(own) for _, own in rows.groupby(by, sort=False)])
    keys |= {marks.PUBLISHED: Line2D([], [], color=style.INK, **style.FORMULA)}
    return layout.sheet("2.1 Hidden Jacobian over size and strengths", bands, report.footer(rows, *notes), keys)


def strengths(rows: Frame) -> str:
    """Say the strengths of the recurrent and of the input weights of each model, where neither is swept."""
    own = rows[(rows["ff_factor"] == 1) & (rows["rec_factor"] == 1)].drop_duplicates(["cell", "rec", "ff"])
    return ", ".join(
        f"{settings.MODELS[str(cell)]} {rec:g} {ff:g}"
        for cell, rec, ff in own[["cell", "rec", "ff"]].itertuples(index=False)
    )


def figures(rows: Frame) -> dict[str, tuple[Figure, Frame]]:
    """Draw the figures of all models, and the sweeps, if their jobs were run."""
    drawn = {}
    own = rows[rows["study"] == "models"].reset_index(drop=True)
    if len(own):
        of_models = points(own, ["framework", "dataset", "steps", "cell"])
        for file, (title, columns) in FILES.items():
            of_figure = of_models if not file else of_models[of_models["measure"].isin(columns)]
            drawn[f"jacobian{file}"] = (models(own, of_models, title, columns), of_figure)
    own = rows[rows["study"] == "sweeps"].reset_index(drop=True)
    if len(own):
        by = ["dataset", "steps", "cell", "neurons", "ff_factor", "rec_factor"]
        drawn["jacobian_sweeps"] = (sweeps(own), points(own, by))
    return drawn
