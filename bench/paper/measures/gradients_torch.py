"""Computes the gradients of BPTT and of the rules, of each sample by itself, in PyTorch.

What is computed: `gradients_jax.py`, its twin. Only traces that run from the first step on are computed here.
"""

from typing import Any

import numpy as np
import torch

from drtrl_bench.implementations.algorithms.approximate import drtrl_torch, es_drtrl_torch, no_trace_torch
from drtrl_bench.implementations.algorithms.exact import bptt_torch
from drtrl_bench.implementations.cells import cells_torch
from drtrl_bench.implementations.engine import network_torch
from drtrl_bench.paper.measures import gradients
from drtrl_bench.paper.measures.gradients import Gradients, Problem, Variant

RULES: dict[str, Any] = {
    "bptt": bptt_torch,
    "drtrl": drtrl_torch,
    "es_drtrl": es_drtrl_torch,
    "no_trace": no_trace_torch,
}
"""Imported by name, so that they are among the sources of a job's rows."""


def measures(job: dict[str, Any], problem: Problem, variants: list[Variant]) -> list[Gradients]:
    """Return the gradients [samples, ...] of BPTT and of the job's rules, for each variant, in float64.

    Raises ValueError for a variant without traces during the warm-up.
    """
    if not all(variant.traces for variant in variants):
        raise ValueError("in PyTorch traces run from the first step on")
    by_variant = []
    for variant in variants:
        by_rule = {}
        for rule in ("bptt", *job["rules"]):
            each = [of_sample(job, problem, rule, sample, variant.start) for sample in range(job["computed"])]
            by_rule[rule] = [
                {kind: np.stack([one[layer][kind].numpy() for one in each]) for kind in of_layer}
                for layer, of_layer in enumerate(each[0])
            ]
        by_variant.append(by_rule)
    return by_variant


def of_sample(job: dict[str, Any], problem: Problem, rule: str, sample: int, start: int) -> network_torch.Params:
    """Compute the gradient of a rule for one sample, with a loss from step `start` on."""
    net, (name, k, kind) = gradients.network(job, cells_torch), gradients.split(rule)
    params = [{k: torch.from_numpy(w) for k, w in layer.items()} for layer in problem.params]
    params[0]["x"] = torch.from_numpy(problem.currents[:, sample].copy())[:, None]
    targets = torch.from_numpy(problem.targets[:, sample : sample + 1].astype(np.int64))
    targets[:start] = -1
    options: dict[str, Any] = {"decay": k, "bias_correction": kind} if kind else {}
    inputs = torch.eye(len(targets), dtype=torch.float64)[:, None]
    carry = RULES[name].init(net, params, 1)
    return RULES[name].advance(net, params, carry, inputs, targets, last=True, **options)[2]


def activity(job: dict[str, Any], problem: Problem) -> list[np.ndarray]:
    """Return the spikes per step of every neuron of each hidden layer [samples, N]."""
    net, rates = gradients.network(job, cells_torch), []
    for sample in range(job["computed"]):
        params = [{k: torch.from_numpy(w) for k, w in layer.items()} for layer in problem.params]
        params[0]["x"] = torch.from_numpy(problem.currents[:, sample].copy())[:, None]
        inputs = torch.eye(job["steps"], dtype=torch.float64)[:, None]
        residuals = network_torch.run(net, params, network_torch.initial_states(net, params, 1), inputs)[0]
        hidden = zip(net[:-1], residuals[:-1], strict=True)
        rates.append([cell.output(r.states)[:, 0].mean(dim=0).numpy() for cell, r in hidden])
    return [np.stack(layer) for layer in zip(*rates, strict=True)]
