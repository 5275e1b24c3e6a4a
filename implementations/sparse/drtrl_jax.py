"""Compute D-RTRL's gradient of sparse weights in JAX: one eligibility trace for each synapse and state.

The rule is that of `algorithms/approximate/drtrl_jax.py`, at the synapses j -> i alone:

    gradient                   dL/dW_ji = lam_i^0 eps_ji^0 + sum_t z_j^t (lam^t D_f^t)_i
    trace at the chunk's end   eps_ji^K = P_i^0 eps_ji^0   + sum_t z_j^t (P^t D_f^t)_i

The first terms read every synapse once a chunk. Both sums are dense products sampled at the pattern; as z_j^t is 0
where no spike is, they are computed spike by spike, for all rows of the neurons that spiked.
Source: Wang et al. 2026 (Nat. Commun. 17:1745). Symbols and shapes: `implementations/README.md`.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from drtrl_bench.implementations.engine import trace_jax as trace
from drtrl_bench.implementations.engine.adjoint_jax import DIAGONAL, final_adjoints, neuronwise, recursion
from drtrl_bench.implementations.engine.network_jax import States
from drtrl_bench.implementations.sparse import synapses_jax as sparse
from drtrl_bench.implementations.sparse.network_jax import (
    Params,
    Wiring,
    feedback,
    forward,
    initial_states,
    local_terms,
)
from drtrl_bench.implementations.sparse.synapses_jax import Synapses

SparseTrace = list[list[Array]]
"""eps [R, width] of each sample and state: arrays of their own, so that each is updated in place."""


class Carry(NamedTuple):
    """Hold what is carried across a chunk boundary."""

    states: States
    """s [B, S, N] of each layer."""
    traces: list[dict[str, Any]]
    """eps of each layer and kind of weight: a `SparseTrace`, or the `Trace` of a dense weight."""


def init(net: Any, wiring: Wiring, params: Params, batch: int) -> Carry:
    """Return the states at rest and zero traces."""
    traces = [
        {
            k: [[jnp.zeros_like(v) for _ in range(cell.S)] for _ in range(batch)]
            if k in where
            else trace.zeros(batch, cell, v)
            for k, v in w.items()
        }
        for cell, where, w in zip(net, wiring, params, strict=True)
    ]
    return Carry(initial_states(net, wiring, params, batch), traces)


def trace_step(
    synapses: Synapses, eps: SparseTrace, lam: Array, P: Array, z: Array, dy: Array, last: bool
) -> tuple[Array, SparseTrace]:
    """Return the gradient [R, width] of one kind of weight, and its trace after the chunk unless that is the last.

    lam [B, S, N], P [B, S, S', N], z [K, B, J], dy [K, B, Q, N]: the loss's, then the states'.
    """
    total, updated = jnp.zeros_like(eps[0][0]), []
    for b, eps_b in enumerate(eps):
        for s, eps_s in enumerate(eps_b):
            total = total + sparse.at_post(synapses, lam[b, s]) * eps_s
        totals = [total]
        if not last:
            states = range(len(eps_b))
            zero = jnp.zeros_like(total)
            totals += [sum((sparse.at_post(synapses, P[b, s, u]) * eps_b[u] for u in states), zero) for s in states]
        dy_b = [dy[:, b, q] for q in range(len(totals))]
        total, *eps_b = sparse.add_outer(synapses, totals, z[:, b], dy_b)
        updated.append(eps_b)
    return total, updated


def advance(
    net: Any, wiring: Wiring, params: Params, carry: Carry, inputs: Array, targets: Array, *, last: bool = False
) -> tuple[Carry, Array, Params]:
    """Advance K steps: inputs [K, B, I], targets [K, B] -> the carry, the loss of the chunk, its gradient.

    last: no chunk follows, so the traces are not updated, but left out of the carry.
    """
    states, loss, residuals, error = forward(net, wiring, params, carry.states, inputs, targets)
    adjoints, grads, updated, dL_do = final_adjoints(DIAGONAL, states), [], [], error[:, :, None]
    for i in reversed(range(len(net))):
        cell, where, w, eps = net[i], wiring[i], params[i], carry.traces[i]
        D, D_f, l, z = local_terms(cell, w, residuals[i], dL_do)
        dy, lam = recursion(adjoints[i][:, :1] if last else adjoints[i], l, D, D_f)
        if i > 0:
            dL_do = feedback(cell, where, w, neuronwise(l, D_f))
        lam, P = lam[:, 0], lam[:, 1:]
        grads.insert(0, {})
        updated.insert(0, {})
        for k in w:
            dy_k = dy[:, :, :, cell.reads[k]]
            if k in where:
                grads[0][k], after = trace_step(where[k], eps[k], lam, P, z[k], dy_k[:, :, :, 0], last)
            else:
                within = jnp.einsum("tbj,tbgn->jgn", z[k], dy_k[:, :, 0])
                grads[0][k] = within + trace.contract(lam, eps[k])
                after = None if last else trace.update(eps[k], P, z[k], dy_k[:, :, 1:])
            if not last:
                updated[0][k] = after
    return Carry(states, updated), loss, grads
