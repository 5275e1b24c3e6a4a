"""Backpropagation through time, in JAX.

    lam^t = l^t + lam^{t+1} A^{t+1}          A = ds^t/ds^{t-1} by all paths, those through weights among them
    grad  = sum_t z^t (x) q^t                q^t = lam^t F^t

Carried across a chunk boundary: the states. So K < T is truncated BPTT and K = T is exact.
A chunk is gone through in blocks: of all its steps only states and drives are kept, everything else is of one block and
stays in the cache. The loss's row is pulled back layer by layer, top down; what a layer owes to the one below goes down
with it. The gradient of a weight is one GEMM a block, not one a step.
Source: Werbos 1990 (Proc. IEEE 78(10):1550); truncated: Williams & Peng 1990 (Neural Comput. 2(4):490).
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from implementations.adjoint_jax import (
    intrinsic,
    learning_signals,
    pull_back,
    send_down,
    through_weights,
    weight_gradient,
)
from implementations.network_jax import (
    Params,
    States,
    Tape,
    initial_states,
    presynaptic,
    previous,
    readout_loss,
    run,
)

Carry = States
Done = tuple[list[Tape], Array]
"""What the way back through a block needs: the tapes, and dL/dlogits [K, B, C]."""
BLOCK = 64
"""Steps of a block. Fewer cost more calls, more leave the cache."""


def init(net: Any, params: Params, batch: int) -> Carry:
    """States at rest, one [B, S, N] per layer."""
    return initial_states(net, params, batch)


def forth(net: Any, params: Params, states: States, inputs: Array, targets: Array) -> tuple[States, Array, Done]:
    """A block of steps forward from `states`: the last states, the loss, and what the way back needs."""
    tapes, ends, logits = run(net, params, states, inputs)
    loss, error = jax.value_and_grad(readout_loss)(logits, targets)
    return ends, loss, (tapes, error)


def back(net: Any, params: Params, done: Done, later: States) -> tuple[States, Params]:
    """The way back through a block, where the loss of later steps owes `later` to its end.

    Returns what the loss owes to the block's first states, [B, S, N] per layer, and the block's share of the gradient.
    """
    tapes, error = done
    signals, owed, grads = error[:, :, None], [], []  # dL/do^t [K, B, 1, N] of one layer
    for layer in reversed(range(len(net))):
        cell, w, tape = net[layer], params[layer], tapes[layer]
        D, F = intrinsic(cell, w, tape.previous, tape.drives)
        l = learning_signals(cell, tape.states, signals)
        q, entry = pull_back(later[layer][:, None], l, D, F, through_weights(cell, w, tape.previous))
        z = presynaptic(cell, tape.previous, tape.inputs)
        grads.insert(0, {k: weight_gradient(z[k], q[:, :, 0, cell.reads[k]]) for k in w})
        owed.insert(0, entry[:, 0])
        if layer > 0:
            signals = send_down(cell, w, q)
    return owed, grads


def retaped(net: Any, firsts: States, kept: list[tuple[Array, Array]], inputs: Array) -> list[Tape]:
    """The tapes of a block, of its first states and the states and drives of every layer: all that is worth keeping."""
    x, tapes = inputs, []
    for cell, s0, (s, y) in zip(net, firsts, kept, strict=True):
        tapes.append(Tape(previous(s0, s), s, y, x))
        x = cell.output(s)
    return tapes


def advance(
    net: Any, params: Params, carry: Carry, inputs: Array, targets: Array, *, last: bool = False
) -> tuple[Carry, Array, Params]:
    """K steps: inputs [K, B, I], targets [K, B] -> states, loss of the chunk, its gradient."""
    K = len(inputs)
    length = min(BLOCK, K)
    whole = (K - 1) // length * length  # the last block, which may be shorter, stands apart
    starts = jnp.arange(0, whole, length)

    def part(a: Array, start: Array) -> Array:
        return lax.dynamic_slice_in_dim(a, start, length)

    def forwards(states: States, start: Array) -> tuple[States, Any]:
        ends, loss, (tapes, error) = forth(net, params, states, part(inputs, start), part(targets, start))
        return ends, (loss, states, [(tape.states, tape.drives) for tape in tapes], error)

    def backwards(later: tuple[States, Params], now: Any) -> tuple[tuple[States, Params], None]:
        (owed, sums), (start, firsts, kept, error) = later, now
        tapes = retaped(net, firsts, kept, part(inputs, start))
        owed, grads = back(net, params, (tapes, error), owed)
        return (owed, jax.tree.map(jnp.add, sums, grads)), None

    at_last, (losses, *blocks) = lax.scan(forwards, carry, starts)
    ends, loss, done = forth(net, params, at_last, inputs[whole:], targets[whole:])
    later = back(net, params, done, [jnp.zeros_like(s) for s in carry])
    (_, grads), _ = lax.scan(backwards, later, (starts, *blocks), reverse=True)
    return ends, loss + losses.sum(), grads
