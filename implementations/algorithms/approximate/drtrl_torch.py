"""D-RTRL, in PyTorch: RTRL without the paths through recurrent weights (Wang et al. 2026, Nat. Commun. 17:1745).

    trace       eps^t = D^t eps^{t-1} + z^t (x) D_f^t  D = ds^t/ds^{t-1} inside a neuron, its recurrent input held fixed
    gradient    dL/dW = sum_t l^t eps^t                l = dL^t/ds^t, the learning signal

D_f = ds^t/dy^t, and z is the presynaptic activity (x in the paper, where it is the input alone). D does not couple the
neurons: P^t takes an adjoint for each of a neuron's S states, and eps is as large as W times B S. The learning signal
reaches a lower layer within the step.

The same sum over a chunk of K steps updates eps once a chunk and not once a step. K changes the cost, never the
gradient; the derivation is in `implementations/README.md`, with all symbols:

    lam^t = l^t + lam^{t+1} D^{t+1},  P^t = D^K ... D^{t+1}                   the adjoints of L and of s^K, DIAGONAL
    dL/dW = lam^0 eps^0 + sum_t z^t (x) lam^t D_f^t,  eps^K = P^0 eps^0 + sum_t z^t (x) P^t D_f^t
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from drtrl_bench.implementations.engine import trace_torch as trace
from drtrl_bench.implementations.engine.adjoint_torch import DIAGONAL, Rule
from drtrl_bench.implementations.engine.blocks_torch import forward_backward
from drtrl_bench.implementations.engine.execution_torch import PLAIN, Execution
from drtrl_bench.implementations.engine.network_torch import Params, States, initial_states
from drtrl_bench.implementations.engine.trace_torch import Trace

RULE = Rule(loss=DIAGONAL, carry=DIAGONAL)


class Carry(NamedTuple):
    """What is carried across a chunk boundary."""

    states: States
    """s [B, S, N] of each layer."""
    traces: list[dict[str, Trace]]
    """eps [B, J, S, G, N] of each layer and kind of weight."""


def init(net: Any, params: Params, batch: int, *, trace_dtype: str = "same") -> Carry:
    """Returns the states at rest and zero traces, stored as the weights or in another `trace_dtype`."""
    states = initial_states(net, params, batch)
    zeros = [{k: trace.zeros(batch, c, v, trace_dtype) for k, v in w.items()} for c, w in zip(net, params, strict=True)]
    return Carry(states, zeros)


@torch.no_grad()
def advance(
    net: Any,
    params: Params,
    carry: Carry,
    inputs: Tensor,
    targets: Tensor,
    *,
    last: bool = False,
    rule: Rule = RULE,
    execution: Execution = PLAIN,
) -> tuple[Carry, Tensor, Params]:
    """Advances K steps: inputs [K, B, I], targets [K, B] -> the carry, the loss of the chunk, its gradient.

    The traces of `carry` are updated in place: it is used up.
    """
    states, traces = carry
    chunk = forward_backward(rule, net, params, states, inputs, targets, last=last, execution=execution)
    grads = []
    for within, lam, P, factors, eps in zip(chunk.grads, chunk.lam, chunk.P, chunk.factors, traces, strict=True):
        grads.append({k: within[k] + execution.trace_step(eps[k], lam, P, factors.get(k)) for k in eps})
    return Carry(chunk.states, traces), chunk.loss, grads
