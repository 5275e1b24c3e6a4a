"""Experiment 2.7: spoken digits (SHD); how well do the rules teach a network of two spiking layers to tell 20 apart?

Two layers of LIF neurons with trained time constants, drawn as wide as the published RLIF network: there a current is
weighted with 1 - alpha, about 0.08, which is in the strengths here. The published layers have no bias; these have one.
Left out are dropout, augmentation, states drawn at the start and a rate that falls. So is the multi-step VJP of the
published online rules: there a step's learning signal passes through the whole Jacobian of that step, the recurrent
weights among it, and meets the traces of the step before; here it ends at the states of its own step (single-step VJP).

As published, BPTT minimises the cross-entropy of the output's sum over the steps, and the online rules the sum of the
steps' cross-entropies: another objective. Corrected, both have the latter. As published, the test part chooses epoch
and rate; that is not done here at all: validation is on speakers held out of the training part.
"""

from typing import Any

from drtrl_bench.paper import experiment
from drtrl_bench.paper.experiment import About, Claim, Job, Row, Verdict
from drtrl_bench.paper.learning import training
from drtrl_bench.paper.learning.listing import MARGIN, RULES, UNCUT, TaskSize, chunk
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
    cpu_seconds=638,
    instead="neither dropout nor augmentation; states at rest, not drawn; layers with a bias; a fixed rate, not a "
    "falling one; single-step VJP, not multi-step",
)
CHANCE = 1 / 20
STEPS, FEATURES = 100, 700
CONDITION = "100 steps of 14 ms"
SUM: Job = {"variant": "cross-entropy of the sum", "summed": True}
"""BPTT as published."""
SIZES = {
    "cpu": TaskSize(
        neurons=64,
        batch=32,
        updates=200,
        every=20,
        rates=(0.02, 0.01, 0.005, 0.002, 0.001, 0.0005),
        held_out=256,
        twin=20,
    ),
    "paper": TaskSize(
        neurons=1024,
        batch=128,
        updates=6400,  # 100 epochs of 8156 recordings
        every=320,
        rates=(0.02, 0.01, 0.005, 0.002, 0.001),  # as published for BPTT
        held_out=2264,
        twin=320,
    ),
}


def jobs(size: TaskSize) -> list[Job]:
    """List every rule, BPTT as published, and the twins in PyTorch."""
    every = [described(size, rule) for rule in RULES]
    return [
        *size.of_seeds(every),
        *size.of_seeds([described(size, "bptt") | SUM]),
        *size.twins(every),
    ]


def described(size: TaskSize, rule: str) -> Job:
    """Describe the training of the first seed; the time constants are spread as exp(-1/5) to exp(-1/25) are."""
    return {
        "condition": CONDITION,
        "rule": rule,
        "rule_options": {"decay": 0.93, "bias_correction": "corrected"},
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
        "reading": {"features": FEATURES},
        "steps": STEPS,
        "chunk": chunk(rule, STEPS, 32),
        "per_step": False,
        **size.budget(clip=UNCUT),
    }


def compute(job: Job) -> list[Row]:
    """Train, and test once."""
    return training.rows(job)


def figures(rows: Frame) -> dict[str, tuple[Any, Frame]]:
    """Draw the curves."""
    from drtrl_bench.paper.drawing import training as drawing

    job = rows.iloc[0]
    notes = [
        f"spoken digits, T = {STEPS}; two layers of {job['neurons']} recurrent LIF (RLIF) neurons, trained time "
        f"constants; surrogate boxcar; single-step VJP; decay of ES-D-RTRL {job['rule_options']['decay']:g} per step, "
        "as published for RLIF",
        "objective of all lines but BPTT's as published: the sum of the steps' cross-entropies",
    ]
    return {"shd": (drawing.figure(rows, "2.7 Spoken digits (SHD)", CHANCE, notes), drawing.points(rows))}


def verdicts(rows: Frame) -> list[Verdict]:
    """Judge whether both online rules test as well as BPTT on the same objective."""
    from drtrl_bench.paper.learning import judging

    judged = [judging.as_good(rows, claim, rule, "bptt", CONDITION, MARGIN, CHANCE) for rule, claim in CLAIMS.items()]
    return experiment.with_replaced(ABOUT, judged)
