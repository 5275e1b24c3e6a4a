"""Compute in float64 NumPy the gradients of online rules beside RTRL and D-RTRL, written for reading.

As `algorithms.py`, from which forward pass, learning signals and eligibility traces come, with its symbols. Each
function goes forward in time, step by step, as its source does.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from drtrl_bench.implementations.cells.cell import Cell, Network, network_masks
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
    project,
    project_back,
    signals,
    traces,
)
from drtrl_bench.implementations.reference.cells import (
    decay,
    jacobians,
    law,
    output_jacobian,
    pull_output,
    push_output,
    split,
    through_standardised,
)
from drtrl_bench.implementations.reference.dual import variables

Signs = Callable[[int, int, int, tuple[int, ...]], Array]
"""A function (draw, layer, step, shape) that returns an array of 1 and -1."""


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


@on_effective_weights
def ottt(net: Network, params: Params, inputs: ArrayLike, targets: ArrayLike) -> tuple[float, Grads]:
    """Return the gradient of OTTT (Xiao et al. 2022): one trace per presynaptic neuron, the signal of a step alone.

    zhat^t = a zhat^{t-1} + z^t,   grad W = sum_t zhat^t (x) l^t D_f^t       zhat = 1 for bias and parameters
    a is the mean of exp(-1/tau) over the neurons of a layer, 0 for a cell without a tau
    """
    residuals = forward(net, params, inputs)
    grads: Grads = [{k: np.zeros(v.shape) for k, v in w.items()} for w in params]
    for i, l in enumerate(signals(net, params, residuals, targets)):
        cell, r = net[i], residuals[i]
        a = float(np.mean(decay(cell, split(r.currents[0]), "tau"))) if "tau" in cell.constants else 0.0
        zhat = {k: np.zeros_like(z[0]) for k, z in r.z.items()}
        for t in range(len(l)):
            dy = np.einsum("bsn,bsgn->bgn", l[t], jacobians(cell, r.states[t], r.currents[t])[1])
            for k, z in r.z.items():
                zhat[k] = a * zhat[k] + z[t] if k in ("x", "r") else z[t]
                grads[i][k] += np.einsum("bj,bgn->jgn", zhat[k], dy[:, cell.reads[k]])
    return loss(residuals[-1].outputs, targets), grads


def hashed_signs(draw: int, layer: int, t: int, shape: tuple[int, ...]) -> Array:
    """Draw 1 or -1 for step t (from 0) and the states [B, S, N] of a layer: the highest bit of a hash of 32 bits."""
    signs = np.empty(int(np.prod(shape)))
    for state in range(len(signs)):
        x = (state * 0x9E3779B1 + t * 0x85EBCA77 + layer * 0xC2B2AE3D + draw * 0x27D4EB2F) % 2**32
        x = (x ^ x >> 16) * 0x85EBCA6B % 2**32
        x = (x ^ x >> 13) * 0xC2B2AE35 % 2**32
        signs[state] = -1 if x ^ x >> 16 >= 2**31 else 1
    return signs.reshape(shape)


@on_effective_weights
def uoro(
    net: Network,
    params: Params,
    inputs: ArrayLike,
    targets: ArrayLike,
    draw: int = 0,
    signs: Signs = hashed_signs,
) -> tuple[float, Grads]:
    """Return UORO's estimate (Tallec & Ollivier 2018) of RTRL's gradient, by one draw of the signs nu.

    p^t = rho0 A^t p^{t-1} + rho1 nu^t,   q^t = q^{t-1} / rho0 + nu^t ds^t/dW / rho1,   grad W = sum_t (l^t p^t) q^t
    rho0^2 = |q| / (|A p| + e),  rho1^2 = |nu ds/dW| / (|nu| + e), to each of which e = 1e-7 is added
    A p, nu ds/dW and the norms are those of all layers together, sample by sample
    """
    residuals = forward(net, params, inputs)
    error = loss_gradient(residuals[-1].outputs, targets)
    B = error.shape[1]
    p = [np.zeros(r.states[0].shape) for r in residuals]
    q = [{k: np.zeros((B, *v.shape)) for k, v in w.items()} for w in params]
    grads: Grads = [{k: np.zeros(v.shape) for k, v in w.items()} for w in params]

    def norms(arrays: list[Array]) -> Array:
        return np.sqrt(sum((a.reshape(B, -1) ** 2).sum(1) for a in arrays))

    for t in range(len(error)):
        nu = [signs(draw, i, t, each.shape) for i, each in enumerate(p)]
        dx = np.zeros((B, residuals[0].z["x"].shape[-1]))
        for i, (cell, w, r) in enumerate(zip(net, params, residuals, strict=True)):
            D, D_f = jacobians(cell, r.states[t], r.currents[t])
            dy = np.zeros_like(r.currents[t])
            dy[:, cell.reads["x"]] += project(dx, w["x"])
            if "r" in cell.reads:
                dy[:, cell.reads["r"]] += project((output_jacobian(cell, r.states[t]) * p[i]).sum(1), w["r"])
            p[i] = np.einsum("bsun,bun->bsn", D, p[i]) + np.einsum("bsgn,bgn->bsn", D_f, dy)
            dx = push_output(cell, r.states[t + 1], p[i][:, None])[:, 0]
        back, direct = np.zeros_like(error[t]), [dict[str, Array]() for _ in net]
        for i in reversed(range(len(net))):
            cell, r = net[i], residuals[i]
            lam = nu[i] + pull_output(cell, r.states[t + 1], back)
            dy = np.einsum("bsn,bsgn->bgn", lam, jacobians(cell, r.states[t], r.currents[t])[1])
            direct[i] = {k: np.einsum("bj,bgn->bjgn", z[t], dy[:, cell.reads[k]]) for k, z in r.z.items()}
            back = project_back(dy[:, cell.reads["x"]], params[i]["x"])
        rho0 = np.sqrt(norms([v for w in q for v in w.values()]) / (norms(p) + 1e-7)) + 1e-7
        rho1 = np.sqrt(norms([v for w in direct for v in w.values()]) / (norms(nu) + 1e-7)) + 1e-7
        for i in range(len(net)):
            p[i] = np.einsum("b,bsn->bsn", rho0, p[i]) + np.einsum("b,bsn->bsn", rho1, nu[i])
            for k in q[i]:
                q[i][k] = np.einsum("b,bjgn->bjgn", 1 / rho0, q[i][k]) + np.einsum(
                    "b,bjgn->bjgn", 1 / rho1, direct[i][k]
                )
        lp = (error[t] * push_output(net[-1], residuals[-1].states[t + 1], p[-1][:, None])[:, 0]).sum(-1)
        for i, w in enumerate(q):
            for k, v in w.items():
                grads[i][k] += np.einsum("b,bjgn->jgn", lp, v)
    return loss(residuals[-1].outputs, targets), grads


@on_effective_weights
def snap2(net: Network, params: Params, inputs: ArrayLike, targets: ArrayLike) -> tuple[float, Grads]:
    """Return SnAp-2's gradient (Menick et al. 2021): RTRL within a layer, entries beyond two steps set to 0 in each.

    M^t = pattern * (D^t M^{t-1} + D_f^t (W_r R^t M^{t-1} + z^t)),   grad W = sum_t l^t M^t
    pattern of a weight to neuron n: n and the neurons to which a recurrent weight leads from n
    """
    residuals = forward(net, params, inputs)
    sizes = tuple((len(w["x"]), w["x"].shape[-1]) for w in params)
    grads: Grads = [{k: np.zeros(v.shape) for k, v in w.items()} for w in params]
    for i, l in enumerate(signals(net, params, residuals, targets)):
        cell, w, r, N = net[i], params[i], residuals[i], sizes[i][1]
        pattern = np.eye(N)  # [n, m]: whether a weight to neuron n counts for neuron m
        if "r" in cell.reads:
            pattern += network_masks(net, sizes)[i].get("r", np.ones((N, 1, N))).sum(1)
        pattern = np.minimum(pattern, 1)
        M = {k: np.zeros((l.shape[1], len(v), *v.shape[1:], cell.S, N)) for k, v in w.items()}
        for t in range(len(l)):
            D, D_f = jacobians(cell, r.states[t], r.currents[t])
            for k, z in r.z.items():
                new = np.einsum("bsum,bjgnum->bjgnsm", D, M[k])
                if "r" in cell.reads:
                    dr = np.einsum("bsm,bjgnsm->bjgnm", output_jacobian(cell, r.states[t]), M[k])
                    dy = np.einsum("bjgnq,qhm->bjgnhm", dr, w["r"])
                    new += np.einsum("bshm,bjgnhm->bjgnsm", D_f[:, :, cell.reads["r"]], dy)
                new += np.einsum("bj,bsgn,nm->bjgnsm", z[t], D_f[:, :, cell.reads[k]], np.eye(N))
                M[k] = new * pattern[:, None, :]
                grads[i][k] += np.einsum("bsm,bjgnsm->jgn", l[t], M[k])
    return loss(residuals[-1].outputs, targets), grads
