"""Beyond the paper: how much of the gradient through a delay of d steps each online rule keeps.

The gradient of a layer's weights is a sum over pairs of steps: the loss of step t is differentiated by what the weights
read in step q. The pairs with t - q = d are the gradient through a delay of d,

    g_d = sum_t z^{t-d} (x) dL^t/dy^{t-d}          z: inputs and recurrent outputs, y: currents of the neurons

and sum_d g_d is the gradient. BPTT has all of it. The gradient of a rule is taken apart in the same way, so that it can
be compared delay by delay: by its cosine, by the ratio of the norms, and by the share of g_d that it keeps, its
projection on g_d. A leaky readout remembers spikes, which no rule's learning signal knows of; a linear readout keeps
nothing, so that all delays are those of the layer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drtrl_bench.measure import fidelity
from drtrl_bench.paper.experiment import About, Job, Row, Verdict
from drtrl_bench.paper.measures import gradients, settings
from drtrl_bench.view.caption import Frame

ABOUT = About(
    section="beyond 1",
    title="fidelity per delay",
    question="How much of the gradient through a delay of d steps does each rule keep?",
    claims={},
    cpu_seconds=292,
)


@dataclass(frozen=True)
class Size:
    """Networks, lengths and samples."""

    steps: int = 300
    neurons: int = 200
    samples: int = 20
    """Recordings of each seed."""
    seeds: int = 5
    ranks: tuple[int, ...] = (4, 20, 100)
    lags: tuple[int, ...] = (0, 1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200)


SIZES = {
    "cpu": Size(steps=100, neurons=50, samples=3, lags=(0, 1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70)),
    "paper": Size(),
}


def jobs(size: Size) -> list[Job]:
    """List every model on SHD, with both readouts, in the settings of the weight gradients."""
    listed = []
    for readout in ("leaky", "linear"):
        for cell in settings.MODELS:
            rec, ff, constants = settings.setting(settings.SETTING_1, cell, "shd")
            network = {"cell": cell, "constants": constants, "rec": rec, "ff": ff, "layers": 1, "readout": readout}
            data = {"dataset": "shd", "reading": settings.READING["shd"], "steps": size.steps, "samples": size.samples}
            rules = [rule for rule in gradients.rules(list(size.ranks)) if not rule.endswith("as_published")]
            common = network | data | {"neurons": size.neurons, "rules": rules, "lags": list(size.lags)}
            common |= {"framework": "jax", "computed": size.samples}
            listed += [common | {"seed": seed} for seed in range(size.seeds)]
    return listed


def compute(job: Job) -> list[Row]:
    """Compute a row for each sample and rule: by delay the cosine, the ratio of norms and the share that is kept."""
    from drtrl_bench.paper.measures import gradients_jax

    problem, rows = gradients.draw(job), []
    spikes = gradients_jax.activity(job, problem)[0]
    for sample in range(job["samples"]):
        by_step, recurrent = gradients_jax.by_loss_step(job, problem, sample)
        F = gradients.factor(problem.factors[sample].T @ problem.factors[sample] + recurrent @ recurrent.T)
        by_rule = {rule: by_lag(gradient[0]["x"][:, :, 0], F, job["lags"]) for rule, gradient in by_step.items()}
        activity = {"rate": 1000 * float(spikes[sample].mean()), "density": problem.density}
        activity["silent"] = float((spikes[sample] == 0).mean())
        whole = float(np.linalg.norm(F @ by_step["bptt"][0]["x"][:, :, 0].sum(axis=0)))
        for rule, own in by_rule.items():
            measures = compared(own, by_rule["bptt"], whole)
            rows.append({"sample": sample, "rule": rule} | measures | activity)
    return rows


def by_lag(dy: NDArray[np.float64], F: NDArray[np.float64], lags: list[int]) -> list[NDArray[np.float64]]:
    """Return the gradient through each delay, as a vector in the coordinates of F.

    dy [T, T, N]: of the loss of each step, the gradient by the currents of each step. F [T, T]: F^T F are the products
    of what the weights read.
    """
    steps = np.arange(len(dy))
    return [(F[:, : len(dy) - d] @ dy[steps[d:], steps[: len(dy) - d]]).ravel() for d in lags]


def compared(
    own: list[NDArray[np.float64]], true: list[NDArray[np.float64]], whole: float
) -> dict[str, list[float | None]]:
    """Compare a rule's gradients through each delay with the true ones.

    cosine, norm_ratio and kept, the projection on the true one, are None where the true one is 0, the cosine also where
    the rule's is. share: the true one's norm over that of the gradient through all delays.
    """
    measures: dict[str, list[float | None]] = {"cosine": [], "norm_ratio": [], "kept": [], "share": []}
    for g, exact in zip(own, true, strict=True):
        norm = float(np.linalg.norm(exact))
        agreement = fidelity.agreement(g, exact)
        kept = float(g @ exact) / norm**2 if norm else None
        share = norm / whole if whole else None
        for name, value in (*((k, agreement[k]) for k in ("cosine", "norm_ratio")), ("kept", kept), ("share", share)):
            measures[name].append(None if value is None else float(f"{value:.5g}"))
    return measures


def figures(rows: Frame) -> Mapping[str, tuple[Any, Frame]]:
    """Draw a figure for each readout."""
    from drtrl_bench.paper.drawing import lag

    return lag.figures(rows)


def verdicts(rows: Frame) -> list[Verdict]:
    """Judge nothing: the paper and its code claim nothing of this."""
    return []
