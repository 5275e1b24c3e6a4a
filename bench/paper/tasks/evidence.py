"""Experiment 2.10: evidence accumulation; which rules teach a network of E/I neurons to count cues over two seconds?

Excitatory and inhibitory GIF neurons with conductances, sparsely connected, see seven cues on the left or on the right,
and after a delay say on which side there were more. Only the steps of the recall have a loss; the traces of online
rules run on from the first step. Networks and strengths are the published ones; what is left out is the published
schedule, which lowers the rate by a tenth every 20 or 30 batches, and the learning signal of two steps ("multi-step")
of the published online rules: here it is of one.

As published, BPTT's loss is the mean of the steps, where that of the online rules is their sum; corrected, all rules
have the sum. As Adam does not see the scale of a gradient, the mean differs only where a norm is clipped.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from drtrl_bench.paper.experiment import About, Claim, Job, Row, Verdict
from drtrl_bench.paper.learning import training
from drtrl_bench.view.caption import Frame

SOURCE = "[code] ei_coba_net_decision_making, which trains until it is learned; its curves were not found"
CLAIMS = {
    "es_drtrl": Claim("ES-D-RTRL teaches an E/I network to accumulate evidence", SOURCE),
    "drtrl": Claim("D-RTRL teaches an E/I network to accumulate evidence", SOURCE),
    "bptt": Claim("BPTT teaches an E/I network to accumulate evidence", SOURCE),
}
ABOUT = About(
    section="2.10",
    title="evidence accumulation",
    question="Which rules teach an E/I network to count cues over two seconds?",
    claims=CLAIMS,
    cpu_seconds=521.3,
)
RULES = ("bptt", "drtrl", "es_drtrl", "no_trace", "random_feedback")
LENGTH, RECALL = 2200, 150
"""ms."""
CHANCE = 0.5
CONDITION = "seven cues, delay of 1000 ms"


@dataclass(frozen=True)
class Size:
    """Network and training."""

    ms: float = 1.0
    """A step."""
    neurons: int = 800
    batch: int = 128
    updates: int = 300
    every: int = 20
    rates: tuple[float, ...] = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
    enough: float = 0.9
    held: int = 1024
    seeds: int = 5
    tunings: int = 1
    """Other seeds, on which rates are chosen."""
    twin: int = 20
    """Updates of the first seed that are also computed in PyTorch."""


SIZES = {
    "cpu": Size(
        ms=10.0,
        neurons=100,
        batch=16,
        updates=100,
        every=10,
        rates=(3e-3, 1e-2, 3e-2, 1e-1),
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
    """Yield every rule at every seed, then BPTT as published, and the first updates of the first seed in PyTorch."""
    for rule in RULES:
        for seed in range(size.seeds):
            yield described(size, rule, seed)
    for seed in range(size.seeds):
        yield described(size, "bptt", seed) | {"variant": "mean of steps", "clip": float(round(RECALL / size.ms))}
    for rule in RULES:
        yield described(size, rule, 0) | {"framework": "torch", "until": size.twin}


def described(size: Size, rule: str, seed: int) -> Job:
    """Describe a training; times are in steps."""
    steps = round(LENGTH / size.ms)
    times = {"tau": 200, "tau_fast": 50, "tau_slow": 2000, "tau_h": 100, "tau_syn": 10}
    return {
        "condition": CONDITION,
        "ms": size.ms,
        "rule": rule,
        "variant": "",
        "cell": "ei_gif",
        "options": {name: ms / size.ms for name, ms in times.items()} | {"scale_x": 4.0, "scale_r": 2.0},
        "layers": 1,
        "neurons": size.neurons,
        "readout": "leaky",
        "readout_options": {"tau": 10 / size.ms},
        "dataset": "evidence",
        "reading": {},
        "steps": steps,
        "batch": size.batch,
        "per_step": False,
        "rule_options": {"decay": 0.9**size.ms, "bias_correction": "corrected"},
        "chunk": steps if rule == "bptt" else 64,
        "clip": 1.0,
        "rates": list(size.rates),
        "updates": size.updates,
        "every": size.every,
        "enough": size.enough,
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
        f"evidence accumulation, steps of {job['ms']:g} ms; {job['neurons']} E/I neurons, a tenth connected, ff = 4, "
        f"rec = 2; decay of ES-D-RTRL {job['rule_options']['decay']:.3g} per step, .9 per ms as published",
        "no loss before the recall; traces run on from the first step; learning signal of one step, fixed rate",
    ]
    return {"evidence": (drawing.figure(rows, "2.10 Evidence accumulation", CHANCE, said), drawing.points(rows))}


def verdicts(rows: Frame) -> list[Verdict]:
    """Judge which rules solve the task within the updates of this size."""
    from drtrl_bench.paper.learning import judging

    return [judging.solved(rows, claim, rule, CONDITION) for rule, claim in CLAIMS.items()]
