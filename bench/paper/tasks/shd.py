"""Experiment 2.7: spoken digits (SHD); how well do the rules teach a network of two spiking layers to tell 20 apart?

Two layers of LIF neurons with trained time constants, drawn as wide as the published RLIF network: there a current is
weighted with 1 - alpha, about 0.08, which is in the strengths here. What the published network has besides, dropout,
augmentation, states drawn at the start, a rate that falls and no bias, is left out.

As published, BPTT minimises the cross-entropy of the output's sum over the steps, and the online rules the sum of the
steps' cross-entropies: another objective. Corrected, both have the latter. As published, the test part chooses epoch
and rate; that is not done here at all: validation is on speakers held out of the training part.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from drtrl_bench.paper.experiment import About, Claim, Job, Row, Verdict
from drtrl_bench.paper.learning import training
from drtrl_bench.view.caption import Frame

SOURCE = "[code] braintrace-shd-experiments, which tunes both; accuracies were not found"
CLAIMS = {
    "es_drtrl": Claim("ES-D-RTRL learns SHD as well as BPTT", SOURCE),
    "drtrl": Claim("D-RTRL learns SHD as well as BPTT", "[guess] of the abstract; the code has no such run"),
}
ABOUT = About(
    section="2.7",
    title="spoken digits (SHD)",
    question="How well do the rules teach a spiking network to tell spoken digits apart?",
    claims=CLAIMS,
    cpu_seconds=158.6,
)
RULES = ("bptt", "drtrl", "es_drtrl", "no_trace", "random_feedback")
CHANCE = 1 / 20
MARGIN = 0.05
"""As well: the interval of the difference of test accuracies lies above minus this."""
CONDITION = "100 steps of 14 ms"
UNCUT = 1e9
"""The norm of a gradient is not cut."""


@dataclass(frozen=True)
class Size:
    """Network and training."""

    neurons: int = 1024
    batch: int = 128
    updates: int = 6400
    """100 epochs of 8156 recordings."""
    every: int = 320
    rates: tuple[float, ...] = (0.02, 0.01, 0.005, 0.002, 0.001)
    """As published for BPTT."""
    held: int = 2264
    seeds: int = 5
    tunings: int = 1
    """Other seeds, on which rates are chosen."""
    twin: int = 320
    """Updates of the first seed that are also computed in PyTorch."""
    features: int = 700


SIZES = {
    "cpu": Size(
        neurons=64,
        batch=32,
        updates=150,
        every=15,
        rates=(0.05, 0.02, 0.01, 0.005, 0.002),
        held=256,
        tunings=2,
        twin=15,
    ),
    "paper": Size(),
}


def jobs(size: Size) -> list[Job]:
    """List the trainings, and then the twins in PyTorch."""
    return list(every_job(size))


def every_job(size: Size) -> Iterator[Job]:
    """Yield every rule at every seed, then BPTT as published, and the first updates of the first seed in PyTorch."""
    for rule in RULES:
        for seed in range(size.seeds):
            yield described(size, rule, seed)
    for seed in range(size.seeds):
        yield described(size, "bptt", seed) | {"variant": "cross-entropy of the sum", "summed": True}
    for rule in RULES:
        yield described(size, rule, 0) | {"framework": "torch", "until": size.twin}


def described(size: Size, rule: str, seed: int) -> Job:
    """Describe a training; the time constants are spread as exp(-1/5) to exp(-1/25) are."""
    return {
        "condition": CONDITION,
        "rule": rule,
        "variant": "",
        "summed": False,
        "cell": "lif_delta",
        "options": {"tau": 11.2, "spread": 0.46, "trainable": ["tau"], "surrogate": "boxcar"}
        | {"scale_x": 0.13, "scale_r": 0.16},
        "layers": 2,
        "neurons": size.neurons,
        "readout": "leaky",
        "readout_options": {"tau": 11.2, "scale_x": 0.013},
        "dataset": "shd",
        "reading": {"features": size.features},
        "steps": 100,
        "batch": size.batch,
        "per_step": False,
        "rule_options": {"decay": 0.93, "bias_correction": "corrected"},
        "chunk": 100 if rule == "bptt" else 32,
        "clip": UNCUT,
        "rates": list(size.rates),
        "updates": size.updates,
        "every": size.every,
        "enough": None,
        "held": size.held,
        "tunings": size.tunings,
        "seed": seed,
        "framework": "jax",
        "until": None,
    }


def compute(job: Job) -> list[Row]:
    """Train, and test once."""
    return training.rows(job)


def figures(rows: Frame) -> dict[str, tuple[Any, Frame]]:
    """Draw the curves."""
    from drtrl_bench.paper.drawing import training as drawing

    job = rows.iloc[0]
    said = [
        f"spoken digits, T = 100; two layers of {job['neurons']} LIF neurons, trained time constants; surrogate "
        f"boxcar; decay of ES-D-RTRL {job['rule_options']['decay']:g} per step, as published for RLIF",
        "objective of all lines but BPTT's as published: the sum of the steps' cross-entropies",
    ]
    return {"shd": (drawing.figure(rows, "2.7 Spoken digits (SHD)", CHANCE, said), drawing.points(rows))}


def verdicts(rows: Frame) -> list[Verdict]:
    """Judge whether both online rules test as well as BPTT on the same objective."""
    from drtrl_bench.paper.learning import judging

    return [judging.as_good(rows, claim, rule, "bptt", CONDITION, MARGIN, CHANCE) for rule, claim in CLAIMS.items()]
