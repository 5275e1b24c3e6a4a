"""ES-D-RTRL, also called pp-prop, in JAX: D-RTRL's trace as the product of two filtered vectors.

    ex^t = a ex^{t-1} + z^t,   ef^t = a D^t ef^{t-1} + (1 - a) F^t          at every chunk length
    grad W = sum_t ex^t (x) l^t ef^t / c^t                                  ex = 1 for bias and parameters

    c^t = 1 - a^{t+1} (corrected), 1 - (1 - a)^{t+1} (as_published), 1 (none); t from 0

Carried across a chunk boundary: the states, the presynaptic ex[B, J], the postsynaptic ef[B, S, G, N] and the time t.
No state is as large as the weights; both filters are scans over vectors, and the gradient is one GEMM.
Source: Wang et al. 2026 (Nat. Commun. 17:1745); as_published: the paper's code, where c is near 1 at once.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from drtrl_bench.implementations.algorithms.approximate.filtering import smoothing
from drtrl_bench.implementations.engine import network_jax as network
from drtrl_bench.implementations.engine.adjoint_jax import (
    intrinsic,
    learning_signals,
    send_down,
    times,
    weight_gradient,
)
from drtrl_bench.implementations.engine.network_jax import (
    Params,
    PerWeight,
    States,
    initial_states,
    presynaptic,
    readout_loss,
    run,
)

Carry = tuple[States, list[PerWeight], list[Array], Array]
FILTERED = ("x", "r")


def correction(kind: str, a: float, t: Array) -> Array:
    """c^t of the steps t."""
    if kind == "none":
        return jnp.ones_like(t)
    return 1 - (a if kind == "corrected" else 1 - a) ** (t + 1)


def filter_pre(ex: Array, z: Array, decay: float) -> tuple[Array, Array]:
    """ex^K [B, J] and all ex^t [K, B, J] of a chunk."""

    def step(ex: Array, now: Array) -> tuple[Array, Array]:
        ex = decay * ex + now
        return ex, ex

    return lax.scan(step, ex, z, unroll=network.UNROLL)


def filter_post(ef: Array, D: Array, F: Array, decay: float) -> tuple[Array, Array]:
    """ef^K [B, S, G, N] and all ef^t [K, B, S, G, N] of a chunk."""

    def step(ef: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        D_t, F_t = now
        ef = decay * times(D_t, ef) + (1 - decay) * F_t
        return ef, ef

    return lax.scan(step, ef, (D, F), unroll=network.UNROLL)


def init(net: Any, params: Params, batch: int) -> Carry:
    """States at rest; zero ex [B, J] per weight and ef [B, S, G, N] per layer; t = 0."""
    states = initial_states(net, params, batch)
    ex = [{k: jnp.zeros((batch, v.shape[0]), v.dtype) for k, v in w.items() if k in FILTERED} for w in params]
    ef = [jnp.zeros((*s.shape[:2], cell.G, s.shape[-1]), s.dtype) for cell, s in zip(net, states, strict=True)]
    return states, ex, ef, jnp.zeros((), states[0].dtype)


def advance(
    net: Any,
    params: Params,
    carry: Carry,
    inputs: Array,
    targets: Array,
    *,
    last: bool = False,
    decay: float = 0.9,
    bias_correction: str = "corrected",
) -> tuple[Carry, Array, Params]:
    """K steps: inputs [K, B, I], targets [K, B] -> states and filters, loss of the chunk, its gradient.

    decay: a, or a whole number k >= 1 that stands for a = (k - 1) / (k + 1), the paper's rank.
    """
    states, filtered, efs, t = carry
    decay = smoothing(decay, bias_correction)
    tapes, ends, logits = run(net, params, states, inputs)
    loss, error = jax.value_and_grad(readout_loss)(logits, targets)
    steps = t + jnp.arange(len(inputs))
    c = correction(bias_correction, decay, steps)[:, None, None, None]

    signals, grads, last_ex, last_ef = error[:, :, None], [], [], []
    for layer in reversed(range(len(net))):
        cell, w, tape = net[layer], params[layer], tapes[layer]
        D, F = intrinsic(cell, w, tape.previous, tape.drives)
        l = learning_signals(cell, tape.states, signals)
        end, ef = filter_post(efs[layer], D, F, decay)
        last_ef.insert(0, end)
        ex = presynaptic(cell, tape.previous, tape.inputs)
        last_ex.insert(0, {})
        for k, e in filtered[layer].items():
            last_ex[0][k], ex[k] = filter_pre(e, ex[k], decay)
        q = times(l, ef)[:, :, 0] / c
        grads.insert(0, {k: weight_gradient(ex[k], q[..., cell.reads[k], :]) for k in w})
        if layer > 0:
            signals = send_down(cell, w, times(l, F))
    return (ends, last_ex, last_ef, t + len(inputs)), loss, grads
