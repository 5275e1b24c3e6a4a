"""Experiment 2.11: copying with a GRU; which rules teach it to repeat ten symbols, and after how long a lag?

A GRU reads ten symbols, then blanks, and repeats the symbols while a cue is on. Only the steps of the cue have a
loss. The preprint's code trains by BPTT and by D-RTRL, with orthogonal initial weights; here they are Kaiming-normal.
It does not train by ES-D-RTRL, so the decay of that rule is this project's choice.

As published, BPTT's loss is the mean of the steps, where D-RTRL's is their sum; corrected, all rules have the sum. As
Adam does not see the scale of a gradient, the mean differs only where a norm is clipped: the sum's is clipped to 10 in
place of 1.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from drtrl_bench.paper.experiment import About, Claim, Job, Row, Verdict
from drtrl_bench.paper.learning import training
from drtrl_bench.view.caption import Frame

SOURCE = "[code] GRU on the copying task, in the preprint's code, which compares both; its curves were not found"
CLAIMS = {
    "short": Claim("D-RTRL learns to copy as well as BPTT, at the shortest lag", SOURCE),
    "long": Claim("D-RTRL learns to copy as well as BPTT, at the longest lag", SOURCE),
}
ABOUT = About(
    section="2.11",
    title="copying with a GRU",
    question="After how long a lag do the rules say ten symbols again?",
    claims=CLAIMS,
    cpu_seconds=353.9,
)
RULES = ("bptt", "drtrl", "es_drtrl", "no_trace", "random_feedback")
SYMBOLS = 10
CHANCE = 1 / 8
MARGIN = 0.05
"""As well: the interval of the difference of the share of symbols that are right lies above minus this."""


@dataclass(frozen=True)
class Size:
    """Network, task and training."""

    lags: tuple[int, ...] = (500,)
    neurons: int = 200
    batch: int = 128
    updates: int = 5000
    every: int = 250
    rates: tuple[float, ...] = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
    held: int = 1024
    seeds: int = 5
    tunings: int = 1
    """Other seeds, on which rates are chosen."""
    twin: int = 250
    """Updates of the first seed that are also computed in PyTorch."""
    decay: float = 0.98


SIZES = {
    "cpu": Size(
        lags=(5, 50),
        neurons=64,
        batch=32,
        updates=800,
        every=80,
        rates=(1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
        held=256,
        twin=80,
    ),
    "paper": Size(),
}


def jobs(size: Size) -> list[Job]:
    """List the trainings, and then the twins in PyTorch."""
    return list(every_job(size))


def every_job(size: Size) -> Iterator[Job]:
    """Yield every rule at every lag and seed, and BPTT as published and the twins at the shortest lag."""
    for lag in size.lags:
        for rule in RULES:
            for seed in range(size.seeds):
                yield described(size, rule, lag, seed)
    for seed in range(size.seeds):
        yield described(size, "bptt", size.lags[0], seed) | {"variant": "mean of steps", "clip": float(SYMBOLS)}
    for rule in RULES:
        yield described(size, rule, size.lags[0], 0) | {"framework": "torch", "until": size.twin}


def described(size: Size, rule: str, lag: int, seed: int) -> Job:
    """Describe a training. Rates are chosen at its own lag."""
    return {
        "condition": f"lag of {lag} steps",
        "rule": rule,
        "variant": "",
        "cell": "gru",
        "options": {},
        "layers": 1,
        "neurons": size.neurons,
        "readout": "linear",
        "readout_options": {},
        "dataset": "copying",
        "reading": {"length": SYMBOLS},
        "batch": size.batch,
        "per_step": True,
        "rule_options": {"decay": size.decay, "bias_correction": "corrected"},
        "clip": 1.0,
        "rates": list(size.rates),
        "updates": size.updates,
        "every": size.every,
        "enough": 0.99,
        "held": size.held,
        "tunings": size.tunings,
        "seed": seed,
        "framework": "jax",
        "until": None,
        **task(rule, lag),
    }


def task(rule: str, lag: int) -> Job:
    """Describe the sequences of a lag, and in how many chunks a rule takes them."""
    steps = lag + 2 * SYMBOLS
    return {"lag": lag, "steps": steps, "chunk": steps if rule == "bptt" else 16}


def compute(job: Job) -> list[Row]:
    """Train, and test once."""
    return training.rows(job)


def figures(rows: Frame) -> dict[str, tuple[Any, Frame]]:
    """Draw the curves of all lags."""
    from drtrl_bench.paper.drawing import training as drawing

    job = rows.iloc[0]
    said = [
        f"copying of {SYMBOLS} symbols; GRU of {job['neurons']}, linear readout; decay of ES-D-RTRL "
        f"{job['rule_options']['decay']:g} per step, which is not the paper's",
        "accuracy: share of the symbols that are right; no loss before the cue; traces run on from the first step",
    ]
    return {"copying": (drawing.figure(rows, "2.11 Copying with a GRU", CHANCE, said), drawing.points(rows))}


def verdicts(rows: Frame) -> list[Verdict]:
    """Judge whether D-RTRL copies as well as BPTT, at the shortest and at the longest lag."""
    from drtrl_bench.paper.learning import judging

    at = {"short": rows.loc[rows["lag"].idxmin(), "condition"], "long": rows.loc[rows["lag"].idxmax(), "condition"]}
    return [
        judging.as_good(rows, claim, "drtrl", "bptt", str(at[key]), MARGIN, CHANCE) for key, claim in CLAIMS.items()
    ]
