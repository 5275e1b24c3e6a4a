"""Compute the gradient of every algorithm in float64 NumPy, written for reading; the cells are in `cells.py`.

This file shares with the JAX and PyTorch code only the specification of the cells and the random weights of
`feedback.py`. Symbols (of Wang et al. 2026) and shapes: `implementations/README.md`. One step and its derivatives:

    r^t = emit(s^{t-1})            R = dr^t/ds^{t-1}   [B, S, N]
    y^t = sum_k z_k^t W_k          z = {"x": input, "r": r^t, "b": 1, "p": 1}
    s^t = dynamics(s^{t-1}, y^t)   D = ds^t/ds^{t-1}   [B, S, S', N]      D_f = ds^t/dy^t   [B, S, G, N]
    o^t = output(s^t)              l = dL/ds^t         [B, S, N]          of the same step only: the learning signal
"""

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drtrl_bench.implementations.algorithms.approximate.feedback import random_feedback_weights
from drtrl_bench.implementations.cells.cell import Cell, Network, network_masks
from drtrl_bench.implementations.reference.cells import (
    dynamics,
    emit,
    jacobians,
    output,
    output_jacobian,
    pull_output,
    push_output,
)

Array = NDArray[np.float64]
Params = list[dict[str, Any]]
"""The weights {"x": [I, Gx, N], "r": [N, Gr, N], "b": [1, Gb, N], "p": [1, Gp, N]} of every layer, the readout last."""
Grads = list[dict[str, Array]]
Jacobians = Callable[[Cell, dict[str, Any], Array, Array], tuple[Array, Array]]
"""A function (cell, weights, s, y) that returns the Jacobian that an algorithm uses for D, and D_f."""


class Residuals(NamedTuple):
    """Hold the forward pass of one layer over T steps."""

    states: Array
    """s^0 ... s^T [T + 1, B, S, N]."""
    currents: Array
    """y^1 ... y^T [T, B, G, N]."""
    z: dict[str, Array]
    """z^1 ... z^T [T, B, J] of each kind of weight."""
    outputs: Array
    """o^1 ... o^T [T, B, N]: spikes, hidden values or logits."""


def project(z: Array, w: ArrayLike) -> Array:
    """Multiply z [..., J] with W [J, G, N]: [..., G, N]."""
    w = np.asarray(w, np.float64)
    return (z @ w.reshape(len(w), -1)).reshape(*z.shape[:-1], *w.shape[1:])


def project_back(dy: Array, w: ArrayLike) -> Array:
    """Multiply dy [..., G, N] with W^T: [..., J]."""
    w = np.asarray(w, np.float64)
    return dy.reshape(*dy.shape[:-2], -1) @ w.reshape(len(w), -1).T


def effective_weights(net: Network, params: Params) -> tuple[Params, Params]:
    """Return the weights that the network computes with, masked or by absolute value, and d(effective)/d(stored)."""
    sizes = tuple((len(w["x"]), w["x"].shape[-1]) for w in params)
    effective, derivatives = [], []
    for cell, w, mask in zip(net, params, network_masks(net, sizes), strict=True):
        signs = {k: np.sign(v) if cell.signed and k == "r" else 1.0 for k, v in w.items()}
        derivatives.append({k: signs[k] * mask.get(k, 1.0) for k in w})
        effective.append({k: np.asarray(w[k], np.float64) * derivatives[-1][k] for k in w})
    return effective, derivatives


def on_effective_weights(rule: Callable[..., tuple[float, Grads]]) -> Callable[..., tuple[float, Grads]]:
    """Let a function of effective weights take stored weights; its gradient is then that of the stored weights."""

    @wraps(rule)
    def with_stored(net: Network, params: Params, *data: ArrayLike, **options: Any) -> tuple[float, Grads]:
        effective, derivatives = effective_weights(net, params)
        loss, grads = rule(net, effective, *data, **options)
        return loss, [{k: g * d[k] for k, g in w.items()} for w, d in zip(grads, derivatives, strict=True)]

    return with_stored


def forward(net: Network, params: Params, inputs: ArrayLike) -> list[Residuals]:
    """Run the equations at the top of this file for every layer, from rest. inputs [T, B, I]."""
    x = np.asarray(inputs, np.float64)
    T, B, _ = x.shape
    residuals = []
    for cell, w in zip(net, effective_weights(net, params)[0], strict=True):
        N = w["x"].shape[-1]
        states, currents = np.zeros((T + 1, B, cell.S, N)), np.zeros((T, B, cell.G, N))
        states[0] = cell.rest(N)
        z = {k: np.ones((T, B, cell.fan_in(k, x.shape[-1], N))) for k in cell.reads}
        z["x"] = x
        for k in z.keys() - {"r"}:
            currents[:, :, cell.reads[k]] += project(z[k], w[k])
        for t in range(T):
            if "r" in z:
                z["r"][t] = emit(cell, states[t])
                currents[t, :, cell.reads["r"]] += project(z["r"][t], w["r"])
            states[t + 1] = dynamics(cell, states[t], currents[t])
        x = output(cell, states[1:])
        residuals.append(Residuals(states, currents, z, x))
    return residuals


def log_softmax(logits: Array) -> Array:
    """Return the logarithm of the softmax over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def loss(logits: ArrayLike, targets: ArrayLike) -> float:
    """Return -sum_t mean_b log softmax(logits)[target] in nats: [T, B, C], [T, B] -> []; targets below 0 add 0."""
    log_p, targets = log_softmax(np.asarray(logits, np.float64)), np.asarray(targets)
    t, b = np.nonzero(targets >= 0)
    return -float(log_p[t, b, targets[t, b]].sum()) / targets.shape[1]


def loss_gradient(logits: ArrayLike, targets: ArrayLike) -> Array:
    """Return dL/dlogits = (softmax - one-hot) / B [T, B, C], 0 where the target is negative."""
    p, targets = np.exp(log_softmax(np.asarray(logits, np.float64))), np.asarray(targets)
    t, b = np.nonzero(targets >= 0)
    p[t, b, targets[t, b]] -= 1
    return np.where((targets >= 0)[..., None], p, 0) / targets.shape[1]


def local_jacobians(cell: Cell, w: dict[str, Any], s: Array, y: Array) -> tuple[Array, Array]:
    """Return D-RTRL's Jacobians: D without any path through a weight, and D_f."""
    return jacobians(cell, s, y)


def jacobians_with_own_weight(cell: Cell, w: dict[str, Any], s: Array, y: Array) -> tuple[Array, Array]:
    """Return SnAp-1's Jacobians: D with the path through each neuron's weight on itself, and D_f."""
    D, D_f = jacobians(cell, s, y)
    if "r" in cell.reads:
        itself = np.einsum("ngn->gn", w["r"])
        by_r = np.einsum("bsgn,gn->bsn", D_f[:, :, cell.reads["r"]], itself)
        D = D + by_r[:, :, None] * output_jacobian(cell, s)[:, None]
    return D, D_f


def no_jacobian(cell: Cell, w: dict[str, Any], s: Array, y: Array) -> tuple[Array, Array]:
    """Return the Jacobians of `no_trace`: D = 0, no path from one step to the next, and D_f."""
    D, D_f = jacobians(cell, s, y)
    return np.zeros_like(D), D_f


def adjoint(
    net: Network,
    params: Params,
    inputs: ArrayLike,
    targets: ArrayLike,
    chunk: int | None = None,
    jacobian: Jacobians | None = None,
    random_feedback: bool = False,
) -> tuple[float, Grads, list[dict[int, Array]]]:
    """Compute loss and gradient by one pass backward through each layer, the top layer first; and dL_chunk/ds^t.

    jacobian: D of an algorithm that cuts recurrent paths; the layer below then gets the learning signal of a step only.
    dL_chunk/ds^t [B, S, N], by [layer][t], is for the start t and the loss of each chunk of truncated BPTT.
    """
    residuals = forward(net, params, inputs)
    error = signal = loss_gradient(residuals[-1].outputs, targets)  # signal: dL/do of the layer in the loop [T, B, N]
    grads: Grads = []
    entries: list[dict[int, Array]] = []
    for layer, cell, w, r in zip(range(len(net))[::-1], net[::-1], params[::-1], residuals[::-1], strict=True):
        dy, dy_below = np.zeros_like(r.currents), np.zeros_like(r.currents)
        later = np.zeros_like(r.states[0])  # dL/ds^t through later steps [B, S, N]
        entries.insert(0, {})
        if random_feedback and layer < len(net) - 1:
            signal = error @ random_feedback_weights(layer, error.shape[-1], w["x"].shape[-1])
        for t in reversed(range(len(dy))):
            D, D_f = (jacobian or local_jacobians)(cell, w, r.states[t], r.currents[t])
            l = pull_output(cell, r.states[t + 1], signal[t])
            lam = l + later
            dy[t] = np.einsum("bsn,bsgn->bgn", lam, D_f)
            dy_below[t] = np.einsum("bsn,bsgn->bgn", l, D_f) if jacobian else dy[t]
            later = np.einsum("bsn,bsun->bun", lam, D)
            if "r" in cell.reads and not jacobian:
                later += project_back(dy[t, :, cell.reads["r"]], w["r"])[:, None] * output_jacobian(cell, r.states[t])
            if chunk and t % chunk == 0:
                entries[0][t] = later
                later = np.zeros_like(later)
        grads.insert(0, {k: weight_gradient(z, dy[:, :, cell.reads[k]]) for k, z in r.z.items()})
        signal = project_back(dy_below[:, :, cell.reads["x"]], w["x"])
    return loss(residuals[-1].outputs, targets), grads, entries


def weight_gradient(z: Array, dy: Array) -> Array:
    """Sum z^t (x) dy^t over steps and samples: [T, B, J], [T, B, G, N] -> [J, G, N]."""
    T, B, J = z.shape
    return (z.reshape(T * B, J).T @ dy.reshape(T * B, -1)).reshape(J, *dy.shape[2:])


@on_effective_weights
def bptt(
    net: Network, params: Params, inputs: ArrayLike, targets: ArrayLike, chunk: int | None = None
) -> tuple[float, Grads]:
    """Return the gradient of backpropagation through time (Werbos 1990); in chunks of K steps, truncated BPTT(K).

        lam^t = l^t + lam^{t+1} D^{t+1} + (dy^{t+1} W_r^T) R^{t+1},   dy^t = lam^t D_f^t
        grad W = sum_t z^t (x) dy^t

    inputs [T, B, I], targets [T, B]; l^t comes from dL/do^t = dy^t W_x^T of the layer above.
    """
    return adjoint(net, params, inputs, targets, chunk)[:2]


@on_effective_weights
def drtrl_by_cutting(net: Network, params: Params, inputs: ArrayLike, targets: ArrayLike) -> tuple[float, Grads]:
    """Return D-RTRL's gradient by BPTT on the cut graph: fast and small, the same as that of `drtrl`.

        lam^t = l^t + lam^{t+1} D^{t+1},   dy^t = lam^t D_f^t,   grad W = sum_t z^t (x) dy^t

    As `bptt` without the recurrent term, and dL/do^t = (l^t D_f^t) W_x^T comes down through the same step only
    (Wang et al. 2026; as a cut of the graph: Bellec et al. 2020, Nat. Commun. 11:3625).
    """
    return adjoint(net, params, inputs, targets, jacobian=local_jacobians)[:2]


@on_effective_weights
def snap1_by_cutting(net: Network, params: Params, inputs: ArrayLike, targets: ArrayLike) -> tuple[float, Grads]:
    """Return the gradient of `snap1`: `drtrl_by_cutting` with each neuron's weight on itself left in."""
    return adjoint(net, params, inputs, targets, jacobian=jacobians_with_own_weight)[:2]


@on_effective_weights
def no_trace(net: Network, params: Params, inputs: ArrayLike, targets: ArrayLike) -> tuple[float, Grads]:
    """Return the gradient of a control that sees the current step only: grad W = sum_t z^t (x) l^t D_f^t."""
    return adjoint(net, params, inputs, targets, jacobian=no_jacobian)[:2]


@on_effective_weights
def random_feedback(net: Network, params: Params, inputs: ArrayLike, targets: ArrayLike) -> tuple[float, Grads]:
    """Return a control's gradient: D-RTRL whose hidden layers get the readout's error through fixed random weights.

    dL/do^t = dL/dlogits^t B_layer (Bellec et al. 2020, Nat. Commun. 11:3625: random e-prop).
    """
    return adjoint(net, params, inputs, targets, jacobian=local_jacobians, random_feedback=True)[:2]


@on_effective_weights
def drtrl_window(
    net: Network, params: Params, inputs: ArrayLike, targets: ArrayLike, chunk: int
) -> tuple[float, Grads]:
    """Return the gradient of BPTT inside each window of `chunk` steps, and of D-RTRL's trace before the window.

    grad = sum over windows of (truncated BPTT + dL_window/ds^0 e^0), e the trace of `drtrl` at the window's start.
    """
    loss, grads, entries = adjoint(net, params, inputs, targets, chunk)
    for layer, (cell, w, r) in enumerate(zip(net, params, forward(net, params, inputs), strict=True)):
        for t, e in enumerate(traces(cell, w, r, local_jacobians)):
            if t + 1 in entries[layer]:  # the trace after step t is that at the start of the next window
                for k in e:
                    grads[layer][k] += np.einsum("bsn,bjsgn->jgn", entries[layer][t + 1], e[k])
    return loss, grads


@on_effective_weights
def rtrl(net: Network, params: Params, inputs: ArrayLike, targets: ArrayLike) -> tuple[float, Grads]:
    """Return the gradient of real-time recurrent learning (Williams & Zipser 1989), its textbook form.

        M^t = D^t M^{t-1} + D_f^t dy^t/dtheta,   dy^t/dtheta = z^t + W_r (R^t M^{t-1}) + W_x dx^t/dtheta
        grad = sum_t dL/do^t (do/ds)^t M^t     dx^t/dtheta = (do/ds)^t M^t of the layer below

    M = ds/dtheta [B, p, S, N] of every layer, theta being the p weights of the network: for tiny networks only.
    """
    residuals = forward(net, params, inputs)
    signal = loss_gradient(residuals[-1].outputs, targets)
    T, B = signal.shape[:2]
    p = sum(v.size for w in params for v in w.values())
    M = [np.zeros((B, p, cell.S, w["x"].shape[-1])) for cell, w in zip(net, params, strict=True)]
    gradient = np.zeros(p)
    for t in range(T):
        start, dx = 0, np.zeros((B, p, residuals[0].z["x"].shape[-1]))  # start: a weight's first entry in theta
        for i, (cell, w, r) in enumerate(zip(net, params, residuals, strict=True)):
            D, D_f = jacobians(cell, r.states[t], r.currents[t])
            dz = {k: np.zeros((B, p, 1)) for k in r.z} | {"x": dx}
            if "r" in cell.reads:
                dz["r"] = np.einsum("bsn,bpsn->bpn", output_jacobian(cell, r.states[t]), M[i])
            dy = np.zeros((B, p, cell.G, w["x"].shape[-1]))
            for k, z in r.z.items():
                J, G, N = w[k].shape
                dy[:, :, cell.reads[k]] += np.einsum("bpj,jgn->bpgn", dz[k], w[k])
                direct = np.einsum("bj,gh,nm->bjhmgn", z[t], np.eye(G), np.eye(N))
                dy[:, start : start + J * G * N, cell.reads[k]] += direct.reshape(B, -1, G, N)
                start += J * G * N
            M[i] = np.einsum("bsun,bpun->bpsn", D, M[i]) + np.einsum("bsgn,bpgn->bpsn", D_f, dy)
            dx = push_output(cell, r.states[t + 1], M[i])
        gradient += np.einsum("bn,bpn->p", signal[t], dx)
    weights = iter(np.split(gradient, np.cumsum([v.size for w in params for v in w.values()])))
    grads = [{k: next(weights).reshape(v.shape) for k, v in w.items()} for w in params]
    return loss(residuals[-1].outputs, targets), grads


def traces(cell: Cell, w: dict[str, Any], r: Residuals, jacobian: Jacobians) -> Iterator[dict[str, Array]]:
    """Yield eps^1, eps^2 ... [B, J, S, G, N] of a layer's weights: eps^t = D^t eps^{t-1} + D_f^t (x) z^t."""
    B = r.states.shape[1]
    e = {k: np.zeros((B, len(v), cell.S, *v.shape[1:])) for k, v in w.items()}
    for t in range(len(r.currents)):
        D, D_f = jacobian(cell, w, r.states[t], r.currents[t])
        for k in e:
            immediate = np.einsum("bsgn,bj->bjsgn", D_f[:, :, cell.reads[k]], r.z[k][t])
            e[k] = np.einsum("bsun,bjugn->bjsgn", D, e[k]) + immediate
        yield {k: v.copy() for k, v in e.items()}


def signals(net: Network, params: Params, residuals: list[Residuals], targets: ArrayLike) -> list[Array]:
    """Compute l^t = dL^t/ds^t [T, B, S, N] of every layer, through the weights of the same step only."""
    signal, by_layer = loss_gradient(residuals[-1].outputs, targets), []
    for cell, w, r in zip(net[::-1], params[::-1], residuals[::-1], strict=True):
        by_layer.insert(0, np.stack([pull_output(cell, s, d) for s, d in zip(r.states[1:], signal, strict=True)]))
        D_fs = [jacobians(cell, s, y)[1] for s, y in zip(r.states, r.currents, strict=False)]
        dy = np.einsum("tbsn,tbsgn->tbgn", by_layer[0], np.stack(D_fs))
        signal = project_back(dy[:, :, cell.reads["x"]], w["x"])
    return by_layer


def forward_in_time(
    net: Network, params: Params, inputs: ArrayLike, targets: ArrayLike, jacobian: Jacobians
) -> tuple[float, Grads]:
    """Compute loss and gradient forward in time: grad W = sum_t l^t eps^t, eps being B S times as large as W."""
    residuals = forward(net, params, inputs)
    grads: Grads = [{k: np.zeros(v.shape) for k, v in w.items()} for w in params]
    for i, l in enumerate(signals(net, params, residuals, targets)):
        for t, e in enumerate(traces(net[i], params[i], residuals[i], jacobian)):
            for k in e:
                grads[i][k] += np.einsum("bsn,bjsgn->jgn", l[t], e[k])
    return loss(residuals[-1].outputs, targets), grads


@on_effective_weights
def drtrl(net: Network, params: Params, inputs: ArrayLike, targets: ArrayLike) -> tuple[float, Grads]:
    """Return D-RTRL's gradient (Wang et al. 2026) in its textbook form: forward in time, paths through weights cut.

    eps^t = D^t eps^{t-1} + D_f^t (x) z^t,   grad W = sum_t l^t eps^t
    """
    return forward_in_time(net, params, inputs, targets, local_jacobians)


@on_effective_weights
def snap1(net: Network, params: Params, inputs: ArrayLike, targets: ArrayLike) -> tuple[float, Grads]:
    """Return SnAp-1's gradient (Menick et al. 2021): that of `drtrl` with each neuron's weight on itself left in D."""
    return forward_in_time(net, params, inputs, targets, jacobians_with_own_weight)


@on_effective_weights
def es_drtrl(
    net: Network,
    params: Params,
    inputs: ArrayLike,
    targets: ArrayLike,
    decay: float = 0.9,
    decay_x: float = 0.0,
    bias_correction: str = "corrected",
) -> tuple[float, Grads]:
    """Return the gradient of ES-D-RTRL, also called pp-prop (Wang et al. 2026), in its textbook form, t from 0.

    eps_x^t = a_x eps_x^{t-1} + z^t,   eps_f^t = a D^t eps_f^{t-1} + (1 - a) D_f^t     eps_x = 1 for bias and parameters
    grad W = sum_t eps_x^t (x) l^t eps_f^t / c^t,   c^t = 1 - a^{t+1} (corrected), 1 - (1 - a)^{t+1} (as_published), 1
    decay is a, or k >= 1 for a = (k - 1) / (k + 1); so decay_x a_x, 0 for a_x = a; without memory a = a_x = 0 and c = 1
    """
    keep, keep_x = (d if d < 1 else (d - 1) / (d + 1) for d in (decay, decay_x or decay))
    residuals = forward(net, params, inputs)
    grads: Grads = [{k: np.zeros(v.shape) for k, v in w.items()} for w in params]
    for cell, r, grad, l in zip(net, residuals, grads, signals(net, params, residuals, targets), strict=True):
        a, a_x, correction = (0.0, 0.0, "none") if cell.memoryless else (keep, keep_x, bias_correction)
        eps_x, eps_f = dict.fromkeys(r.z, np.zeros(())), np.zeros(())
        for t in range(len(l)):
            D, D_f = jacobians(cell, r.states[t], r.currents[t])
            eps_f = a * np.einsum("bsun,bugn->bsgn", D, eps_f + np.zeros_like(D_f)) + (1 - a) * D_f
            dy = np.einsum("bsn,bsgn->bgn", l[t], eps_f)
            dy /= {"corrected": 1 - a ** (t + 1), "as_published": 1 - (1 - a) ** (t + 1), "none": 1.0}[correction]
            for k, z in r.z.items():
                eps_x[k] = a_x * eps_x[k] + z[t] if k in ("x", "r") else z[t]
                grad[k] += np.einsum("bj,bgn->jgn", eps_x[k], dy[:, cell.reads[k]])
    return loss(residuals[-1].outputs, targets), grads
