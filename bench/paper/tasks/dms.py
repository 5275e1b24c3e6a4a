"""Experiment 2.6: delayed match to sample; which rules bridge a delay of up to a second?

A layer of GIF neurons with slow adaptation currents, whose time constants differ, reads two directions, one before and
one after the delay, and says whether they match. Only the steps of the test have a loss; the traces of online rules run
on from the first step. Their learning signal is that of one step (single-step VJP), as published.

As published, the weights of ES-D-RTRL's network are drawn with strengths ff = rec = 1, because the script never passes
the 6 and 2 that its README names, and BPTT's loss is the mean of the steps, where that of the online rules is their
sum. Corrected, all rules have the strengths 6 and 2 and the sum. As Adam does not see the scale of a gradient, the mean
differs only where a norm is clipped: the sum's is clipped to 1 for each step with a loss.
"""

from dataclasses import dataclass
from typing import Any

from drtrl_bench.paper.experiment import About, Claim, Job, Row, Verdict
from drtrl_bench.paper.learning import training
from drtrl_bench.paper.learning.listing import RULES, TaskSize, chunk
from drtrl_bench.view.caption import Frame

SOURCE = "[code] task-rsnn-long-term-dependency.py, which trains until it is learned; its curves were not found"
CLAIMS = {
    "es_drtrl": Claim("ES-D-RTRL learns to match samples over a delay of a second", SOURCE),
    "drtrl": Claim("D-RTRL learns to match samples over a delay of a second", f"{SOURCE} (preprint's version)"),
    "bptt": Claim("BPTT learns to match samples over a delay of a second", f"{SOURCE} (preprint's version)"),
}
ABOUT = About(
    section="2.6",
    title="delayed match to sample",
    question="Which rules bridge a delay of up to a second?",
    claims=CLAIMS,
    cpu_seconds=1217,
)
FIXATION, SAMPLE, TEST = 10, 500, 500
"""ms."""
CHANCE = 0.5


@dataclass(frozen=True, kw_only=True)
class Size(TaskSize):
    """Task, network and training."""

    ms: float
    """A step."""
    delays: tuple[int, ...]
    """ms."""


SIZES = {
    "cpu": Size(
        ms=10.0,
        delays=(100, 1000),
        neurons=50,
        batch=32,
        updates=160,
        every=20,
        rates=(1e-3, 3e-3, 1e-2, 3e-2),
        held_out=128,
        twin=20,
    ),
    "paper": Size(
        ms=1.0,
        delays=(1000,),
        neurons=200,
        batch=128,
        updates=2000,
        every=100,
        rates=(1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
        held_out=1024,
        twin=100,
    ),
}


def jobs(size: Size) -> list[Job]:
    """List every rule, and the two protocols as published, at every delay; the twins in PyTorch at the shortest."""
    return [
        *size.of_seeds([described(size, rule, delay) for delay in size.delays for rule in RULES]),
        *size.of_seeds([job for delay in size.delays for job in as_published(size, delay)]),
        *size.twins([described(size, rule, size.delays[0]) for rule in RULES]),
    ]


def as_published(size: Size, delay: int) -> list[Job]:
    """Describe BPTT with the mean of the steps' losses, and ES-D-RTRL with weak initial weights."""
    bptt, es_drtrl = (described(size, rule, delay) for rule in ("bptt", "es_drtrl"))
    weak = es_drtrl["options"] | {"scale_x": 1.0, "scale_r": 1.0}
    return [
        bptt | {"variant": "mean of steps", "clip": float(round(TEST / size.ms))},
        es_drtrl | {"variant": "ff = rec = 1", "options": weak},
    ]


def described(size: Size, rule: str, delay: int) -> Job:
    """Describe the training of the first seed; times are in steps. Rates are chosen at its own delay."""
    steps = round((FIXATION + SAMPLE + delay + TEST) / size.ms)
    return {
        "condition": f"delay of {delay} ms",
        "delay": delay,
        "ms": size.ms,
        "rule": rule,
        "rule_options": {"decay": decay(size.ms), "bias_correction": "corrected"},
        "variant": "",
        "cell": "gif",
        "options": {"tau": 100 / size.ms, "tau_syn": 100 / size.ms, "scale_x": 6.0, "scale_r": 2.0},
        "uniform": {"tau_slow": [100 / size.ms, 1.5 * 1500 / size.ms]},
        "layers": 1,
        "neurons": size.neurons,
        "readout": "leaky",
        "readout_options": {"tau": 5 / size.ms},
        "dataset": "dms",
        "reading": {"periods": [FIXATION, SAMPLE, delay, TEST]},
        "steps": steps,
        "chunk": chunk(rule, steps, 64),
        "per_step": False,
        **size.budget(clip=1.0, enough=0.95),
    }


def decay(ms: float) -> float:
    """Return the decay of ES-D-RTRL's filters: .99 at a step of 1 ms, and the same time constant at others."""
    return 0.99**ms


def compute(job: Job) -> list[Row]:
    """Train, and test once."""
    return training.rows(job)


def figures(rows: Frame) -> dict[str, tuple[Any, Frame]]:
    """Draw the curves of all delays."""
    from drtrl_bench.paper.drawing import training as drawing

    job = rows.iloc[0]
    notes = [
        f"delayed match to sample, steps of {job['ms']:g} ms; {job['neurons']} GIF neurons, ff = 6, rec = 2, "
        f"slow currents of 100 to 2250 ms; decay of ES-D-RTRL {job['rule_options']['decay']:.3g} per step",
        "no loss before the test; traces run on from the first step; corrected unless a line says 'as published'",
    ]
    return {"dms": (drawing.figure(rows, "2.6 Delayed match to sample", CHANCE, notes), drawing.points(rows))}


def verdicts(rows: Frame) -> list[Verdict]:
    """Judge which rules solve the longest delay within the updates of this size."""
    from drtrl_bench.paper.learning import judging

    longest = rows.loc[rows["delay"].idxmax(), "condition"]
    return [judging.solved(rows, claim, rule, str(longest)) for rule, claim in CLAIMS.items()]
