"""Real-time recurrent learning, in JAX: exact for the whole network, at every chunk length.

    textbook (K = 1)    M^t = A^t M^{t-1} + F^t (x) z^t                    grad += l^t M^t
    chunked             M'  = P^0 M + sum_t p^t (x) z^t                    grad += sum_t z^t (x) q^t + c M

    P^0 = ds^K/ds^0,  p^t = ds^K/dy^t                                      what s^K owes to s^0 and to y^t
    c = dL/ds^0,      q^t = dL/dy^t                                        what the loss owes to them

Carried across a chunk boundary: the states and the influence M = ds/dtheta of every weight on the states of its
own layer and of the layers above. P and p pull the n unit cotangents of s^K back through all paths of the chunk;
weights couple the neurons, so n of them are needed. With `last`, nobody reads M afterwards and it is not moved.
Source: Williams & Zipser 1989 (Neural Comput. 1(2):270); chunked: Schmidhuber 1992 (Neural Comput. 4(2):243).
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from implementations.network_jax import (
    Params,
    PerWeight,
    States,
    forward,
    initial_states,
    presynaptic,
    previous,
    readout_loss,
)

Carry = tuple[States, list[PerWeight]]


def flat(states: States) -> Array:
    """States of all layers [..., S, N] side by side: [..., n]."""
    return jnp.concatenate([s.reshape(*s.shape[:-2], -1) for s in states], axis=-1)


def unit_cotangents(states: States) -> States:
    """[n, B, S, N] per layer: the i-th pulls back state number i of every sample."""
    n, below, units = sum(s[0].size for s in states), 0, []
    for s in states:
        eye = jnp.eye(n, s[0].size, -below, s.dtype).reshape(n, 1, *s.shape[1:])
        units.append(jnp.broadcast_to(eye, (n, *s.shape)))
        below += s[0].size
    return units


def move(M: Array, P0: Array, z: Array, p: Array) -> Array:
    """The influence a chunk later: P^0 M + sum_t p^t (x) z^t."""
    return jnp.einsum("bim,bmgnj->bignj", P0, M) + jnp.einsum("itbgn,tbj->bignj", p, z)


def init(net: Any, params: Params, batch: int) -> Carry:
    """States at rest; zero influence M [B, n', G, N, J] per weight, n' states from its own layer up."""
    states, influences = initial_states(net, params, batch), []
    for layer, w in enumerate(params):
        n = sum(s[0].size for s in states[layer:])
        influences.append({k: jnp.zeros((batch, n, *v.shape[1:], v.shape[0]), v.dtype) for k, v in w.items()})
    return states, influences


def advance(
    net: Any, params: Params, carry: Carry, inputs: Array, targets: Array, *, last: bool = False
) -> tuple[Carry, Array, Params]:
    """K steps: inputs [K, B, I], targets [K, B] -> states and influence, loss of the chunk, its gradient."""
    states, influences = carry

    def chunk(states: States, dy: list[Array]) -> tuple[tuple[Array, States], list[PerWeight]]:
        x, ends, lines = inputs, [], []
        for cell, w, s0, d in zip(net, params, states, dy, strict=True):
            s, _ = forward(cell, w, s0, x, d)
            lines.append(presynaptic(cell, previous(s0, s), x))
            x = cell.output(s)
            ends.append(s[-1])
        return (readout_loss(x, targets), ends), lines

    dy = [jnp.zeros((*targets.shape, c.G, s.shape[-1]), s.dtype) for c, s in zip(net, states, strict=True)]
    (loss, ends), pull, z = jax.vjp(chunk, states, dy, has_aux=True)
    c, q = pull((jnp.ones_like(loss), [jnp.zeros_like(s) for s in states]))
    c = flat(c)  # [B, n]

    below, grads = 0, []
    for layer, cell in enumerate(net):
        grads.append({})
        for k, M in influences[layer].items():
            direct = jnp.einsum("tbj,tbgn->jgn", z[layer][k], q[layer][..., cell.reads[k], :])
            entry = jnp.einsum("bm,bmgnj->jgn", c[:, below:], M)
            grads[layer][k] = direct + entry
        below += states[layer][0].size
    if last:
        return (ends, []), loss, grads

    P0, p = jax.vmap(lambda unit: pull((jnp.zeros_like(loss), unit)))(unit_cotangents(states))
    P0 = jnp.moveaxis(flat(P0), 1, 0)  # [B, n, n]
    below, moved = 0, []
    for layer, cell in enumerate(net):
        moved.append({})
        for k, M in influences[layer].items():
            moved[layer][k] = move(M, P0[:, below:, below:], z[layer][k], p[layer][below:, ..., cell.reads[k], :])
        below += states[layer][0].size
    return (ends, moved), loss, grads
