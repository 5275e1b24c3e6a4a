"""Compute every cell in NumPy float64, its Jacobians by dual numbers (`dual.py`).

`cells_jax.py` and `cells_torch.py` are checked against this file, which shares nothing with them but the specification.
The equations take plain arrays and dual numbers alike. `spike` has psi for its derivative, `stop` drops derivatives.
Sizes are those of `cells/cell.py`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from drtrl_bench.implementations.cells import spec as cells
from drtrl_bench.implementations.reference.dual import (
    Array,
    Number,
    absolute,
    apply,
    exp,
    parts,
    root,
    sigmoid,
    stop,
    tanh,
    variables,
)
from drtrl_bench.implementations.reference.surrogates import psi


def spike(cell: cells.Spiking, v: Number) -> Number:
    """Return 1 if v >= 0 else 0, with psi for a derivative; `smooth`: the primitive of psi, 0 at v = -width."""

    def smooth(v: Array) -> Array:
        area = cell.alpha * cell.width**2
        rising = cell.alpha * np.maximum(v + cell.width, 0) ** 2 / 2
        falling = area - cell.alpha * np.maximum(cell.width - v, 0) ** 2 / 2
        return np.where(v < 0, rising, falling)

    def step(v: Array) -> Array:
        return np.where(v >= 0, 1.0, 0.0)

    return apply(smooth if cell.smooth else step, lambda v: psi(cell, v), v)


def constant(cell: cells.Cell, y: list[Number], name: str) -> Number:
    """Return a constant of the cell: a number or, if it is trainable, exp of the input current that stands for it."""
    if name not in cell.trainable:
        return getattr(cell, name)
    return exp(y[len(cell.currents) + cell.trainable.index(name)])


def decay(cell: cells.Cell, y: list[Number], name: str) -> Number:
    """Return exp(-1/tau) of a time constant."""
    return exp(-1 / constant(cell, y, name))


def standardised(u: Array) -> Array:
    """Return u with mean 0 and deviation 1 over the neurons [..., N]."""
    return (u - u.mean(-1, keepdims=True)) / np.sqrt(u.var(-1, keepdims=True) + 1e-5)


def through_standardised(u: Array, d: Array) -> Array:
    """Return the Jacobian of `standardised` at u times d [..., N]; it is symmetric, so it serves in both directions."""
    deviation, o = np.sqrt(u.var(-1, keepdims=True) + 1e-5), standardised(u)
    return (d - d.mean(-1, keepdims=True) - o * (o * d).mean(-1, keepdims=True)) / deviation


def first(cell: cells.Cell, s: list[Number]) -> Number:
    """Return the first state, which many cells emit."""
    return s[0]


def tanh_rnn(cell: cells.TanhRNN, s: list[Number], y: list[Number]) -> list[Number]:
    return [tanh(y[0])]


def leaky_rnn(cell: cells.LeakyRNN, s: list[Number], y: list[Number]) -> list[Number]:
    a = decay(cell, y, "tau")
    return [a * s[0] + (1 - a) * tanh(y[0])]


def gru(cell: cells.GRU, s: list[Number], y: list[Number]) -> list[Number]:
    candidate = tanh(y[0] + sigmoid(y[1]) * y[3])
    return [candidate + sigmoid(y[2]) * (s[0] - candidate)]


def lstm(cell: cells.LSTM, s: list[Number], y: list[Number]) -> list[Number]:
    I_i, I_g, I_f, I_o = y
    c = sigmoid(I_f + 1) * s[1] + sigmoid(I_i) * tanh(I_g)
    return [sigmoid(I_o) * tanh(c), c]


def mgu(cell: cells.MGU, s: list[Number], y: list[Number]) -> list[Number]:
    f = sigmoid(y[1])
    return [s[0] + f * (tanh(y[0] + f * y[2]) - s[0])]


def lru(cell: cells.LRU, s: list[Number], y: list[Number]) -> list[Number]:
    """Compute the states after a step, exp(i angle) by Euler's formula."""
    rate, angle = constant(cell, y, "rate"), constant(cell, y, "frequency")
    cos = apply(np.cos, lambda v: -np.sin(v), angle)
    sin = apply(np.sin, np.cos, angle)
    radius = exp(-1 * rate)
    gain = root(apply(lambda v: -np.expm1(-2 * v), lambda v: 2 * np.exp(-2 * v), rate))
    return [radius * (cos * s[0] - sin * s[1]) + gain * y[0], radius * (sin * s[0] + cos * s[1]) + gain * y[1]]


def lif_spikes(cell: cells.LIF, s: list[Number]) -> Number:
    adaptation = s[cell.states.index("a")] if "a" in cell.states else 0.0
    return spike(cell, s[cell.states.index("V")] - adaptation - 1)


def lif_synapse(cell: cells.LIF, s: list[Number], spikes: Number) -> tuple[dict[str, Number], Number]:
    """Compute short-term depression (x) or plasticity (u, x): the states after the spikes, and the emitted value."""
    if "x" not in cell.states:
        return {}, spikes
    x = s[cell.states.index("x")]
    if "u" not in cell.states:
        rested = 1 + (x - 1) * np.exp(-1 / cell.tau_std)
        after = rested - cell.U * spikes * x
        return {"x": after}, spikes * after if cell.release == "after" else spikes * spikes * rested
    u = s[cell.states.index("u")]
    facilitated = u * np.exp(-1 / cell.tau_f) + spikes * cell.U * (1 - u)
    rested = 1 + (x - 1) * np.exp(-1 / cell.tau_d)
    after = rested - spikes * facilitated * x
    emitted = spikes * facilitated * after if cell.release == "after" else spikes * spikes * facilitated * rested
    return {"x": after, "u": facilitated}, emitted


def emit_lif(cell: cells.LIF, s: list[Number]) -> Number:
    return lif_synapse(cell, s, lif_spikes(cell, s))[1]


def lif(cell: cells.LIF, s: list[Number], y: list[Number]) -> list[Number]:
    V, k, spikes = s[cell.states.index("V")], decay(cell, y, "tau"), lif_spikes(cell, s)
    after, _ = lif_synapse(cell, s, spikes)
    jump = y[0]
    if "g" in cell.states:
        after["g"] = decay(cell, y, "tau_syn") * s[cell.states.index("g")] + y[0]
        jump = (1 - k) * after["g"]
    if "a" in cell.states:
        strength = constant(cell, y, "beta") / constant(cell, y, "threshold")
        after["a"] = decay(cell, y, "tau_a") * (s[cell.states.index("a")] + strength * spikes)
    taken = stop(spikes) if cell.detach_reset else spikes
    height = {"soft": 1.0, "hard": stop(V), "multiply": V}[cell.reset]
    after["V"] = k * (V - height * taken) + jump / constant(cell, y, "threshold")
    return [after[name] for name in cell.states]


def emit_gif(cell: cells.GIF, s: list[Number]) -> Number:
    return spike(cell, s[0] - 1)


def gif(cell: cells.GIF, s: list[Number], y: list[Number]) -> list[Number]:
    V, J, g = s
    k, spikes = decay(cell, y, "tau"), stop(emit_gif(cell, s))
    g = decay(cell, y, "tau_syn") * g + y[0]
    J = decay(cell, y, "tau_slow") * (J - cell.A * spikes)
    return [k * (V - spikes) + (1 - k) * (g + J), J, g]


def excess_eigif(cell: cells.EIGIF, s: list[Number]) -> Number:
    return (s[0] - stop(s[3])) / stop(s[3])


def emit_eigif(cell: cells.EIGIF, s: list[Number]) -> Number:
    return spike(cell, excess_eigif(cell, s))


def eigif(cell: cells.EIGIF, s: list[Number], y: list[Number]) -> list[Number]:
    V, J1, J2, h, gE, gI = s
    spikes = stop(emit_eigif(cell, s))
    V = V - h * spikes
    J1 = np.exp(-1 / cell.tau_fast) * (J1 + cell.A_fast * spikes)
    J2 = decay(cell, y, "tau_slow") * (J2 - cell.A_slow * spikes)
    raised = h + cell.A_h * spikes
    h = raised - (raised - 1) / cell.tau_h
    gE = decay(cell, y, "tau_syn") * gE + absolute(y[0]) + absolute(y[1])
    gI = decay(cell, y, "tau_syn") * gI + absolute(y[2])
    total = 1 + gE + gI
    target = (gE * cell.E_E + gI * cell.E_I + J1 + J2) / total
    return [target + exp(-1 * total / constant(cell, y, "tau")) * (V - target), J1, J2, h, gE, gI]


def egru(cell: cells.EGRU, s: list[Number], y: list[Number]) -> list[Number]:
    (c,) = gru(cells.GRU(), s[:1], y[:4])
    threshold = constant(cell, y, "threshold")
    event = spike(cell, c - threshold)
    return [c - event * threshold, event * c, 0.9 * s[2] + 0.1 * event * c]


def output_egru(cell: cells.EGRU, s: list[Number]) -> Number:
    return s[2] if cell.traced else s[1]


def leaky_readout(cell: cells.LeakyReadout, s: list[Number], y: list[Number]) -> list[Number]:
    return [decay(cell, y, "tau") * s[0] + y[0]]


def linear_readout(cell: cells.LinearReadout, s: list[Number], y: list[Number]) -> list[Number]:
    return [y[0]]


class Law(NamedTuple):
    """Hold the equations of one class of cells, as functions of lists of S states and G input currents."""

    emit: Callable[[Any, list[Number]], Number]
    dynamics: Callable[[Any, list[Number], list[Number]], list[Number]]
    output: Callable[[Any, list[Number]], Number]
    standardised: bool = False
    """Whether the output is then standardised over the neurons of the layer."""


LAWS: dict[type[cells.Cell], Law] = {
    cells.TanhRNN: Law(first, tanh_rnn, first),
    cells.LeakyRNN: Law(first, leaky_rnn, first),
    cells.GRU: Law(first, gru, first),
    cells.LSTM: Law(first, lstm, first),
    cells.MGU: Law(first, mgu, first),
    cells.LRU: Law(first, lru, first),
    cells.LIF: Law(emit_lif, lif, lif_spikes),
    cells.GIF: Law(emit_gif, gif, first, standardised=True),
    cells.EIGIF: Law(emit_eigif, eigif, excess_eigif, standardised=True),
    cells.EGRU: Law(first, egru, output_egru),
    cells.LeakyReadout: Law(first, leaky_readout, first),
    cells.LinearReadout: Law(first, linear_readout, first),
}


def law(cell: cells.Cell) -> Law:
    """Return the law of the cell's class, or of a class that it inherits from. Raises KeyError if there is none."""
    for base in type(cell).__mro__:
        if base in LAWS:
            return LAWS[base]
    raise KeyError(f"no law for {type(cell).__name__}; the reference knows {[c.__name__ for c in LAWS]}")


def split(s: Array) -> list[Array]:
    """Split states or currents: [..., S, N] -> S arrays [..., N]."""
    return list(np.moveaxis(s, -2, 0))


def emit(cell: cells.Cell, s: Array) -> Array:
    """Compute r [..., N] from states [..., S, N]."""
    return law(cell).emit(cell, split(s))


def output_jacobian(cell: cells.Cell, s: Array) -> Array:
    """Compute R = dr/ds [..., S, N]."""
    (states,) = variables(split(s))
    return np.moveaxis(law(cell).emit(cell, states).by, 0, -2)


def fired(cell: cells.Cell, s: Array) -> NDArray[np.bool_]:
    """Tell which neurons spike [..., N], from the states after a step."""
    return (s[..., 1, :] if isinstance(cell, cells.EGRU) else emit(cell, s)) != 0


def dynamics(cell: cells.Cell, s: Array, y: Array) -> Array:
    """Compute the next states [..., S, N] from states and input currents [..., G, N]."""
    states = law(cell).dynamics(cell, split(s), split(y))
    return np.stack([np.broadcast_to(x, s[..., 0, :].shape) for x in states], axis=-2)


def jacobians(cell: cells.Cell, s: Array, y: Array) -> tuple[Array, Array]:
    """Compute D [..., S, S', N] and D_f [..., S, G, N] at states and input currents."""
    by = [parts(x)[1] + np.zeros((cell.S + cell.G, *s[..., 0, :].shape)) for x in
          law(cell).dynamics(cell, *variables(split(s), split(y)))]  # fmt: skip
    rows = np.stack([np.moveaxis(row, 0, -2) for row in by], axis=-3)
    return rows[..., : cell.S, :], rows[..., cell.S :, :]


def output(cell: cells.Cell, s: Array) -> Array:
    """Compute o [..., N] from states [..., S, N]."""
    o = law(cell).output(cell, split(s))
    return standardised(o) if law(cell).standardised else o


def pull_output(cell: cells.Cell, s: Array, signal: Array) -> Array:
    """Compute l = dL/ds [..., S, N] from dL/do [..., N]."""
    (states,) = variables(split(s))
    o = law(cell).output(cell, states)
    if law(cell).standardised:
        signal = through_standardised(o.value, signal)
    return signal[..., None, :] * np.moveaxis(o.by, 0, -2)


def push_output(cell: cells.Cell, s: Array, ds: Array) -> Array:
    """Compute do [..., p, N] from ds [..., p, S, N]: p directions at the states [..., S, N]."""
    (states,) = variables(split(s))
    o = law(cell).output(cell, states)
    do = np.einsum("s...n,...psn->...pn", o.by, ds)
    return through_standardised(o.value[..., None, :], do) if law(cell).standardised else do
