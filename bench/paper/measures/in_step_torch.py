"""Computes the gradients of BPTT and of the rules, each path within a step once, in PyTorch. Twin: `in_step_jax.py`."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from drtrl_bench.implementations.algorithms.approximate import drtrl_torch, es_drtrl_torch
from drtrl_bench.implementations.algorithms.exact import bptt_torch
from drtrl_bench.implementations.cells import cells_torch as cells
from drtrl_bench.implementations.engine import network_torch
from drtrl_bench.measure.fidelity import Gradient
from drtrl_bench.paper.learning import rules

__all__ = ["cells", "gradients"]

RULES: dict[str, Any] = {"bptt": bptt_torch, "drtrl": drtrl_torch, "es_drtrl": es_drtrl_torch}
"""Imported by name, so that they are among the sources of a job's rows."""


def gradients(
    net: Any, params: Gradient, inputs: NDArray[Any], targets: NDArray[Any], rank: int
) -> dict[str, Gradient]:
    """Return the gradient of each rule in float64; ES-D-RTRL's has this rank, and is corrected.

    inputs [T, B, I], targets [T, B].
    """
    options = {"decay": rank, "bias_correction": "corrected"}
    weights = [{k: torch.tensor(w, dtype=torch.float64) for k, w in layer.items()} for layer in params]
    of = (net, weights, torch.tensor(inputs, dtype=torch.float64), torch.tensor(targets.astype(np.int64)), len(inputs))
    by_rule = {name: network_torch.gradient(rules.bound(RULES, name, options), *of)[1] for name in RULES}
    return {rule: [{k: g.numpy() for k, g in layer.items()} for layer in own] for rule, own in by_rule.items()}
