"""Experiment 2.4, the learning signal: what it changes that a path within a step counts twice.

The potential of a neuron with a current synapse is computed from the current of the same step, g' -> V', and the output
of an LSTM from its cell, c' -> h'. The trace of the later state has that path. Where the learning signal of the earlier
state has it, too, as in the library of the paper, it counts twice: the signal is by a perturbation that is added to the
state where it is computed, so that what is computed later in the step reads it ([code] brainscale,
_etrace_compiler_hidden_pertubation.py; braintrace, which it became, does the same).

As published, the gradients have these signals, as `bench/peers/emulation.py` computes them in NumPy. Corrected, they
are those of the rules here, in JAX and PyTorch: a signal is by the output of its own state alone. Everything else is
the same in both: weights, recordings, traces, and the bias correction of ES-D-RTRL, which is that of the filters. Both
are compared with the gradient of BPTT. The networks are those of 2.4 that have such paths, and an LSTM, which the paper
has not.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drtrl_bench import data
from drtrl_bench.implementations.cells import spec
from drtrl_bench.implementations.reference import algorithms as reference
from drtrl_bench.measure import fidelity
from drtrl_bench.paper.experiment import About, Job, Row, Verdict
from drtrl_bench.paper.measures import networks, settings
from drtrl_bench.peers import emulation
from drtrl_bench.view.caption import Frame

ABOUT = About(
    section="2.4",
    title="paths within a step",
    question="What does it change that the learning signal counts a path within a step twice?",
    claims={},
    cpu_seconds=149,
)
CELLS = ("lif_expcu", "lif_std", "lif_stp", "alif_expcu", "alif_std", "alif_stp", "lstm")
LSTM = settings.Setting(rec=1.0, ff=20.0, constants={})
"""Of this project."""


@dataclass(frozen=True)
class Size:
    """Networks, lengths and samples."""

    steps: int = 300
    neurons: int = 200
    samples: int = 100
    """Recordings of each seed."""
    seeds: int = 5
    twins: int = 1
    """Seeds that are also computed in PyTorch."""
    samples_of_twins: int = 5
    rank: int = 20
    """Of ES-D-RTRL."""


SIZES = {"cpu": Size(steps=100, neurons=50, samples=3, samples_of_twins=1), "paper": Size()}


def jobs(size: Size) -> list[Job]:
    """List every cell on SHD, in the settings of 2.4; the first seeds in both frameworks."""
    return list(every_job(size))


def every_job(size: Size) -> Iterator[Job]:
    """Yield the jobs, those of a cell together."""
    for cell in CELLS:
        rec, ff, constants = LSTM if cell == "lstm" else settings.setting(settings.SETTING_1, cell, "shd")
        own = {"cell": cell, "constants": constants, "rec": rec, "ff": ff, "neurons": size.neurons, "rank": size.rank}
        own |= {"dataset": "shd", "reading": settings.READING["shd"], "steps": size.steps, "samples": size.samples}
        jax = {"framework": "jax", "computed": size.samples}
        torch = {"framework": "torch", "computed": size.samples_of_twins}
        yield from (own | jax | {"seed": seed} for seed in range(size.seeds))
        yield from (own | torch | {"seed": seed} for seed in range(size.twins))


def compute(job: Job) -> list[Row]:
    """Compute a row for each sample, rule and part of the weights: cosine and ratio of norms, as published and not.

    error: the largest relative error of a weight's gradient, with each path once, against the NumPy reference.
    """
    if job["framework"] == "jax":
        from drtrl_bench.paper.measures import in_step_jax as measured
    else:
        from drtrl_bench.paper.measures import in_step_torch as measured
    params, inputs, targets = draw(job)
    net, net_of_framework = (network(job, module) for module in (spec, measured.cells))
    rank, rows, density = job["rank"], [], float((inputs != 0).mean())
    for sample in range(job["computed"]):
        of = (params, inputs[:, sample : sample + 1], targets[:, sample : sample + 1])
        corrected = measured.gradients(net_of_framework, *of, rank)
        once = {"drtrl": reference.drtrl_by_cutting(net, *of)[1], "es_drtrl": reference.es_drtrl(net, *of, rank)[1]}
        published = {
            "drtrl": emulation.in_step_twice(reference.local_jacobians, net, *of)[1],
            "es_drtrl": emulation.filtered_in_step_twice(net, *of, rank)[1],
        }
        common = {"sample": sample, "density": density} | activity(net, *of[:2])
        for rule in published:
            error = {"rule": rule, "error": fidelity.worst_error(corrected[rule], once[rule])[1]}
            agreements = compared(published[rule], corrected[rule], corrected["bptt"])
            rows += [common | error | {"part": part} | values for part, values in agreements.items()]
    return [{name: rounded(value) for name, value in row.items()} for row in rows]


def network(job: Job, module: Any) -> tuple[Any, Any]:
    """Return the cell of a job and the leaky readout, of a framework's module of cells or of the specifications."""
    return networks.layer_cell(job, module), module.LeakyReadout()


def draw(job: Job) -> tuple[fidelity.Gradient, NDArray[np.float64], NDArray[np.int32]]:
    """Draw the weights and the recordings of a job: the streams are those of 2.4."""
    dataset = data.dataset(job["dataset"])
    inputs, targets = dataset.batch(job["steps"], job["samples"], job["seed"], **job["reading"])
    cell, readout = (replace(each, initial="truncated") for each in network(job, spec))
    first, last = (np.random.default_rng([job["seed"], stream]) for stream in (1, 2))
    cell = replace(cell, scale_x=job["ff"], scale_r=job["rec"])
    params = [cell.initial_weights(first, inputs.shape[-1], job["neurons"])]
    params.append(readout.initial_weights(last, job["neurons"], dataset.CLASSES))
    return params, inputs.astype(np.float64), targets


def activity(net: Any, params: Any, inputs: NDArray[np.float64]) -> dict[str, float | None]:
    """Return the firing rate in Hz, at 1 ms per step, and the share of silent neurons; None where nothing spikes."""
    if not net[0].spiking:
        return {"rate": None, "silent": None}
    spikes = reference.forward(net, params, inputs)[0].outputs
    return {"rate": 1000 * float(spikes.mean()), "silent": float((spikes.sum(axis=(0, 1)) == 0).mean())}


def compared(published: Any, corrected: Any, exact: Any) -> dict[str, dict[str, float | None]]:
    """Compare both gradients with the exact one: of each layer's weights as one vector, and of all."""
    rows: dict[str, dict[str, float | None]] = {}
    for prefix, gradient in (("published_", published), ("", corrected)):
        agreements = fidelity.compare(gradient, exact)
        for part, agreement in (*agreements["per_layer"].items(), ("all", agreements["overall"])):
            rows.setdefault(part, {}).update({f"{prefix}{k}": agreement[k] for k in ("cosine", "norm_ratio")})
    return rows


def rounded(value: Any) -> Any:
    """Return a number to five digits; anything else as it is."""
    return float(f"{value:.5g}") if isinstance(value, float) else value


def figures(rows: Frame) -> Mapping[str, tuple[Any, Frame]]:
    """Draw cosines and ratios of norms, as published and corrected."""
    from drtrl_bench.paper.drawing import in_step

    return in_step.figures(rows)


def verdicts(rows: Frame) -> list[Verdict]:
    """Judge nothing: the paper and its code claim nothing of this."""
    return []
