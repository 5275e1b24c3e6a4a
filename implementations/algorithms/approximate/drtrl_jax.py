"""Compute D-RTRL's gradient in JAX: RTRL without the paths through recurrent weights.

Source: Wang et al. 2026 (Nat. Commun. 17:1745).

    trace       eps^t = D^t eps^{t-1} + z^t (x) D_f^t  D = ds^t/ds^{t-1} inside a neuron, its recurrent input held fixed
    gradient    dL/dW = sum_t l^t eps^t                l = dL^t/ds^t, the learning signal

D_f = ds^t/dy^t, y being a neuron's input current, the sum of z W; z is the presynaptic activity: the input x, the
recurrent output of the step before, or 1 for bias and trained constants; (x) is the outer product. In eps, D-RTRL's
ds/dW, s are the S states of the weight's own neuron. D does not couple the neurons, so eps is only B S times as large
as W. A lower layer gets the same step's learning signal alone.

Summed over a chunk of K steps, the two equations need eps once a chunk and not once a step. K changes the cost, never
the gradient. The derivation and all symbols are in `implementations/README.md`:

    adjoint of the loss            lam^t = l^t + lam^{t+1} D^{t+1},  lam^K = l^K,  lam^0 = lam^1 D^1
    adjoints of the last states    P^t = D^K ... D^{t+1},  P^K = 1                  one S x S matrix per neuron
    gradient                       dL/dW = lam^0 eps^0 + sum_t z^t (x) lam^t D_f^t
    trace at the chunk's end       eps^K = P^0 eps^0 + sum_t z^t (x) P^t D_f^t

Both adjoints keep the paths inside a neuron alone: DIAGONAL.
"""

from typing import Any, NamedTuple

from jax import Array

from drtrl_bench.implementations.engine import trace_jax as trace
from drtrl_bench.implementations.engine.adjoint_jax import DIAGONAL, Rule, require_carry
from drtrl_bench.implementations.engine.blocks_jax import forward_backward
from drtrl_bench.implementations.engine.execution_jax import PLAIN, Execution
from drtrl_bench.implementations.engine.network_jax import Params, States, initial_states
from drtrl_bench.implementations.engine.trace_jax import Trace

RULE = Rule(loss=DIAGONAL, carry=DIAGONAL)


class Carry(NamedTuple):
    """Hold what is carried across a chunk boundary."""

    states: States
    """s [B, S, N] of each layer."""
    traces: list[dict[str, Trace]]
    """eps [B, J, S, Gk, N] of each layer and kind of weight."""


def init(net: Any, params: Params, batch: int, *, trace_dtype: str = "same") -> Carry:
    """Return the states at rest and zero traces, in the dtype of the weights or in `trace_dtype`."""
    states = initial_states(net, params, batch)
    zeros = [{k: trace.zeros(batch, c, v, trace_dtype) for k, v in w.items()} for c, w in zip(net, params, strict=True)]
    return Carry(states, zeros)


def advance(
    net: Any,
    params: Params,
    carry: Carry,
    inputs: Array,
    targets: Array,
    *,
    last: bool = False,
    rule: Rule = RULE,
    execution: Execution = PLAIN,
) -> tuple[Carry, Array, Params]:
    """Advance K steps: inputs [K, B, I], targets [K, B] -> the carry, the loss of the chunk, its gradient.

    last: no chunk follows, so the traces are not updated, but left out of the carry.
    """
    require_carry(rule, DIAGONAL)
    states, traces = carry
    chunk = forward_backward(rule, net, params, states, inputs, targets, last=last, execution=execution)
    grads, updated = [], []
    # of each layer: lam^0, P^0, and of each kind of weight the factors z^t and P^t D_f^t
    for within, lam, P, factors, eps in zip(chunk.grads, chunk.lam, chunk.P, chunk.factors, traces, strict=True):
        grads.append({k: within[k] + trace.contract(lam, eps[k]) for k in eps})
        updated.append({k: trace.update(eps[k], P, *factors[k]) for k in factors})
    return Carry(chunk.states, updated), chunk.loss, grads
