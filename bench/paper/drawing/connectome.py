"""Draws the gradients on a connectome: cosine, ratio of norms and activity over neurons and strength, and memory."""

from functools import partial
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from drtrl_bench.figures import layout, scales, selection, style
from drtrl_bench.paper import report
from drtrl_bench.paper.drawing import marks
from drtrl_bench.paper.measures import intervals
from drtrl_bench.paper.studies.weight_gradient_judged import LIMIT
from drtrl_bench.view.caption import Frame

NAMES = {"r": "synapses", "x": "input weights"}
MEASURES = {"cosine": "cosine with BPTT's", "norm_ratio": "norm / BPTT's"}
ACTIVITY = {"rate": "firing rate (Hz)", "silent": "share of silent neurons"}
NETWORK = "the network, of whatever rule"
ACROSS = {"neurons": "neurons", "strength": "strength of a synapse, times the published"}
EQUAL = "equal to BPTT's"
ZERO = "norm of 0, below the logarithmic axis"


def summarized(rows: Frame) -> Frame:
    """Return a row for each framework, size, strength, kind of weight, rule and measure, and for each memory."""
    summaries: list[dict[str, Any]] = []
    of = ["framework", "neurons", "strength", "kind", "rule"]
    fidelity = rows[rows["study"] == "fidelity"]
    for key, own in fidelity.groupby(of, sort=False) if len(fidelity) else ():
        for measure in MEASURES:
            summary = intervals.of_column(own, measure)._asdict()
            summaries.append(dict(zip(of, key, strict=True)) | {"measure": measure} | summary)
    for key, own in fidelity.groupby(of[:3], sort=False):
        frames = own.drop_duplicates(["seed", "sample"])  # the same for all rules and kinds of weights
        for measure in ACTIVITY:
            summary = intervals.of_column(frames, measure)._asdict()
            summaries.append(dict(zip(of[:3], key, strict=True)) | {"measure": measure} | summary)
    for key, own in rows[rows["study"] == "memory"].groupby(["framework", "neurons", "rule"], sort=False):
        names = dict(zip(("framework", "neurons", "rule"), key, strict=True))
        summaries.append(names | {"measure": "MiB", "median": float(own["working_bytes"].iloc[0]) / 2**20})
    made = pd.DataFrame(summaries)
    return made if len(fidelity) else made.assign(strength=float("nan"), kind=None)


def panel(axes: Axes, points: Frame, across: str, measure: str, judged: bool = False) -> None:
    """Draw a measure with its interval, a line for each rule, over neurons or strength.

    A norm of 0 stands on a line of its own, below all others. judged: with the limit of the verdict on cosines.
    """
    if judged and measure == "cosine":
        axes.axhline(LIMIT, label=marks.LIMIT, **marks.DASHED)
    chosen, columns = points[points["measure"] == measure], ["median", "low", "high"]
    values = chosen[columns].to_numpy(float)
    if measure == "norm_ratio" and (values <= 0).any():
        floor = values[values > 0].min() / 3
        chosen = chosen.assign(**chosen[columns].clip(lower=floor))
        axes.axhline(floor, label=ZERO, color=style.GREY, linewidth=1)
    for rule, own in chosen.groupby("rule", sort=False):
        own, (name, options) = own.sort_values(across), marks.of_rule(str(rule))
        ends = [own["median"] - own["low"], own["high"] - own["median"]]
        axes.errorbar(own[across], own["median"], yerr=ends, color=options["color"], label=marks.INTERVAL, **style.BAR)
        axes.plot(own[across], own["median"], label=name, **options)
    axes.axhline(1, color=style.INK, label=EQUAL, **style.FORMULA)
    axis(axes, points, across)
    if measure == "norm_ratio":
        scales.scale_values(axes, "y", MEASURES[measure])
    else:
        axes.set_ylabel(MEASURES[measure])


def activity(axes: Axes, points: Frame, across: str, measure: str) -> None:
    """Draw how active the network is, over neurons or strength."""
    own = points[points["measure"] == measure].sort_values(across)
    ends = [own["median"] - own["low"], own["high"] - own["median"]]
    axes.errorbar(own[across], own["median"], yerr=ends, color=style.INK, label=marks.INTERVAL, **style.BAR)
    axes.plot(own[across], own["median"], color=style.INK, marker="o", markeredgecolor="white", label=NETWORK)
    axis(axes, own, across)
    axes.set_ylabel(ACTIVITY[measure])


def axis(axes: Axes, points: Frame, across: str) -> None:
    """Set a logarithmic axis with a tick at each value that occurs."""
    values = sorted(float(x) for x in points[across].unique())
    axes.set(xscale="log", xlabel=ACROSS[across])
    axes.set_xlim(values[0] / 1.3, values[-1] * 1.3)
    axes.set_xticks(values, [f"{x:g}" for x in values])
    axes.xaxis.set_minor_locator(NullLocator())


def memory(axes: Axes, points: Frame) -> None:
    """Draw the peak memory of a gradient over neurons, of one framework."""
    for rule, own in points.groupby("rule", sort=False):
        name, options = marks.of_rule(str(rule))
        axes.plot(own["neurons"], own["median"], label=name, **options)
    axis(axes, points, "neurons")
    scales.scale_values(axes, "y", "peak memory (MiB)")


def figures(rows: Frame) -> dict[str, tuple[Figure, Frame]]:
    """Draw both figures, with their points: the gradients, if there are any, and activity with memory."""
    points, bands, more = summarized(rows), [], []
    ours = points[points["framework"] == "torch"]
    over, first = ours[ours["strength"] == 1], ours["neurons"].min()
    strengths = ours[(ours["neurons"] == first) & (ours["kind"] == "r")]
    swept = {"neurons": over, "strength": ours[ours["neurons"] == first]}
    for kind, name in NAMES.items():
        own = over[over["kind"] == kind]
        draw = partial(panel, points=own, across="neurons", judged=kind == "r")
        drawn = [layout.Panel("", partial(draw, measure=each)) for each in MEASURES]
        if len(own):
            bands.append(layout.Band(f"{name}, over the number of neurons", drawn, 1.8))
    if strengths["strength"].nunique() > 1:
        drawn = [layout.Panel("", partial(panel, points=strengths, across="strength", measure=m)) for m in MEASURES]
        bands.append(layout.Band(f"{NAMES['r']}, over their strength, {first} neurons", drawn, 1.8))
    for across, own in swept.items():
        if own[across].nunique() > 1:
            drawn = [layout.Panel("", partial(activity, points=own, across=across, measure=each)) for each in ACTIVITY]
            heading = "number of neurons" if across == "neurons" else f"strength of synapses, {first} neurons"
            more.append(layout.Band(f"activity, over the {heading}", drawn, 1.8))
    spent = points[points["measure"] == "MiB"]
    drawn = [
        layout.Panel(selection.FRAMEWORKS[str(framework)], partial(memory, points=own))
        for framework, own in spent.groupby("framework", sort=False)
    ]
    if drawn:
        more.append(layout.Band("memory of a gradient, float32", drawn, 1.8))
    caption, fidelity = report.footer(rows, *notes(rows)), points["measure"].isin(list(MEASURES))
    listed = {
        "connectome": ("2.9 Gradients on a connectome", bands, points[fidelity]),
        "connectome_activity": ("2.9 Activity and memory on a connectome", more, points[~fidelity]),
    }
    return {name: (layout.sheet(title, own, caption), of) for name, (title, own, of) in listed.items() if own}


def notes(rows: Frame) -> list[str]:
    """Say of which network the figure is, and how far the frameworks are apart."""
    job, fidelity = rows.iloc[0], rows[rows["study"] == "fidelity"]
    spent, ours = rows[rows["study"] == "memory"], fidelity[fidelity["framework"] == "torch"]
    lines = [
        f"generated connectome (synthetic), {job['partners']} partners a neuron, signed; LIF neurons with tau "
        f"20 ms and tau_syn 5 ms that count their spikes, {job['neuropils']} neuropils; T = {job['steps']} steps of "
        f"{job['ms']:g} ms, loss at the last; synthetic activity",
        f"decay of ES-D-RTRL {job['decay']:.3g} per step, of no trace 0; verdict: on ES-D-RTRL; float64, PyTorch; "
        f"{job['samples']} frames of each seed",
    ]
    if len(spent):
        of = f"memory: peak beyond weights, synapses and frames, B = {spent['samples'].max()}; "
        lines.append(f"{of}chunks of {job['chunk']} steps, BPTT in one")
    return lines + (compared(fidelity, ours) if len(ours) else [])


def compared(fidelity: Frame, ours: Frame) -> list[str]:
    """Say how many cosines of PyTorch, `ours`, are undefined, how far JAX is from them, and how active the network."""
    keys = ["neurons", "strength", "seed", "sample", "rule", "kind"]
    twins = fidelity[fidelity["framework"] == "jax"].merge(ours, on=keys, suffixes=("", "_torch"))
    apart = (twins["cosine"] - twins["cosine_torch"]).abs().max()
    return [
        f"undefined and left out, as a gradient is 0: {ours['cosine'].isna().sum()} of {len(ours)} cosines; those of "
        f"JAX and PyTorch differ by {apart:.1g} at most, to seven digits, {len(twins)} of seed 0",
        report.activity(ours.drop_duplicates(keys[:4])),
    ]
