"""Compute SnAp-2's gradient in JAX: RTRL whose influence keeps the neurons that a weight reaches within two steps.

    influence   M^t = A^t M^{t-1} + z^t (x) D_f^t      A = ds^t/ds^{t-1} of the layer, among the neurons that are kept
    gradient    dL/dW = sum_t l^t M^t                  l = dL^t/ds^t, the learning signal, as D-RTRL's

Of a weight to neuron n, M = ds/dW is kept for n and for the neurons that n's recurrent weights feed, E at most together
(`pattern.py`). If all recurrent weights exist, E is N, and M is RTRL's influence within the layer: SnAp-2 differs only
where weights are masked, and takes E / N of that memory there. As in SnAp-1, layers above are not in the pattern, and a
lower layer gets the same step's learning signal alone. M is updated in every step: every K gives the same gradient, at
the same cost. Symbols and shapes, but E: `implementations/README.md`. Source: Menick et al. 2021 (ICLR; arXiv
2006.07232).
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from drtrl_bench.implementations.algorithms.further.pattern import reached
from drtrl_bench.implementations.engine.adjoint_jax import forward_weights, neuronwise
from drtrl_bench.implementations.engine.derivatives_jax import learning_signals, local_jacobians, output_jacobian
from drtrl_bench.implementations.engine.execution_jax import PLAIN, Execution
from drtrl_bench.implementations.engine.network_jax import (
    Params,
    PerWeight,
    Residuals,
    States,
    fold,
    forward,
    initial_states,
    presynaptic,
)


class Carry(NamedTuple):
    """Hold what is carried across a chunk boundary."""

    states: States
    """s [B, S, N] of each layer."""
    influences: list[PerWeight]
    """M [B, N, E, S, Gk, J] of each layer and kind of weight."""


class Step(NamedTuple):
    """Hold what the update of a layer's influence needs; arrays of all steps have K in front."""

    D: Array
    D_f: Array
    R: Array
    """0 in a layer without recurrent weights."""
    l: Array
    """[B, S, N]."""
    z: PerWeight


def init(net: Any, params: Params, batch: int) -> Carry:
    """Return the states at rest and zero influences."""
    influences = []
    for cell, w in zip(net, params, strict=True):
        N, E = reached(cell, w["x"].shape[-1])[0].shape
        influences.append({k: jnp.zeros((batch, N, E, cell.S, v.shape[1], v.shape[0]), v.dtype) for k, v in w.items()})
    return Carry(initial_states(net, params, batch), influences)


def kept(now: Step, index: Array, exists: Array) -> Step:
    """Take from the arrays [..., N] of a step those of the neurons kept [..., N, E], and 0 for padding."""
    D, D_f, R, l = (a[..., index] * exists for a in (now.D, now.D_f, now.R, now.l))
    return Step(D, D_f, R, l, now.z)


def layer_gradient(
    cell: Any, w: PerWeight, residuals: Residuals, l: Array, M: PerWeight, unroll: int
) -> tuple[PerWeight, PerWeight]:
    """Update a layer's influence in every step of a block: the influence at its end, and the gradient [J, Gk, N]."""
    D, D_f = local_jacobians(cell, w, residuals)
    index, exists = (jnp.asarray(a) for a in reached(cell, w["x"].shape[-1]))
    exists = exists.astype(D.dtype)
    R = output_jacobian(cell, residuals.previous) if "r" in w else jnp.zeros_like(residuals.previous)
    steps = Step(D, D_f, R, l, presynaptic(cell, residuals.previous, residuals.inputs))
    # of each n, the weights [E', Gr, E] from the neurons kept to the neurons kept
    among = jnp.moveaxis(w["r"][index[:, :, None], :, index[:, None, :]], -1, 2) if "r" in w else None

    def step(state: tuple[PerWeight, PerWeight], now: Step) -> tuple[tuple[PerWeight, PerWeight], None]:
        now, after, grads = kept(now, index, exists), {}, {}
        for k, M_k in state[0].items():
            M_new = jnp.einsum("bsune,bneugj->bnesgj", now.D, M_k)
            if among is not None:
                dr = jnp.einsum("bsne,bnesgj->bnegj", now.R, M_k)
                dy = jnp.einsum("nqhe,bnqgj->bnehgj", among, dr)
                M_new = M_new + jnp.einsum("bshne,bnehgj->bnesgj", now.D_f[:, :, cell.reads["r"]], dy)
            own = jnp.einsum("bsgn,bj->bnsgj", now.D_f[:, :, cell.reads[k], :, 0], now.z[k])
            after[k] = M_new.at[:, :, 0].add(own)
            grads[k] = state[1][k] + jnp.einsum("bsne,bnesgj->jgn", now.l, after[k])
        return (after, grads), None

    zero = jax.tree.map(jnp.zeros_like, w)
    return lax.scan(step, (M, zero), steps, unroll=unroll)[0]


def block(
    net: Any, params: Params, execution: Execution, carry: Carry, inputs: Array, targets: Array, *, last: bool = False
) -> tuple[Carry, Array, Params]:
    """Advance a block of steps: inputs [K, B, I], targets [K, B] -> the carry, the loss of the block, its gradient."""
    ends, loss, residuals, error = forward(net, params, carry.states, inputs, targets, execution.unrolled)
    dL_do, grads, influences = error[:, :, None], [], []
    for layer in reversed(range(len(net))):
        cell, w = net[layer], params[layer]
        l = learning_signals(cell, residuals[layer].states, dL_do)
        after, of_layer = layer_gradient(
            cell, w, residuals[layer], l[:, :, 0], carry.influences[layer], execution.unroll
        )
        influences.insert(0, after)
        grads.insert(0, of_layer)
        if layer > 0:
            D_f = local_jacobians(cell, w, residuals[layer])[1]
            dL_do = forward_weights(layer - 1, error, cell, w, neuronwise(l, D_f))
    return Carry(ends, influences), loss, grads


def advance(
    net: Any,
    params: Params,
    carry: Carry,
    inputs: Array,
    targets: Array,
    *,
    last: bool = False,
    execution: Execution = PLAIN,
) -> tuple[Carry, Array, Params]:
    """Advance K steps: inputs [K, B, I], targets [K, B] -> the carry, the loss of the chunk, its gradient."""
    advance_block = partial(block, net, params, execution)
    return fold(advance_block, carry, params, inputs, targets, execution.block, last_differs=False)
