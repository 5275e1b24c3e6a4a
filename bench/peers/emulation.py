"""Emulate in NumPy what makes the gradients of other libraries differ.

`bptt` is BPTT of one layer of LIF neurons as a library defines the neuron:

    V' = a V - c R(V) + I,   s = sigma(V - 1)        R(V) = s, or V s for a hard reset; c = a, or 1 after the decay
    o = s(V'), or s(V) where the spikes are returned a step late

V is the potential, V' that of the next step, I the input current, a the decay of V, R the reset, s the spike (sigma is
the step function), c the scale of the reset, and o the layer's output. With the definitions of this project it is
`reference.bptt`; each field of `Definition` changes one of them. The surrogate derivative is triangular, the threshold
is 1, and there is one hidden layer.

`in_step_twice` and `filtered_in_step_twice` are D-RTRL, SnAp-1 and ES-D-RTRL where a path from one state of a neuron to
another within a step counts twice: in the trace of the later state, and in the learning signal of the earlier one. That
happens where a loss is differentiated by a state where this is computed, before it is read in the same step:

    delta_k = l_k + sum_j ds_j'/ds_k' delta_j + dr/ds_k' W_r^T dL/dy        j: the states that are computed from s_k'

l is the learning signal of this project, all other states of the step held fixed. Within a step h' of the LSTM is
computed from c', V' of a neuron with a current synapse from g', and x' of short-term plasticity from u'. The last term
is there where what the neuron emits, r, is computed from states of the same step, x' and u': that path leads through
recurrent weights, which D-RTRL cuts, and counts once.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drtrl_bench.implementations.cells import spec
from drtrl_bench.implementations.reference import algorithms as reference
from drtrl_bench.implementations.reference.cells import jacobians, output
from drtrl_bench.measure.fidelity import Gradient

Array = NDArray[Any]


@dataclass(frozen=True)
class Definition:
    """Say how a library's LIF neuron differs from the one here; by default it does not."""

    reset_after_decay: bool = False
    """Whether the reset subtracts the whole threshold, after the decay: c = 1."""
    detached: bool = False
    """Whether the reset has no gradient through its spike."""
    product: bool = False
    """Whether a hard reset is (1 - s) V, with a gradient through V too, and not V - s V without one."""
    late: bool = False
    """Whether the layer returns the spikes of the potential before the step."""
    twice: bool = False
    """Whether a potential that is still at the threshold after its reset is reset again before the next step, without
    a gradient, and set back in that step."""


def bptt(definition: Definition, net: Any, params: Gradient, inputs: Array, targets: Array) -> tuple[float, Gradient]:
    """Return loss and gradient of BPTT with a library's definition of the neuron."""
    cell, readout = net
    a, leak = math.exp(-1 / cell.tau), math.exp(-1 / readout.tau) if hasattr(readout, "tau") else 0.0
    c = 1.0 if definition.reset_after_decay else a
    (w, w_out), (T, B, _) = ({k: v[:, 0] for k, v in layer.items()} for layer in params), inputs.shape
    N = w["r"].shape[-1]
    V, rho = np.zeros((T + 1, B, N)), np.zeros((T + 1, B, w_out["x"].shape[-1]))
    s, slope, psi = np.zeros_like(V), np.zeros_like(V), np.zeros_like(V)

    def spike(t: int) -> None:
        s[t], psi[t] = V[t] >= 1, cell.alpha * np.maximum(cell.width - np.abs(V[t] - 1), 0)

    spike(0)
    again = np.zeros_like(V[0])
    for t in range(T):
        height = V[t] if cell.reset == "hard" else 1.0
        slope[t] = a if definition.detached else a - c * height * psi[t]
        slope[t] -= c * s[t] if definition.product else 0
        V[t + 1] = a * V[t] - c * height * s[t] + inputs[t] @ w["x"] + s[t] @ w["r"] + w["b"][0]
        if definition.twice:
            before, again = again, (V[t] - s[t] + again >= 1).astype(float)
            V[t + 1] += a * before - again
        spike(t + 1)
        out = s[t] if definition.late else s[t + 1]
        rho[t + 1] = leak * rho[t] + out @ w_out["x"] + (w_out["b"][0] if "b" in w_out else 0)
    error = reference.loss_gradient(rho[1:], targets)
    grads: dict[str, Array] = {k: np.zeros_like(v, dtype=float) for k, v in w.items()}
    grads_out: dict[str, Array] = {k: np.zeros_like(v, dtype=float) for k, v in w_out.items()}
    d_rho, d_V = np.zeros_like(rho[0]), np.zeros_like(V[0])  # by later steps
    for t in reversed(range(T)):
        d_rho = error[t] + leak * d_rho
        out = s[t] if definition.late else s[t + 1]
        grads_out["x"] += out.T @ d_rho
        if "b" in grads_out:
            grads_out["b"] += d_rho.sum(0)
        d_out = d_rho @ w_out["x"].T
        d_V = d_V + (0 if definition.late else d_out * psi[t + 1])
        grads["x"] += inputs[t].T @ d_V
        grads["r"] += s[t].T @ d_V
        grads["b"] += d_V.sum(0)
        d_V = d_V * slope[t] + (d_V @ w["r"].T + (d_out if definition.late else 0)) * psi[t]
    as_weights = [{k: v[:, None] for k, v in layer.items()} for layer in (grads, grads_out)]
    return reference.loss(rho[1:], targets), as_weights


def in_step_twice(
    jacobian: reference.Jacobians, net: Any, params: Gradient, inputs: Array, targets: Array
) -> tuple[float, Gradient]:
    """Return loss and gradient of a rule with a trace whose learning signals are delta, not l.

    grad W = sum_t delta^t eps^t, which is computed backward in time as by `reference.adjoint`:

        lam^t = delta^t + lam^{t+1} D^{t+1},   dy^t = lam^t D_f^t,   grad W = sum_t z^t (x) dy^t

    jacobian: the one of the rule, `local_jacobians` of D-RTRL or `jacobians_with_own_weight` of SnAp-1.
    """
    residuals, grads = reference.forward(net, params, inputs), []
    for cell, w, r, l in zip(net, params, residuals, reference.signals(net, params, residuals, targets), strict=True):
        delta, dy, later = with_later_states(cell, w, r, l), np.zeros_like(r.currents), np.zeros_like(r.states[0])
        for t in reversed(range(len(dy))):
            D, D_f = jacobian(cell, w, r.states[t], r.currents[t])
            dy[t] = np.einsum("bsn,bsgn->bgn", delta[t] + later, D_f)
            later = np.einsum("bsn,bsun->bun", delta[t] + later, D)
        grads.append({k: reference.weight_gradient(z, dy[:, :, cell.reads[k]]) for k, z in r.z.items()})
    return reference.loss(residuals[-1].outputs, targets), grads


def filtered_in_step_twice(
    net: Any, params: Gradient, inputs: Array, targets: Array, decay: float
) -> tuple[float, Gradient]:
    """Return loss and gradient of ES-D-RTRL, corrected, whose learning signals are delta, not l.

    eps_x^t = a eps_x^{t-1} + z^t,   eps_f^t = a D^t eps_f^{t-1} + (1 - a) D_f^t        eps_x = 1 for the bias
    grad W = sum_t eps_x^t (x) delta^t eps_f^t / (1 - a^{t+1})                          t from 0
    decay is a, or k >= 1 for a = (k - 1) / (k + 1); without memory a = 0.
    """
    residuals, grads = reference.forward(net, params, inputs), []
    for cell, w, r, l in zip(net, params, residuals, reference.signals(net, params, residuals, targets), strict=True):
        a = 0.0 if cell.memoryless else decay if decay < 1 else (decay - 1) / (decay + 1)
        delta, dy, eps_f = with_later_states(cell, w, r, l), np.zeros_like(r.currents), np.zeros(())
        eps_x = {k: np.array(z) for k, z in r.z.items()}
        for t in range(len(dy)):
            D, D_f = jacobians(cell, r.states[t], r.currents[t])
            eps_f = a * np.einsum("bsun,bugn->bsgn", D, eps_f + np.zeros_like(D_f)) + (1 - a) * D_f
            dy[t] = np.einsum("bsn,bsgn->bgn", delta[t], eps_f) / (1 - a ** (t + 1))
            for k in ("x", "r"):
                if k in eps_x and t:
                    eps_x[k][t] += a * eps_x[k][t - 1]
        grads.append({k: reference.weight_gradient(z, dy[:, :, cell.reads[k]]) for k, z in eps_x.items()})
    return reference.loss(residuals[-1].outputs, targets), grads


def with_later_states(cell: Any, w: dict[str, Array], r: reference.Residuals, l: Array) -> Array:
    """Return delta [T, B, S, N] from l [T, B, S, N]: the last states of a step first.

    Raises ValueError for a cell whose states depend on each other within a step in a way that is not written here.
    """
    before, after = (dict(zip(cell.states, np.moveaxis(s, 2, 0), strict=True)) for s in (r.states[:-1], r.states[1:]))
    delta = dict(zip(cell.states, np.moveaxis(l, 2, 0).copy(), strict=True))
    if isinstance(cell, spec.LSTM):
        output_gate = 1 / (1 + np.exp(-r.currents[:, :, cell.currents.index("I_o")]))
        delta["c"] += delta["h"] * output_gate * (1 - np.tanh(after["c"]) ** 2)
    elif isinstance(cell, spec.LIF) and not cell.trainable and not ("x" in delta and cell.release == "before"):
        if "g" in delta:
            delta["g"] += delta["V"] * (1 - math.exp(-1 / cell.tau)) / cell.threshold
        if "x" in delta:  # what is emitted: s x', or s u' x'
            s, dr = output(cell, r.states[:-1]), reference.project_back(delta["g"][:, :, None], w["r"])
            delta["x"] += dr * s * after.get("u", 1.0)
            if "u" in delta:
                delta["u"] += dr * s * after["x"] - delta["x"] * s * before["x"]
    elif cell.S > 1:
        raise ValueError(f"the paths within a step of {type(cell).__name__} {cell.states} are not emulated")
    return np.stack([delta[name] for name in cell.states], axis=2)
