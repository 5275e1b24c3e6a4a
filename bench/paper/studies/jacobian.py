"""Experiment 2.1: how much of the Jacobian of a recurrent spiking layer lies within its neurons.

J = dh^t/dh^{t-1}, h being all states of a layer; D is what is left of it if the recurrent weights are cut, which D-RTRL
keeps. Measured are cos(J, D) and |J - D| / |J| of every step, and the cosine between the products over all steps.
Because leak factors stand on the diagonal of both, a cosine near 1 says little where weights are weak; therefore the
relative error, the spectral radius of J - D and the firing rate stand beside it.

As published, the steps of all samples are pooled as if independent, of one network, and what is undefined counts as 0;
products over all steps are in float32. Corrected, the steps of a sample are averaged, the median is over samples and
seeds, what is undefined is counted apart, and products are scaled at every step.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drtrl_bench.paper.experiment import About, Claim, Job, Row, Verdict
from drtrl_bench.paper.measures import intervals, networks, settings
from drtrl_bench.view.caption import Frame

SOURCE = "[code] rsnn_hidden_jacobian_cosine.py, whose question it is; its values were not found"
CLAIMS = {
    "single": Claim("of one step, the hidden Jacobian is close to its part within the neurons", SOURCE),
    "all": Claim("over all steps, the product of hidden Jacobians is close to that of their parts in neurons", SOURCE),
}
ABOUT = About(
    section="2.1",
    title="diagonal dominance of the hidden Jacobian",
    question="How much of a layer's Jacobian lies within its neurons, where D-RTRL keeps it?",
    claims=CLAIMS,
    cpu_seconds=204,
)
LIMIT = 0.9
"""Close: the interval of the median cosine lies above this in every setting."""


@dataclass(frozen=True)
class Size:
    """Networks, lengths and samples."""

    lengths: Mapping[str, tuple[int, ...]] = field(
        default_factory=lambda: {"nmnist": (1000,), "dvs_gesture": (200, 400, 600, 1000), "shd": (300,)}
    )
    """Steps by data set."""
    neurons: int = 100
    samples: int = 100
    """Recordings of each seed."""
    seeds: int = 5
    twins: int = 1
    """Seeds that are also computed in PyTorch."""
    sizes: tuple[int, ...] = (10, 50, 100, 300, 500, 1000, 2000, 4000)
    factors: tuple[float, ...] = (0.1, 0.2, 0.4, 0.6, 0.8, 1, 2, 4, 6, 8, 10)
    """Of the feed-forward strength, and of the recurrent one."""
    swept: tuple[str, ...] = ("dvs_gesture",)
    """Data sets of the sweeps."""
    neurons_swept: int = 200
    samples_swept: int = 200


SIZES = {
    "cpu": Size(
        lengths={"nmnist": (100,), "dvs_gesture": (100,), "shd": (100,)},
        samples=4,
        sizes=(10, 50, 100),
        factors=(0.1, 1, 10),
        neurons_swept=100,
        samples_swept=2,
    ),
    "paper": Size(),
}


def jobs(size: Size) -> list[Job]:
    """List the jobs: those of a network stand together, and a job that two sweeps share occurs once."""
    listed: list[Job] = []
    for job in (*main_jobs(size), *sweep_jobs(size)):
        listed += [job] * (job not in listed)
    return listed


def main_jobs(size: Size) -> Iterator[Job]:
    """Yield every model on every data set; the first seeds in both frameworks."""
    for dataset, lengths in size.lengths.items():
        for cell in settings.MODELS:
            for steps in lengths:
                common = {"study": "models", "steps": steps, "neurons": size.neurons, "samples": size.samples}
                for framework, seeds in (("jax", size.seeds), ("torch", size.twins)):
                    for seed in range(seeds):
                        yield described(settings.JACOBIAN, cell, dataset, seed, framework) | common


def sweep_jobs(size: Size) -> Iterator[Job]:
    """Yield the sweeps over the number of neurons and over the strengths of both kinds of weights."""
    for dataset in size.swept:
        for cell in settings.SIMPLE:
            for steps in size.lengths[dataset]:
                for seed in range(size.seeds):
                    plain = described(settings.SETTING_1, cell, dataset, seed, "jax")
                    plain |= {"study": "sweeps", "steps": steps, "samples": size.samples_swept}
                    for neurons in size.sizes:
                        yield plain | {"neurons": neurons}
                    for name in ("ff", "rec"):
                        for by in size.factors:
                            swept = {f"{name}_factor": by, name: plain[name] * by}
                            yield plain | {"neurons": size.neurons_swept} | swept


def described(table: settings.Table, cell: str, dataset: str, seed: int, framework: str) -> Job:
    """Describe the network and the data of a job."""
    rec, ff, constants = settings.setting(table, cell, dataset)
    return {
        "cell": cell,
        "constants": constants,
        "rec": rec,
        "ff": ff,
        "rec_factor": 1,
        "ff_factor": 1,
        "dataset": dataset,
        "reading": settings.READING[dataset],
        "framework": framework,
        "seed": seed,
    }


def compute(job: Job) -> list[Row]:
    """Compute a row for each sample: what its steps have on average, and what all steps have together."""
    layer = networks.draw(job)
    if job["framework"] == "jax":
        from drtrl_bench.paper.measures import jacobians_jax as jacobians
    else:
        from drtrl_bench.paper.measures import jacobians_torch as jacobians
    measures = jacobians.measures(job, layer)
    return [
        {"sample": sample, "density": layer.density}
        | per_sample({name: values[..., sample] for name, values in measures.items() if name not in ("F", "R")})
        | {"radius": radius(measures["F"][sample], measures["R"][sample], layer.weights["r"][:, 0])}
        for sample in range(job["samples"])
    ]


def per_sample(measures: Mapping[str, Any]) -> Row:
    """Summarize the steps of a sample, corrected and as published."""
    single, error = np.asarray(measures["single"]), np.asarray(measures["error"])
    zeroed = np.nan_to_num(single, nan=0.0)
    return {
        "single": mean(single),
        "error": mean(error),
        "undefined": int(np.isnan(single).sum()),
        "published": float(zeroed.mean()),
        "published_square": float((zeroed**2).mean()),
        "all": finite(measures["all"]),
        "all_published": in_float32(float(measures["all"]), float(measures["log_J"]), float(measures["log_D"])),
        "log_J": finite(measures["log_J"]),
        "log_D": finite(measures["log_D"]),
        "rate": 1000 * float(measures["rate"]),
    }


def finite(value: Any) -> float | None:
    """Return a number, None for nan and infinity."""
    return float(value) if np.isfinite(value) else None


def mean(values: NDArray[np.float64]) -> float | None:
    """Return the mean of the values that are defined, None if none is."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else None


def in_float32(cosine: float, log_J: float, log_D: float) -> float:
    """Return a cosine as float32 gives it from the matrices themselves: 0 where a square leaves its range."""
    squares = np.array([2 * log_J, 2 * log_D])
    inside = (squares > np.log10(np.finfo(np.float32).tiny)) & (squares < np.log10(np.finfo(np.float32).max))
    return cosine if inside.all() and np.isfinite(cosine) else 0.0


def radius(F: NDArray[np.float64], R: NDArray[np.float64], W: NDArray[np.float64]) -> float:
    """Return the spectral radius of J - D = F W^T R: that of W^T diag(R F), of N neurons in place of their states."""
    return float(np.abs(np.linalg.eigvals(W.T * (R * F).sum(axis=0))).max())


def figures(rows: Frame) -> dict[str, tuple[Any, Frame]]:
    """Draw the models on each data set, and the sweeps."""
    from drtrl_bench.paper.drawing import jacobian

    return jacobian.figures(rows)


def verdicts(rows: Frame) -> list[Verdict]:
    """Judge whether the median cosine is close to 1 in every setting of the models."""
    from drtrl_bench.paper import report
    from drtrl_bench.paper.measures import limits

    models = rows[(rows["study"] == "models") & (rows["framework"] == "jax")]
    judged = []
    for column, claim in CLAIMS.items():
        groups = models.groupby(["cell", "dataset", "steps"], sort=False)
        named = {" ".join(map(str, key)): own for key, own in groups}  # type: ignore[arg-type]
        summaries = {name: intervals.of_column(own, column) for name, own in named.items()}
        measured = limits.counted(summaries, LIMIT, "settings")
        if column == "single" and summaries:
            measured += f"; |J - D| / |J| of all {intervals.of_column(models, 'error')}"
        rates = report.rates(named, {name: each.median for name, each in summaries.items()})
        why = f"limit: the interval above {LIMIT} in every setting; {report.activity(models)}; {rates}"
        holds = limits.within(summaries.values(), low=LIMIT)
        judged.append(Verdict(claim, report.outcome(rows, holds), measured, why))
    return judged
