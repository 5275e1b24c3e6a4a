"""Emulate in NumPy the online rules of other libraries that differ from those of the same name here.

Symbols and helpers are those of the references, `implementations/reference`. One hidden layer and a readout.
"""

import math
from typing import Any

import numpy as np

from drtrl_bench.implementations.reference import algorithms as reference
from drtrl_bench.implementations.reference.cells import jacobians, output_jacobian
from drtrl_bench.implementations.reference.online import Signs, hashed_signs, leak, ottt
from drtrl_bench.measure.fidelity import Gradient

Array = reference.Array


def eprop_of_states(net: Any, params: Gradient, inputs: Array, targets: Array) -> tuple[float, Gradient]:
    """Return loss and gradient of e-prop that filters the traces of states, in every layer.

    filtered^t = kappa filtered^{t-1} + eps^t,   grad W = sum_t l^t filtered^t        kappa: the leak of the readout
    """
    residuals = reference.forward(net, params, inputs)
    kappa = leak(net[-1], residuals[-1])
    grads: Gradient = [{k: np.zeros(w.shape) for k, w in layer.items()} for layer in params]
    for i, signal in enumerate(reference.signals(net, params, residuals, targets)):
        filtered = dict.fromkeys(params[i], np.zeros(()))
        for l, eps in zip(
            signal, reference.traces(net[i], params[i], residuals[i], reference.local_jacobians), strict=True
        ):
            for k in eps:
                filtered[k] = kappa * filtered[k] + eps[k]
                grads[i][k] += np.einsum("bsn,bjsgn->jgn", l, filtered[k])
    return reference.loss(residuals[-1].outputs, targets), grads


def ottt_of_the_neurons(net: Any, params: Gradient, inputs: Array, targets: Array) -> tuple[float, Gradient]:
    """Return loss and gradient of OTTT with the trace of a neuron's spikes, by its own leak, in the readout's weights.

    zhat^t = a zhat^{t-1} + o^t,   grad W_x = sum_t zhat^t (x) dL^t/dlogits^t         a: the leak of the hidden layer
    """
    loss, grads = ottt(net, params, inputs, targets)
    hidden, readout = reference.forward(net, params, inputs)
    a, zhat, grad = math.exp(-1 / net[0].tau), np.zeros(()), np.zeros(params[-1]["x"].shape)
    for o, error in zip(hidden.outputs, reference.loss_gradient(readout.outputs, targets), strict=True):
        zhat = a * zhat + o
        grad[:, 0] += zhat.T @ error
    return loss, [*grads[:-1], {**grads[-1], "x": grad}]


def uoro_of_batch(
    net: Any, params: Gradient, inputs: Array, targets: Array, signs: Signs = hashed_signs
) -> tuple[float, Gradient]:
    """Return loss and gradient of UORO with a product of its own for each layer, and one vector q for all samples.

    p^t = rho0 A^t p^{t-1} + rho1 nu^t,   q^t = q^{t-1} / rho0 + nu^t ds^t/dW / rho1,   grad W = sum_t (l^t p^t) q^t
    rho0^2 = (|q| + e) / (|A p| + e),   rho1^2 = (|nu ds/dW| + e) / (|nu| + e),   e = 1e-12
    Norms and both products are over a layer's neurons and all samples. A layer without memory has its exact gradient.
    """
    residuals = reference.forward(net, params, inputs)
    grads: Gradient = [{k: np.zeros(w.shape) for k, w in layer.items()} for layer in params]
    for i, l in enumerate(reference.signals(net, params, residuals, targets)):
        cell, w, r = net[i], params[i], residuals[i]
        p, q = np.zeros(r.states[0].shape), {k: np.zeros(v.shape) for k, v in w.items()}
        for t in range(len(l)):
            D, D_f = jacobians(cell, r.states[t], r.currents[t])
            nu = l[t] if cell.memoryless else signs(0, i, t, p.shape)
            dy = np.einsum("bsn,bsgn->bgn", nu, D_f)
            direct = {k: np.einsum("bj,bgn->jgn", z[t], dy[:, cell.reads[k]]) for k, z in r.z.items()}
            if cell.memoryless:
                grads[i] = {k: grads[i][k] + now for k, now in direct.items()}
                continue
            p = np.einsum("bsun,bun->bsn", D, p) + through_weights(cell, w, r.states[t], D_f, p)
            rho0 = math.sqrt((norm(q) + 1e-12) / (np.linalg.norm(p) + 1e-12))
            rho1 = math.sqrt((norm(direct) + 1e-12) / (np.linalg.norm(nu) + 1e-12))
            p = rho0 * p + rho1 * nu
            for k, now in direct.items():
                q[k] = q[k] / rho0 + now / rho1
                grads[i][k] += (l[t] * p).sum() * q[k]
    return reference.loss(residuals[-1].outputs, targets), grads


def through_weights(cell: Any, w: dict[str, Any], s: Array, D_f: Array, p: Array) -> Array:
    """Return the part of A p [B, S, N] that goes through the recurrent weights."""
    if "r" not in cell.reads:
        return np.zeros_like(p)
    dr = (output_jacobian(cell, s) * p).sum(1)
    return np.einsum("bsgn,bgn->bsn", D_f[:, :, cell.reads["r"]], reference.project(dr, w["r"]))


def norm(arrays: dict[str, Array]) -> float:
    """Return the Euclidean norm over all arrays."""
    return math.sqrt(sum(float((a**2).sum()) for a in arrays.values()))
