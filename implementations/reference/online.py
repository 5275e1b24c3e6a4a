"""Compute in float64 NumPy the gradients of online rules beside RTRL and D-RTRL, written for reading.

As `algorithms.py`, from which forward pass, learning signals and eligibility traces come, with its symbols. Each
function goes forward in time, step by step, as its source does.
"""

import numpy as np
from numpy.typing import ArrayLike

from drtrl_bench.implementations.cells.cell import Cell, Network
from drtrl_bench.implementations.reference.algorithms import (
    Array,
    Grads,
    Params,
    Residuals,
    forward,
    local_jacobians,
    loss,
    loss_gradient,
    on_effective_weights,
    project_back,
    traces,
)
from drtrl_bench.implementations.reference.cells import (
    jacobians,
    law,
    pull_output,
    split,
    through_standardised,
)
from drtrl_bench.implementations.reference.dual import variables


def own_output(cell: Cell, s: Array, dL_do: Array) -> tuple[Array, Array]:
    """Return dv/ds [B, S, N] and dL/dv [B, N], v being the output before the layer's standardisation, if it has one."""
    (states,) = variables(split(s))
    v = law(cell).output(cell, states)
    dL_dv = through_standardised(v.value, dL_do) if law(cell).standardised else dL_do
    return np.moveaxis(v.by, 0, -2), dL_dv


def leak(readout: Cell, r: Residuals) -> float:
    """Return kappa, the mean over the classes of the readout's D."""
    return float(jacobians(readout, r.states[0], r.currents[0])[0][:, 0, 0].mean())


@on_effective_weights
def eprop(net: Network, params: Params, inputs: ArrayLike, targets: ArrayLike) -> tuple[float, Grads]:
    """Return the gradient of e-prop (Bellec et al. 2020): D-RTRL whose traces pass the readout's leak.

    filtered^t = kappa filtered^{t-1} + dv^t/ds^t eps^t,   grad W = sum_t dL^t/dv^t filtered^t       hidden layers
    kappa is the leak of the readout, whose own gradient is D-RTRL's; v^t is the output of a neuron
    """
    residuals = forward(net, params, inputs)
    kappa = leak(net[-1], residuals[-1])
    grads: Grads = [{k: np.zeros(v.shape) for k, v in w.items()} for w in params]
    dL_do = loss_gradient(residuals[-1].outputs, targets)
    for i in reversed(range(len(net))):
        cell, w, r, below = net[i], params[i], residuals[i], []
        filtered = {k: np.zeros((len(r.z[k][0]), len(v), *v.shape[1:])) for k, v in w.items()}
        for t, eps in enumerate(traces(cell, w, r, local_jacobians)):
            dv, dL_dv = own_output(cell, r.states[t + 1], dL_do[t])
            for k in w:
                now = np.einsum("bsn,bjsgn->bjgn", dv, eps[k])
                filtered[k] = (kappa if i < len(net) - 1 else 0.0) * filtered[k] + now
                grads[i][k] += np.einsum("bn,bjgn->jgn", dL_dv, filtered[k])
            l = pull_output(cell, r.states[t + 1], dL_do[t])
            D_f = jacobians(cell, r.states[t], r.currents[t])[1]
            below.append(project_back(np.einsum("bsn,bsgn->bgn", l, D_f)[:, cell.reads["x"]], w["x"]))
        dL_do = np.stack(below)
    return loss(residuals[-1].outputs, targets), grads
