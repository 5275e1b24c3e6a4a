"""Control, in JAX: the current step only, as if no state remembered anything.

    grad W = sum_t z^t (x) l^t F^t

Carried across a chunk boundary: the states. What a rule gains over this, it gains by credit through time.
"""

from typing import Any

import jax
from jax import Array

from drtrl_bench.implementations.engine.adjoint_jax import (
    intrinsic,
    learning_signals,
    send_down,
    times,
    weight_gradient,
)
from drtrl_bench.implementations.engine.network_jax import (
    Params,
    States,
    initial_states,
    presynaptic,
    readout_loss,
    run,
)

Carry = States


def init(net: Any, params: Params, batch: int) -> Carry:
    """States at rest, one [B, S, N] per layer."""
    return initial_states(net, params, batch)


def advance(
    net: Any, params: Params, carry: Carry, inputs: Array, targets: Array, *, last: bool = False
) -> tuple[Carry, Array, Params]:
    """K steps: inputs [K, B, I], targets [K, B] -> states, loss of the chunk, its gradient."""
    tapes, ends, logits = run(net, params, carry, inputs)
    loss, error = jax.value_and_grad(readout_loss)(logits, targets)

    signals, grads = error[:, :, None], []
    for cell, w, tape in reversed(list(zip(net, params, tapes, strict=True))):
        _, F = intrinsic(cell, w, tape.previous, tape.drives)
        q = times(learning_signals(cell, tape.states, signals), F)
        z = presynaptic(cell, tape.previous, tape.inputs)
        grads.insert(0, {k: weight_gradient(z[k], q[:, :, 0, cell.reads[k]]) for k in w})
        if len(grads) < len(net):
            signals = send_down(cell, w, q)
    return ends, loss, grads
