"""What every JAX algorithm shares: a layer's forward pass, the loss, and the fold over chunks.

The twin is `network_torch.py`. Sizes: K steps of a chunk, B samples, J presynaptic lines, N neurons with
S states and G drives, C classes. `z`, `q` and weights are dicts over the kinds of weight in `cells.py`.
"""

from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

PerWeight = dict[str, Array]
"""One array per kind of weight of a layer: {"x": ..., "r": ..., "b": ...}."""
Params = list[PerWeight]
"""The weights [J, Gk, N] of every layer, the readout last."""
States = list[Array]
"""The states [B, S, N] of every layer."""


def initial_states(net: Any, params: Params, batch: int) -> States:
    """Zero states, one [B, S, N] per layer."""
    return [jnp.zeros((batch, cell.S, w["x"].shape[-1]), w["x"].dtype) for cell, w in zip(net, params, strict=True)]


def spread(cell: Any, kind: str, part: Array) -> Array:
    """[..., Gk, N] -> [..., G, N]: puts the drives that one kind of weight feeds among all of the cell's."""
    reads = cell.reads[kind]
    padding = [(0, 0)] * (part.ndim - 2) + [(reads.start, cell.G - reads.stop), (0, 0)]
    return jnp.pad(part, padding)


def forward(cell: Any, w: PerWeight, s: Array, x: Array, dy: Array | float = 0.0) -> tuple[Array, Array]:
    """K steps of one layer from state s: all states [K, B, S, N] and all drives [K, B, G, N].

    The input projection is one GEMM over the chunk; only the recurrence is sequential. `dy` is added to the
    drives: the derivative by it is the derivative by y.
    """
    u = dy + spread(cell, "x", jnp.einsum("tbj,jgn->tbgn", x, w["x"]))
    if "b" in w:
        u = u + spread(cell, "b", w["b"])

    def step(s: Array, u: Array) -> tuple[Array, tuple[Array, Array]]:
        y = u
        if "r" in w:
            y = u + spread(cell, "r", jnp.einsum("bj,jgn->bgn", cell.emit(s), w["r"]))
        s = cell.dynamics(s, y)
        return s, (s, y)

    return lax.scan(step, s, u)[1]


def previous(s0: Array, s: Array) -> Array:
    """States s^0 ... s^{K-1} from s^0 and s^1 ... s^K."""
    return jnp.concatenate([s0[None], s[:-1]])


def presynaptic(cell: Any, s_prev: Array, x: Array) -> PerWeight:
    """z [K, B, J] of each kind of weight: the input, the emitted values, and 1 for the bias."""
    z = {"x": x}
    if "r" in cell.reads:
        z["r"] = cell.emit(s_prev)
    if "b" in cell.reads:
        z["b"] = jnp.ones((*x.shape[:2], 1), x.dtype)
    return z


def readout_loss(logits: Array, targets: Array) -> Array:
    """Cross-entropy, summed over time and averaged over the batch; a step with a negative target has none.

    logits [K, B, C], targets [K, B] -> scalar. Being a sum over time it adds up over chunks.
    """
    log_p = jax.nn.log_softmax(logits)
    picked = jnp.take_along_axis(log_p, jnp.maximum(targets, 0)[..., None], axis=-1)[..., 0]
    return -jnp.where(targets >= 0, picked, 0).sum() / targets.shape[1]


def gradient(
    algorithm: ModuleType, net: Any, params: Params, inputs: Array, targets: Array, chunk: int
) -> tuple[Array, Params]:
    """Loss and gradient of a sequence: `algorithm.advance` folded over its chunks of at most `chunk` steps.

    inputs [T, B, I], targets [T, B]. The last chunk, the only one that may be shorter, stands outside the loop.
    """
    T, B = targets.shape
    K = min(chunk, T)
    whole = (T - 1) // K

    def body(state: tuple[Any, Array, Params], i: Array) -> tuple[tuple[Any, Array, Params], None]:
        carry, total, sums = state
        x = lax.dynamic_slice_in_dim(inputs, i * K, K)
        t = lax.dynamic_slice_in_dim(targets, i * K, K)
        carry, loss, grads = algorithm.advance(net, params, carry, x, t)
        return (carry, total + loss, jax.tree.map(jnp.add, sums, grads)), None

    carry = algorithm.init(net, params, B)
    zero = (carry, jnp.zeros((), inputs.dtype), jax.tree.map(jnp.zeros_like, params))
    if whole == 0:
        _, loss, grads = algorithm.advance(net, params, carry, inputs, targets, last=True)
        return loss, grads
    (carry, total, sums), _ = lax.scan(body, zero, jnp.arange(whole))
    _, loss, grads = algorithm.advance(net, params, carry, inputs[whole * K :], targets[whole * K :], last=True)
    return total + loss, jax.tree.map(jnp.add, sums, grads)
