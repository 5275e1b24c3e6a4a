"""Compute BPTT's gradient by JAX itself: `jax.value_and_grad` of a loss over `lax.scan`, as a user would write it.

The input of a layer is multiplied with its weights in one GEMM a chunk, outside the scan over the steps. The gradient
is that of `bptt_jax.py`, and what is kept for it is JAX's choice. Carried across a chunk boundary: the states. With
`segments`, `jax.checkpoint` keeps the states before each segment and runs the segment twice (Chen et al. 2016, arXiv
1604.06174); its inputs are then multiplied segment by segment. Symbols and shapes: `implementations/README.md`.
"""

from functools import partial
from math import ceil
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from drtrl_bench.implementations.algorithms.exact import bptt_jax as bptt
from drtrl_bench.implementations.engine.execution_jax import PLAIN, Execution
from drtrl_bench.implementations.engine.network_jax import (
    Params,
    PerWeight,
    States,
    at_currents,
    external_currents,
    readout_loss,
)

Carry, init = bptt.Carry, bptt.init


def advance(
    net: Any,
    params: Params,
    carry: Carry,
    inputs: Array,
    targets: Array,
    *,
    last: bool = False,
    segments: int = 0,
    execution: Execution = PLAIN,
) -> tuple[Carry, Array, Params]:
    """Advance K steps: inputs [K, B, I], targets [K, B] -> the carry, the loss of the chunk, its gradient.

    segments: 0 keeps what the differentiation needs of all K steps; K checkpoints every step.
    """
    differentiated = jax.value_and_grad(loss, has_aux=True)
    (total, ends), grads = differentiated(params, net, carry, inputs, targets, segments, execution.unroll)
    return ends, total, grads


def loss(
    params: Params, net: Any, states: States, inputs: Array, targets: Array, segments: int, unroll: int
) -> tuple[Array, States]:
    """Compute the loss of K steps and the last states of every layer."""
    run_ = partial(run, net, unroll=unroll)
    if not segments:
        return run_(params, states, inputs, targets)
    segment, K = jax.checkpoint(run_), len(inputs)
    length = ceil(K / segments)
    whole = K // length * length

    def step(now: tuple[States, Array], data: tuple[Array, Array]) -> tuple[tuple[States, Array], None]:
        states, total = now
        more, states = segment(params, states, *data)
        return (states, total + more), None

    x, t = (a[:whole].reshape(-1, length, *a.shape[1:]) for a in (inputs, targets))
    (states, total), _ = lax.scan(step, (states, jnp.zeros((), inputs.dtype)), (x, t))
    if whole < K:
        more, states = segment(params, states, inputs[whole:], targets[whole:])
        total = total + more
    return total, states


def run(net: Any, params: Params, states: States, x: Array, targets: Array, unroll: int = 1) -> tuple[Array, States]:
    """Run some steps of the network: the loss, and the last states of every layer."""
    ends = []
    for cell, w, s in zip(net, params, states, strict=True):
        s, x = layer(cell, w, s, x, unroll)
        ends.append(s)
    return readout_loss(x, targets), ends


def layer(cell: Any, w: PerWeight, s: Array, x: Array, unroll: int) -> tuple[Array, Array]:
    """Run one layer from state s over inputs x [K, B, I]: its last states and its outputs [K, B, N].

    The outputs are computed of all steps at once: in the loop, that took more time and memory.
    """

    def step(s: Array, u: Array) -> tuple[Array, Array]:
        y = u
        if "r" in w:
            y = u + at_currents(cell, "r", jnp.einsum("bj,jgn->bgn", cell.emit(s), w["r"]))
        s = cell.dynamics(s, y)
        return s, s

    s, states = lax.scan(step, s, external_currents(cell, w, x), unroll=unroll)
    return s, cell.output(states)
