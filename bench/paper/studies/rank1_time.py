"""Experiment 2.2: how close D-RTRL's trace stays to one outer product, (mean of x) outer (sum of f), over time.

This is what ES-D-RTRL (pp-prop) rests on: it keeps a vector of the presynaptic side and one of the postsynaptic side in
place of a trace of every weight. Nothing is filtered here: the mean is over all steps so far, and so is the sum.

As published, the mean over the recordings of one network, with undefined cosines as 0 and Student's interval.
Corrected, the median over recordings and seeds, undefined cosines left out and counted, with a bootstrap interval.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from drtrl_bench.paper.experiment import About, Claim, Job, Row, Verdict
from drtrl_bench.paper.measures import intervals, networks, settings
from drtrl_bench.view.caption import Frame

CLAIM = Claim(
    "the trace sum of x_r (x) f_r of D-RTRL is close to (mean of x) (x) (sum of f)",
    "[code] rsnn_hidden_jacobian_theorem3.py, whose question it is; its values were not found",
)
ABOUT = About(
    section="2.2",
    title="the rank-1 approximation of the trace over time",
    question="How close does the trace of D-RTRL stay to one outer product?",
    claims={"rank1": CLAIM},
    cpu_seconds=62,
)
LIMIT = 0.9
"""Close: in the second half of the steps the interval of the median cosine lies above this, for every state."""


@dataclass(frozen=True)
class Size:
    """Networks, lengths and samples."""

    lengths: Mapping[str, tuple[int, ...]] = field(
        default_factory=lambda: {"dvs_gesture": (100, 200, 400), "nmnist": (200,), "shd": (300,)}
    )
    """Steps by data set."""
    neurons: int = 100
    samples: int = 40
    """Recordings of each seed."""
    seeds: int = 5


LENGTHS = {"dvs_gesture": (100,), "nmnist": (100,), "shd": (100,)}
SIZES = {"cpu": Size(lengths=LENGTHS, neurons=50, samples=4), "paper": Size()}


def jobs(size: Size) -> list[Job]:
    """List every model on every data set, at each length and seed."""
    return list(every_job(size))


def every_job(size: Size) -> Iterator[Job]:
    """Yield the jobs, those of a network together."""
    for dataset, lengths in size.lengths.items():
        for cell in settings.MODELS:
            rec, ff, constants = settings.setting(settings.SETTING_1, cell, dataset)
            network = {"cell": cell, "constants": constants, "rec": rec, "ff": ff, "neurons": size.neurons}
            for steps in lengths:
                data = {"dataset": dataset, "reading": settings.READING[dataset], "steps": steps}
                for seed in range(size.seeds):
                    yield network | data | {"samples": size.samples, "framework": "jax", "seed": seed}


def compute(job: Job) -> list[Row]:
    """Compute a row for each sample and state: the cosine at every step."""
    from drtrl_bench.paper.measures import traces_jax

    layer, names = networks.draw(job, products=True), networks.layer_cell(job).states
    measures = traces_jax.measures(job, layer)
    return [
        {
            "sample": sample,
            "state": state,
            "cosine": [rounded(value) for value in measures["cosine"][sample, :, k]],
            "rate": 1000 * float(measures["rate"][sample]),
            "density": layer.density,
        }
        for sample in range(job["samples"])
        for k, state in enumerate(names)
    ]


def rounded(cosine: Any) -> float | None:
    """Return a cosine to five digits, None if it is undefined."""
    return round(float(cosine), 5) if np.isfinite(cosine) else None


def second_half(rows: Frame) -> intervals.Summary:
    """Summarize the cosines of one state: the mean of each sample over the second half of the steps."""
    values = intervals.by_seed(rows, "cosine")
    late = values[..., values.shape[-1] // 2 :]
    defined = ~np.isnan(late)
    total = np.where(defined, late, 0).sum(axis=-1)
    return intervals.summary(np.where(defined.any(axis=-1), total / np.maximum(defined.sum(axis=-1), 1), np.nan))


def figures(rows: Frame) -> dict[str, tuple[Any, Frame]]:
    """Draw a figure for each data set and length."""
    from drtrl_bench.paper.drawing import rank1_time

    return rank1_time.figures(rows)


def verdicts(rows: Frame) -> list[Verdict]:
    """Judge whether the median cosine is close to 1 for every state of every model and data set."""
    from drtrl_bench.paper import report
    from drtrl_bench.paper.measures import limits

    groups = rows.groupby(["cell", "dataset", "steps", "state"], sort=False)
    summaries = {" ".join(map(str, key)): second_half(own) for key, own in groups}  # type: ignore[arg-type]
    why = f"limit: the interval above {LIMIT} for every state, second half of the steps; "
    why += report.activity(rows[rows["state"] == "V"])
    holds = limits.within(summaries.values(), low=LIMIT)
    return [Verdict(CLAIM, report.outcome(rows, holds), limits.counted(summaries, LIMIT, "states"), why)]
