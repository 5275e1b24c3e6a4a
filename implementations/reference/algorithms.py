"""Ground truth of every rule in float64 NumPy, written for reading; the cells are in `reference_cells.py`.

Nothing here is shared with the JAX and PyTorch code but the specification of the cells and the random weights of
`feedback.py`. Sizes: T steps, B samples,
J presynaptic lines, N neurons with S states and G drives, C classes. One step of a layer and its derivatives:

    r^t = emit(s^{t-1})            R = dr^t/ds^{t-1}   [B, S, N]
    y^t = sum_k z_k^t W_k          z = {"x": input, "r": r^t, "b": 1, "p": 1}
    s^t = dynamics(s^{t-1}, y^t)   D = ds^t/ds^{t-1}   [B, S, S', N]      F = ds^t/dy^t   [B, S, G, N]
    o^t = output(s^t)              l = dL/ds^t         [B, S, N]          of the same step only: the learning signal

Source of the notation: Wang et al. 2026 (Nat. Commun. 17:1745).
"""

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drtrl_bench.implementations.algorithms.approximate.feedback import random_feedback_weights
from drtrl_bench.implementations.cells import spec as cells
from drtrl_bench.implementations.reference.cells import (
    dynamics,
    emission,
    emit,
    jacobians,
    output,
    pull_output,
    push_output,
)

Array = NDArray[np.float64]
Params = list[dict[str, Any]]
"""The weights {"x": [I, Gx, N], "r": [N, Gr, N], "b": [1, Gb, N], "p": [1, Gp, N]} of every layer, the readout last."""
Grads = list[dict[str, Array]]
Own = Callable[[cells.Cell, dict[str, Any], Array, Array], tuple[Array, Array]]
"""(cell, weights, s, y) -> what a rule takes for D, and F."""


class Tape(NamedTuple):
    """What one layer did in T steps."""

    states: Array
    """s^0 ... s^T [T + 1, B, S, N]."""
    drives: Array
    """y^1 ... y^T [T, B, G, N]."""
    lines: dict[str, Array]
    """z^1 ... z^T [T, B, J] of each kind of weight."""
    outputs: Array
    """o^1 ... o^T [T, B, N]: spikes, hidden values or logits."""


def project(z: Array, w: ArrayLike) -> Array:
    """z [..., J] W [J, G, N] -> [..., G, N]."""
    w = np.asarray(w, np.float64)
    return (z @ w.reshape(len(w), -1)).reshape(*z.shape[:-1], *w.shape[1:])


def project_back(q: Array, w: ArrayLike) -> Array:
    """q [..., G, N] W^T -> [..., J]."""
    w = np.asarray(w, np.float64)
    return q.reshape(*q.shape[:-2], -1) @ w.reshape(len(w), -1).T


def acting(net: cells.Network, params: Params) -> tuple[Params, Params]:
    """The weights as they act, masked and by absolute value where signed, and their slopes by the stored ones."""
    sizes = tuple((len(w["x"]), w["x"].shape[-1]) for w in params)
    acts, slopes = [], []
    for cell, w, mask in zip(net, params, cells.masks(net, sizes), strict=True):
        signs = {k: np.sign(v) if cell.signed and k == "r" else 1.0 for k, v in w.items()}
        slopes.append({k: signs[k] * mask.get(k, 1.0) for k in w})
        acts.append({k: np.asarray(w[k], np.float64) * slopes[-1][k] for k in w})
    return acts, slopes


def by_stored(rule: Callable[..., tuple[float, Grads]]) -> Callable[..., tuple[float, Grads]]:
    """Lets a rule work on the acting weights and return the gradient by the stored ones."""

    @wraps(rule)
    def on_stored(net: cells.Network, params: Params, *data: ArrayLike, **options: Any) -> tuple[float, Grads]:
        acts, slopes = acting(net, params)
        loss, grads = rule(net, acts, *data, **options)
        return loss, [{k: g * slope[k] for k, g in w.items()} for w, slope in zip(grads, slopes, strict=True)]

    return on_stored


def forward(net: cells.Network, params: Params, inputs: ArrayLike) -> list[Tape]:
    """The equations at the top of this file for every layer, from rest. inputs [T, B, I]."""
    x = np.asarray(inputs, np.float64)
    T, B, _ = x.shape
    tapes = []
    for cell, w in zip(net, acting(net, params)[0], strict=True):
        N = w["x"].shape[-1]
        states, drives = np.zeros((T + 1, B, cell.S, N)), np.zeros((T, B, cell.G, N))
        states[0] = cell.rest(N)
        z = {k: np.ones((T, B, cell.fan_in(k, x.shape[-1], N))) for k in cell.reads}
        z["x"] = x
        for k in z.keys() - {"r"}:
            drives[:, :, cell.reads[k]] += project(z[k], w[k])
        for t in range(T):
            if "r" in z:
                z["r"][t] = emit(cell, states[t])
                drives[t, :, cell.reads["r"]] += project(z["r"][t], w["r"])
            states[t + 1] = dynamics(cell, states[t], drives[t])
        x = output(cell, states[1:])
        tapes.append(Tape(states, drives, z, x))
    return tapes


def log_softmax(logits: Array) -> Array:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def loss(logits: ArrayLike, targets: ArrayLike) -> float:
    """-sum_t mean_b log softmax(logits)[target]: [T, B, C], [T, B] -> nats; none where the target is negative."""
    log_p, targets = log_softmax(np.asarray(logits, np.float64)), np.asarray(targets)
    t, b = np.nonzero(targets >= 0)
    return -float(log_p[t, b, targets[t, b]].sum()) / targets.shape[1]


def loss_gradient(logits: ArrayLike, targets: ArrayLike) -> Array:
    """dL/dlogits = (softmax - one-hot) / B [T, B, C], 0 where the target is negative."""
    p, targets = np.exp(log_softmax(np.asarray(logits, np.float64))), np.asarray(targets)
    t, b = np.nonzero(targets >= 0)
    p[t, b, targets[t, b]] -= 1
    return np.where((targets >= 0)[..., None], p, 0) / targets.shape[1]


def intrinsic(cell: cells.Cell, w: dict[str, Any], s: Array, y: Array) -> tuple[Array, Array]:
    """D with every path through a weight cut: D-RTRL."""
    return jacobians(cell, s, y)


def coupled(cell: cells.Cell, w: dict[str, Any], s: Array, y: Array) -> tuple[Array, Array]:
    """D and the path through the neuron's weight on itself: SnAp-1."""
    D, F = jacobians(cell, s, y)
    if "r" in cell.reads:
        itself = np.einsum("ngn->gn", w["r"])
        by_r = np.einsum("bsgn,gn->bsn", F[:, :, cell.reads["r"]], itself)
        D = D + by_r[:, :, None] * emission(cell, s)[:, None]
    return D, F


def nothing(cell: cells.Cell, w: dict[str, Any], s: Array, y: Array) -> tuple[Array, Array]:
    """No path from one step to the next."""
    D, F = jacobians(cell, s, y)
    return np.zeros_like(D), F


def adjoint(
    net: cells.Network,
    params: Params,
    inputs: ArrayLike,
    targets: ArrayLike,
    chunk: int | None = None,
    own: Own | None = None,
    random_feedback: bool = False,
) -> tuple[float, Grads, list[dict[int, Array]]]:
    """Loss and gradient by one reverse pass per layer, from the readout down; with `own`, of the cut graph.

    Also dL/ds^t at the start of each chunk and layer, of the chunk's own loss: [layer][t].
    """
    tapes = forward(net, params, inputs)
    error = signal = loss_gradient(tapes[-1].outputs, targets)  # signal: dL/do of the layer at hand [T, B, N]
    grads: Grads = []
    entries: list[dict[int, Array]] = []
    for layer, cell, w, tape in zip(range(len(net))[::-1], net[::-1], params[::-1], tapes[::-1], strict=True):
        q, q_down = np.zeros_like(tape.drives), np.zeros_like(tape.drives)
        later = np.zeros_like(tape.states[0])  # what s^t owes to later steps [B, S, N]
        entries.insert(0, {})
        if random_feedback and layer < len(net) - 1:
            signal = error @ random_feedback_weights(layer, error.shape[-1], w["x"].shape[-1])
        for t in reversed(range(len(q))):
            D, F = (own or intrinsic)(cell, w, tape.states[t], tape.drives[t])
            l = pull_output(cell, tape.states[t + 1], signal[t])
            lam = l + later
            q[t] = np.einsum("bsn,bsgn->bgn", lam, F)
            q_down[t] = np.einsum("bsn,bsgn->bgn", l, F) if own else q[t]
            later = np.einsum("bsn,bsun->bun", lam, D)
            if "r" in cell.reads and not own:
                later += project_back(q[t, :, cell.reads["r"]], w["r"])[:, None] * emission(cell, tape.states[t])
            if chunk and t % chunk == 0:
                entries[0][t] = later
                later = np.zeros_like(later)
        grads.insert(0, {k: weight_gradient(z, q[:, :, cell.reads[k]]) for k, z in tape.lines.items()})
        signal = project_back(q_down[:, :, cell.reads["x"]], w["x"])
    return loss(tapes[-1].outputs, targets), grads, entries


def weight_gradient(z: Array, q: Array) -> Array:
    """sum_{t,b} z^t (x) q^t: [T, B, J], [T, B, G, N] -> [J, G, N]."""
    T, B, J = z.shape
    return (z.reshape(T * B, J).T @ q.reshape(T * B, -1)).reshape(J, *q.shape[2:])


@by_stored
def bptt(
    net: cells.Network, params: Params, inputs: ArrayLike, targets: ArrayLike, chunk: int | None = None
) -> tuple[float, Grads]:
    """Backpropagation through time (Werbos 1990); with a chunk of K steps truncated BPTT(K).

        lam^t = l^t + lam^{t+1} D^{t+1} + (q^{t+1} W_r^T) R^{t+1},   q^t = lam^t F^t,   grad W = sum_t z^t (x) q^t

    inputs [T, B, I], targets [T, B]; l^t comes from dL/do^t = q^t W_x^T of the layer above.
    """
    return adjoint(net, params, inputs, targets, chunk)[:2]


@by_stored
def drtrl_by_cutting(net: cells.Network, params: Params, inputs: ArrayLike, targets: ArrayLike) -> tuple[float, Grads]:
    """D-RTRL's gradient by BPTT on the cut graph: fast and small, the same as `drtrl`.

        lam^t = l^t + lam^{t+1} D^{t+1},   q^t = lam^t F^t,   grad W = sum_t z^t (x) q^t

    As `bptt` without the recurrent term, and dL/do^t = (l^t F^t) W_x^T comes down through the same step only
    (Wang et al. 2026; as a cut of the graph: Bellec et al. 2020, Nat. Commun. 11:3625).
    """
    return adjoint(net, params, inputs, targets, own=intrinsic)[:2]


@by_stored
def snap1_by_cutting(net: cells.Network, params: Params, inputs: ArrayLike, targets: ArrayLike) -> tuple[float, Grads]:
    """`drtrl_by_cutting` with each neuron's weight on itself left in: the same as `snap1`."""
    return adjoint(net, params, inputs, targets, own=coupled)[:2]


@by_stored
def no_trace(net: cells.Network, params: Params, inputs: ArrayLike, targets: ArrayLike) -> tuple[float, Grads]:
    """Control: the current step only, grad W = sum_t z^t (x) l^t F^t."""
    return adjoint(net, params, inputs, targets, own=nothing)[:2]


@by_stored
def random_feedback(net: cells.Network, params: Params, inputs: ArrayLike, targets: ArrayLike) -> tuple[float, Grads]:
    """Control: D-RTRL whose hidden layers get the readout's error through fixed random weights.

    dL/do^t = dL/dlogits^t B_layer (Bellec et al. 2020, Nat. Commun. 11:3625: random e-prop).
    """
    return adjoint(net, params, inputs, targets, own=intrinsic, random_feedback=True)[:2]


@by_stored
def drtrl_window(
    net: cells.Network, params: Params, inputs: ArrayLike, targets: ArrayLike, chunk: int
) -> tuple[float, Grads]:
    """BPTT inside each window of `chunk` steps; D-RTRL's trace for what was before it.

    grad = sum over windows of (truncated BPTT + dL_window/ds^0 e^0), e the trace of `drtrl` at the window's start.
    """
    loss, grads, entries = adjoint(net, params, inputs, targets, chunk)
    for layer, (cell, w, tape) in enumerate(zip(net, params, forward(net, params, inputs), strict=True)):
        for t, e in enumerate(traces(cell, w, tape, intrinsic)):
            if t + 1 in entries[layer]:  # the trace after step t is what the next window enters with
                for k in e:
                    grads[layer][k] += np.einsum("bsn,bjsgn->jgn", entries[layer][t + 1], e[k])
    return loss, grads


@by_stored
def rtrl(net: cells.Network, params: Params, inputs: ArrayLike, targets: ArrayLike) -> tuple[float, Grads]:
    """Real-time recurrent learning (Williams & Zipser 1989), textbook: tiny networks only.

        M^t = D^t M^{t-1} + F^t dy^t/dtheta,   dy^t/dtheta = z^t + W_r (R^t M^{t-1}) + W_x dx^t/dtheta
        grad = sum_t dL/do^t (do/ds)^t M^t     dx^t/dtheta = (do/ds)^t M^t of the layer below

    M = ds/dtheta [B, p, S, N] of every layer, theta all p weights of the network in a row.
    """
    tapes = forward(net, params, inputs)
    signal = loss_gradient(tapes[-1].outputs, targets)
    T, B = signal.shape[:2]
    p = sum(v.size for w in params for v in w.values())
    M = [np.zeros((B, p, cell.S, w["x"].shape[-1])) for cell, w in zip(net, params, strict=True)]
    gradient = np.zeros(p)
    for t in range(T):
        own, dx = 0, np.zeros((B, p, tapes[0].lines["x"].shape[-1]))  # own: where a weight stands in theta
        for i, (cell, w, tape) in enumerate(zip(net, params, tapes, strict=True)):
            D, F = jacobians(cell, tape.states[t], tape.drives[t])
            dz = {k: np.zeros((B, p, 1)) for k in tape.lines} | {"x": dx}
            if "r" in cell.reads:
                dz["r"] = np.einsum("bsn,bpsn->bpn", emission(cell, tape.states[t]), M[i])
            dy = np.zeros((B, p, cell.G, w["x"].shape[-1]))
            for k, z in tape.lines.items():
                J, G, N = w[k].shape
                dy[:, :, cell.reads[k]] += np.einsum("bpj,jgn->bpgn", dz[k], w[k])
                direct = np.einsum("bj,gh,nm->bjhmgn", z[t], np.eye(G), np.eye(N))
                dy[:, own : own + J * G * N, cell.reads[k]] += direct.reshape(B, -1, G, N)
                own += J * G * N
            M[i] = np.einsum("bsun,bpun->bpsn", D, M[i]) + np.einsum("bsgn,bpgn->bpsn", F, dy)
            dx = push_output(cell, tape.states[t + 1], M[i])
        gradient += np.einsum("bn,bpn->p", signal[t], dx)
    parts = iter(np.split(gradient, np.cumsum([v.size for w in params for v in w.values()])))
    return loss(tapes[-1].outputs, targets), [{k: next(parts).reshape(v.shape) for k, v in w.items()} for w in params]


def traces(cell: cells.Cell, w: dict[str, Any], tape: Tape, own: Own) -> Iterator[dict[str, Array]]:
    """The traces e^1, e^2 ... [B, J, S, G, N] of a layer's weights: e^t = D^t e^{t-1} + F^t (x) z^t."""
    B = tape.states.shape[1]
    e = {k: np.zeros((B, len(v), cell.S, *v.shape[1:])) for k, v in w.items()}
    for t in range(len(tape.drives)):
        D, F = own(cell, w, tape.states[t], tape.drives[t])
        for k in e:
            now = np.einsum("bsgn,bj->bjsgn", F[:, :, cell.reads[k]], tape.lines[k][t])
            e[k] = np.einsum("bsun,bjugn->bjsgn", D, e[k]) + now
        yield {k: v.copy() for k, v in e.items()}


def signals(net: cells.Network, params: Params, tapes: list[Tape], targets: ArrayLike) -> list[Array]:
    """l^t = dL^t/ds^t [T, B, S, N] of every layer, through the weights of the same step only."""
    signal, found = loss_gradient(tapes[-1].outputs, targets), []
    for cell, w, tape in zip(net[::-1], params[::-1], tapes[::-1], strict=True):
        found.insert(0, np.stack([pull_output(cell, s, d) for s, d in zip(tape.states[1:], signal, strict=True)]))
        Fs = [jacobians(cell, s, y)[1] for s, y in zip(tape.states, tape.drives, strict=False)]
        q = np.einsum("tbsn,tbsgn->tbgn", found[0], np.stack(Fs))
        signal = project_back(q[:, :, cell.reads["x"]], w["x"])
    return found


def forward_in_time(net: cells.Network, params: Params, inputs: ArrayLike, targets: ArrayLike, own: Own) -> Any:
    """Textbook: grad W = sum_t l^t e^t, e as large as the weights times B S."""
    tapes = forward(net, params, inputs)
    grads: Grads = [{k: np.zeros(v.shape) for k, v in w.items()} for w in params]
    for i, l in enumerate(signals(net, params, tapes, targets)):
        for t, e in enumerate(traces(net[i], params[i], tapes[i], own)):
            for k in e:
                grads[i][k] += np.einsum("bsn,bjsgn->jgn", l[t], e[k])
    return loss(tapes[-1].outputs, targets), grads


@by_stored
def drtrl(net: cells.Network, params: Params, inputs: ArrayLike, targets: ArrayLike) -> tuple[float, Grads]:
    """D-RTRL (Wang et al. 2026), textbook: every path through a weight is cut, time runs forward.

    e^t = D^t e^{t-1} + F^t (x) z^t,   grad W = sum_t l^t e^t
    """
    return forward_in_time(net, params, inputs, targets, intrinsic)


@by_stored
def snap1(net: cells.Network, params: Params, inputs: ArrayLike, targets: ArrayLike) -> tuple[float, Grads]:
    """SnAp-1 (Menick et al. 2021), textbook: D-RTRL with each neuron's weight on itself left in D."""
    return forward_in_time(net, params, inputs, targets, coupled)


@by_stored
def es_drtrl(
    net: cells.Network,
    params: Params,
    inputs: ArrayLike,
    targets: ArrayLike,
    decay: float = 0.9,
    bias_correction: str = "corrected",
) -> tuple[float, Grads]:
    """ES-D-RTRL, also pp-prop (Wang et al. 2026), textbook.

    ex^t = a ex^{t-1} + z^t,   ef^t = a D^t ef^{t-1} + (1 - a) F^t,   grad W = sum_t ex^t (x) l^t ef^t / c^t
    c^t = 1 - a^{t+1} (corrected), 1 - (1 - a)^{t+1} (as_published), 1 (none), t from 0; ex = 1 for bias and parameters
    decay is a, or a whole number k >= 1 for a = (k - 1) / (k + 1)
    """
    a, tapes = decay if decay < 1 else (decay - 1) / (decay + 1), forward(net, params, inputs)
    grads: Grads = [{k: np.zeros(v.shape) for k, v in w.items()} for w in params]
    for i, l in enumerate(signals(net, params, tapes, targets)):
        cell, tape = net[i], tapes[i]
        ex = {k: np.zeros_like(z[0]) for k, z in tape.lines.items()}
        ef: Any = 0.0
        for t in range(len(l)):
            D, F = jacobians(cell, tape.states[t], tape.drives[t])
            ef = a * np.einsum("bsun,bugn->bsgn", D, ef + np.zeros_like(F)) + (1 - a) * F
            q = np.einsum("bsn,bsgn->bgn", l[t], ef)
            q /= {"corrected": 1 - a ** (t + 1), "as_published": 1 - (1 - a) ** (t + 1), "none": 1.0}[bias_correction]
            for k, z in tape.lines.items():
                ex[k] = a * ex[k] + z[t] if k in ("x", "r") else z[t]
                grads[i][k] += np.einsum("bj,bgn->jgn", ex[k], q[:, cell.reads[k]])
    return loss(tapes[-1].outputs, targets), grads
