"""Computes the gradients of BPTT and of the rules, each path within a step once, in JAX. Twin: `in_step_torch.py`."""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from drtrl_bench.implementations.algorithms.approximate import drtrl_jax, es_drtrl_jax
from drtrl_bench.implementations.algorithms.exact import bptt_jax
from drtrl_bench.implementations.cells import cells_jax as cells
from drtrl_bench.implementations.engine import network_jax
from drtrl_bench.measure.fidelity import Gradient
from drtrl_bench.paper.learning import rules

__all__ = ["cells", "gradients"]

RULES: dict[str, Any] = {"bptt": bptt_jax, "drtrl": drtrl_jax, "es_drtrl": es_drtrl_jax}
"""Imported by name, so that they are among the sources of a job's rows."""


def gradients(
    net: Any, params: Gradient, inputs: NDArray[Any], targets: NDArray[Any], rank: int
) -> dict[str, Gradient]:
    """Return the gradient of each rule in float64; ES-D-RTRL's has this rank, and is corrected.

    inputs [T, B, I], targets [T, B].
    """
    with jax.enable_x64(True):
        data = jax.tree.map(jnp.asarray, (params, inputs.astype(np.float64), targets))
        return jax.tree.map(np.asarray, compiled(net, rank, len(inputs))(*data))


@cache
def compiled(net: Any, rank: int, steps: int) -> Any:
    """Compile the gradients of all rules of sequences of so many steps, once for all samples."""
    options = {"decay": rank, "bias_correction": "corrected"}
    algorithms = {name: rules.bound(RULES, name, options) for name in RULES}

    def every(params: Any, inputs: Any, targets: Any) -> dict[str, Any]:
        of = (net, params, inputs, targets, steps)
        return {name: network_jax.gradient(algorithm, *of)[1] for name, algorithm in algorithms.items()}

    return jax.jit(every)
