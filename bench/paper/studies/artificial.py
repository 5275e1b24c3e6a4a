"""Experiment 2.1, on artificial states: the Jacobian of one step of a layer whose potentials are drawn.

The fewer neurons lie near the threshold, where the surrogate derivative is not 0, the fewer columns of J have anything
outside the diagonal. Here their share is chosen. An outer product that is fitted to what D leaves out is compared as
well, as in the published code.

As published, the loop over the share hands on another variable, so that all points are one and the same; which share
that had is not known here, so it is not drawn. Neither is known: the number of samples, the variance of the potentials
below (1 here, before they are cut), the rounds of the fit (30 here), and the model, of which the potential is the only
state that is described (LIF-Delta here).
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from drtrl_bench.figures import layout, scales, style
from drtrl_bench.paper import report
from drtrl_bench.paper.drawing import marks
from drtrl_bench.paper.experiment import About, Claim, Job, Row, Verdict
from drtrl_bench.paper.measures import artificial, intervals
from drtrl_bench.view.caption import Frame

SOURCE = "[code] rsnn_hidden_jacobian_cosine.py, its study on artificial data, whose question it is; no values found"
CLAIMS = {
    "single": Claim(
        "the Jacobian of one step is close to its part within the neurons, in states that are drawn", SOURCE
    ),
    "with_outer": Claim("that part and one outer product are closer to it than that part alone", SOURCE),
}
ABOUT = About(
    section="2.1",
    title="diagonal dominance in states that are drawn",
    question="How does the share of neurons near the threshold decide what of the Jacobian lies within neurons?",
    claims=CLAIMS,
    cpu_seconds=40,
    instead="LIF-Delta, and this project's number of samples, variance and fit, as theirs were not found",
)
LIMIT = 0.9
"""Close: the interval of the median cosine lies above this for every share."""
GAIN = 0.1
"""Closer: the outer product makes up for more than this share of what the cosine lacks of 1; a fit can hardly lose."""
ALONE, FITTED = "J and D", "J and D with one outer product"
LOOKS: dict[str, tuple[str, str, str]] = {"single": (ALONE, "#0072B2", "o"), "with_outer": (FITTED, "#D55E00", "s")}


@dataclass(frozen=True)
class Size:
    """Network, shares and samples; steps of 0.1 ms."""

    neurons: int = 1000
    shares: tuple[float, ...] = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
    samples: int = 2
    """Of each seed."""
    seeds: int = 5
    twins: int = 1
    """Seeds that are also computed in PyTorch."""


SIZES = {"cpu": Size(), "paper": Size()}
"""The published numbers, as far as they are known, take seconds."""


def jobs(size: Size) -> list[Job]:
    """List a job for each share and seed; the first seeds in both frameworks."""
    return [
        {
            "cell": "lif_delta",
            "constants": {"tau": 100.0, "width": 0.5},
            "rec": 10,
            "ff": 4,
            "input_rate": 0.1,
            "neurons": size.neurons,
            "samples": size.samples,
            "share": share,
            "framework": framework,
            "seed": seed,
        }
        for framework, seeds in (("jax", size.seeds), ("torch", size.twins))
        for share in size.shares
        for seed in range(seeds)
    ]


def compute(job: Job) -> list[Row]:
    """Compute a row for each sample."""
    state = artificial.draw(job)
    if job["framework"] == "jax":
        from drtrl_bench.paper.measures import artificial_jax as framework
    else:
        from drtrl_bench.paper.measures import artificial_torch as framework
    D, F, R, after = framework.parts(job, state)
    return [
        {
            "sample": sample,
            **artificial.compared(D[sample], F[sample], R[sample], state.weights),
            "sensitive": float((R[sample] != 0).mean()),
            "spiking": float((state.potentials[sample] >= 1).mean()),
            "spiking_after": float((after[sample] >= 1).mean()),
            "density": state.density,
        }
        for sample in range(job["samples"])
    ]


def points(rows: Frame) -> Frame:
    """Return a row for each framework, share and measure: the median with its interval."""
    medians = []
    for (framework, share), own in rows.groupby(["framework", "share"], sort=False):
        for column in ("single", "with_outer", "error", "spiking", "spiking_after"):
            middle = intervals.of_column(own, column)
            names = {"framework": framework, "share": share, "measure": column}
            values = {"median": middle.median, "low": middle.low, "high": middle.high, "undefined": middle.undefined}
            medians.append(names | values)
    return pd.DataFrame(medians)


def lines(axes: Axes, medians: Frame, columns: tuple[str, ...], lacking: bool = False) -> None:
    """Draw measures over the share, JAX with its intervals and PyTorch as crosses.

    lacking: draw what a cosine lacks of 1.
    """
    for column in columns:
        name, colour, marker = LOOKS.get(column, ("error of D, |J - D| over |J|", style.INK, "^"))
        for framework in ("jax", "torch"):
            own = medians[(medians["measure"] == column) & (medians["framework"] == framework)].sort_values("share")
            middle, low, high = (own[end].to_numpy(float) for end in ("median", "low", "high"))
            if lacking:
                middle, low, high = 1 - middle, 1 - high, 1 - low
            if framework == "torch":
                axes.plot(own["share"], middle, label=f"{marks.TWIN}, first seed", **marks.LOOKS[marks.TWIN])
                continue
            bars: dict[str, Any] = {"color": colour, "label": marks.INTERVAL, **style.BAR}
            axes.errorbar(own["share"], middle, yerr=np.maximum([middle - low, high - middle], 0), **bars)
            # hollow and dashed, as the line below is nearly the same
            look = {"linestyle": (0, (2.5, 1.2)), "markerfacecolor": "none"} if column == "with_outer" else {}
            edge = colour if look else "white"
            axes.plot(own["share"], middle, color=colour, marker=marker, markeredgecolor=edge, label=name, **look)
    axes.set_xlabel("share of neurons near the threshold")
    if lacking:
        axes.axhline(1 - LIMIT, label=marks.LIMIT, **marks.DASHED)
        scales.scale_values(axes, "y", "1 - cosine, one step")
    else:
        axes.set(ylabel="|J - D| / |J|, one step", ylim=(0, None))


def draw(rows: Frame, medians: Frame) -> Figure:
    """Draw the cosines and the relative error over the share."""
    panels = [
        layout.Panel("", partial(lines, medians=medians, columns=("single", "with_outer"), lacking=True)),
        layout.Panel("", partial(lines, medians=medians, columns=("error",))),
    ]
    job = rows.iloc[0]
    jax = rows[rows["framework"] == "jax"]
    notes = [
        f"LIF-Delta, N = {job['neurons']}, {job['samples']} states of each seed; tau = 10 ms, steps of 0.1 ms; float64",
        "near the threshold: within 0.5 of it, where the surrogate derivative is not 0; "
        f"{marks.apart(rows, ['share', 'seed', 'sample'], ['single', 'with_outer', 'error'])}",
        "as published: all shares are one and the same, because the loop hands on another variable: not drawn",
        f"spiking before the step: {jax['spiking'].min():.1%} to {jax['spiking'].max():.1%} of the neurons, after it "
        f"{jax['spiking_after'].min():.1%} to {jax['spiking_after'].max():.1%}; {jax['density'].mean():.1%} of the "
        f"inputs not 0; undefined cosines: {int(jax['single'].isna().sum())}",
    ]
    title = "2.1 Hidden Jacobian J and its part D, artificial states"
    return layout.sheet(title, [layout.Band("", panels, 2.3)], report.footer(rows, *notes))


def figures(rows: Frame) -> dict[str, tuple[Figure, Frame]]:
    """Draw the only figure."""
    medians = points(rows)
    return {"jacobian_artificial": (draw(rows, medians), medians)}


def verdicts(rows: Frame) -> list[Verdict]:
    """Judge closeness for every share, and whether the outer product gains what matters, sample by sample."""
    from drtrl_bench.paper.measures import limits

    jax = rows[rows["framework"] == "jax"]
    by_share = {f"share {share:g}": own.assign(gain=gain(own)) for share, own in jax.groupby("share")}
    alone, gains, errors = (
        {name: intervals.of_column(own, column) for name, own in by_share.items()}
        for column in ("single", "gain", "error")
    )
    measured = {
        "single": f"{limits.counted(alone, LIMIT, 'shares')}; |J - D| / |J| up to "
        f"{max(errors.values(), key=lambda each: each.median, default='undefined')}",
        "with_outer": f"share of 1 - cosine removed: {limits.counted(gains, GAIN, 'shares')}",
    }
    why = {
        "single": f"limit: the interval above {LIMIT} for every share; |J - D| / |J| is about sqrt(2 (1 - cosine))",
        "with_outer": f"limit: the interval above {GAIN} for every share, of 1 - cosine",
    }
    holds = {
        "single": limits.within(alone.values(), low=LIMIT),
        "with_outer": limits.within(gains.values(), low=GAIN),
    }
    return [
        Verdict(claim, report.outcome(rows, holds[k]), measured[k], f"{why[k]}; {ABOUT.instead}")
        for k, claim in CLAIMS.items()
    ]


def gain(rows: Frame) -> Any:
    """Return of each sample the share of 1 - cosine that the outer product makes up for; nan where nothing lacks."""
    lacking = 1 - rows["single"].to_numpy(float)
    made_up = rows["with_outer"].to_numpy(float) - rows["single"].to_numpy(float)
    return np.where(lacking > 0, made_up / np.where(lacking > 0, lacking, 1), np.nan)
