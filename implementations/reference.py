"""Ground truth in float64 NumPy: the forward pass of every cell and its Jacobians by hand, written for reading.

Nothing here is shared with the JAX and PyTorch code but the specification of the cells. Sizes: T steps, B samples,
J presynaptic lines, N neurons with S states and G drives, C classes. One step of a layer and its derivatives:

    r^t = emit(s^{t-1})            R = dr^t/ds^{t-1}   [B, S, N]
    y^t = sum_k z_k^t W_k          z = {"x": input, "r": r^t, "b": 1}
    s^t = dynamics(s^{t-1}, y^t)   D = ds^t/ds^{t-1}   [B, S, S', N]      F = ds^t/dy^t   [B, S, G, N]
    o^t = emit(s^t)                O = do^t/ds^t       [B, S, N]          one function for r and o, in every cell here

Source of the notation: Wang et al. 2026 (Nat. Commun. 17:1745).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from implementations import cells

Array = NDArray[np.float64]
Params = list[dict[str, Any]]
"""The weights {"x": [I, Gx, N], "r": [N, Gr, N], "b": [1, Gb, N]} of every layer, the readout last."""
Grads = list[dict[str, Array]]


def blocks(rows: list[list[Any]], like: Array) -> Array:
    """Small matrices, one per neuron: entries that broadcast to `like` [..., N] -> [..., rows, columns, N]."""
    return np.stack([np.stack([np.broadcast_to(x, like.shape) for x in row], axis=-2) for row in rows], axis=-3)


def sigmoid(x: Array) -> Array:
    return (1 + np.tanh(x / 2)) / 2


def spike(cell: cells.Spiking, v: Array) -> tuple[Array, Array]:
    """1 if v >= 0 else 0, with psi(v) = alpha max(width - |v|, 0); `smooth`: the primitive of psi, 0 at v = -width."""
    psi = cell.alpha * np.maximum(cell.width - np.abs(v), 0)
    if not cell.smooth:
        return np.where(v >= 0, 1.0, 0.0), psi
    area = cell.alpha * cell.width**2
    rising = cell.alpha * np.maximum(v + cell.width, 0) ** 2 / 2
    falling = area - cell.alpha * np.maximum(cell.width - v, 0) ** 2 / 2
    return np.where(v < 0, rising, falling), psi


def emit_first(cell: cells.Cell, s: Array) -> tuple[Array, Array]:
    """The only state itself: r = h."""
    return s[..., 0, :], np.ones_like(s)


def emit_lif(cell: cells.LIFDelta, s: Array) -> tuple[Array, Array]:
    """r = sigma((V - threshold) / threshold)."""
    r, psi = spike(cell, (s - cell.threshold) / cell.threshold)
    return r[..., 0, :], psi / cell.threshold


def emit_alif(cell: cells.ALIFExpCu, s: Array) -> tuple[Array, Array]:
    """r = sigma((V - threshold - beta a) / threshold)."""
    V, a = s[..., 0, :], s[..., 1, :]
    r, psi = spike(cell, (V - cell.threshold - cell.beta * a) / cell.threshold)
    by_V = psi / cell.threshold
    return r, np.stack([by_V, -cell.beta * by_V, np.zeros_like(V)], axis=-2)


def leaky_rnn(cell: cells.LeakyRNN, s: Array, y: Array) -> tuple[Array, Array, Array]:
    """h' = a h + (1 - a) tanh(I)."""
    h, a, tanh = s[..., 0, :], cell.decay, np.tanh(y)
    F = (1 - a) * (1 - tanh**2)
    return a * s + (1 - a) * tanh, blocks([[a]], h), F[..., None, :]


def gru(cell: cells.GRU, s: Array, y: Array) -> tuple[Array, Array, Array]:
    """r = sig(I_r), z = sig(I_z), n = tanh(I_nx + r I_nr), h' = (1 - z) n + z h."""
    h = s[..., 0, :]
    I_nx, I_r, I_z, I_nr = (y[..., g, :] for g in range(4))
    r, z = sigmoid(I_r), sigmoid(I_z)
    n = np.tanh(I_nx + r * I_nr)
    by_n = (1 - z) * (1 - n**2)
    F = blocks([[by_n, by_n * I_nr * r * (1 - r), (h - n) * z * (1 - z), by_n * r]], h)
    return ((1 - z) * n + z * h)[..., None, :], blocks([[z]], h), F


def lif_delta(cell: cells.LIFDelta, s: Array, y: Array) -> tuple[Array, Array, Array]:
    """V' = a (V - drop r) + I; drop is the threshold (soft reset) or V itself, held constant (hard reset)."""
    V, a = s[..., 0, :], cell.decay
    r, R = emit_lif(cell, s)
    drop = V if cell.reset == "hard" else cell.threshold
    D = a * (1 - drop * R[..., 0, :])
    return (a * (V - drop * r))[..., None, :] + y, blocks([[D]], V), blocks([[1.0]], V)


def alif_exp_cu(cell: cells.ALIFExpCu, s: Array, y: Array) -> tuple[Array, Array, Array]:
    """g' = c g + I,  a' = b (a + r),  V' = k (V - drop r) + (1 - k) g': D and F of V hold the path through g'."""
    V, a, g = (s[..., i, :] for i in range(3))
    k, b, c = cell.decay, cell.decay_a, cell.decay_g
    r, R = emit_alif(cell, s)
    r_V, r_a = R[..., 0, :], R[..., 1, :]
    drop = V if cell.reset == "hard" else cell.threshold
    g_next = c * g + y[..., 0, :]
    s_next = np.stack([k * (V - drop * r) + (1 - k) * g_next, b * (a + r), g_next], axis=-2)
    D = blocks([[k * (1 - drop * r_V), -k * drop * r_a, (1 - k) * c], [b * r_V, b * (1 + r_a), 0.0], [0.0, 0.0, c]], V)
    return s_next, D, blocks([[1 - k], [0.0], [1.0]], V)


def leaky_readout(cell: cells.LeakyReadout, s: Array, y: Array) -> tuple[Array, Array, Array]:
    """rho' = kappa rho + I."""
    rho = s[..., 0, :]
    return cell.decay * s + y, blocks([[cell.decay]], rho), blocks([[1.0]], rho)


def linear_readout(cell: cells.LinearReadout, s: Array, y: Array) -> tuple[Array, Array, Array]:
    """rho' = I."""
    rho = s[..., 0, :]
    return y, blocks([[0.0]], rho), blocks([[1.0]], rho)


class Law(NamedTuple):
    """The equations of one kind of cell."""

    emit: Callable[[Any, Array], tuple[Array, Array]]
    """(cell, s [..., S, N]) -> r [..., N], R [..., S, N]."""
    dynamics: Callable[[Any, Array, Array], tuple[Array, Array, Array]]
    """(cell, s [..., S, N], y [..., G, N]) -> the next s, D [..., S, S', N], F [..., S, G, N]."""


LAWS: dict[type[cells.Cell], Law] = {
    cells.LeakyRNN: Law(emit_first, leaky_rnn),
    cells.GRU: Law(emit_first, gru),
    cells.LIFDelta: Law(emit_lif, lif_delta),
    cells.ALIFExpCu: Law(emit_alif, alif_exp_cu),
    cells.LeakyReadout: Law(emit_first, leaky_readout),
    cells.LinearReadout: Law(emit_first, linear_readout),
}


def law(cell: cells.Cell) -> Law:
    """The law of the cell's class, or of the specification it inherits from."""
    for base in type(cell).__mro__:
        if base in LAWS:
            return LAWS[base]
    raise KeyError(f"no law for {type(cell).__name__}; the reference knows {[c.__name__ for c in LAWS]}")


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


def forward(net: cells.Network, params: Params, inputs: ArrayLike) -> list[Tape]:
    """The equations at the top of this file for every layer, from zero states. inputs [T, B, I]."""
    x = np.asarray(inputs, np.float64)
    T, B, _ = x.shape
    tapes = []
    for cell, w in zip(net, params, strict=True):
        N = w["x"].shape[-1]
        states, drives = np.zeros((T + 1, B, cell.S, N)), np.zeros((T, B, cell.G, N))
        z = {k: np.ones((T, B, cell.fan_in(k, x.shape[-1], N))) for k in cell.reads}
        z["x"] = x
        for k in z.keys() - {"r"}:
            drives[:, :, cell.reads[k]] += project(z[k], w[k])
        for t in range(T):
            if "r" in z:
                z["r"][t], _ = law(cell).emit(cell, states[t])
                drives[t, :, cell.reads["r"]] += project(z["r"][t], w["r"])
            states[t + 1], _, _ = law(cell).dynamics(cell, states[t], drives[t])
        x, _ = law(cell).emit(cell, states[1:])
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


def adjoint(
    net: cells.Network, params: Params, inputs: ArrayLike, targets: ArrayLike, chunk: int, cut: bool
) -> tuple[float, Grads]:
    """Loss and gradient by one reverse pass per layer, from the readout down (see `bptt`, `drtrl_by_cutting`)."""
    tapes = forward(net, params, inputs)
    signal = loss_gradient(tapes[-1].outputs, targets)  # dL/do of the layer at hand [T, B, N]
    grads: Grads = []
    for cell, w, tape in zip(net[::-1], params[::-1], tapes[::-1], strict=True):
        q, q_down = np.zeros_like(tape.drives), np.zeros_like(tape.drives)
        later = np.zeros_like(tape.states[0])  # what s^t owes to later steps [B, S, N]
        for t in reversed(range(len(q))):
            _, O = law(cell).emit(cell, tape.states[t + 1])
            _, D, F = law(cell).dynamics(cell, tape.states[t], tape.drives[t])
            l = signal[t, :, None] * O
            lam = l + later
            q[t] = np.einsum("bsn,bsgn->bgn", lam, F)
            q_down[t] = np.einsum("bsn,bsgn->bgn", l, F) if cut else q[t]
            later = np.einsum("bsn,bsun->bun", lam, D)
            if "r" in cell.reads and not cut:
                _, R = law(cell).emit(cell, tape.states[t])
                later += project_back(q[t, :, cell.reads["r"]], w["r"])[:, None] * R
            if t % chunk == 0:
                later = np.zeros_like(later)
        grads.insert(0, {k: weight_gradient(z, q[:, :, cell.reads[k]]) for k, z in tape.lines.items()})
        signal = project_back(q_down[:, :, cell.reads["x"]], w["x"])
    return loss(tapes[-1].outputs, targets), grads


def weight_gradient(z: Array, q: Array) -> Array:
    """sum_{t,b} z^t (x) q^t: [T, B, J], [T, B, G, N] -> [J, G, N]."""
    T, B, J = z.shape
    return (z.reshape(T * B, J).T @ q.reshape(T * B, -1)).reshape(J, *q.shape[2:])


def bptt(
    net: cells.Network, params: Params, inputs: ArrayLike, targets: ArrayLike, chunk: int | None = None
) -> tuple[float, Grads]:
    """Backpropagation through time (Werbos 1990); with a chunk of K steps truncated BPTT(K).

        lam^t = l^t + lam^{t+1} D^{t+1} + (q^{t+1} W_r^T) R^{t+1},   q^t = lam^t F^t,   grad W = sum_t z^t (x) q^t

    inputs [T, B, I], targets [T, B]; l^t = dL/do^t O^t, where dL/do^t = q^t W_x^T of the layer above.
    """
    return adjoint(net, params, inputs, targets, chunk or len(np.asarray(targets)), cut=False)


def drtrl_by_cutting(net: cells.Network, params: Params, inputs: ArrayLike, targets: ArrayLike) -> tuple[float, Grads]:
    """D-RTRL's gradient by BPTT on the cut graph: fast and small, the same as `drtrl`.

        lam^t = l^t + lam^{t+1} D^{t+1},   q^t = lam^t F^t,   grad W = sum_t z^t (x) q^t

    As `bptt` without the recurrent term, and dL/do^t = (l^t F^t) W_x^T comes down through the same step only
    (Wang et al. 2026; as a cut of the graph: Bellec et al. 2020, Nat. Commun. 11:3625).
    """
    return adjoint(net, params, inputs, targets, len(np.asarray(targets)), cut=True)


def rtrl(net: cells.Network, params: Params, inputs: ArrayLike, targets: ArrayLike) -> tuple[float, Grads]:
    """Real-time recurrent learning (Williams & Zipser 1989), textbook: tiny networks only.

        M^t = D^t M^{t-1} + F^t dy^t/dtheta,   dy^t/dtheta = z^t + W_r (R^t M^{t-1}) + W_x dx^t/dtheta
        grad = sum_t dL/do^t O^t M^t           dx^t/dtheta = O^t M^t of the layer below

    M = ds/dtheta [B, S, N, p] of every layer, theta all p weights of the network in a row.
    """
    tapes = forward(net, params, inputs)
    signal = loss_gradient(tapes[-1].outputs, targets)
    T, B = signal.shape[:2]
    p = sum(v.size for w in params for v in w.values())
    M = [np.zeros((B, cell.S, w["x"].shape[-1], p)) for cell, w in zip(net, params, strict=True)]
    gradient = np.zeros(p)
    for t in range(T):
        own, dx = 0, np.zeros((B, tapes[0].lines["x"].shape[-1], p))  # own: where a weight stands in theta
        for i, (cell, w, tape) in enumerate(zip(net, params, tapes, strict=True)):
            _, D, F = law(cell).dynamics(cell, tape.states[t], tape.drives[t])
            _, R = law(cell).emit(cell, tape.states[t])
            _, O = law(cell).emit(cell, tape.states[t + 1])
            dz = {"x": dx, "r": np.einsum("bsn,bsnp->bnp", R, M[i]), "b": np.zeros((B, 1, p))}
            dy = np.zeros((B, cell.G, w["x"].shape[-1], p))
            for k, z in tape.lines.items():
                J, G, N = w[k].shape
                dy[:, cell.reads[k]] += np.einsum("bjp,jgn->bgnp", dz[k], w[k])
                direct = np.einsum("bj,gh,nm->bgnjhm", z[t], np.eye(G), np.eye(N))
                dy[:, cell.reads[k], :, own : own + J * G * N] += direct.reshape(B, G, N, -1)
                own += J * G * N
            M[i] = np.einsum("bsun,bunp->bsnp", D, M[i]) + np.einsum("bsgn,bgnp->bsnp", F, dy)
            dx = np.einsum("bsn,bsnp->bnp", O, M[i])
        gradient += np.einsum("bn,bnp->p", signal[t], dx)
    parts = iter(np.split(gradient, np.cumsum([v.size for w in params for v in w.values()])))
    return loss(tapes[-1].outputs, targets), [{k: next(parts).reshape(v.shape) for k, v in w.items()} for w in params]


def drtrl(net: cells.Network, params: Params, inputs: ArrayLike, targets: ArrayLike) -> tuple[float, Grads]:
    """D-RTRL (Wang et al. 2026), textbook: every path through a weight is cut, time runs forward.

        e^t = D^t e^{t-1} + F^t (x) z^t,   grad W = sum_t l^t e^t,   l^t = dL/do^t O^t

    The trace e [B, J, S, G, N] of a weight is as large as the weight times B S; dL/do^t = (l^t F^t) W_x^T.
    """
    tapes = forward(net, params, inputs)
    signals = loss_gradient(tapes[-1].outputs, targets)
    B = signals.shape[1]
    traces = [{k: np.zeros((B, len(w[k]), c.S, *w[k].shape[1:])) for k in w} for c, w in zip(net, params, strict=True)]
    grads: Grads = [{k: np.zeros(v.shape) for k, v in w.items()} for w in params]
    for t, signal in enumerate(signals):
        for i in reversed(range(len(net))):
            cell, tape = net[i], tapes[i]
            _, O = law(cell).emit(cell, tape.states[t + 1])
            _, D, F = law(cell).dynamics(cell, tape.states[t], tape.drives[t])
            l = signal[:, None] * O
            for k, e in traces[i].items():
                now = np.einsum("bsgn,bj->bjsgn", F[:, :, cell.reads[k]], tape.lines[k][t])
                traces[i][k] = np.einsum("bsun,bjugn->bjsgn", D, e) + now
                grads[i][k] += np.einsum("bsn,bjsgn->jgn", l, traces[i][k])
            signal = project_back(np.einsum("bsn,bsgn->bgn", l, F)[:, cell.reads["x"]], params[i]["x"])
    return loss(tapes[-1].outputs, targets), grads
