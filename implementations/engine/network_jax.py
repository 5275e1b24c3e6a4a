"""Run the network forward in JAX: the forward pass of a layer, the loss, and the fold over chunks.

Symbols and shapes are those of the notation table in `implementations/README.md`. The twin is `network_torch.py`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from drtrl_bench.implementations.cells.cell import network_masks
from drtrl_bench.implementations.engine import xla_jax as xla

PerWeight = dict[str, Array]
"""One array per kind of weight of a layer: {"x": ..., "r": ..., "b": ..., "p": ...}."""
Params = list[PerWeight]
"""The weights [J, Gk, N] of every layer, the readout last."""
States = list[Array]
"""The states [B, S, N] of every layer."""
Layer = Callable[..., tuple[Array, Array]]
"""The forward pass of one layer over a block, with the arguments and results of `layer` below."""


def initial_states(net: Any, params: Params, batch: int) -> States:
    """Return the states before the first step, one [B, S, N] per layer."""
    rest = [jnp.asarray(cell.rest(w["x"].shape[-1]), w["x"].dtype) for cell, w in zip(net, params, strict=True)]
    return [jnp.broadcast_to(s, (batch, *s.shape)) for s in rest]


def effective_weights(net: Any, params: Params) -> tuple[Params, Params]:
    """Return the weights that the network computes with, and d(effective)/d(stored) of the kinds where it is not 1.

    The effective value of a masked weight is 0, that of a signed weight its absolute value.
    """
    masks = network_masks(tuple(net), tuple((w["x"].shape[0], w["x"].shape[-1]) for w in params))
    effective, derivatives = [], []
    for cell, w, mask in zip(net, params, masks, strict=True):
        derivative = {k: jnp.asarray(m, w[k].dtype) for k, m in mask.items()}
        if cell.signed:
            derivative["r"] = jnp.sign(w["r"]) * derivative.get("r", 1)
        effective.append({k: v * derivative[k] if k in derivative else v for k, v in w.items()})
        derivatives.append(derivative)
    return effective, derivatives


def to_stored(grads: Params, derivatives: Params) -> Params:
    """Apply the chain rule: from the gradient with respect to the effective weights to that of the stored weights."""
    return [{k: g * d.get(k, 1) for k, g in w.items()} for w, d in zip(grads, derivatives, strict=True)]


def at_currents(cell: Any, kind: str, currents: Array) -> Array:
    """Pad the currents [..., Gk, N] that one kind of weight feeds to all currents [..., G, N] of the cell."""
    reads = cell.reads[kind]
    padding = [(0, 0)] * (currents.ndim - 2) + [(reads.start, cell.G - reads.stop), (0, 0)]
    return jnp.pad(currents, padding)


def external_currents(cell: Any, w: PerWeight, x: Array) -> Array:
    """Compute the currents [K, B, G, N] from input, bias and parameters: one GEMM over the block."""
    u = at_currents(cell, "x", jnp.einsum("tbj,jgn->tbgn", x, w["x"]))
    for kind in w.keys() & {"b", "p"}:
        u = u + at_currents(cell, kind, w[kind])
    return u


def layer(cell: Any, w: PerWeight, s: Array, x: Array, unroll: int = 1) -> tuple[Array, Array]:
    """Run one layer from state s over inputs x [K, B, I]: its states [K, B, S, N] and input currents [K, B, G, N].

    Only the recurrence is sequential. unroll: steps in one iteration of XLA's loop.
    """

    def step(s: Array, u: Array) -> tuple[Array, tuple[Array, Array]]:
        y = u
        if "r" in w:
            y = u + at_currents(cell, "r", jnp.einsum("bj,jgn->bgn", cell.emit(s), w["r"]))
        s = cell.dynamics(s, y)
        return s, (s, y)

    return lax.scan(step, s, external_currents(cell, w, x), unroll=unroll)[1]


class Residuals(NamedTuple):
    """Hold what the backward pass needs from the forward pass of one layer."""

    previous: Array
    """s^0 ... s^{K-1} [K, B, S, N]."""
    states: Array
    """s^1 ... s^K [K, B, S, N]."""
    currents: Array
    """y^1 ... y^K [K, B, G, N]."""
    inputs: Array
    """x^1 ... x^K [K, B, I]."""


def run(
    net: Any, params: Params, states: States, inputs: Array, layer: Layer = layer
) -> tuple[list[Residuals], States, Array]:
    """Run every layer: their residuals, their last states, and the logits [K, B, C]."""
    x, residuals = inputs, []
    for cell, w, s0 in zip(net, params, states, strict=True):
        s, y = layer(cell, w, s0, x)
        residuals.append(Residuals(previous(s0, s), s, y, x))
        x = cell.output(s)
    return residuals, [r.states[-1] for r in residuals], x


def previous(s0: Array, s: Array) -> Array:
    """Shift states by one step: s^0 ... s^{K-1}, from s^0 and s^1 ... s^K."""
    return jnp.concatenate([s0[None], s[:-1]])


def presynaptic(cell: Any, s_prev: Array, x: Array) -> PerWeight:
    """Return the presynaptic activity z [K, B, J] of each kind of weight; for bias and parameters it is 1."""
    one = jnp.ones((*x.shape[:2], 1), x.dtype)
    return {kind: x if kind == "x" else cell.emit(s_prev) if kind == "r" else one for kind in cell.reads}


def readout_loss(logits: Array, targets: Array) -> Array:
    """Sum the cross-entropy over time and average it over the batch; a step with a negative target adds nothing.

    logits [K, B, C], targets [K, B] -> scalar. As a sum over time the loss adds up over chunks.
    """
    log_p = jax.nn.log_softmax(logits)
    picked = jnp.take_along_axis(log_p, jnp.maximum(targets, 0)[..., None], axis=-1)[..., 0]
    return -jnp.where(targets >= 0, picked, 0).sum() / targets.shape[1]


def loss_and_error(logits: Array, targets: Array) -> tuple[Array, Array]:
    """Compute `readout_loss` of a block, and dL/dlogits [K, B, C]."""
    return jax.value_and_grad(readout_loss)(logits, targets)


def forward(
    net: Any, params: Params, states: States, inputs: Array, targets: Array, layer: Layer = layer
) -> tuple[States, Array, list[Residuals], Array]:
    """Run a block forward: the last states, the loss, the residuals, and dL/dlogits [K, B, C]."""
    residuals, ends, logits = run(net, params, states, inputs, layer)
    loss, error = loss_and_error(logits, targets)
    return ends, loss, residuals, error


def fold(
    advance: Callable[..., tuple[Any, Array, Params]],
    carry: Any,
    params: Params,
    inputs: Array,
    targets: Array,
    K: int,
    last_differs: bool = True,
) -> tuple[Any, Array, Params]:
    """Fold `advance(carry, inputs, targets, last=...)` over chunks of at most K steps: carry, loss and gradient.

    inputs [T, B, I], targets [T, B]. The last chunk stands outside the loop if it is shorter or, with `last_differs`,
    computed in another way. XLA then gives it memory beside the loop's.
    """
    T = len(targets)
    if K >= T:
        return advance(carry, inputs, targets, last=True)
    looped = (T - last_differs) // K

    def body(state: tuple[Array, Any, Array, Params], _: None) -> tuple[tuple[Array, Any, Array, Params], None]:
        i, carry, total, sums = state
        x = xla.keep_layout(lax.dynamic_slice_in_dim(inputs, i * K, K))
        t = lax.dynamic_slice_in_dim(targets, i * K, K)
        carry, loss, grads = advance(carry, x, t)
        return (i + 1, carry, total + loss, jax.tree.map(jnp.add, sums, grads)), None

    zero = (jnp.array(0), carry, jnp.zeros((), inputs.dtype), jax.tree.map(jnp.zeros_like, params))
    (_, carry, total, sums), _ = lax.scan(body, zero, length=looped)
    if looped * K == T:
        return carry, total, sums
    x = xla.keep_layout(inputs[looped * K :])
    carry, loss, grads = advance(carry, x, targets[looped * K :], last=True)
    return carry, total + loss, jax.tree.map(jnp.add, sums, grads)


def gradient(
    algorithm: Any, net: Any, params: Params, inputs: Array, targets: Array, chunk: int
) -> tuple[Array, Params]:
    """Compute loss and gradient of a sequence: fold `algorithm.advance` over chunks of at most `chunk` steps.

    algorithm: a module, or an object, with `init` and `advance`, and False as `last_differs` if `advance` ignores
    `last`. inputs [T, B, I], targets [T, B].
    """
    effective, derivatives = effective_weights(net, params)
    carry = algorithm.init(net, effective, targets.shape[1])
    advance = partial(algorithm.advance, net, effective)
    last_differs = getattr(algorithm, "last_differs", True)
    _, loss, grads = fold(advance, carry, effective, inputs, targets, chunk, last_differs)
    return loss, to_stored(grads, derivatives)
