"""Experiment 2.11: the integrator; which rules teach a minimal gated unit to tell the sum of its input?

One line brings white noise around a bias that differs from trial to trial, and at every step the network is to tell the
sum so far. The published example has trials of 25 steps, MiniGRU, BPTT and D-RTRL. Longer trials are this project's:
the same second in shorter steps, so that the sum is as hard to tell at every length. So is ES-D-RTRL, whose decay is
chosen as its rate is.

The example regresses the sum with a squared error. Here the loss of a step is a cross-entropy, so the sum is told in
eight ranges that are equally likely at the end of a trial. What the example has besides is left out: a rate that falls,
a decay of weights, and the large epsilon of its Adam. Its rates, .025 for BPTT and .005 for D-RTRL, are in the list.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from drtrl_bench.paper import experiment
from drtrl_bench.paper.experiment import About, Claim, Job, Row, Verdict
from drtrl_bench.paper.learning import training
from drtrl_bench.paper.learning.listing import MARGIN, RULES, UNCUT, TaskSize, chunk
from drtrl_bench.view.caption import Frame

CLAIMS = {
    "drtrl": Claim(
        "D-RTRL learns to integrate as well as BPTT, at the published length",
        "[code] 101 of the examples of braintrace, which trains by both; its curves were not found",
    ),
    "es_drtrl": Claim(
        "ES-D-RTRL learns to integrate as well as BPTT, at the published length",
        "[guess] of the abstract; the code has no such run, and no decay for it",
    ),
}
ABOUT = About(
    section="2.11",
    title="the integrator",
    question="How well do the rules teach a minimal gated unit to tell the sum of its input, over how many steps?",
    claims=CLAIMS,
    cpu_seconds=533,
    instead="the sum told in ranges, in place of the sum itself; a fixed rate, not a falling one; no decay of weights; "
    "Adam with its usual epsilon",
)
PUBLISHED = 25
"""Steps of a trial."""


@dataclass(frozen=True, kw_only=True)
class Size(TaskSize):
    """Lengths, network and training."""

    lengths: tuple[int, ...]
    decays: tuple[float, ...] = (0.98, 0.9, 0.95, 0.99, 0.999)
    """Of ES-D-RTRL; none is published for this task."""


SIZES = {
    "cpu": Size(
        lengths=(PUBLISHED, 50, 100),
        neurons=32,
        batch=32,
        updates=192,
        every=24,
        rates=(2.5e-3, 5e-3, 1e-2, 2.5e-2, 1e-1, 2.5e-1),
        held_out=256,
        twin=24,
    ),
    "paper": Size(
        lengths=(PUBLISHED, 50, 100, 200),
        neurons=100,
        batch=512,
        updates=2500,
        every=125,
        rates=(1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2),
        held_out=1024,
        twin=125,
    ),
}


def jobs(size: Size) -> list[Job]:
    """List every rule, and every decay of ES-D-RTRL, at every length; twins in PyTorch at the published one."""
    every = [described(size, rule, steps) for steps in size.lengths for rule in RULES]
    decays = [described(size, "es_drtrl", steps, decay) for steps in size.lengths for decay in size.decays[1:]]
    return [
        *size.of_seeds([*every, *decays]),
        *size.twins([job for job in [*every, *decays] if job["steps"] == PUBLISHED]),
    ]


def described(size: Size, rule: str, steps: int, decay: float | None = None) -> Job:
    """Describe the training of the first seed. Rates, and ES-D-RTRL's decay, are chosen at its own length."""
    return {
        "condition": condition(steps),
        "rule": rule,
        "rule_options": {"decay": decay or size.decays[0], "bias_correction": "corrected"},
        "variant": "",
        "cell": "mgu",
        "options": {},
        "layers": 1,
        "neurons": size.neurons,
        "readout": "linear",
        "readout_options": {},
        "dataset": "integrator",
        "reading": {},
        "steps": steps,
        "chunk": chunk(rule, steps, PUBLISHED),
        "per_step": True,
        **size.budget(clip=UNCUT),
    }


def condition(steps: int) -> str:
    """Name the trials of a length."""
    return f"{steps} steps"


def guessed(steps: int) -> float:
    """Return the share of steps that are right if the likeliest range of each step is told, whatever the input was."""
    from drtrl_bench.datasets import integrator

    edges, shares = integrator.edges(steps), []
    for t in range(1, steps + 1):
        deviation = np.hypot(2 * integrator.MEAN * t, integrator.SCALE * np.sqrt(steps * t))
        total = NormalDist(-integrator.MEAN * t, float(deviation))
        shares.append(float(np.diff([0.0, *(total.cdf(edge) for edge in edges), 1.0]).max()))
    return float(np.mean(shares))


def compute(job: Job) -> list[Row]:
    """Train, and test once."""
    return training.rows(job)


def figures(rows: Frame) -> dict[str, tuple[Any, Frame]]:
    """Draw the curves of all lengths, and what is right after training over the length."""
    from drtrl_bench.paper.drawing import length
    from drtrl_bench.paper.drawing import training as drawing
    from drtrl_bench.paper.learning import trainings

    rows, title = trainings.of_chosen_decays(rows), "2.11 The integrator"
    chance = {int(steps): guessed(int(steps)) for steps in sorted(rows["steps"].unique())}
    notes = [
        f"running sum of a noisy input, told in eight ranges; minimal gated unit of {rows.iloc[0]['neurons']}, "
        "linear readout",
        "accuracy: share of the steps that are right; chance: of the likeliest range of each step, without the input",
    ]
    return {
        "integrator": (drawing.figure(rows, title, chance[min(chance)], notes), drawing.points(rows)),
        "integrator_length": length.drawn(rows, f"{title}, over the length", {"integrator": chance}, MARGIN, notes),
    }


def verdicts(rows: Frame) -> list[Verdict]:
    """Judge whether D-RTRL and ES-D-RTRL integrate as well as BPTT in the published number of steps."""
    from drtrl_bench.paper.learning import judging, trainings

    rows = trainings.of_chosen_decays(rows)
    of, chance = condition(PUBLISHED), guessed(PUBLISHED)
    judged = [judging.as_good(rows, claim, rule, "bptt", of, MARGIN, chance) for rule, claim in CLAIMS.items()]
    return experiment.with_replaced(ABOUT, judged)
