"""Run a network of sparse and dense weights in JAX: forward, and the factors of its gradient backward.

A layer's weight of kind k is sparse where the layer's `Wiring` names its synapses; all others are dense. Sparse
weights feed one current. Symbols and shapes: `implementations/README.md`. The twin is `network_torch.py`.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from drtrl_bench.implementations.engine.adjoint_jax import forward_weights
from drtrl_bench.implementations.engine.derivatives_jax import learning_signals, local_jacobians
from drtrl_bench.implementations.engine.network_jax import (
    PerWeight,
    Residuals,
    States,
    at_currents,
    loss_and_error,
    presynaptic,
    previous,
)
from drtrl_bench.implementations.sparse import synapses_jax as sparse
from drtrl_bench.implementations.sparse.synapses_jax import Synapses

Wiring = list[dict[str, Synapses]]
"""The synapses of each layer, by kind of weight; a kind that is missing is dense."""
Params = list[PerWeight]
"""The weights of every layer, the readout last: dense [J, Gk, N], sparse [R, width]."""


def neurons(w: PerWeight, wiring: dict[str, Synapses]) -> int:
    """Return the number of neurons of a layer."""
    return wiring["x"].N if "x" in wiring else w["x"].shape[-1]


def initial_states(net: Any, wiring: Wiring, params: Params, batch: int) -> States:
    """Return the states before the first step, one [B, S, N] per layer.

    Raises ValueError for sparse weights that feed more than one current.
    """
    states = []
    for cell, where, w in zip(net, wiring, params, strict=True):
        for kind in where:
            if (fed := cell.reads[kind].stop - cell.reads[kind].start) != 1:
                raise ValueError(
                    f"weights {kind!r} of {type(cell).__name__} feed {fed} currents, and sparse ones feed one: "
                    "take a cell of one current, such as lif, or leave these weights dense"
                )
        s = jnp.asarray(cell.rest(neurons(w, where)), w["x"].dtype)
        states.append(jnp.broadcast_to(s, (batch, *s.shape)))
    return states


def layer(cell: Any, wiring: dict[str, Synapses], w: PerWeight, s: Array, x: Array) -> tuple[Array, Array]:
    """Run one layer from state s over inputs x [K, B, I]: its states [K, B, S, N] and input currents [K, B, G, N].

    Only the recurrence is sequential.
    """
    u = jnp.zeros((*x.shape[:2], cell.G, s.shape[-1]), x.dtype)
    for kind in (kind for kind in w if kind != "r"):
        if kind in wiring:
            fed = sparse.currents_of_steps(wiring[kind], w[kind], x)[:, :, None]
        else:
            fed = jnp.einsum("tbj,jgn->tbgn", x, w[kind]) if kind == "x" else w[kind]
        u = u + at_currents(cell, kind, fed)

    def step(s: Array, u: Array) -> tuple[Array, tuple[Array, Array]]:
        y = u
        if "r" in w:
            z = cell.emit(s)
            if "r" in wiring:
                fed = sparse.currents(wiring["r"], w["r"], z)[:, None]
            else:
                fed = jnp.einsum("bj,jgn->bgn", z, w["r"])
            y = u + at_currents(cell, "r", fed)
        s = cell.dynamics(s, y)
        return s, (s, y)

    return lax.scan(step, s, u)[1]


def forward(
    net: Any, wiring: Wiring, params: Params, states: States, inputs: Array, targets: Array
) -> tuple[States, Array, list[Residuals], Array]:
    """Run a chunk forward: the last states, the loss, the residuals, and dL/dlogits [K, B, C]."""
    x, residuals = inputs, []
    for cell, where, w, s0 in zip(net, wiring, params, states, strict=True):
        s, y = layer(cell, where, w, s0, x)
        residuals.append(Residuals(previous(s0, s), s, y, x))
        x = cell.output(s)
    loss, error = loss_and_error(x, targets)
    return [r.states[-1] for r in residuals], loss, residuals, error


class Local(NamedTuple):
    """Hold what the gradient of a layer is made of, within a neuron."""

    D: Array
    """ds/ds_prev [K, B, S, S', N]."""
    D_f: Array
    """ds/dy [K, B, S, G, N]."""
    l: Array
    """The learning signal dL^t/ds^t [K, B, 1, S, N]."""
    z: PerWeight
    """Presynaptic activity [K, B, J] of each kind of weight."""


def local_terms(cell: Any, w: PerWeight, residuals: Residuals, dL_do: Array) -> Local:
    """Differentiate a layer within its neurons, from dL/do [K, B, 1, N]."""
    D, D_f = local_jacobians(cell, w, residuals)
    l = learning_signals(cell, residuals.states, dL_do)
    return Local(D, D_f, l, presynaptic(cell, residuals.previous, residuals.inputs))


def feedback(cell: Any, wiring: dict[str, Synapses], w: PerWeight, dy: Array) -> Array:
    """Feed dX/dy [K, B, Q, G, N] back through the input weights: dX/do [K, B, Q, J] of the layer below."""
    if "x" not in wiring:
        return forward_weights(0, dy, cell, w, dy)
    fed = dy[..., cell.reads["x"].start, :]
    return sparse.feedback(wiring["x"], w["x"], fed.reshape(-1, fed.shape[-1])).reshape(*fed.shape[:3], -1)


def recurrent_path(cell: Any, wiring: dict[str, Synapses], w: PerWeight, dy: Array) -> Array:
    """Feed dX/dy^t [B, Q, G, N] back through the recurrent weights: dX/dr^t [B, Q, N]."""
    if "r" in wiring:
        fed = dy[:, :, cell.reads["r"].start]
        return sparse.feedback(wiring["r"], w["r"], fed.reshape(-1, fed.shape[-1])).reshape(fed.shape)
    return jnp.einsum("bqgn,jgn->bqj", dy[:, :, cell.reads["r"]], w["r"])


def weight_gradient(cell: Any, wiring: dict[str, Synapses], w: PerWeight, z: PerWeight, dy: Array) -> PerWeight:
    """Sum z^t (x) dy^t over steps and samples, dy [K, B, G, N]: dense [J, Gk, N], sparse [R, width]."""
    grads = {}
    for kind in w:
        fed = dy[:, :, cell.reads[kind]]
        if kind not in wiring:
            grads[kind] = jnp.einsum("tbj,tbgn->jgn", z[kind], fed)
            continue
        grads[kind] = jnp.zeros_like(w[kind])
        for b in range(dy.shape[1]):
            (grads[kind],) = sparse.add_outer(wiring[kind], [grads[kind]], z[kind][:, b], [fed[:, b, 0]])
    return grads
