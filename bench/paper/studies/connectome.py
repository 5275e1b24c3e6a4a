"""Experiment 2.9: a brain's network on its connectome; how good are the gradients of its synapses, at which memory?

The published code fits a fly's brain, of more than 125,000 neurons, to recorded activity by ES-D-RTRL. Neither the
recording nor the time to train so many neurons is at hand. So this compares the gradients with which a training would
begin: their direction and length by each rule against BPTT's, and the memory that they take, over the number of
neurons. Connectome and activity are synthetic (`drtrl_bench.paper.brain.problem`).

What the published model has besides is left out: a refractory period, a delay of synapses, the reset of the synaptic
current, and dense weights of low rank beside the connectome's, whose own weights are fixed there. The spikes that its
synapses read have no gradient there: that makes the gradient of BPTT itself the one of D-RTRL here. Here BPTT has all
paths, and the synapses' strengths are the weights that have a gradient.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from drtrl_bench.measure import fidelity
from drtrl_bench.paper.brain import problem as brain
from drtrl_bench.paper.experiment import About, Claim, Job, Row, Verdict
from drtrl_bench.view.caption import Frame

NOTES = "[2nd-hand] public notes on the paper, by which only ES-D-RTRL fitted into a GPU's memory"
CLAIMS = {
    "activity": Claim(
        "a network on a fly's connectome, trained online, recapitulates the activity of its regions",
        "[page] abstract; caption of Fig. 6",
    ),
    "gradient": Claim(
        "the gradient of the synapses by ES-D-RTRL has the direction of that of BPTT",
        "[guess] of the caption of Fig. 6, whose network ES-D-RTRL trains",
        "fidelity",
    ),
    "memory": Claim("on a connectome ES-D-RTRL takes less memory than BPTT", NOTES, "memory"),
    "memory_drtrl": Claim("on a connectome ES-D-RTRL takes less memory than D-RTRL", NOTES, "memory"),
}
ABOUT = About(
    section="2.9",
    title="a network on a connectome",
    question="On a connectome, how good are the gradients of the synapses, and at which memory, over the neurons?",
    claims=CLAIMS,
    cpu_seconds=307,
    instead="a generated connectome and activity, in place of a fly's",
)
RULES = ("drtrl", "es_drtrl", "no_trace")
LIMIT = 0.9
"""Of a cosine, that of experiment 2.4."""


@dataclass(frozen=True)
class Size:
    """Networks, frames, and how they are measured."""

    neurons: tuple[int, ...] = (130_000,)
    strengths: tuple[float, ...] = ()
    """By how much the published strength of a synapse is multiplied, besides 1; at the first number of neurons."""
    partners: int = 115
    """Neurons that a neuron synapses onto, in the mean."""
    neuropils: int = 68
    ms: float = 0.2
    """A step."""
    steps: int = 4166
    """Of a frame, at 1.2 frames a second."""
    samples: int = 2
    """Frames of each seed."""
    batch: int = 128
    """Frames of which memory is measured together."""
    seeds: int = 5
    chunk: int = 25


SIZES = {
    "cpu": Size(neurons=(1000, 2000, 5000), strengths=(4.0, 16.0), neuropils=20, ms=1.0, steps=200, batch=8),
    "paper": Size(),
}


def jobs(size: Size) -> list[Job]:
    """List the jobs: fidelity in PyTorch over neurons and strengths, one of them in JAX as well, and memory in both."""
    return [*fidelity_jobs(size), *memory_jobs(size)]


def fidelity_jobs(size: Size) -> Iterator[Job]:
    """Yield every number of neurons and every strength at every seed, and the first of all in JAX."""
    first = size.neurons[0]
    for neurons, strength in [*((N, 1.0) for N in size.neurons), *((first, by) for by in size.strengths)]:
        for seed in range(size.seeds):
            yield described(size, neurons, strength, seed) | {"study": "fidelity", "framework": "torch"}
    yield described(size, first, 1.0, 0) | {"study": "fidelity", "framework": "jax"}


def memory_jobs(size: Size) -> Iterator[Job]:
    """Yield every number of neurons in both frameworks, with the rules that the claim compares."""
    for neurons in size.neurons:
        for framework in ("jax", "torch"):
            network = described(size, neurons, 1.0, 0) | {"samples": size.batch, "rules": ["drtrl", "es_drtrl"]}
            yield network | {"study": "memory", "framework": framework}


def described(size: Size, neurons: int, strength: float, seed: int) -> Job:
    """Describe a network and its frames. The decay is .99 at steps of .2 ms, and the same time constant at others."""
    return {
        "neurons": neurons,
        "partners": size.partners,
        "strength": strength,
        "neuropils": size.neuropils,
        "ms": size.ms,
        "steps": size.steps,
        "samples": size.samples,
        "chunk": size.chunk,
        "decay": 0.99 ** (size.ms / 0.2),
        "rules": list(RULES),
        "seed": seed,
    }


def compute(job: Job) -> list[Row]:
    """Compute a row for each frame, rule and kind of weight, or the memory that each rule takes."""
    if job["framework"] == "jax":
        from drtrl_bench.paper.brain import gradients_jax as computed
    else:
        from drtrl_bench.paper.brain import gradients_torch as computed
    drawn = brain.draw(job)
    if job["study"] == "memory":
        rules = ("bptt", *job["rules"])
        return [{"rule": rule, "working_bytes": computed.working_bytes(job, drawn, rule)} for rule in rules]
    true, spikes = computed.gradients(job, drawn, "bptt"), computed.counts(job, drawn)
    rates, silent = 1000 * spikes.mean(axis=1) / (job["steps"] * job["ms"]), (spikes == 0).mean(axis=1)
    density, rows = float(np.count_nonzero(drawn.inputs) / drawn.inputs.size), []
    for rule in job["rules"]:
        for sample, (own, exact) in enumerate(zip(computed.gradients(job, drawn, rule), true, strict=True)):
            active = {"rate": float(rates[sample]), "silent": float(silent[sample]), "density": density}
            for kind in ("r", "x"):
                agreement = fidelity.agreement(own[0][kind].ravel(), exact[0][kind].ravel())
                rows.append({"sample": sample, "rule": rule, "kind": kind, **shortened(agreement), **active})
    return rows


def shortened(agreement: dict[str, float | None]) -> Row:
    """Return cosine and ratio of norms to seven digits, which rounding does not reach."""
    return {k: None if agreement[k] is None else float(f"{agreement[k]:.7g}") for k in ("cosine", "norm_ratio")}


def figures(rows: Frame) -> dict[str, tuple[Any, Frame]]:
    """Draw cosines, ratios of norms and memory."""
    from drtrl_bench.paper.drawing import connectome

    return connectome.figures(rows)


def verdicts(rows: Frame) -> list[Verdict]:
    """Judge directions and memory; not what a training would come to, as nothing is trained."""
    from drtrl_bench.figures import selection
    from drtrl_bench.paper import report
    from drtrl_bench.paper.measures import intervals, limits

    plain = rows[(rows["study"] == "fidelity") & (rows["framework"] == "torch") & (rows["strength"] == 1)]
    told = {}
    for rule in RULES:
        own = plain[(plain["rule"] == rule) & (plain["kind"] == "r")] if len(plain) else plain
        told[rule] = {f"N = {N}": intervals.of_column(each, "cosine") for N, each in own.groupby("neurons")}
    ours = ", ".join(f"{cosine} ({N})" for N, cosine in told["es_drtrl"].items()) or "none"
    others = "".join(
        f"; {selection.ALGORITHMS[rule][0]} {cosine} ({N})"
        for rule in ("drtrl", "no_trace")
        for N, cosine in [*told[rule].items()][-1:]
    )
    spent = {key: memory(rows, rule) for key, rule in (("memory", "bptt"), ("memory_drtrl", "drtrl"))}
    holds = {
        "activity": None,
        "gradient": limits.within(told["es_drtrl"].values(), low=LIMIT),
        **{key: limits.every(less) for key, (less, _) in spent.items()},
    }
    measured = {
        "activity": f"no network is trained; gradients of {rows['neurons'].min()} to {rows['neurons'].max()} neurons",
        "gradient": f"cosine {ours}{others}",
        **{key: words or "nothing was measured" for key, (_, words) in spent.items()},
    }
    job = rows.iloc[0]
    why = {
        "activity": f"{ABOUT.instead}; no recording is at hand, and a training takes hours of a core",
        "gradient": f"limit: the interval above {LIMIT} at every size; decay {job['decay']:.3g} per step, that of the "
        f"published time constant; {report.activity(plain)}",
        **dict.fromkeys(
            spent,
            f"limit: below it at every size, in both frameworks; T = {job['steps']}; peak of a gradient beyond "
            "weights, synapses and inputs; counted, so no interval; within a tenth of each other they are equal",
        ),
    }
    label, open_as = "connectome and activity (synthetic)", {"activity": "no network is trained"}
    return [
        Verdict(c, report.outcome(rows, holds[k]), measured[k], why[k], label, open_as.get(k, ""))
        for k, c in CLAIMS.items()
    ]


def memory(rows: Frame, other: str) -> tuple[list[bool | None], str]:
    """Tell at each size, in each framework, whether ES-D-RTRL takes less memory than another rule; and say how much.

    In words also from which size on it does, for what is less only there.
    """
    from drtrl_bench.figures import selection
    from drtrl_bench.paper.metering import costs_compared

    less, parts = [], []
    for framework, of_framework in rows[rows["study"] == "memory"].groupby("framework"):
        amounts, below = [], {}
        for N, own in of_framework.groupby("neurons"):
            spent = own.set_index("rule")["working_bytes"] / 2**20
            below[N] = costs_compared.lower(spent["es_drtrl"], spent[other])
            amounts.append(f"N = {N}: " + ", ".join(f"{spent[rule]:.1f}" for rule in ("es_drtrl", other)))
        start = next((N for N in below if all(below[M] for M in below if M >= N)), None)
        where = f"less from N = {start} on" if start else "not less at the largest N"
        where = "less at every N" if all(below.values()) else where
        parts.append(f"{selection.FRAMEWORKS[str(framework)]}, {where}: {'; '.join(amounts)}")
        less += below.values()
    return less, f"MiB of ES-D-RTRL, {selection.ALGORITHMS[other][0]}. {'. '.join(parts)}" if parts else ""
