"""Trains a network on a task by a rule, with a curve on validation data; chooses learning rates, and tests once.

A job says the network (cell, options, layers, neurons, readout, readout_options; uniform: constants that differ from
neuron to neuron and are not trained, with their ranges), the task (dataset, reading, steps, batch, per_step), the rule
(rule, rule_options, chunk, clip), and the training: rates, updates, every (updates between two validations), enough
(a validation accuracy that ends it, or None), held (trials of validation and of test), tunings (on how many seeds rates
are chosen), seed, framework. `summed`: the loss is the cross-entropy of the output's sum over the steps, not the sum of
each step's. `until`: the training ends after so many updates, and is not tested.

Gradients are summed over the steps that have a target, and the weights change once a batch: Adam, after the gradient is
clipped to the norm `clip`. Where steps have no target, rules that carry a trace carry it through these, too.

All rules get the same list of rates. Which is best is decided by trainings on seeds of their own, TUNING and those
after it, by the mean of a training's validation accuracies, so that both speed and level count: each rate in half of a
training on the first of these seeds, and the FINALISTS that are best there in whole trainings on the others. The test
part is seen by the last weights of the chosen rate alone. Of a data set of recordings all seeds and rules see the same
test recordings, in the same order; where trials are generated, each seed has trials of its own.
"""

import json
import time
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from drtrl_bench import data, registry
from drtrl_bench.implementations.cells import spec

TUNING = 2**10
"""The first of the seeds of weights and data on which rates are chosen."""
FINALISTS = 2
"""How many rates, the best on the first of these seeds, are trained whole on the others: the same number for every
rule."""
Weights = list[dict[str, NDArray[np.float64]]]
Job = dict[str, Any]
Row = dict[str, Any]


class Curve(NamedTuple):
    """A training: what was measured on validation data after some numbers of updates, and what it cost."""

    at: list[int]
    """Updates."""
    valid_loss: list[float | None]
    valid_accuracy: list[float]
    loss: list[float | None]
    """Of the training batches between two validations, per step with a target."""
    seconds_per_update: float
    """The median; neither drawing the batch, nor validation, nor compilation is counted."""
    working_bytes: int
    """Peak memory of a gradient, beyond weights and batch."""
    validated: int
    """Validation trials."""
    params: Any


def network(job: Job, framework: str | None = None) -> tuple[Any, ...]:
    """Return the cells of a job's network, the readout last: those of a framework, or their specifications."""
    cells: Any = in_framework(framework).cells if framework else spec
    kind, options = registry.CELLS[job["cell"]]
    assert isinstance(kind, str)
    own = {name: tuple(value) if isinstance(value, list) else value for name, value in job["options"].items()}
    apart = {"trainable": tuple(job["uniform"])} if job.get("uniform") else {}
    hidden = getattr(cells, kind)(**options | own | apart)
    readout = getattr(cells, registry.READOUTS[job["readout"]])(**job["readout_options"])
    summed = (cells.LeakyReadout(tau=np.inf),) if job.get("summed") else ()
    return (*[hidden] * job["layers"], readout, *summed)


def draw(job: Job) -> Weights:
    """Draw the initial weights of a job."""
    rng, net = np.random.default_rng([job["seed"], 1]), network(job)  # apart from the stream that draws the data
    lines, classes = data.shape(job["dataset"], job["reading"].get("features", 0))
    sizes = [job["neurons"]] * job["layers"] + [classes]
    params = []
    for cell, neurons in zip(net, sizes, strict=False):
        params.append(cell.initial_weights(rng, lines, neurons))
        lines = neurons
    for index, (low, high) in enumerate(job.get("uniform", {}).values()):
        for weights in params[: job["layers"]]:
            weights["p"][0, index] = np.log(rng.uniform(low, high, job["neurons"]))
    return params + ([{"x": np.eye(classes)[:, None]}] if job.get("summed") else [])


def frozen(job: Job) -> frozenset[tuple[int, str]]:
    """Return the layers and kinds of weights that are not trained."""
    constants = {(layer, "p") for layer in range(job["layers"]) if job.get("uniform")}
    return frozenset(constants | ({(job["layers"] + 1, "x")} if job.get("summed") else set()))


def batch(job: Job, part: str, number: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
    """Draw a batch of a part of a job's data: inputs [T, B, I], targets [T, B]."""
    dataset, options, size = data.dataset(job["dataset"]), dict(job["reading"]), job["batch"]
    seed = {"test": 2 * job["seed"], "valid": 2 * job["seed"] + 1, "train": 2**20 * (job["seed"] + 1) + number}[part]
    if dataset.events:
        options["split"] = part
        seed = 0 if part == "test" else seed
    if part != "train":
        size = min(job["held_out"], len(dataset.events.recordings(part)[1])) if dataset.events else job["held_out"]
    inputs, targets = dataset.batch(job["steps"], size, seed, **options)
    if job.get("summed"):
        targets = np.concatenate([np.full_like(targets[:-1], -1), targets[-1:]])
    return inputs, targets


def hits(logits: NDArray[Any], targets: NDArray[Any], per_step: bool) -> NDArray[np.bool_]:
    """Return for each trial whether the target's mean output over the labelled steps is the largest.

    logits [T, B, C], targets [T, B]. per_step: each labelled step has a target of its own; return it for each of them.
    """
    labelled = targets >= 0
    if per_step:
        return (logits.argmax(axis=-1) == targets)[labelled]
    return (logits * labelled[..., None]).sum(axis=0).argmax(axis=-1) == targets.max(axis=0)


def cross_entropy(logits: NDArray[Any], targets: NDArray[Any]) -> float:
    """Return the mean cross-entropy of the labelled steps."""
    x = logits.astype(np.float64)
    x = x - x.max(axis=-1, keepdims=True)
    log_p = x - np.log(np.exp(x).sum(axis=-1, keepdims=True))
    picked = np.take_along_axis(log_p, np.maximum(targets, 0)[..., None], axis=-1)[..., 0]
    return float(-picked[targets >= 0].mean())


def finite(value: Any) -> float | None:
    """Return a number to six digits, None for nan and infinity, as of weights that ran away."""
    return float(f"{value:.6g}") if np.isfinite(value) else None


def in_framework(framework: str) -> Any:
    """Import the functions that differ between the frameworks."""
    if framework == "jax":
        from drtrl_bench.paper.learning import training_jax

        return training_jax
    from drtrl_bench.paper.learning import training_torch

    return training_torch


def train(job: Job, rate: float) -> Curve:
    """Train at one learning rate until `enough`, or for all updates."""
    steps = in_framework(job["framework"])
    net, params = network(job, job["framework"]), steps.on_device(draw(job))
    inputs, targets = batch(job, "valid")
    labelled, gradient = int((targets[:, 0] >= 0).sum()), steps.prepared(job, net, params)
    curve: dict[str, list[Any]] = {"at": [], "valid_loss": [], "valid_accuracy": []}
    taken: list[float] = []
    begun = 0.0

    def drawn(number: int) -> tuple[Any, Any]:
        nonlocal begun
        made = batch(job, "train", number)
        begun = time.perf_counter()
        return made

    def validated(number: int, params: Any) -> bool:
        taken.append(time.perf_counter() - begun)
        if number % job["every"]:
            return False
        logits, _ = steps.outputs(net, params, inputs)
        curve["at"].append(number)
        curve["valid_loss"].append(finite(cross_entropy(logits, targets)))
        curve["valid_accuracy"].append(round(float(hits(logits, targets, job["per_step"]).mean()), 5))
        return job["enough"] is not None and curve["valid_accuracy"][-1] >= job["enough"]

    params, losses = steps.fit(
        None, net, params, drawn, job.get("until") or job["updates"], job["chunk"], rate=rate, clip=job["clip"],
        frozen=frozen(job), observe=validated, of_sequence=gradient.of_sequence,
    )  # fmt: skip
    between = losses[: len(losses) // job["every"] * job["every"]].reshape(-1, job["every"]).mean(axis=1) / labelled
    loss = [finite(value) for value in between]
    return Curve(**curve, loss=loss, seconds_per_update=float(np.median(taken)), params=params,
                 working_bytes=gradient.working_bytes, validated=inputs.shape[1])  # fmt: skip


def merit(curve: Curve, job: Job) -> float:
    """Return the mean validation accuracy over all updates; after an early end the last one counts."""
    missing = job["updates"] // job["every"] - len(curve.valid_accuracy)
    return float(np.mean(curve.valid_accuracy + curve.valid_accuracy[-1:] * missing))


@cache
def merits(tuning: str) -> tuple[tuple[float, ...], ...]:
    """Train on the seeds of tuning, and return the merits of each rate, one for each seed; tuning: the job as JSON.

    If there are several seeds, trainings on the first end after half of the updates.
    """
    job = json.loads(tuning)
    found: list[list[float]] = [[] for _ in job["rates"]]
    tried = list(range(len(found)))
    for number in range(job["tunings"]):
        half = {"updates": job["updates"] // 2} if number == 0 < job["tunings"] - 1 else {}
        own = job | {"seed": TUNING + number} | half
        for index in tried:
            found[index].append(merit(train(own, job["rates"][index]), own))
        tried = sorted(tried, key=lambda index: -np.mean(found[index]))[:FINALISTS]
    return tuple(map(tuple, found))


def tuned(job: Job) -> tuple[float, list[float], list[float | None]]:
    """Return the best rate of a job's rule, and what each is worth: in JAX for both frameworks, so that they compare.

    The merit of each rate on the first seed of tuning, and the mean of its merits on the others, None if it was not
    trained there. The best has the highest mean of all merits, among the rates that were trained on all these seeds.
    The trainings are shared by all jobs of a process that differ in their seeds alone.
    """
    tuning = {k: v for k, v in job.items() if k not in ("seed", "until", "condition")} | {"framework": "jax"}
    found = merits(json.dumps(tuning, sort_keys=True)) if len(job["rates"]) > 1 else ((1.0,),)
    best = max(range(len(found)), key=lambda index: (len(found[index]), np.mean(found[index])))
    others = [float(np.mean(of_rate[1:])) if of_rate[1:] else None for of_rate in found]
    return job["rates"][best], [of_rate[0] for of_rate in found], others


def rows(job: Job) -> list[Row]:
    """Train at the best rate, test once, and return the row of a job."""
    rate, worth, final = tuned(job)
    curve = train(job, rate)
    reached = job["enough"] is not None and bool(curve.valid_accuracy[-1] >= job["enough"])
    row = curve._asdict() | {"rate": rate, "worth": worth, "final": final, "solved": reached}
    row |= tested(job, curve.params)
    return [{name: value for name, value in row.items() if name != "params"}]


def tested(job: Job, params: Any) -> Row:
    """Return what the network does on the test part; None for a training that ends at `until`.

    right: of each test recording, whether it is told right; None where the trials of each seed are its own.
    """
    names = ("test_accuracy", "test_loss", "tested", "density", "rate_per_step", "silent", "right")
    if job.get("until"):
        return dict.fromkeys(names)
    inputs, targets = batch(job, "test")
    logits, spikes = in_framework(job["framework"]).outputs(network(job, job["framework"]), params, inputs)
    right, spiking = hits(logits, targets, job["per_step"]), len(spikes) > 0
    density = float(np.count_nonzero(inputs) / inputs.size)
    fired = (float(spikes.mean()), float((spikes == 0).mean())) if spiking else (None, None)
    each = right.astype(int).tolist() if data.dataset(job["dataset"]).events else None
    values = (float(right.mean()), cross_entropy(logits, targets), len(right), density, *fired, each)
    return dict(zip(names, values, strict=True))
