"""Experiment 2.11: classification over the length of the sequence; from how many steps do the rules still learn?

The same recordings are cut into more and more steps, and three layers of LIF neurons, whose time constants stay the
same in steps, are to tell the classes. The preprint's code trains by BPTT, ES-D-RTRL and D-RTRL on gestures, spoken
digits and N-MNIST. The strengths of its weights are known for spoken digits alone; the others have those of experiment
2.5, whose network it is. Time constants, there from N(10, 1), are here uniform with the same mean and deviation.

As published, BPTT's loss is the mean of the steps, where that of the online rules is their sum; corrected, all rules
have the sum. As Adam does not see the scale of a gradient, the mean differs only where a norm is clipped: the sum's is
clipped to 1 for each step.
"""

from dataclasses import dataclass, replace
from typing import Any

from drtrl_bench.paper import experiment
from drtrl_bench.paper.experiment import About, Claim, Job, Row, Verdict
from drtrl_bench.paper.learning import training
from drtrl_bench.paper.learning.listing import MARGIN, TaskSize, chunk
from drtrl_bench.view.caption import Frame

SOURCE = "[code] classification over the length, in the preprint's code, which compares all three; no values found"
CLAIMS = {
    "es_drtrl": Claim("ES-D-RTRL learns to classify as well as BPTT, in the longest sequence", SOURCE),
    "drtrl": Claim("D-RTRL learns to classify as well as BPTT, in the longest sequence", SOURCE),
}
ABOUT = About(
    section="2.11",
    title="classification over the length",
    question="From sequences of how many steps do the rules still learn to classify?",
    claims=CLAIMS,
    cpu_seconds=365,
    instead="time constants from a uniform distribution, not a normal one; for gestures and N-MNIST, at size "
    "paper alone, the strengths of experiment 2.5",
)
RULES = ("bptt", "drtrl", "es_drtrl", "no_trace")
CLASSES = {"shd": 20, "dvs_gesture": 11, "nmnist": 10}
FEATURES = {"shd": 700, "dvs_gesture": 32768, "nmnist": 2312}
"""Input lines, if nothing is pooled."""
STRENGTHS = {"shd": (4.0, 0.5), "dvs_gesture": (10.0, 2.0), "nmnist": (10.0, 2.0)}
"""Of the input and the recurrent weights."""
TAU = (10 - 3**0.5, 10 + 3**0.5)
"""Steps: the ends of a uniform distribution of mean 10 and standard deviation 1."""


@dataclass(frozen=True, kw_only=True)
class Size(TaskSize):
    """Sequences, network and training."""

    lengths: dict[str, tuple[int, ...]]
    """Steps of the sequences of each data set."""
    pooled: int = 1
    """Neighbouring input lines that are one."""


SIZES = {
    "cpu": Size(
        lengths={"shd": (25, 50, 100)},
        pooled=5,
        neurons=32,
        batch=16,
        updates=192,
        every=24,
        rates=(1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
        held_out=256,
        twin=24,
    ),
    "paper": Size(
        lengths={
            "shd": (100, 200, 300, 400, 600, 800, 1000),  # published: 100, ..., 1000
            "dvs_gesture": (50, 100, 200, 300, 400, 600, 800, 1000),
            "nmnist": (400,),
        },
        neurons=512,
        batch=128,
        updates=6400,  # 100 epochs of the 8156 recordings of SHD
        every=320,
        rates=(1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
        held_out=2264,
        twin=320,
    ),
}


def jobs(size: Size) -> list[Job]:
    """List every rule, and BPTT as published, at every length; the twins in PyTorch at the first."""
    all_lengths = [(dataset, steps) for dataset, lengths in size.lengths.items() for steps in lengths]
    dataset, steps = all_lengths[0]
    mean = [
        described(size, "bptt", *length) | {"variant": "mean of steps", "clip": float(length[1])}
        for length in all_lengths
    ]
    return [
        *size.of_seeds([described(size, rule, *length) for length in all_lengths for rule in RULES]),
        *size.of_seeds(mean),
        *size.twins([described(size, rule, dataset, steps) for rule in RULES]),
    ]


def described(size: Size, rule: str, dataset: str, steps: int) -> Job:
    """Describe the training of the first seed. Rates are chosen at its own length."""
    scale_x, scale_r = STRENGTHS[dataset]
    return {
        "condition": f"{dataset}, {steps} steps",
        "rule": rule,
        "rule_options": {"decay": 0.9, "bias_correction": "corrected"},
        "variant": "",
        "cell": "lif_delta",
        "options": {"scale_x": scale_x, "scale_r": scale_r},
        "uniform": {"tau": list(TAU)},
        "layers": 3,
        "neurons": size.neurons,
        "readout": "leaky",
        "readout_options": {"tau": 10.0},
        "dataset": dataset,
        "reading": {"features": FEATURES[dataset] // size.pooled, "binary": dataset == "dvs_gesture"},
        "steps": steps,
        "chunk": chunk(rule, steps, 25),
        "per_step": False,
        **size.budget(clip=1.0),
    }


def compute(job: Job) -> list[Row]:
    """Train, and test once."""
    return training.rows(job)


def figures(rows: Frame) -> dict[str, tuple[Any, Frame]]:
    """Draw accuracy and memory over the length, and the curves of each data set."""
    from drtrl_bench.paper.drawing import length
    from drtrl_bench.paper.drawing import training as drawing

    job, title = rows.iloc[0], "2.11 Classification over the length"
    notes = [
        f"the same recordings in T steps; three layers of {job['neurons']} LIF-Delta neurons, tau about 10 steps; "
        f"decay of ES-D-RTRL {job['rule_options']['decay']:g} per step",
        "class: the largest mean output of all steps; corrected unless a line says 'as published'",
    ]
    chance = {
        str(name): {int(steps): 1 / CLASSES[str(name)] for steps in own["steps"].unique()}
        for name, own in rows.groupby("dataset", sort=False)
    }
    made = {"length": length.drawn(rows, title, chance, MARGIN, notes)}
    for name, own in rows.groupby("dataset", sort=False):
        curves = drawing.figure(own, f"{title}: training", 1 / CLASSES[str(name)], notes)
        made[f"length_{name}"] = (curves, drawing.points(own))
    return made


def verdicts(rows: Frame) -> list[Verdict]:
    """Judge for each data set whether the online rules test as well as BPTT, in its longest sequence."""
    from drtrl_bench.paper.learning import judging

    judged = []
    for name, own in rows.groupby("dataset", sort=False):
        longest = str(own.loc[own["steps"].idxmax(), "condition"])
        for rule, claim in CLAIMS.items():
            verdict = judging.as_good(own, claim, rule, "bptt", longest, MARGIN, 1 / CLASSES[str(name)])
            judged.append(replace(verdict, data=str(own["data"].iloc[0])))
    return experiment.with_replaced(ABOUT, judged)
