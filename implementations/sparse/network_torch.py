"""Run a network of weights that need not be dense in PyTorch: forward, and the factors of its gradient backward.

A layer's weight of kind k has the `Connections` that the layer's `Wiring` names; without any it is dense. Weights with
connections feed one current. Symbols and shapes: `implementations/README.md`. The twin is `network_jax.py`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from drtrl_bench.implementations.cells.closed_torch import closed
from drtrl_bench.implementations.engine.adjoint_torch import forward_weights
from drtrl_bench.implementations.engine.derivatives_torch import learning_signals, local_jacobians, output_jacobian
from drtrl_bench.implementations.engine.network_torch import (
    PerWeight,
    Residuals,
    States,
    loss_and_error,
    presynaptic,
    rest,
)


class Connections(Protocol):
    """Compute with the weights from J to N neurons that are not a dense tensor: synapses, a convolution, low rank.

    w are the weights that are stored and trained; W the effective ones, which the products read.
    """

    @property
    def J(self) -> int: ...

    @property
    def N(self) -> int: ...

    def effective(self, w: Tensor) -> Tensor:
        """Return W, once a chunk."""
        ...

    def to_stored(self, gradient: Tensor) -> Tensor:
        """Apply the chain rule: from dL/dW to dL/dw."""
        ...

    def currents(self, W: Tensor, z: Tensor) -> Tensor:
        """Compute the currents [M, N] of presynaptic activity z [M, J]."""
        ...

    def matrix(self, W: Tensor) -> Tensor | None:
        """Return a matrix [J, N] that multiplies z [M, J] faster than `currents` does, or None."""
        ...

    def feedback(self, W: Tensor, dy: Tensor) -> Tensor:
        """Feed dX/dy [M, N] back: dX/dz [M, J]."""
        ...

    def gradient(self, W: Tensor, z: Tensor, dy: Tensor) -> Tensor:
        """Compute dL/dW from z [K, B, J] and dL/dy [K, B, N]: the sum of z^t (x) dy^t over steps and samples."""
        ...

    def zero_trace(self, batch: int, cell: Any, w: Tensor) -> Tensor:
        """Return D-RTRL's trace before the first step."""
        ...

    def trace_step(self, W: Tensor, eps: Tensor, lam: Tensor, P: Tensor, z: Tensor, dy: Tensor, last: bool) -> Tensor:
        """Compute D-RTRL's dL/dW of a chunk, and update the trace in place: see `Synapses.trace_step`."""
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
        s = rest(cell, neurons(w, where), w["x"].dtype, w["x"].device)
        states.append(s.expand(batch, *s.shape))
    return states


def layer(cell: Any, wiring: Mapping[str, Connections], w: PerWeight, s: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Run one layer from state s over inputs x [K, B, I]: its states [K + 1, B, S, N], s first, and
    its input currents [K, B, G, N].

    Only the recurrence is sequential, and inputs without a matrix: the rows that spikes of all steps read may be many.
    """
    y, N = x.new_zeros(*x.shape[:2], cell.G, s.shape[-1]), s.shape[-1]
    states = s.new_empty(len(x) + 1, *s.shape)
    states[0] = s
    for kind in [kind for kind in w if kind in ("b", "p")]:
        y[:, :, cell.reads[kind]] += w[kind]
    matrices = {k: wiring[k].matrix(w[k]) if k in wiring else w[k].flatten(1) for k in ("x", "r") if k in w}
    W_x, W_r = matrices["x"], matrices.get("r", s.new_empty(0, 0))  # None: step by step
    if W_x is not None:
        y[:, :, cell.reads["x"]] += (x.flatten(0, 1) @ W_x).view(*x.shape[:2], -1, N)
    if W_x is not None and W_r is not None and (form := closed(cell)) is not None:
        form.run(states, y, W_r)
        return states, y
    for t in range(len(x)):
        if W_x is None:
            y[t, :, cell.reads["x"].start] += wiring["x"].currents(w["x"], x[t])
        if "r" in w:
            z, reads = cell.emit(states[t]), cell.reads["r"]
            if W_r is None:
                y[t, :, reads.start] += wiring["r"].currents(w["r"], z)
            else:
                y[t, :, reads] += (z @ W_r).unflatten(1, (-1, N))
        states[t + 1] = cell.dynamics(states[t], y[t])
    return states, y


def forward(
    net: Any, wiring: Wiring, params: Params, states: States, inputs: Tensor, targets: Tensor
) -> tuple[States, Tensor, list[Residuals], Tensor]:
    """Run a chunk forward: the last states, the loss, the residuals, and dL/dlogits [K, B, C]."""
    x, residuals = inputs, []
    for cell, where, w, s0 in zip(net, wiring, params, states, strict=True):
        s, y = layer(cell, where, w, s0, x)
        residuals.append(Residuals(s[:-1], s[1:], y, x))
        x = cell.output(s[1:])
    loss, error = loss_and_error(x, targets)
    return [r.states[-1].clone() for r in residuals], loss, residuals, error


class Local(NamedTuple):
    """Hold what the gradient of a layer is made of, within a neuron."""

    D: Tensor
    """ds/ds_prev [K, B, S, S', N]."""
    D_f: Tensor
    """ds/dy [K, B, S, G, N]."""
    l: Tensor
    """The learning signal dL^t/ds^t [K, B, 1, S, N]."""
    z: PerWeight
    """Presynaptic activity [K, B, J] of each kind of weight."""


def local_terms(cell: Any, w: PerWeight, residuals: Residuals, dL_do: Tensor) -> Local:
    """Differentiate a layer within its neurons, from dL/do [K, B, 1, N]."""
    D, D_f = local_jacobians(cell, w, residuals)
    l = learning_signals(cell, residuals.states, dL_do)
    return Local(D, D_f, l, presynaptic(cell, residuals.previous, residuals.inputs))


def feedback(cell: Any, wiring: Mapping[str, Connections], w: PerWeight, dy: Tensor) -> Tensor:
    """Feed dX/dy [K, B, Q, G, N] back through the input weights: dX/do [K, B, Q, J] of the layer below."""
    if "x" not in wiring:
        return forward_weights(0, dy, cell, w, dy)
    fed = dy[..., cell.reads["x"].start, :]
    return wiring["x"].feedback(w["x"], fed.flatten(0, 2)).unflatten(0, fed.shape[:3])


def recurrent_path(cell: Any, wiring: Mapping[str, Connections], w: PerWeight, s_prev: Tensor) -> Any:
    """Return the function that feeds dX/dy^t [B, Q, G, N] back through the recurrent weights, to dX/ds^{t-1}."""
    R = output_jacobian(cell, s_prev)

    def back(t: int, dy: Tensor) -> Tensor:
        if "r" in wiring:
            fed = dy[:, :, cell.reads["r"].start]
            dr = wiring["r"].feedback(w["r"], fed.flatten(0, 1)).unflatten(0, fed.shape[:2])
        else:
            dr = torch.einsum("bqgn,jgn->bqj", dy[:, :, cell.reads["r"]], w["r"])
        return dr[:, :, None] * R[t][:, None]

    return back


def weight_gradient(cell: Any, wiring: Mapping[str, Connections], w: PerWeight, z: PerWeight, dy: Tensor) -> PerWeight:
    """Sum z^t (x) dy^t over steps and samples, dy [K, B, G, N]: the gradient of the effective weights."""
    grads = {}
    for kind in w:
        fed = dy[:, :, cell.reads[kind]]
        if kind in wiring:
            grads[kind] = wiring[kind].gradient(w[kind], z[kind], fed[:, :, 0])
        else:
            grads[kind] = torch.einsum("tbj,tbgn->jgn", z[kind], fed)
    return grads
