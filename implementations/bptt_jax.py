"""Backpropagation through time, in JAX.

    lam^t = l^t + lam^{t+1} A^{t+1}          A = ds^t/ds^{t-1} by all paths, those through weights among them
    grad  = sum_t z^t (x) q^t                q^t = lam^t F^t

Carried across a chunk boundary: the states. So K < T is truncated BPTT and K = T is exact.
The loss's row is pulled back layer by layer, top down; what a layer owes to the one below goes down with it. The
gradient of a weight is one GEMM over the chunk, not one per step.
Source: Werbos 1990 (Proc. IEEE 78(10):1550); truncated: Williams & Peng 1990 (Neural Comput. 2(4):490).
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from implementations.adjoint_jax import intrinsic, learning_signals, pull_back, send_down, through_weights
from implementations.network_jax import Params, States, initial_states, presynaptic, readout_loss, run

Carry = States


def init(net: Any, params: Params, batch: int) -> Carry:
    """States at rest, one [B, S, N] per layer."""
    return initial_states(net, params, batch)


def back(
    net: Any, params: Params, states: States, inputs: Array, targets: Array, later: States
) -> tuple[States, Array, Params, States]:
    """One pass forth and back over K steps from `states`, where the loss of later steps owes `later` to their end.

    Returns the last states, the loss, its gradient, and what the loss owes to the first states, [B, S, N] per layer.
    """
    tapes, ends, logits = run(net, params, states, inputs)
    loss, error = jax.value_and_grad(readout_loss)(logits, targets)

    signals, grads, owed = error[:, :, None], [], []  # dL/do^t [K, B, 1, N] of one layer
    for layer in reversed(range(len(net))):
        cell, w, tape = net[layer], params[layer], tapes[layer]
        D, F = intrinsic(cell, w, tape.previous, tape.drives)
        l = learning_signals(cell, tape.states, signals)
        q, entry = pull_back(later[layer][:, None], l, D, F, through_weights(cell, w, tape.previous))
        z = presynaptic(cell, tape.previous, tape.inputs)
        grads.insert(0, {k: jnp.einsum("tbj,tbgn->jgn", z[k], q[:, :, 0, cell.reads[k]]) for k in w})
        owed.insert(0, entry[:, 0])
        if layer > 0:
            signals = send_down(cell, w, q)
    return ends, loss, grads, owed


def advance(
    net: Any, params: Params, carry: Carry, inputs: Array, targets: Array, *, last: bool = False
) -> tuple[Carry, Array, Params]:
    """K steps: inputs [K, B, I], targets [K, B] -> states, loss of the chunk, its gradient."""
    ends, loss, grads, _ = back(net, params, carry, inputs, targets, [jnp.zeros_like(s) for s in carry])
    return ends, loss, grads
