"""Experiment 2.10: evidence accumulation; which rules teach a network of E/I neurons to count cues over two seconds?

Excitatory and inhibitory GIF neurons with conductances, sparsely connected, see seven cues on the left or on the right,
and after a delay say on which side there were more. Only the steps of the recall have a loss; the traces of online
rules run on from the first step. Networks and strengths are the published ones. Left out are the published schedule,
which lowers the rate by a tenth every 20 or 30 batches, and the multi-step VJP of the published online rules: there a
step's learning signal passes through the whole Jacobian of that step, the recurrent weights among it, and meets the
traces of the step before; here it ends at the states of its own step (single-step VJP).

As published, BPTT's loss is the mean of the steps, where that of the online rules is their sum; corrected, all rules
have the sum. As Adam does not see the scale of a gradient, the mean differs only where a norm is clipped.
"""

from dataclasses import dataclass
from typing import Any

from drtrl_bench.paper import experiment
from drtrl_bench.paper.experiment import About, Claim, Job, Row, Verdict
from drtrl_bench.paper.learning import training
from drtrl_bench.paper.learning.listing import RULES, TaskSize, chunk
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
    cpu_seconds=607,
    instead="a fixed rate, not a falling one; single-step VJP, not multi-step",
)
LENGTH, RECALL = 2200, 150
"""ms."""
CHANCE = 0.5
CONDITION = "seven cues, delay of 1000 ms"


@dataclass(frozen=True, kw_only=True)
class Size(TaskSize):
    """Network and training."""

    ms: float
    """A step."""


SIZES = {
    "cpu": Size(
        ms=10.0,
        neurons=100,
        batch=16,
        updates=60,
        every=10,
        rates=(3e-3, 1e-2, 3e-2, 1e-1),
        held_out=128,
        twin=10,
    ),
    "paper": Size(
        ms=1.0,
        neurons=800,
        batch=128,
        updates=300,
        every=20,
        rates=(1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
        held_out=1024,
        twin=20,
    ),
}


def jobs(size: Size) -> list[Job]:
    """List every rule, BPTT as published, and the twins in PyTorch."""
    every = [described(size, rule) for rule in RULES]
    mean = {"variant": "mean of steps", "clip": float(round(RECALL / size.ms))}
    return [
        *size.of_seeds(every),
        *size.of_seeds([described(size, "bptt") | mean]),
        *size.twins(every),
    ]


def described(size: Size, rule: str) -> Job:
    """Describe the training of the first seed; times are in steps."""
    steps = round(LENGTH / size.ms)
    times = {"tau": 200, "tau_fast": 50, "tau_slow": 2000, "tau_h": 100, "tau_syn": 10}
    return {
        "condition": CONDITION,
        "ms": size.ms,
        "rule": rule,
        "rule_options": {"decay": 0.9**size.ms, "bias_correction": "corrected"},
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
        "chunk": chunk(rule, steps, 64),
        "per_step": False,
        **size.budget(clip=1.0, enough=0.9),
    }


def compute(job: Job) -> list[Row]:
    """Train, and test once."""
    return training.rows(job)


def figures(rows: Frame) -> dict[str, tuple[Any, Frame]]:
    """Draw the curves."""
    from drtrl_bench.paper.drawing import training as drawing

    job = rows.iloc[0]
    notes = [
        f"evidence accumulation, steps of {job['ms']:g} ms; {job['neurons']} E/I neurons, a tenth connected, ff = 4, "
        f"rec = 2; decay of ES-D-RTRL {job['rule_options']['decay']:.3g} per step, .9 per ms as published",
        "no loss before the recall; traces run on from the first step; single-step VJP, fixed rate",
    ]
    return {"evidence": (drawing.figure(rows, "2.10 Evidence accumulation", CHANCE, notes), drawing.points(rows))}


def verdicts(rows: Frame) -> list[Verdict]:
    """Judge which rules solve the task within the updates of this size."""
    from drtrl_bench.paper.learning import judging

    judged = [judging.solved(rows, claim, rule, CONDITION) for rule, claim in CLAIMS.items()]
    return experiment.with_replaced(ABOUT, judged)
