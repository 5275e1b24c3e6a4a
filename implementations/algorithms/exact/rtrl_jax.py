"""Compute RTRL's gradient in JAX: real-time recurrent learning, with the paths through recurrent weights.

Source: Williams & Zipser 1989 (Neural Comput. 1(2):270); over chunks: Schmidhuber 1992 (Neural Comput. 4(2):243).

    influence   M^t = A^t M^{t-1} + z^t (x) D_f^t      A = ds^t/ds^{t-1} by all paths
    gradient    dL/dW = sum_t l^t M^t                  l = dL^t/ds^t, the learning signal

D_f = ds^t/dy^t, y being a neuron's input current, the sum of z W; z is the presynaptic activity: the input x, the
recurrent output of the step before, or 1 for bias and trained constants; (x) is the outer product. In M = ds/dW, s are
all n states of the weight's layer and of the layers above, so the gradient is exact. A couples the neurons, and the
product A M is what RTRL costs. A lower layer gets the whole adjoint, later steps' learning signals included.

Summed over a chunk of K steps, the two equations need M once a chunk and not once a step. K changes the cost, never
the gradient. The derivation and all symbols are in `implementations/README.md`:

    adjoint of the loss            lam^t = l^t + lam^{t+1} A^{t+1},  lam^K = l^K,  lam^0 = lam^1 A^1
    adjoints of the last states    P^t = A^K ... A^{t+1},  P^K = 1                  one n x n matrix per sample
    gradient                       dL/dW = lam^0 M^0 + sum_t z^t (x) lam^t D_f^t
    influence at the chunk's end   M^K = P^0 M^0 + sum_t z^t (x) P^t D_f^t

Both adjoints keep all paths: FULL.
"""

from typing import Any, NamedTuple

from jax import Array

from drtrl_bench.implementations.engine import influence_jax as influence
from drtrl_bench.implementations.engine.adjoint_jax import FULL, Rule, require_carry
from drtrl_bench.implementations.engine.blocks_jax import forward_backward
from drtrl_bench.implementations.engine.execution_jax import PLAIN, Execution
from drtrl_bench.implementations.engine.influence_jax import Influence
from drtrl_bench.implementations.engine.network_jax import Params, States, initial_states

RULE = Rule(loss=FULL, carry=FULL)


class Carry(NamedTuple):
    """Hold what is carried across a chunk boundary."""

    states: States
    """s [B, S, N] of each layer."""
    influences: list[dict[str, Influence]]
    """M [B, n, Gk, N, J] of each layer and kind of weight, n being the states of the layer and of those above."""


def init(net: Any, params: Params, batch: int) -> Carry:
    """Return the states at rest and zero influences."""
    states = initial_states(net, params, batch)
    n = [sum(s[0].size for s in states[layer:]) for layer in range(len(net))]
    zeros = [{k: influence.zeros(batch, above, v) for k, v in w.items()} for above, w in zip(n, params, strict=True)]
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

    last: no chunk follows, so the influences are not updated, but left out of the carry.
    """
    require_carry(rule, FULL)
    states, influences = carry
    chunk = forward_backward(rule, net, params, states, inputs, targets, last=last, execution=execution)
    grads, updated = [], []
    # of each layer: lam^0, P^0, and of each kind of weight the factors z^t and P^t D_f^t
    for within, lam, P, factors, M in zip(chunk.grads, chunk.lam, chunk.P, chunk.factors, influences, strict=True):
        grads.append({k: within[k] + influence.contract(lam, M[k]) for k in M})
        updated.append({k: influence.update(M[k], P, *factors[k]) for k in factors})
    return Carry(chunk.states, updated), chunk.loss, grads
