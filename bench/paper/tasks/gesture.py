"""Experiment 2.8: gestures with an event-based GRU; how well do the rules teach it to tell 11 apart?

Slices of 1.7 s in 68 frames of 25 ms, read by an event-based GRU and a linear readout. In place of the published
convolutions, which are not cells of this project, the camera's pixels are pooled to 16 x 16, each 1 where anything
happened; augmentation, dropout and a rate that falls are left out, too. The published online rules have a multi-step
VJP: a step's learning signal passes through the whole Jacobian of that step, the recurrent weights among it, and meets
the traces of the step before. Here it ends at the states of its own step (single-step VJP).

As published, BPTT's loss is the mean of the steps and that of the online rules their sum. No norm is clipped, so Adam
gives the same training for both, and BPTT is trained once, with the sum. As published, the test part chooses the epoch;
here the last weights are tested once, and validation is on subjects held out of the training part.
"""

from typing import Any

from drtrl_bench.paper import experiment
from drtrl_bench.paper.experiment import About, Claim, Job, Row, Verdict
from drtrl_bench.paper.learning import training
from drtrl_bench.paper.learning.listing import MARGIN, RULES, UNCUT, TaskSize, chunk
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
    cpu_seconds=204,
    instead="pooled pixels, not convolutions; neither augmentation nor dropout; a fixed rate, not a falling one; "
    "single-step VJP, not multi-step",
)
CHANCE = 1 / 11
STEPS, SLICE = 68, 1.7
FEATURES = 512
"""Input lines: two polarities of 16 x 16 pixels."""
CONDITION = "68 frames of 25 ms"
SIZES = {
    "cpu": TaskSize(
        neurons=64,
        batch=8,
        updates=80,
        every=10,
        rates=(1e-2, 3e-2, 1e-1, 3e-1),
        held_out=128,
        twin=10,
    ),
    "paper": TaskSize(
        neurons=1024,
        batch=64,
        updates=8400,  # 500 epochs of 1077 recordings
        every=420,
        rates=(1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
        held_out=264,
        twin=420,
    ),
}


def jobs(size: TaskSize) -> list[Job]:
    """List every rule, and the twins in PyTorch."""
    every = [described(size, rule) for rule in RULES]
    return [*size.of_seeds(every), *size.twins(every)]


def described(size: TaskSize, rule: str) -> Job:
    """Describe the training of the first seed; the strengths are those of Xavier-normal weights."""
    return {
        "condition": CONDITION,
        "rule": rule,
        "rule_options": {"decay": 0.2, "bias_correction": "corrected"},
        "variant": "",
        "cell": "egru_traced",
        "options": {"scale_x": 2 * FEATURES / (FEATURES + size.neurons), "scale_r": 1.0},
        "layers": 1,
        "neurons": size.neurons,
        "readout": "linear",
        "readout_options": {},
        "dataset": "dvs_gesture",
        "reading": {"features": FEATURES, "binary": True, "slices": SLICE},
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
        f"gestures in slices of {SLICE} s, T = {STEPS}, {job['reading']['features']} pooled pixels in place of a CNN; "
        f"event-based GRU of {job['neurons']}; decay of ES-D-RTRL {job['rule_options']['decay']:g}, as published; "
        "single-step VJP",
    ]
    return {"gesture": (drawing.figure(rows, "2.8 Gestures, event-based GRU", CHANCE, notes), drawing.points(rows))}


def verdicts(rows: Frame) -> list[Verdict]:
    """Judge whether both online rules test as well as BPTT."""
    from drtrl_bench.paper.learning import judging

    judged = [judging.as_good(rows, claim, rule, "bptt", CONDITION, MARGIN, CHANCE) for rule, claim in CLAIMS.items()]
    return experiment.with_replaced(ABOUT, judged)
