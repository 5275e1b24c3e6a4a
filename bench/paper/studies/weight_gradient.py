"""Experiment 2.4: how parallel the weight gradients of the online rules are to that of BPTT.

Compared are D-RTRL, ES-D-RTRL (pp-prop) with several ranks and with both bias corrections, and, as a control, the
gradient of the current step alone: by model and data set, in deep networks, and over size and strengths. Beside each
cosine stands the ratio of the norms, of each layer by itself.

As published, a layer's weights are one vector; a cosine with a gradient that is zero counts as 0; one network; and if
there is no loss before a step t0, the traces of the rules start at zero at t0, while BPTT goes back to the first step.
Corrected, the traces run from the first step on, what is undefined is counted apart, the bias correction is that of the
filters, and the median is over samples and seeds.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from drtrl_bench.paper.experiment import About, Claim, Job, Row, Verdict
from drtrl_bench.paper.measures import gradients, settings
from drtrl_bench.view.caption import Frame

SOURCE = "[code] rsnn_weight_gradient_cosine.py, whose question it is; its values were not found"
CLAIMS = {
    "drtrl": Claim("the weight gradient of D-RTRL has the direction of that of BPTT", SOURCE, "models"),
    "es_drtrl": Claim(
        "the weight gradient of ES-D-RTRL has the direction of that of BPTT, at the best rank of each setting",
        SOURCE,
        "models",
    ),
    "depth": Claim(
        "in deep networks, D-RTRL's gradient of every layer has the direction of that of BPTT", SOURCE, "depth"
    ),
    "order": Claim(
        "D-RTRL's gradient is at least as close to that of BPTT as ES-D-RTRL's",
        "[code] rsnn_weight_gradient_cosine.py compares both; which is closer was not found",
        "models",
    ),
}
ABOUT = About(
    section="2.4",
    title="fidelity of the weight gradient",
    question="How parallel are the weight gradients of D-RTRL and ES-D-RTRL to that of BPTT?",
    claims=CLAIMS,
    cpu_seconds=549,
)
DEEP: settings.Table = {
    "lif_delta": {"": (0.1, 0.8, 10)},
    "lif_expcu": {"": (4, 160, 10)},
    "lif_std": {"": (8, 160, 10, 200)},
    "lif_stp": {"": (5, 160, 10)},
    "alif_delta": {"": (0.5, 2, 10)},
    "alif_expcu": {"": (10, 160, 10)},
    "alif_std": {"": (10, 240, 10, 200)},
    "alif_stp": {"": (6, 320, 5)},
}
"""rec, ff, tau, and tau_std of the deep networks, whose layers are all alike."""


@dataclass(frozen=True)
class Size:
    """Networks, lengths and samples."""

    lengths: Mapping[str, tuple[int, ...]] = field(
        default_factory=lambda: {"nmnist": (1000,), "dvs_gesture": (200, 400, 600, 1000), "shd": (300,)}
    )
    """Steps by data set."""
    neurons: int = 200
    samples: int = 200
    """Recordings of each seed."""
    seeds: int = 5
    twins: int = 1
    """Seeds that are also computed in PyTorch."""
    samples_of_twins: int = 10
    ranks: tuple[int, ...] = (4, 10, 20, 40, 100)
    ranks_deep: tuple[int, ...] = (4, 10, 20, 40)
    warm_ups: tuple[float, ...] = (0.0, 0.9, 0.99)
    """Shares of the steps that are without a loss."""
    depths: tuple[int, ...] = (3, 4, 5)
    samples_deep: int = 100
    sizes: tuple[int, ...] = (10, 50, 100, 300, 500, 1000, 2000, 4000)
    factors: tuple[float, ...] = (0.1, 0.2, 0.4, 0.6, 0.8, 1, 2, 4, 6, 8, 10)
    """Of the feed-forward strength, and of the recurrent one."""
    samples_swept: int = 200


SIZES = {
    "cpu": Size(
        lengths={"nmnist": (100,), "dvs_gesture": (100,), "shd": (100,)},
        neurons=50,
        samples=5,
        samples_of_twins=1,
        depths=(5,),
        samples_deep=3,
        sizes=(10, 50, 100),
        factors=(0.1, 1, 10),
        samples_swept=3,
    ),
    "paper": Size(),
}


def jobs(size: Size) -> list[Job]:
    """List the jobs: those of a network stand together, and a job that two sweeps share occurs once."""
    listed: list[Job] = []
    for job in (*of_models(size), *of_depths(size), *of_sweeps(size)):
        listed += [job] * (job not in listed)
    return listed


def of_models(size: Size) -> Iterator[Job]:
    """Yield every model on every data set; the first seeds in both frameworks, in PyTorch without a warm-up."""
    for cell in settings.MODELS:
        for dataset, lengths in size.lengths.items():
            for steps in lengths:
                own = described("models", settings.SETTING_1, cell, dataset)
                own |= {"steps": steps, "neurons": size.neurons, "samples": size.samples}
                own |= {"rules": gradients.rules(list(size.ranks)), "kinds": True}
                jax = {"framework": "jax", "computed": size.samples, "warm_ups": list(size.warm_ups)}
                torch = {"framework": "torch", "computed": size.samples_of_twins, "warm_ups": [0.0]}
                yield from (own | jax | {"seed": seed} for seed in range(size.seeds))
                yield from (own | torch | {"seed": seed} for seed in range(size.twins))


def of_depths(size: Size) -> Iterator[Job]:
    """Yield the deep networks on SHD."""
    for cell in settings.MODELS:
        for layers in size.depths:
            own = described("depth", DEEP, cell, "shd")
            own |= {"steps": size.lengths["shd"][0], "neurons": size.neurons, "samples": size.samples_deep}
            own |= {"layers": layers, "rules": gradients.rules(list(size.ranks_deep)), "kinds": False}
            own |= {"framework": "jax", "computed": size.samples_deep, "warm_ups": [0.0]}
            yield from (own | {"seed": seed} for seed in range(size.seeds))


def of_sweeps(size: Size) -> Iterator[Job]:
    """Yield the sweeps over the number of neurons and over both strengths, on gestures of the first length."""
    for cell in settings.SIMPLE:
        plain = described("sweeps", settings.SETTING_1, cell, "dvs_gesture")
        plain |= {"steps": size.lengths["dvs_gesture"][0], "samples": size.samples_swept, "warm_ups": [0.0]}
        plain |= {"rules": gradients.rules(list(size.ranks)), "kinds": False, "neurons": size.neurons}
        plain |= {"framework": "jax", "computed": size.samples_swept}
        swept = [{"neurons": neurons} for neurons in size.sizes]
        swept += [{f"{name}_factor": by, name: plain[name] * by} for name in ("ff", "rec") for by in size.factors]
        yield from (plain | each | {"seed": seed} for each in swept for seed in range(size.seeds))


def described(study: str, table: settings.Table, cell: str, dataset: str) -> Job:
    """Describe the study, the network and the data of a job."""
    rec, ff, constants = settings.setting(table, cell, dataset)
    network = {"cell": cell, "constants": constants, "rec": rec, "ff": ff, "rec_factor": 1, "ff_factor": 1, "layers": 1}
    return {"study": study} | network | {"dataset": dataset, "reading": settings.READING[dataset]}


def compute(job: Job) -> list[Row]:
    """Compute a row for each warm-up, sample and part of the weights: cosines and ratios of norms, by rule."""
    if job["framework"] == "jax":
        from drtrl_bench.paper.measures import gradients_jax as measured
    else:
        from drtrl_bench.paper.measures import gradients_torch as measured
    problem = gradients.draw(job)
    starts = [math.floor(share * job["steps"]) for share in job["warm_ups"]]
    variants = [
        (share, gradients.Variant(start, traces))
        for share, start in zip(job["warm_ups"], starts, strict=True)
        for traces in ((True, False) if start else (True,))
    ]
    by_variant = measured.measures(job, problem, [variant for _, variant in variants])
    spikes, rows, true = measured.activity(job, problem), [], by_variant[0]["bptt"]
    for (share, variant), own in zip(variants, by_variant, strict=True):
        true = own["bptt"] if variant.traces else true  # without traces: BPTT through the warm-up, the variant before
        listed = gradients.parts(job["layers"], job["kinds"] and not variant.start)
        rules = {rule: own[rule] for rule in job["rules"]}
        for sample, part, agreement in gradients.compare(rules, true, problem, listed):
            rates = [each[sample] for each in spikes]
            rows.append({
                "sample": sample,
                "warm_up": share,
                "traces": variant.traces,
                "part": part,
                "cosine": [rounded(each["cosine"]) for each in agreement.values()],
                "norm_ratio": [rounded(each["norm_ratio"]) for each in agreement.values()],
                "rate": rounded(1000 * float(np.mean(rates))),
                "silent": rounded(float(np.mean([each == 0 for each in rates]))),
                "density": rounded(problem.density),
            })  # fmt: skip
    return rows


def rounded(value: float | None) -> float | None:
    """Return a number to five digits; None if it is none."""
    return None if value is None else float(f"{value:.5g}")


def figures(rows: Frame) -> dict[str, tuple[Any, Frame]]:
    """Draw the models, the warm-up, the parameters, the depths and the sweeps."""
    from drtrl_bench.paper.drawing import weight_gradient_studies

    return weight_gradient_studies.figures(rows)


def verdicts(rows: Frame) -> list[Verdict]:
    """Judge the direction of the gradient of hidden layers, in every setting."""
    from drtrl_bench.paper.studies import weight_gradient_judged

    return weight_gradient_judged.verdicts(rows, CLAIMS)
