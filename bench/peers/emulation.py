"""Emulates in NumPy what makes the gradients of other libraries differ.

`bptt` is BPTT of one layer of LIF neurons as a library defines the neuron:

    V' = a V - c R(V) + I,   s = sigma(V - 1)        R(V) = s, or V s for a hard reset; c = a, or 1 after the decay
    o = s(V'), or s(V) where the spikes are returned a step late

V is the potential, V' that of the next step, I the input current, a the decay of V, R the reset, s the spike (sigma is
the step function), c the scale of the reset, and o the layer's output. With the definitions of this project it is
`reference.bptt`; each field of `Definition` changes one of them. The surrogate derivative is triangular, the threshold
is 1, and there is one hidden layer.

`in_step_twice` is D-RTRL of the LSTM with states h and c, where the path from c to h within a step counts twice: in the
learning signal of c, and in the trace of h.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drtrl_bench.implementations.reference import algorithms as reference
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
    """Return loss and gradient of D-RTRL in an LSTM, forward in time, where paths within a step count twice.

    jacobian: the one of the rule, `local_jacobians` of D-RTRL or `jacobians_with_own_weight` of SnAp-1.
    """
    residuals = reference.forward(net, params, inputs)
    grads: Gradient = [{kind: np.zeros(w.shape) for kind, w in layer.items()} for layer in params]
    signals = reference.signals(net, params, residuals, targets)
    hidden = residuals[0]
    h, c = (net[0].states.index(name) for name in ("h", "c"))
    output_gate = 1 / (1 + np.exp(-hidden.currents[:, :, net[0].currents.index("I_o")]))
    signals[0][:, :, c] += signals[0][:, :, h] * output_gate * (1 - np.tanh(hidden.states[1:, :, c]) ** 2)
    for i, signal in enumerate(signals):
        for t, trace in enumerate(reference.traces(net[i], params[i], residuals[i], jacobian)):
            for kind, eps in trace.items():
                grads[i][kind] += np.einsum("bsn,bjsgn->jgn", signal[t], eps)
    return reference.loss(residuals[-1].outputs, targets), grads
