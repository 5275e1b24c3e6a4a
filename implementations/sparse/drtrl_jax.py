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
from drtrl_bench.implementations.sparse.network_jax import (
    Params,
    Wiring,
    effective_weights,
    feedback,
    forward,
    initial_states,
    local_terms,
    to_stored,
)


class Carry(NamedTuple):
    """Hold what is carried across a chunk boundary."""

    states: States
    """s [B, S, N] of each layer."""
    traces: list[dict[str, Any]]
    """eps of each layer and kind of weight, as its connections hold it, or the `Trace` of a dense weight."""


def init(net: Any, wiring: Wiring, params: Params, batch: int) -> Carry:
    """Return the states at rest and zero traces."""
    traces = [
        {k: where[k].zero_trace(batch, cell, v) if k in where else trace.zeros(batch, cell, v) for k, v in w.items()}
        for cell, where, w in zip(net, wiring, params, strict=True)
    ]
    return Carry(initial_states(net, wiring, params, batch), traces)


def advance(
    net: Any, wiring: Wiring, params: Params, carry: Carry, inputs: Array, targets: Array, *, last: bool = False
) -> tuple[Carry, Array, Params]:
    """Advance K steps: inputs [K, B, I], targets [K, B] -> the carry, the loss of the chunk, its gradient.

    last: no chunk follows, so the traces are not updated, but left out of the carry.
    """
    params = effective_weights(wiring, params)
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
                grads[0][k], after = where[k].trace_step(w[k], eps[k], lam, P, z[k], dy_k[:, :, :, 0], last)
            else:
                within = jnp.einsum("tbj,tbgn->jgn", z[k], dy_k[:, :, 0])
                grads[0][k] = within + trace.contract(lam, eps[k])
                after = None if last else trace.update(eps[k], P, z[k], dy_k[:, :, 1:])
            if not last:
                updated[0][k] = after
    return Carry(states, updated), loss, to_stored(wiring, grads)
