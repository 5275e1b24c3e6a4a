"""Run a network of weights that need not be dense in JAX: forward, and the factors of its gradient backward.

A layer's weight of kind k has the `Connections` that the layer's `Wiring` names; without any it is dense. Weights with
connections feed one current. Symbols and shapes: `implementations/README.md`. The twin is `network_torch.py`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

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


class Connections(Protocol):
    """Compute with the weights from J to N neurons that are not a dense array: synapses, a convolution, low rank.

    w are the weights that are stored and trained; W the effective ones, which the products read.
    """

    @property
    def J(self) -> int: ...

    @property
    def N(self) -> int: ...

    def effective(self, w: Array) -> Array:
        """Return W, once a chunk."""
        ...

    def to_stored(self, gradient: Array) -> Array:
        """Apply the chain rule: from dL/dW to dL/dw."""
        ...

    def currents(self, W: Array, z: Array) -> Array:
        """Compute the currents [M, N] of presynaptic activity z [M, J]."""
        ...

    def currents_of_steps(self, W: Array, z: Array) -> Array:
        """Compute the currents [K, B, N] of the presynaptic activity z [K, B, J] of K steps."""
        ...

    def feedback(self, W: Array, dy: Array) -> Array:
        """Feed dX/dy [M, N] back: dX/dz [M, J]."""
        ...

    def gradient(self, W: Array, z: Array, dy: Array) -> Array:
        """Compute dL/dW from z [K, B, J] and dL/dy [K, B, N]: the sum of z^t (x) dy^t over steps and samples."""
        ...

    def zero_trace(self, batch: int, cell: Any, w: Array) -> Any:
        """Return D-RTRL's trace before the first step."""
        ...

    def trace_step(
        self, W: Array, eps: Any, lam: Array, P: Array, z: Array, dy: Array, last: bool
    ) -> tuple[Array, Any]:
        """Compute D-RTRL's dL/dW of a chunk, and the trace after it: see `Synapses.trace_step`."""
        ...


Wiring = Sequence[Mapping[str, Connections]]
"""The connections of each layer, by kind of weight; a kind that is missing is dense."""
Params = list[PerWeight]
"""The weights of every layer, the readout last: dense [J, Gk, N], others in the shape that their connections have."""


def effective_weights(wiring: Wiring, params: Params) -> Params:
    """Return the weights that the network computes with."""
    return [
        {k: where[k].effective(v) if k in where else v for k, v in w.items()}
        for where, w in zip(wiring, params, strict=True)
    ]


def to_stored(wiring: Wiring, grads: Params) -> Params:
    """Return the gradient of the stored weights, from that of the effective ones."""
    return [
        {k: where[k].to_stored(g) if k in where else g for k, g in w.items()}
        for where, w in zip(wiring, grads, strict=True)
    ]


def neurons(w: PerWeight, wiring: Mapping[str, Connections]) -> int:
    """Return the number of neurons of a layer."""
    return wiring["x"].N if "x" in wiring else w["x"].shape[-1]


def initial_states(net: Any, wiring: Wiring, params: Params, batch: int) -> States:
    """Return the states before the first step, one [B, S, N] per layer.

    Raises ValueError for weights with connections that feed more than one current.
    """
    states = []
    for cell, where, w in zip(net, wiring, params, strict=True):
        for kind in where:
            if (fed := cell.reads[kind].stop - cell.reads[kind].start) != 1:
                raise ValueError(
                    f"weights {kind!r} of {type(cell).__name__} feed {fed} currents, those with connections one: "
                    "take a cell of one current, such as lif, or leave these weights dense"
                )
        s = jnp.asarray(cell.rest(neurons(w, where)), w["x"].dtype)
        states.append(jnp.broadcast_to(s, (batch, *s.shape)))
    return states


def layer(cell: Any, wiring: Mapping[str, Connections], w: PerWeight, s: Array, x: Array) -> tuple[Array, Array]:
    """Run one layer from state s over inputs x [K, B, I]: its states [K, B, S, N] and input currents [K, B, G, N].

    Only the recurrence is sequential.
    """
    u = jnp.zeros((*x.shape[:2], cell.G, s.shape[-1]), x.dtype)
    for kind in (kind for kind in w if kind != "r"):
        if kind in wiring:
            fed = wiring[kind].currents_of_steps(w[kind], x)[:, :, None]
        else:
            fed = jnp.einsum("tbj,jgn->tbgn", x, w[kind]) if kind == "x" else w[kind]
        u = u + at_currents(cell, kind, fed)

    def step(s: Array, u: Array) -> tuple[Array, tuple[Array, Array]]:
        y = u
        if "r" in w:
            z = cell.emit(s)
            fed = wiring["r"].currents(w["r"], z)[:, None] if "r" in wiring else jnp.einsum("bj,jgn->bgn", z, w["r"])
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


def feedback(cell: Any, wiring: Mapping[str, Connections], w: PerWeight, dy: Array) -> Array:
    """Feed dX/dy [K, B, Q, G, N] back through the input weights: dX/do [K, B, Q, J] of the layer below."""
    if "x" not in wiring:
        return forward_weights(0, dy, cell, w, dy)
    fed = dy[..., cell.reads["x"].start, :]
    return wiring["x"].feedback(w["x"], fed.reshape(-1, fed.shape[-1])).reshape(*fed.shape[:3], -1)


def recurrent_path(cell: Any, wiring: Mapping[str, Connections], w: PerWeight, dy: Array) -> Array:
    """Feed dX/dy^t [B, Q, G, N] back through the recurrent weights: dX/dr^t [B, Q, N]."""
    if "r" in wiring:
        fed = dy[:, :, cell.reads["r"].start]
        return wiring["r"].feedback(w["r"], fed.reshape(-1, fed.shape[-1])).reshape(fed.shape)
    return jnp.einsum("bqgn,jgn->bqj", dy[:, :, cell.reads["r"]], w["r"])


def weight_gradient(cell: Any, wiring: Mapping[str, Connections], w: PerWeight, z: PerWeight, dy: Array) -> PerWeight:
    """Sum z^t (x) dy^t over steps and samples, dy [K, B, G, N]: the gradient of the effective weights."""
    grads = {}
    for kind in w:
        fed = dy[:, :, cell.reads[kind]]
        if kind in wiring:
            grads[kind] = wiring[kind].gradient(w[kind], z[kind], fed[:, :, 0])
        else:
            grads[kind] = jnp.einsum("tbj,tbgn->jgn", z[kind], fed)
    return grads
