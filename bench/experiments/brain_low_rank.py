"""Measure what a rule costs where the connectome's weights are fixed, and a low-rank addition to them is trained.

The network is that of `brain_cost`, in a process of its own; the recurrent weights are W0 + U V, and V is 0 at first.
"""

from typing import Any

import numpy as np

from drtrl_bench.experiments import brain_cost


def with_factors(job: dict[str, Any], wiring: list[dict[str, Any]], weights: list[dict[str, Any]]) -> Any:
    """Return the wiring and the weights of a network with its recurrent weights fixed, and factors of a job's rank."""
    if job["framework"] == "jax":
        from drtrl_bench.implementations.sparse.low_rank_jax import low_rank
    else:
        from drtrl_bench.implementations.sparse.low_rank_torch import low_rank

    array, N = brain_cost.to_array(job["framework"]), wiring[0]["r"].N
    U = np.random.default_rng(3).standard_normal((N, job["rank"])) / np.sqrt(N)
    factors = np.concatenate([U, np.zeros_like(U)]).astype(np.float32)
    fixed = low_rank(N, N, weights[0]["r"], wiring[0]["r"])
    return [wiring[0] | {"r": fixed}, *wiring[1:]], [weights[0] | {"r": array(factors)}, *weights[1:]]


def compute(job: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the row of a job: see `brain_cost.compute`."""
    return brain_cost.compute(job, with_factors)
