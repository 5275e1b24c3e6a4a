"""What every JAX algorithm shares: a layer's forward pass, the loss, and the fold over chunks.

The twin is `network_torch.py`. Sizes: K steps of a chunk, B samples, J presynaptic lines, N neurons with
S states and G drives, C classes. `z`, `q` and weights are dicts over the kinds of weight in `cells.py`.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.experimental.layout import Layout, with_layout_constraint

from drtrl_bench.implementations.cells import spec as cells

PerWeight = dict[str, Array]
"""One array per kind of weight of a layer: {"x": ..., "r": ..., "b": ..., "p": ...}."""
Params = list[PerWeight]
"""The weights [J, Gk, N] of every layer, the readout last."""
States = list[Array]
"""The states [B, S, N] of every layer."""


def initial_states(net: Any, params: Params, batch: int) -> States:
    """The states before the first step, one [B, S, N] per layer."""
    rest = [jnp.asarray(cell.rest(w["x"].shape[-1]), w["x"].dtype) for cell, w in zip(net, params, strict=True)]
    return [jnp.broadcast_to(s, (batch, *s.shape)) for s in rest]


def acting(net: Any, params: Params) -> tuple[Params, Params]:
    """The weights as they act, masked and by absolute value where signed, and their slopes where these are not 1."""
    masks = cells.masks(tuple(net), tuple((w["x"].shape[0], w["x"].shape[-1]) for w in params))
    acts, slopes = [], []
    for cell, w, mask in zip(net, params, masks, strict=True):
        slope = {k: jnp.asarray(m, w[k].dtype) for k, m in mask.items()}
        if cell.signed:
            slope["r"] = jnp.sign(w["r"]) * slope.get("r", 1)
        acts.append({k: v * slope[k] if k in slope else v for k, v in w.items()})
        slopes.append(slope)
    return acts, slopes


def by_stored(grads: Params, slopes: Params) -> Params:
    """The gradient by the stored weights, of the gradient by the acting ones."""
    return [{k: g * slope.get(k, 1) for k, g in w.items()} for w, slope in zip(grads, slopes, strict=True)]


def spread(cell: Any, kind: str, part: Array) -> Array:
    """[..., Gk, N] -> [..., G, N]: puts the drives that one kind of weight feeds among all of the cell's."""
    reads = cell.reads[kind]
    padding = [(0, 0)] * (part.ndim - 2) + [(reads.start, cell.G - reads.stop), (0, 0)]
    return jnp.pad(part, padding)


def forward(cell: Any, w: PerWeight, s: Array, x: Array) -> tuple[Array, Array]:
    """K steps of one layer from state s: all states [K, B, S, N] and all drives [K, B, G, N].

    The input projection is one GEMM over the chunk; only the recurrence is sequential.
    """
    u = spread(cell, "x", jnp.einsum("tbj,jgn->tbgn", x, w["x"]))
    for kind in w.keys() & {"b", "p"}:
        u = u + spread(cell, kind, w[kind])

    if KERNELS:
        from drtrl_bench.implementations.kernels import forward_pallas

        if forward_pallas.fits(cell):
            return forward_pallas.forward(cell, w.get("r"), s, u)

    def step(s: Array, u: Array) -> tuple[Array, tuple[Array, Array]]:
        y = u
        if "r" in w:
            y = u + spread(cell, "r", jnp.einsum("bj,jgn->bgn", cell.emit(s), w["r"]))
        s = cell.dynamics(s, y)
        return s, (s, y)

    return lax.scan(step, s, u, unroll=UNROLL)[1]


class Tape(NamedTuple):
    """What one layer did in a chunk."""

    previous: Array
    """s^0 ... s^{K-1} [K, B, S, N]."""
    states: Array
    """s^1 ... s^K."""
    drives: Array
    """y^1 ... y^K [K, B, G, N]."""
    inputs: Array
    """x^1 ... x^K [K, B, I]."""


def run(net: Any, params: Params, states: States, inputs: Array) -> tuple[list[Tape], States, Array]:
    """K steps of every layer: their tapes, their last states, and the logits [K, B, C]."""
    x, tapes = inputs, []
    for cell, w, s0 in zip(net, params, states, strict=True):
        s, y = forward(cell, w, s0, x)
        tapes.append(Tape(previous(s0, s), s, y, x))
        x = cell.output(s)
    return tapes, [tape.states[-1] for tape in tapes], x


UNROLL = 1
"""Steps of a sequential loop in one iteration of the compiled one. On a CPU more than 1 was not seen to pay."""
KERNELS = False
"""Whether the forward pass of a layer is one kernel of its own, where there is one for the layer."""
TILES, TILE_BYTES, GPU_TILE_BYTES = 16, 1 << 18, 1 << 26
"""A carry as large as the weights is held in up to so many tiles, none smaller than that."""


def on_cpu() -> bool:
    """Whether what is traced now will run on a CPU."""
    return jax.default_backend() == "cpu"


def tiles(size: int, nbytes: int) -> list[int]:
    """How to cut an axis of `size` entries of `nbytes` each, so that moving one tile after another needs no second copy
    of the whole.
    """
    least = TILE_BYTES if on_cpu() else GPU_TILE_BYTES
    number = min(TILES, size, max(1, size * nbytes // least))
    return [size // number + (i < size % number) for i in range(number)]


def as_it_lies(part: Array) -> Array:
    """A part of the inputs in the layout that the whole has: otherwise XLA lays the whole out anew, on a GPU, and keeps
    that beside it.
    """
    if on_cpu():
        return part
    return with_layout_constraint(part, Layout(tuple(range(part.ndim))))


def later_than(tile: Array) -> Array:
    """0, but only once the tile is there: an index with this added orders what XLA would otherwise compute at once."""
    return (tile.flatten()[0] > jnp.inf).astype(jnp.int32)


def previous(s0: Array, s: Array) -> Array:
    """States s^0 ... s^{K-1} from s^0 and s^1 ... s^K."""
    return jnp.concatenate([s0[None], s[:-1]])


def presynaptic(cell: Any, s_prev: Array, x: Array) -> PerWeight:
    """z [K, B, J] of each kind of weight: the input, the emitted values, and 1 for bias and parameters."""
    one = jnp.ones((*x.shape[:2], 1), x.dtype)
    return {kind: x if kind == "x" else cell.emit(s_prev) if kind == "r" else one for kind in cell.reads}


def readout_loss(logits: Array, targets: Array) -> Array:
    """Cross-entropy, summed over time and averaged over the batch; a step with a negative target has none.

    logits [K, B, C], targets [K, B] -> scalar. Being a sum over time it adds up over chunks.
    """
    log_p = jax.nn.log_softmax(logits)
    picked = jnp.take_along_axis(log_p, jnp.maximum(targets, 0)[..., None], axis=-1)[..., 0]
    return -jnp.where(targets >= 0, picked, 0).sum() / targets.shape[1]


def gradient(
    algorithm: Any, net: Any, params: Params, inputs: Array, targets: Array, chunk: int
) -> tuple[Array, Params]:
    """Loss and gradient of a sequence: `algorithm.advance` folded over its chunks of at most `chunk` steps.

    algorithm: what has `init` and `advance`. inputs [T, B, I], targets [T, B]. The last chunk, the only one that may
    be shorter, stands outside the loop.
    """
    T, B = targets.shape
    K = min(chunk, T)
    params, slopes = acting(net, params)
    whole = (T - 1) // K

    def body(state: tuple[Array, Any, Array, Params], _: None) -> tuple[tuple[Array, Any, Array, Params], None]:
        i, carry, total, sums = state
        x = as_it_lies(lax.dynamic_slice_in_dim(inputs, i * K, K))
        t = lax.dynamic_slice_in_dim(targets, i * K, K)
        carry, loss, grads = algorithm.advance(net, params, carry, x, t)
        return (i + 1, carry, total + loss, jax.tree.map(jnp.add, sums, grads)), None

    carry = algorithm.init(net, params, B)
    zero = (jnp.array(0), carry, jnp.zeros((), inputs.dtype), jax.tree.map(jnp.zeros_like, params))
    if whole == 0:
        _, loss, grads = algorithm.advance(net, params, carry, inputs, targets, last=True)
        return loss, by_stored(grads, slopes)
    (_, carry, total, sums), _ = lax.scan(body, zero, length=whole)
    x = as_it_lies(inputs[whole * K :])
    _, loss, grads = algorithm.advance(net, params, carry, x, targets[whole * K :], last=True)
    return total + loss, by_stored(jax.tree.map(jnp.add, sums, grads), slopes)
