"""Experiment 2.11: copying with a GRU; which rules teach it to repeat ten symbols, and after how long a lag?

A GRU reads ten symbols, then blanks, and repeats the symbols while a cue is on. Only the steps of the cue have a
loss. The preprint's code trains by BPTT and by D-RTRL, at a lag of 500 steps, with orthogonal initial weights; here
they are Kaiming-normal. It does not train by ES-D-RTRL, so the decay of that rule is chosen here, as its rate is; the
shorter lags are this project's.

As published, BPTT's loss is the mean of the steps, where D-RTRL's is their sum; corrected, all rules have the sum. As
Adam does not see the scale of a gradient, the mean differs only where a norm is clipped: the sum's is clipped to 10 in
place of 1.
"""

from dataclasses import dataclass
from typing import Any

from drtrl_bench.paper import experiment
from drtrl_bench.paper.experiment import About, Claim, Job, Row, Verdict
from drtrl_bench.paper.learning import training
from drtrl_bench.paper.learning.listing import MARGIN, RULES, TaskSize, chunk
from drtrl_bench.view.caption import Frame

SOURCE = "[code] GRU on the copying task, in the preprint's code, which compares both; its curves were not found"
GUESS = "[guess] of the abstract; the code has no such run, and no decay for it"
CLAIMS = {
    "short": Claim("D-RTRL learns to copy as well as BPTT, at the shortest lag", SOURCE),
    "long": Claim("D-RTRL learns to copy as well as BPTT, at the longest lag", SOURCE),
    "es_short": Claim("ES-D-RTRL learns to copy as well as BPTT, at the shortest lag", GUESS),
    "es_long": Claim("ES-D-RTRL learns to copy as well as BPTT, at the longest lag", GUESS),
}
ABOUT = About(
    section="2.11",
    title="copying with a GRU",
    question="After how long a lag do the rules say ten symbols again?",
    claims=CLAIMS,
    cpu_seconds=1204,
    instead="Kaiming-normal initial weights, not orthogonal ones",
)
SYMBOLS = 10
CHANCE = 1 / 8
MEAN: Job = {"variant": "mean of steps", "clip": float(SYMBOLS)}
"""BPTT as published."""


@dataclass(frozen=True, kw_only=True)
class Size(TaskSize):
    """Lags, network and training."""

    lags: tuple[int, ...]
    decays: tuple[float, ...] = (0.98, 0.9, 0.95, 0.99, 0.999)
    """Of ES-D-RTRL; none is published for this task."""


SIZES = {
    "cpu": Size(
        lags=(5, 50),
        neurons=64,
        batch=32,
        updates=400,
        every=50,
        rates=(1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
        held_out=256,
        twin=50,
    ),
    "paper": Size(
        lags=(50, 500),
        neurons=200,
        batch=128,
        updates=5000,
        every=250,
        rates=(1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
        held_out=1024,
        twin=250,
    ),
}


def jobs(size: Size) -> list[Job]:
    """List every rule, every decay of ES-D-RTRL, and BPTT as published at every lag; twins at the shortest."""
    every = [described(size, rule, lag) for lag in size.lags for rule in RULES]
    decays = [described(size, "es_drtrl", lag, decay) for lag in size.lags for decay in size.decays[1:]]
    return [
        *size.of_seeds([*every, *decays]),
        *size.of_seeds([described(size, "bptt", lag) | MEAN for lag in size.lags]),
        *size.twins([job for job in [*every, *decays] if job["lag"] == size.lags[0]]),
    ]


def described(size: Size, rule: str, lag: int, decay: float | None = None) -> Job:
    """Describe the training of the first seed. Rates, and ES-D-RTRL's decay, are chosen at its own lag."""
    steps = lag + 2 * SYMBOLS
    return {
        "condition": f"lag of {lag} steps",
        "lag": lag,
        "rule": rule,
        "rule_options": {"decay": decay or size.decays[0], "bias_correction": "corrected"},
        "variant": "",
        "cell": "gru",
        "options": {},
        "layers": 1,
        "neurons": size.neurons,
        "readout": "linear",
        "readout_options": {},
        "dataset": "copying",
        "reading": {"length": SYMBOLS},
        "steps": steps,
        "chunk": chunk(rule, steps, 16),
        "per_step": True,
        **size.budget(clip=1.0, enough=0.99),
    }


def compute(job: Job) -> list[Row]:
    """Train, and test once."""
    return training.rows(job)


def figures(rows: Frame) -> dict[str, tuple[Any, Frame]]:
    """Draw the curves of all lags."""
    from drtrl_bench.paper.drawing import training as drawing
    from drtrl_bench.paper.learning import trainings

    rows = trainings.of_chosen_decays(rows)
    notes = [
        f"copying of {SYMBOLS} symbols; GRU of {rows.iloc[0]['neurons']}, linear readout",
        "accuracy: share of the symbols that are right; no loss before the cue; traces run on from the first step",
    ]
    return {"copying": (drawing.figure(rows, "2.11 Copying with a GRU", CHANCE, notes), drawing.points(rows))}


def verdicts(rows: Frame) -> list[Verdict]:
    """Judge whether D-RTRL and ES-D-RTRL copy as well as BPTT, at the shortest and at the longest lag."""
    from drtrl_bench.paper.learning import judging, trainings

    rows = trainings.of_chosen_decays(rows)
    short, long = (str(rows.loc[at, "condition"]) for at in (rows["lag"].idxmin(), rows["lag"].idxmax()))
    of_claim = {
        "short": ("drtrl", short),
        "long": ("drtrl", long),
        "es_short": ("es_drtrl", short),
        "es_long": ("es_drtrl", long),
    }
    judged = [
        judging.as_good(rows, CLAIMS[key], rule, "bptt", condition, MARGIN, CHANCE)
        for key, (rule, condition) in of_claim.items()
    ]
    return experiment.with_replaced(ABOUT, judged)
