"""Experiment 2.8: gestures with an event-based GRU; how well do the rules teach it to tell 11 apart?

Slices of 1.7 s in 68 frames of 25 ms, read by an event-based GRU and a linear readout. In place of the published
convolutions, which are not cells of this project, the camera's pixels are pooled to 16 x 16, each 1 where anything
happened; augmentation, dropout and a rate that falls are left out, too.

As published, BPTT's loss is the mean of the steps and that of the online rules their sum. No norm is clipped, so Adam
gives the same training for both, and BPTT is trained once, with the sum. As published, the test part chooses the epoch;
here the last weights are tested once, and validation is on subjects held out of the training part.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from drtrl_bench.paper.experiment import About, Claim, Job, Row, Verdict
from drtrl_bench.paper.learning import training
from drtrl_bench.view.caption import Frame

SOURCE = "[code] event_gru_dvs_gesture, which trains by all three; accuracies were not found"
CLAIMS = {
    "es_drtrl": Claim("ES-D-RTRL learns gestures with an event-based GRU as well as BPTT", SOURCE),
    "drtrl": Claim("D-RTRL learns gestures with an event-based GRU as well as BPTT", SOURCE),
}
ABOUT = About(
    section="2.8",
    title="gestures with an event-based GRU",
    question="How well do the rules teach an event-based GRU to tell gestures apart?",
    claims=CLAIMS,
    cpu_seconds=72.0,
)
RULES = ("bptt", "drtrl", "es_drtrl", "no_trace", "random_feedback")
CHANCE = 1 / 11
MARGIN = 0.05
"""As well: the interval of the difference of test accuracies lies above minus this."""
STEPS, SLICE = 68, 1.7
CONDITION = "68 frames of 25 ms"
UNCUT = 1e9
"""The norm of a gradient is not cut."""


@dataclass(frozen=True)
class Size:
    """Network and training."""

    neurons: int = 1024
    batch: int = 64
    updates: int = 8400
    """500 epochs of 1077 recordings."""
    every: int = 420
    rates: tuple[float, ...] = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
    held: int = 264
    seeds: int = 5
    tunings: int = 1
    """Other seeds, on which rates are chosen."""
    twin: int = 420
    """Updates of the first seed that are also computed in PyTorch."""
    features: int = 512


SIZES = {
    "cpu": Size(
        neurons=64,
        batch=8,
        updates=100,
        every=10,
        rates=(1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
        held=128,
        tunings=2,
        twin=10,
    ),
    "paper": Size(),
}


def jobs(size: Size) -> list[Job]:
    """List the trainings, and then the twins in PyTorch."""
    return list(every_job(size))


def every_job(size: Size) -> Iterator[Job]:
    """Yield every rule at every seed, and then the first updates of the first seed in PyTorch."""
    for rule in RULES:
        for seed in range(size.seeds):
            yield described(size, rule, seed)
    for rule in RULES:
        yield described(size, rule, 0) | {"framework": "torch", "until": size.twin}


def described(size: Size, rule: str, seed: int) -> Job:
    """Describe a training; the strengths are those of Xavier-normal weights."""
    return {
        "condition": CONDITION,
        "rule": rule,
        "variant": "",
        "cell": "egru_traced",
        "options": {"scale_x": 2 * size.features / (size.features + size.neurons), "scale_r": 1.0},
        "layers": 1,
        "neurons": size.neurons,
        "readout": "linear",
        "readout_options": {},
        "dataset": "dvs_gesture",
        "reading": {"features": size.features, "binary": True, "slices": SLICE},
        "steps": STEPS,
        "batch": size.batch,
        "per_step": False,
        "rule_options": {"decay": 0.2, "bias_correction": "corrected"},
        "chunk": STEPS if rule == "bptt" else 32,
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
        f"gestures in slices of {SLICE} s, T = {STEPS}, {job['reading']['features']} pooled pixels in place of a CNN; "
        f"event-based GRU of {job['neurons']}; decay of ES-D-RTRL {job['rule_options']['decay']:g}, as published",
    ]
    return {"gesture": (drawing.figure(rows, "2.8 Gestures, event-based GRU", CHANCE, said), drawing.points(rows))}


def verdicts(rows: Frame) -> list[Verdict]:
    """Judge whether both online rules test as well as BPTT."""
    from drtrl_bench.paper.learning import judging

    return [judging.as_good(rows, claim, rule, "bptt", CONDITION, MARGIN, CHANCE) for rule, claim in CLAIMS.items()]
