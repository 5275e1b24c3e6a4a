"""Beyond the paper: how parallel the gradient of each rule stays to BPTT's, while the rule itself trains the network.

A rule trains a network on copying (a GRU) and on delayed match to sample (spiking GIF neurons). At the first weights,
and ten times along the training, the gradient of one fixed batch, which is not trained on, is computed by the rule and
by BPTT over all steps, with the weights that the training has reached. They are compared layer by layer: by the cosine,
and by the norm of the rule's gradient over that of BPTT's. The last weights are tested once.

The learning rate is the same for all rules, and is not tuned: what a rule reaches here is no measure of what it can
reach. Weights that are not trained, the time constants of GIF neurons, are left out of the comparison.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from drtrl_bench.measure import fidelity
from drtrl_bench.paper.experiment import About, Job, Row, Verdict
from drtrl_bench.paper.learning import training
from drtrl_bench.view.caption import Frame

ABOUT = About(
    section="beyond 2",
    title="fidelity along training",
    question="How parallel does each rule's gradient stay to BPTT's while it trains, and does the accuracy follow?",
    claims={},
    cpu_seconds=193,
)


@dataclass(frozen=True)
class Size:
    """Tasks, networks and trainings."""

    lag: int
    """Steps, of copying."""
    delay: int
    """ms, of delayed match to sample."""
    ms: float
    """A step of delayed match to sample."""
    neurons: Mapping[str, int]
    updates: Mapping[str, int]
    rate: Mapping[str, float]
    """The middle of each task's list; of four the third."""
    batch: int
    held_out: int
    """Test trials."""
    seeds: int = 5
    points: int = 10
    """Comparisons along the training, besides that of the first weights."""


SIZES = {
    "cpu": Size(
        lag=5,
        delay=100,
        ms=10.0,
        neurons={"copying": 64, "dms": 50},
        updates={"copying": 200, "dms": 120},
        rate={"copying": 1e-2, "dms": 1e-2},
        batch=16,
        held_out=256,
    ),
    "paper": Size(
        lag=50,
        delay=1000,
        ms=1.0,
        neurons={"copying": 200, "dms": 200},
        updates={"copying": 5000, "dms": 2000},
        rate={"copying": 1e-3, "dms": 1e-3},
        batch=128,
        held_out=1024,
    ),
}


def jobs(size: Size) -> list[Job]:
    """List every rule on both tasks, with the same weights and data for all rules of a seed."""
    from drtrl_bench.paper.learning.listing import RULES
    from drtrl_bench.paper.tasks import copying, dms

    common = {"batch": size.batch, "held_out": size.held_out}
    own = {task: common | {k: getattr(size, k)[task] for k in ("neurons", "updates")} for task in size.updates}
    of_copying, of_dms = replace(copying.SIZES["cpu"], **own["copying"]), replace(dms.SIZES["cpu"], **own["dms"])
    of_dms = replace(of_dms, ms=size.ms)
    listed = []
    for rule in RULES:
        for task, job in (
            ("copying", copying.described(of_copying, rule, size.lag)),
            ("dms", dms.described(of_dms, rule, size.delay)),
        ):
            job = {k: v for k, v in job.items() if k not in ("rates", "tunings", "enough", "until", "variant")}
            job |= {"task": task, "rate": size.rate[task], "every": size.updates[task] // size.points}
            listed += [job | {"seed": seed} for seed in range(size.seeds)]
    return listed


def compute(job: Job) -> list[Row]:
    """Train, and return a row for each comparison and layer, with what the last weights do on the test part."""
    from drtrl_bench.paper.learning import training_jax

    net, params = training.network(job, "jax"), training_jax.on_device(training.draw(job))
    exact_job = job | {"rule": "bptt", "chunk": job["steps"]}
    rule, exact = (training_jax.prepared(each, net, params).of_sequence for each in (job, exact_job))
    inputs, targets = training.batch(job | {"held_out": job["batch"]}, "valid")
    inputs, targets = np.asarray(inputs, np.float32), np.asarray(targets, np.int32)
    labelled, frozen, rows = int((targets[:, 0] >= 0).sum()), training.frozen(job), []

    def observed(number: int, params: Any) -> bool:
        if number % job["every"] == 0:
            (_, own), (loss, true) = rule(params, inputs, targets), exact(params, inputs, targets)
            for layer, agreement in compared(own, true, frozen).items():
                rows.append({"update": number, "layer": layer, "loss": training.finite(loss / labelled)} | agreement)
        return False

    observed(0, params)
    params, _ = training_jax.fit(
        None, net, params, lambda number: training.batch(job, "train", number), job["updates"], job["chunk"],
        rate=job["rate"], clip=job["clip"], frozen=frozen, observe=observed, of_sequence=rule,
    )  # fmt: skip
    tested = training.tested(job, params)
    names = ("test_accuracy", "tested", "density", "rate_per_step", "silent")
    return [row | {name: tested[name] for name in names} for row in rows]


def compared(own: Any, true: Any, frozen: frozenset[tuple[int, str]]) -> dict[str, Row]:
    """Compare the gradients of each layer's trained weights: cosine, and norm of the first over that of the second."""
    pair = [
        [
            {k: np.asarray(g, np.float64) for k, g in layer.items() if (i, k) not in frozen}
            for i, layer in enumerate(each)
        ]
        for each in (own, true)
    ]
    layers = fidelity.compare(pair[0], pair[1])["per_layer"]
    return {
        layer: {
            name: None if agreement[name] is None else training.finite(agreement[name])
            for name in ("cosine", "norm_ratio")
        }
        for layer, agreement in layers.items()
    }


def figures(rows: Frame) -> Mapping[str, tuple[Any, Frame]]:
    """Draw the fidelity over updates, and the accuracy over the fidelity."""
    from drtrl_bench.paper.drawing import along

    return along.figures(rows)


def verdicts(rows: Frame) -> list[Verdict]:
    """Judge nothing: the paper and its code claim nothing of this."""
    return []
