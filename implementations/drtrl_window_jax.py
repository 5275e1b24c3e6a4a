"""BPTT inside the window, D-RTRL's trace before it, in JAX; with K = T it is BPTT.

    grad = sum_t z^t (x) q^t + c e                 q^t = dL/dy^t, c = dL/ds^0: by all paths inside the chunk
    e'   = P^0 e + sum_t p^t (x) z^t               as in `drtrl_jax.py`: paths through weights are cut

Carried across a chunk boundary: what D-RTRL carries. The chunk length K is the window and changes the gradient.
Source: the multi-step mode of braintrace, the reference library of Wang et al. 2026 (Nat. Commun. 17:1745).
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from implementations import drtrl_jax as drtrl
from implementations.network_jax import Params, States, Tape, forward, presynaptic, previous, readout_loss

Carry = drtrl.Carry
init = drtrl.init


def advance(
    net: Any, params: Params, carry: Carry, inputs: Array, targets: Array, *, last: bool = False
) -> tuple[Carry, Array, Params]:
    """K steps: inputs [K, B, I], targets [K, B] -> states and traces, loss of the chunk, its gradient."""
    states, traces = carry

    def chunk(states: States, dy: list[Array]) -> tuple[Array, list[Tape]]:
        x, tapes = inputs, []
        for cell, w, s0, d in zip(net, params, states, dy, strict=True):
            s, y = forward(cell, w, s0, x, d)
            tapes.append(Tape(previous(s0, s), s, y, x))
            x = cell.output(s)
        return readout_loss(x, targets), tapes

    dy = [jnp.zeros((*targets.shape, c.G, s.shape[-1]), s.dtype) for c, s in zip(net, states, strict=True)]
    loss, pull, tapes = jax.vjp(chunk, states, dy, has_aux=True)
    c, q = pull(jnp.ones_like(loss))

    grads, moved = [], []
    for layer, (cell, w, tape) in enumerate(zip(net, params, tapes, strict=True)):
        z = presynaptic(cell, tape.previous, tape.inputs)
        grads.append({})
        for k, e in traces[layer].items():
            direct = jnp.einsum("tbj,tbgn->jgn", z[k], q[layer][..., cell.reads[k], :])
            grads[layer][k] = direct + drtrl.read_out(c[layer], e)
        if not last:
            D, F = drtrl.intrinsic(cell, w, tape.previous, tape.drives)
            rows, entry = drtrl.pull_back(jnp.zeros_like(tape.states), D, last)
            P0, p = entry[:, 1:], drtrl.times(rows[:, :, 1:], F)
            moved.append({k: drtrl.move(e, P0, z[k], p[..., cell.reads[k], :]) for k, e in traces[layer].items()})
    return ([tape.states[-1] for tape in tapes], moved), loss, grads
