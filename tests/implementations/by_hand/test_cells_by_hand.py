"""Every cell worked out by hand: the published equations in plain numbers, against NumPy, JAX and PyTorch alike.

None of the three is compared with another, so an error that all of them share is noticed. One or two neurons, a few
steps, decays that are simple fractions, potentials in units of their own; the numbers at the end of a test are what
the steps written out in it come to. Sources: those named in implementations/cells/spec.py.
"""

from cmath import exp as cexp
from math import exp, log, sqrt, tanh
from typing import Any

import numpy as np
import pytest
from support.by_hand import CODES, Played, played, weights

from drtrl_bench.implementations.cells import spec as cells

pytestmark = pytest.mark.parametrize("code", CODES)

STRONG = (1.5, -0.5, 3.0, 2.0, -1.0, -0.5, 2.0, 0.2)
"""Inputs at which the spiking neurons below spike, twice in a row among others."""
CURRENTS = (3.0, -3.0, 1.5, -3.0, 1.5, 3.0, 0.5, -1.5)
"""The same through a synapse, with rests between."""
W_X, W_R, B = 0.8, 0.5, 0.1
"""One neuron's input weight, its weight on itself, and its bias."""


def lasting(share: float) -> float:
    """The time constant of which this share is left after a step."""
    return -1 / log(share)


def sig(v: float) -> float:
    return 1 / (1 + exp(-v))


def assert_played(result: Played, states: Any, outputs: Any, last: Any) -> None:
    """States and outputs of one neuron are those worked out; `last` is what its last states come to."""
    np.testing.assert_allclose(result.states[..., 0], states, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(result.outputs[..., 0], outputs, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(result.states[-1, :, 0], last, rtol=1e-9)


# --- rate cells ----------------------------------------------------------------------------------------------------

GATES: dict[str, Any] = {"x": (0.5, -1.0, 0.3, 0.8), "r": (0.2, 0.7, -0.4, 0.1), "b": (0.1, 0.2, -0.3, 0.4)}
"""Weights of one gate after the other."""
GENTLE = (1.0, -0.5, 2.0)


def drives(x: float, h: float, *gates: tuple[int | None, int | None, int]) -> list[float]:
    """w_x x + w_r h + b of each gate, given which of `GATES` its weights are; None where it reads one of them not."""
    w_x, w_r, b = GATES["x"], GATES["r"], GATES["b"]
    return [(0 if i is None else w_x[i] * x) + (0 if j is None else w_r[j] * h) + b[k] for i, j, k in gates]


def test_tanh_rnn(code: str) -> None:
    h, states = 0.0, []
    for x in GENTLE:
        h = tanh(0.5 * x + 0.2 * h + 0.1)
        states.append([h])
    result = played(code, cells.TanhRNN(), weights(0.5, 0.2, 0.1), GENTLE)
    assert_played(result, states, np.ravel(states), [0.7974202815])


@pytest.mark.parametrize("trained", [False, True])
def test_leaky_rnn(code: str, trained: bool) -> None:
    """h' = a h + (1 - a) tanh(I), a = 3/4 of it left."""
    h, states = 0.0, []
    for x in GENTLE:
        h = 0.75 * h + 0.25 * tanh(0.5 * x + 0.2 * h + 0.1)
        states.append([h])
    cell = cells.LeakyRNN(trainable=("tau",)) if trained else cells.LeakyRNN(tau=lasting(0.75))
    w = weights(0.5, 0.2, 0.1, log(lasting(0.75)) if trained else None)
    assert_played(played(code, cell, w, GENTLE), states, np.ravel(states), [0.2539175354])


def test_gru(code: str) -> None:
    """Cho et al. 2014, the reset gate after the matrix product; the bias of I_nr stands inside the reset."""
    h, states = 0.0, []
    for x in GENTLE:
        I_nx, I_r, I_z, I_nr = drives(x, h, (0, None, 0), (1, 0, 1), (2, 1, 2), (None, 2, 3))
        n = tanh(I_nx + sig(I_r) * I_nr)
        h = (1 - sig(I_z)) * n + sig(I_z) * h
        states.append([h])
    w = weights(GATES["x"][:3], GATES["r"][:3], GATES["b"])
    assert_played(played(code, cells.GRU(), w, GENTLE), states, np.ravel(states), [0.421068999])


def test_lstm(code: str) -> None:
    """Hochreiter & Schmidhuber 1997 with a forget gate, to whose drive 1 is added."""
    h, c, states = 0.0, 0.0, []
    for x in GENTLE:
        i, g, f, o = drives(x, h, (0, 0, 0), (1, 1, 1), (2, 2, 2), (3, 3, 3))
        c = sig(f + 1) * c + sig(i) * tanh(g)
        h = sig(o) * tanh(c)
        states.append([h, c])
    result = played(code, cells.LSTM(), weights(**GATES), GENTLE)
    assert_played(result, states, [h for h, _ in states], [-0.5730854738, -0.7769683083])


def test_mgu(code: str) -> None:
    """Zhou et al. 2016: the one gate lets the new value in, and the old one into the new."""
    h, states = 0.0, []
    for x in GENTLE:
        I_nx, I_f, I_nr = drives(x, h, (0, None, 0), (1, 0, 1), (None, 1, 2))
        f = sig(I_f)
        h = (1 - f) * h + f * tanh(I_nx + f * I_nr)
        states.append([h])
    w = weights(GATES["x"][:2], GATES["r"][:2], GATES["b"][:3])
    assert_played(played(code, cells.MGU(), w, GENTLE), states, np.ravel(states), [-0.01206622356])


def test_lru(code: str) -> None:
    """Orvieto et al. 2023, in complex numbers: h' = lambda h + sqrt(1 - |lambda|^2) I; the output is its real part."""
    h, states = 0j, []
    rate, frequency = 0.4, 0.9
    turn = cexp(complex(-rate, frequency))
    for x in GENTLE:
        I_re, I_im = drives(x, 0, (0, None, 0), (1, None, 1))
        h = turn * h + sqrt(1 - abs(turn) ** 2) * complex(I_re, I_im)
        states.append([h.real, h.imag])
    w = weights(GATES["x"][:2], None, GATES["b"][:2], (log(rate), log(frequency)))
    assert_played(played(code, cells.LRU(), w, GENTLE), states, [re for re, _ in states], [0.7114629943, -0.9222992315])


@pytest.mark.parametrize("trained", [False, True])
def test_leaky_readout(code: str, trained: bool) -> None:
    """rho' = kappa rho + I, the input not scaled by 1 - kappa: 2, then 2/4 - 1, then -1/8 + 4."""
    cell = cells.LeakyReadout(trainable=("tau",)) if trained else cells.LeakyReadout(tau=lasting(0.25))
    result = played(code, cell, weights(2.0, p=log(lasting(0.25)) if trained else None), GENTLE)
    assert_played(result, [[2.0], [-0.5], [3.875]], [2.0, -0.5, 3.875], [3.875])


def test_linear_readout(code: str) -> None:
    result = played(code, cells.LinearReadout(), weights(2.0, b=0.5), GENTLE)
    assert_played(result, [[2.5], [-0.5], [4.5]], [2.5, -0.5, 4.5], [4.5])


# --- leaky integrate-and-fire --------------------------------------------------------------------------------------


def test_a_spike_is_at_the_threshold(code: str) -> None:
    """V = 1 exactly spikes, and loses 1 at the start of the next step; half of it is left, a jump comes after."""
    cell = cells.LIF(tau=lasting(0.5))
    result = played(code, cell, weights(1.0, 0.0, 0.0), (1.0, 0.5, 0.25, 1.0, 0.0))
    V = [1.0, 0.5 * (1 - 1) + 0.5, 0.5 * 0.5 + 0.25, 0.5 * 0.5 + 1.0, 0.5 * 0.25 + 0.0]
    assert_played(result, np.transpose([V]), [1, 0, 0, 1, 0], [0.125])


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("reset", ["soft", "hard", "multiply"])
def test_lif_delta(code: str, reset: str, trained: bool) -> None:
    k, theta, V, states, fired = 0.5, 0.8, 0.0, [], []
    for x in STRONG:
        s = float(theta <= V)
        I = W_X * x + W_R * s + B
        V = k * (V - (theta if reset == "soft" else V) * s) + I
        states.append([V / theta])
        fired.append(float(theta <= V))
    if trained:
        cell = cells.LIF(reset=reset, trainable=("threshold", "tau"))
        w = weights(W_X, W_R, B, (log(theta), log(lasting(k))))
    else:
        cell, w = cells.LIF(reset=reset, threshold=theta, tau=lasting(k)), weights(W_X, W_R, B)
    last = 1.603320312 if reset == "soft" else 0.95
    assert_played(played(code, cell, w, STRONG), states, fired, [last])


def test_lif_expcu(code: str) -> None:
    """The current is the synapse's updated g; V takes 1 - k of it."""
    k, k_syn, theta, V, g, states, fired = 0.5, 0.75, 0.8, 0.0, 0.0, [], []
    for x in CURRENTS:
        s = float(theta <= V)
        g = k_syn * g + W_X * x + W_R * s + B
        V = k * (V - theta * s) + (1 - k) * g
        states.append([V / theta, g])
        fired.append(float(theta <= V))
    cell = cells.LIF(states=("V", "g"), tau=lasting(k), tau_syn=lasting(k_syn), threshold=theta)
    assert_played(played(code, cell, weights(W_X, W_R, B), CURRENTS), states, fired, [1.934024811, 1.857000732])


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("synapse", [False, True])
def test_alif(code: str, synapse: bool, trained: bool) -> None:
    """The threshold is theta + beta a, and a grows by 1 a spike before it decays; a reset takes theta alone."""
    k, k_a, k_syn, theta, beta = 0.5, 0.9, 0.75, 0.8, 0.3
    V, a, g, states, fired = 0.0, 0.0, 0.0, [], []
    inputs = CURRENTS if synapse else STRONG
    for x in inputs:
        s = float(theta + beta * a <= V)
        I = W_X * x + W_R * s + B
        g = k_syn * g + I
        V = k * (V - theta * s) + ((1 - k) * g if synapse else I)
        a = k_a * (a + s)
        states.append([V / theta, beta * a / theta, *([g] if synapse else [])])
        fired.append(float(theta + beta * a <= V))
    options: dict[str, Any] = {"states": ("V", "a", "g") if synapse else ("V", "a")}
    constants: dict[str, Any] = {
        "beta": beta,
        "tau_syn": lasting(k_syn),
        "tau": lasting(k),
        "threshold": theta,
        "tau_a": lasting(k_a),
    }
    if trained:
        cell = cells.LIF(**options, trainable=tuple(constants))
        w = weights(W_X, W_R, B, [log(value) for value in constants.values()])
    else:
        cell, w = cells.LIF(**options, **constants), weights(W_X, W_R, B)
    last = [1.707706451, 0.8206113375, 1.698797607] if synapse else [1.572070312, 0.9843325875]
    assert_played(played(code, cell, w, inputs), states, fired, last)


@pytest.mark.parametrize("release", ["after", "before"])
@pytest.mark.parametrize("adapting", [False, True])
def test_short_term_depression(code: str, adapting: bool, release: str) -> None:
    """A spike takes U of the x that was there before the step's recovery."""
    k, k_a, k_syn, k_x, theta, beta, U = 0.5, 0.9, 0.75, 0.6, 0.8, 0.3, 0.25
    V, a, x, g, states, fired = 0.0, 0.0, 1.0, 0.0, [], []
    for drive in CURRENTS:
        s = float(theta + (beta * a if adapting else 0) <= V)
        recovered = 1 + (x - 1) * k_x
        x = recovered - U * s * x
        emitted = s * x if release == "after" else s * s * recovered
        g = k_syn * g + W_X * drive + W_R * emitted + B
        V = k * (V - theta * s) + (1 - k) * g
        a = k_a * (a + s)
        states.append([V / theta, *([beta * a / theta] if adapting else []), x, g])
        fired.append(float(theta + (beta * a if adapting else 0) <= V))
    cell = cells.LIF(
        states=("V", "a", "x", "g") if adapting else ("V", "x", "g"),
        release=release,
        tau=lasting(k),
        tau_a=lasting(k_a),
        tau_syn=lasting(k_syn),
        tau_std=lasting(k_x),
        tau_d=1.0,
        threshold=theta,
        beta=beta,
        U=U,
    )
    last = {
        ("after", False): [1.459639143, 0.658531, 1.407813293],
        ("after", True): [1.459639143, 0.8206113375, 0.658531, 1.407813293],
        ("before", False): [1.831298658, 0.64915975, 1.731825451],
        ("before", True): [1.651111451, 0.8206113375, 0.658531, 1.613105607],
    }[release, adapting]
    assert_played(played(code, cell, weights(W_X, W_R, B), CURRENTS), states, fired, last)


@pytest.mark.parametrize("release", ["after", "before"])
@pytest.mark.parametrize("adapting", [False, True])
def test_short_term_plasticity(code: str, adapting: bool, release: str) -> None:
    """A spike raises u, the share that it takes; with the raised u it takes of the x before the step's recovery."""
    k, k_a, k_syn, k_u, k_x, theta, beta, U = 0.5, 0.9, 0.75, 0.7, 0.6, 0.8, 0.3, 0.25
    V, a, u, x, g, states, fired = 0.0, 0.0, U, 1.0, 0.0, [], []
    for drive in CURRENTS:
        s = float(theta + (beta * a if adapting else 0) <= V)
        u = k_u * u + s * U * (1 - u)
        recovered = 1 + (x - 1) * k_x
        x = recovered - s * u * x
        emitted = s * u * x if release == "after" else s * s * u * recovered
        g = k_syn * g + W_X * drive + W_R * emitted + B
        V = k * (V - theta * s) + (1 - k) * g
        a = k_a * (a + s)
        states.append([V / theta, *([beta * a / theta] if adapting else []), u, x, g])
        fired.append(float(theta + (beta * a if adapting else 0) <= V))
    cell = cells.LIF(
        states=("V", "a", "u", "x", "g") if adapting else ("V", "u", "x", "g"),
        release=release,
        tau=lasting(k),
        tau_a=lasting(k_a),
        tau_syn=lasting(k_syn),
        tau_f=lasting(k_u),
        tau_d=lasting(k_x),
        tau_std=1.0,
        threshold=theta,
        beta=beta,
        U=U,
    )
    last = {
        ("after", False): [1.026028958, 0.3784839072, 0.5553008263, 0.9345968662],
        ("after", True): [1.026028958, 0.8206113375, 0.3784839072, 0.5553008263, 0.9345968662],
        ("before", False): [1.104878583, 0.3784839072, 0.5553008263, 1.023697595],
        ("before", True): [1.104878583, 0.8206113375, 0.3784839072, 0.5553008263, 1.023697595],
    }[release, adapting]
    assert_played(played(code, cell, weights(W_X, W_R, B), CURRENTS), states, fired, last)


# --- generalised integrate-and-fire ---------------------------------------------------------------------------------


def standardised(u: list[float]) -> list[float]:
    """Of two neurons."""
    mean = (u[0] + u[1]) / 2
    variance = ((u[0] - mean) ** 2 + (u[1] - mean) ** 2) / 2
    return [(each - mean) / sqrt(variance + 1e-5) for each in u]


@pytest.mark.parametrize("trained", [False, True])
def test_gif(code: str, trained: bool) -> None:
    """Two neurons: a spike takes 1 from V and A from the slow current, whose new value then drives V."""
    k, k_slow, k_syn, A = 0.5, 0.9, 0.75, 0.6
    w_x, w_r, b = (0.9, 1.4), ((0.3, -0.2), (0.5, 0.1)), (0.1, -0.2)
    V, J, g = [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]
    states, outputs, spikes = [], [], [0.0, 0.0]
    for x in STRONG:
        s = [float(v >= 1) for v in V]
        for n in (0, 1):
            J[n] = k_slow * (J[n] - A * s[n])
            g[n] = k_syn * g[n] + w_x[n] * x + w_r[0][n] * s[0] + w_r[1][n] * s[1] + b[n]
            V[n] = k * (V[n] - s[n]) + (1 - k) * (g[n] + J[n])
        states.append([[*V], [*J], [*g]])
        outputs.append(standardised(V))
        spikes = [total + each for total, each in zip(spikes, s, strict=True)]
    assert spikes == [5, 4]
    constants: dict[str, Any] = {"tau_slow": lasting(k_slow), "tau_syn": lasting(k_syn), "tau": lasting(k)}
    w = weights(np.reshape(w_x, (1, 1, 2)), np.reshape(w_r, (2, 1, 2)), np.reshape(b, (1, 1, 2)))
    if trained:
        cell = cells.GIF(A=A, trainable=tuple(constants))
        w["p"] = np.tile(np.log(list(constants.values()))[None, :, None], 2)
    else:
        cell = cells.GIF(A=A, **constants)
    result = played(code, cell, w, STRONG)
    np.testing.assert_allclose(result.states, states, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(result.outputs, outputs, rtol=1e-12, atol=1e-14)
    last = [[1.592474858, 0.3268301436], [-2.211354, -1.725354], [4.633134155, 2.333985596]]
    np.testing.assert_allclose(result.states[-1], last, rtol=1e-9)


@pytest.mark.parametrize("trained", [False, True])
def test_ei_gif(code: str, trained: bool) -> None:
    """Two neurons, the first excitatory and the second inhibitory, by conductances that their spikes raise."""
    tau, k_fast, k_slow, k_syn, tau_h = 4.0, 0.8, 0.9, 0.7, 5.0
    A_fast, A_slow, A_h, E_E, E_I = 0.2, 0.6, 0.4, 5.0, -10.0
    w_x, b = (0.9, -0.4), ((0.1, -0.2), (0.05, 0.03), (0.02, -0.01))
    from_E, from_I = (0.3, -0.7), (-0.5, 0.4)
    V = [0.2616121342493164, 0.2984911434141233]  # uniform in [0, 1), the same in every sample
    J1, J2, h, gE, gI = [0.0, 0.0], [0.0, 0.0], [1.0, 1.0], [0.0, 0.0], [0.0, 0.0]
    states, outputs, spikes = [], [], [0.0, 0.0]
    for x in STRONG:
        s = [float((V[n] - h[n]) / h[n] >= 0) for n in (0, 1)]
        for n in (0, 1):
            V[n] -= h[n] * s[n]
            J1[n] = k_fast * (J1[n] + A_fast * s[n])
            J2[n] = k_slow * (J2[n] - A_slow * s[n])
            raised = h[n] + A_h * s[n]
            h[n] = raised - (raised - 1) / tau_h
            gE[n] = k_syn * gE[n] + abs(w_x[n] * x + b[0][n]) + abs(from_E[n] * s[0] + b[1][n])
            gI[n] = k_syn * gI[n] + abs(from_I[n] * s[1] + b[2][n])
            total = 1 + gE[n] + gI[n]
            rest = (gE[n] * E_E + gI[n] * E_I + J1[n] + J2[n]) / total
            V[n] = rest + exp(-total / tau) * (V[n] - rest)
            spikes[n] += s[n]
        states.append([[*V], [*J1], [*J2], [*h], [*gE], [*gI]])
        outputs.append(standardised([(V[n] - h[n]) / h[n] for n in (0, 1)]))
    assert min(spikes) >= 2
    constants: dict[str, Any] = {"tau_syn": lasting(k_syn), "tau": tau, "tau_slow": lasting(k_slow)}
    # What is 9 belongs to connections that do not exist: from inhibitory to I_E, from excitatory to I_I.
    r = [[from_E, (9, 9)], [(9, 9), from_I]]
    w = weights(np.reshape(w_x, (1, 1, 2)), np.array(r), np.array(b)[None])
    options: dict[str, Any] = {
        "density": 1.0, "excitatory": 0.5, "tau_fast": lasting(k_fast), "tau_h": tau_h,
        "A_fast": A_fast, "A_slow": A_slow, "A_h": A_h, "E_E": E_E, "E_I": E_I,
    }  # fmt: skip
    if trained:
        cell = cells.EIGIF(**options, trainable=tuple(constants))
        w["p"] = np.tile(np.log(list(constants.values()))[None, :, None], 2)
    else:
        cell = cells.EIGIF(**options, **constants)
    result = played(code, cell, w, STRONG)
    np.testing.assert_allclose(result.states, states, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(result.outputs, outputs, rtol=1e-12, atol=1e-14)
    last = [1.33300107, 0.45179904, -2.01233214, 1.90359808, 3.95756025, 0.912788006]
    np.testing.assert_allclose(result.states[-1, :, 0], last, rtol=1e-9)


# --- event-based GRU ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("traced", [False, True])
def test_egru(code: str, traced: bool) -> None:
    """Subramoney et al. 2023 as the experiments have it: z keeps h, an event takes the threshold from it.

    The recurrence sees h; the layer above sees the event c, or its trace.
    """
    inputs, theta = (2.0, -0.5, 1.5, 3.0, -2.0), 0.15
    h, o, states, events = 0.0, 0.0, [], 0
    for x in inputs:
        I_nx, I_r, I_z, I_nr = drives(x, h, (0, None, 0), (1, 0, 1), (2, 1, 2), (None, 2, 3))
        c = sig(I_z) * h + (1 - sig(I_z)) * tanh(I_nx + sig(I_r) * I_nr)
        e = float(c >= theta)
        h, y = c - theta * e, c * e
        o = 0.9 * o + 0.1 * y
        states.append([h, y, o])
        events += e
    assert events == 3
    w = weights(GATES["x"][:3], GATES["r"][:3], GATES["b"], log(theta))
    result = played(code, cells.EGRU(traced=traced), w, inputs)
    assert_played(result, states, [s[2 if traced else 1] for s in states], [-0.2767293575, 0.0, 0.09563889296])
