"""The derivatives of spiking cells worked out by hand: where a gradient flows, and where it is cut on purpose.

D by the states, D_f by the input currents, R of the recurrent output, each of one neuron whose surrogate derivative is
0.6 on either side of the threshold; against NumPy, JAX and PyTorch alike. Finite differences say nothing here: a spike
jumps.
"""

from importlib import import_module
from math import exp, log, tanh
from typing import Any

import numpy as np
import pytest
from conftest import prepare
from support.by_hand import CODES, jacobian, slopes
from support.problems import in_framework

from drtrl_bench.implementations.cells import spec as cells
from drtrl_bench.implementations.reference import cells as reference_cells

pytestmark = pytest.mark.parametrize("code", CODES)

PSI: dict[str, Any] = {"alpha": 0.8, "width": 1.0}
"""0.8 (1 - |v|), so 0.6 at a quarter above or below the threshold."""


def lasting(share: float) -> float:
    """The time constant of which this share is left after a step."""
    return -1 / log(share)


def assert_slopes(result: Any, **expected: Any) -> None:
    for name, value in expected.items():
        np.testing.assert_allclose(getattr(result, name), value, rtol=1e-12, atol=1e-15, err_msg=name)


@pytest.mark.parametrize(
    ("reset", "detached", "V", "D"),
    [
        ("soft", False, 1.25, 0.5 * (1 - 0.6)),
        ("soft", False, 0.75, 0.5 * (1 - 0.6)),
        ("hard", False, 1.25, 0.5 * (1 - 1.25 * 0.6)),
        ("hard", False, 0.75, 0.5 * (1 - 0.75 * 0.6)),
        ("multiply", False, 1.25, 0.5 * (0 - 1.25 * 0.6)),
        ("multiply", False, 0.75, 0.5 * (1 - 0.75 * 0.6)),
        ("soft", True, 1.25, 0.5),
        ("soft", True, 0.75, 0.5),
        ("hard", True, 1.25, 0.5),
        ("hard", True, 0.75, 0.5),
        ("multiply", True, 1.25, 0.0),
        ("multiply", True, 0.75, 0.5),
    ],
)
def test_lif(code: str, reset: str, detached: bool, V: float, D: float) -> None:
    """V' = (V - s) / 2 + I / 0.8. A hard reset takes V s, of which only s has a slope; to multiply is (1 - s) V, whose
    factors both have one; detached, the s of either has none.
    """
    cell = cells.LIF(reset=reset, detach_reset=detached, tau=lasting(0.5), threshold=0.8, **PSI)
    assert_slopes(slopes(code, cell, [V], [0.3]), D=[[D]], F=[[1.25]], R=[0.6], O=[0.6])


def test_lif_by_its_constants(code: str) -> None:
    """By the logarithms of tau and the threshold: dk / dlog tau = k / tau, d(I / theta) / dlog theta = -I / theta."""
    cell = cells.LIF(trainable=("tau", "threshold"), **PSI)
    result = slopes(code, cell, [1.25], [0.3, log(lasting(0.5)), log(0.8)])
    assert_slopes(result, D=[[0.2]], F=[[1.25, 0.5 * log(2) * (1.25 - 1), -0.3 / 0.8]])


def test_alif(code: str) -> None:
    """V' = (V - s) / 2 + g' / 1.6, a' = 0.9 (a + 0.375 s), g' = 3/4 g + I, and s falls as a grows."""
    cell = cells.LIF(
        states=("V", "a", "g"), tau=lasting(0.5), tau_a=lasting(0.9), tau_syn=lasting(0.75), beta=0.3, threshold=0.8,
        **PSI,
    )  # fmt: skip
    D = [[0.5 * 0.4, 0.5 * 0.6, 0.75 / 1.6], [0.9 * 0.375 * 0.6, 0.9 * (1 - 0.375 * 0.6), 0], [0, 0, 0.75]]
    result = slopes(code, cell, [1.5, 0.25, 0.4], [0.3])
    assert_slopes(result, D=D, F=[[1 / 1.6], [0], [1]], R=[0.6, -0.6, 0], O=[0.6, -0.6, 0])


def test_a_detached_reset_of_an_adaptive_neuron(code: str) -> None:
    """Only the reset's spike loses its slope: the one that raises a, and the one that is emitted, keep it."""
    cell = cells.LIF(
        states=("V", "a"), detach_reset=True, tau=lasting(0.5), tau_a=lasting(0.9), beta=0.3, threshold=0.8, **PSI
    )
    D = [[0.5, 0], [0.9 * 0.375 * 0.6, 0.9 * (1 - 0.375 * 0.6)]]
    assert_slopes(slopes(code, cell, [1.5, 0.25], [0.3]), D=D, F=[[1.25], [0]], R=[0.6, -0.6], O=[0.6, -0.6])


def test_alif_by_its_constants(code: str) -> None:
    """In another order than the cell's own: by log beta, log threshold and log tau_a."""
    cell = cells.LIF(states=("V", "a"), tau=lasting(0.5), trainable=("beta", "threshold", "tau_a"), **PSI)
    result = slopes(code, cell, [1.5, 0.25], [0.3, log(0.3), log(0.8), log(lasting(0.9))])
    F = [[1.25, 0, -0.3 / 0.8, 0], [0, 0.9 * 0.375, -0.9 * 0.375, -0.9 * log(0.9) * (0.25 + 0.375)]]
    assert_slopes(result, F=F)


@pytest.mark.parametrize(
    ("release", "V", "R"),
    [
        ("after", 1.25, [0.6 * 0.645 - 0.105, 0.35, 0]),  # s x', x' = 0.82 - 0.25 * 0.7
        ("before", 1.25, [2 * 0.6 * 0.82, 0.6, 0]),  # s^2 times the recovered 0.82
        ("after", 0.75, [0.6 * 0.82, 0, 0]),
        ("before", 0.75, [0, 0, 0]),
    ],
)
def test_depression(code: str, release: str, V: float, R: list[float]) -> None:
    """x' = 1 + 0.6 (x - 1) - s x / 4 at x = 0.7."""
    cell = cells.LIF(states=("V", "x", "g"), tau_std=lasting(0.6), U=0.25, release=release, **PSI)
    result = slopes(code, cell, [V, 0.7, 0.4], [0.3])
    s = float(V > 1)
    assert_slopes(result, R=R, O=[0.6, 0, 0])
    np.testing.assert_allclose(result.D[1], [-0.25 * 0.7 * 0.6, 0.6 - 0.25 * s, 0], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("release", "R"),
    [
        # s u' x' with u' = 0.43 and x' = 0.519, whose slopes are the rows of D
        ("after", [0.6 * 0.43 * 0.519 + 0.09 * 0.519 - 0.43 * 0.2436, 0.45 * 0.519 - 0.43 * 0.315, 0.43 * 0.17, 0]),
        ("before", [2 * 0.6 * 0.43 * 0.82 + 0.09 * 0.82, 0.45 * 0.82, 0.43 * 0.6, 0]),
    ],
)
def test_plasticity(code: str, release: str, R: list[float]) -> None:
    """u' = 0.7 u + s (1 - u) / 4, x' = 1 + 0.6 (x - 1) - s u' x, at a spike with u = 0.4 and x = 0.7."""
    cell = cells.LIF(
        states=("V", "u", "x", "g"), tau_f=lasting(0.7), tau_d=lasting(0.6), U=0.25, release=release, **PSI
    )
    result = slopes(code, cell, [1.25, 0.4, 0.7, 0.4], [0.3])
    u = [0.25 * 0.6 * 0.6, 0.7 - 0.25, 0, 0]
    x = [-(0.6 * 0.43 + 0.09) * 0.7, -0.7 * 0.45, 0.6 - 0.43, 0]
    assert_slopes(result, R=R, O=[0.6, 0, 0, 0])
    np.testing.assert_allclose(result.D[1:3], [u, x], rtol=1e-12, atol=1e-15)


def test_gif(code: str) -> None:
    """A spike has no slope in its own neuron; what it sends has one. V' = (V - s + g' + J') / 2."""
    cell = cells.GIF(tau=lasting(0.5), tau_slow=lasting(0.9), tau_syn=lasting(0.75), **PSI)
    D = [[0.5, 0.45, 0.375], [0, 0.9, 0], [0, 0, 0.75]]
    assert_slopes(slopes(code, cell, [1.25, -0.2, 0.4], [0.3]), D=D, F=[[0.5], [0], [1]], R=[0.6, 0, 0])


def test_ei_gif(code: str) -> None:
    """As the GIF; and what is sent, though it depends on the moving threshold, has no slope by it."""
    tau, tau_h, k_syn, k_fast, k_slow = 4.0, 5.0, 0.75, 0.8, 0.9
    cell = cells.EIGIF(
        tau=tau, tau_h=tau_h, tau_syn=lasting(k_syn), tau_fast=lasting(k_fast), tau_slow=lasting(k_slow), **PSI
    )
    V, J1, J2, h, gE, gI = 1.5, 0.2, -0.3, 1.2, 0.4, 0.6  # (V - h) / h is a quarter: a spike
    J1_new, J2_new = k_fast * (J1 + 0.01), k_slow * (J2 - 1)
    gE_new, gI_new = k_syn * gE + 0.5 + 0.25, k_syn * gI + 0.1
    total = 1 + gE_new + gI_new
    k, rest = exp(-total / tau), (5 * gE_new - 10 * gI_new + J1_new + J2_new) / total
    by_gE, by_gI = (-k / tau * (V - h - rest) + (1 - k) * (E - rest) / total for E in (5.0, -10.0))
    D = np.diag([k, k_fast, k_slow, 1 - 1 / tau_h, k_syn, k_syn])
    D[0, 1:] = [k_fast * (1 - k) / total, k_slow * (1 - k) / total, -k, k_syn * by_gE, k_syn * by_gI]
    F = np.zeros((6, 3))
    F[0], F[4], F[5] = [by_gE, -by_gE, by_gI], [1, -1, 0], [0, 0, 1]
    result = slopes(code, cell, [V, J1, J2, h, gE, gI], [0.5, -0.25, 0.1])
    assert_slopes(result, D=D, F=F, R=[0.6 / 1.2, 0, 0, 0, 0, 0])


@pytest.mark.parametrize("kind", ["gif", "ei_gif"])
def test_standardised_output(code: str, kind: str) -> None:
    """Two neurons at 1 and 4, or a third and a half above thresholds of 0.75 and 2: o = (u - mean) / sd."""
    cell: Any = {"gif": cells.GIF(), "ei_gif": cells.EIGIF()}[kind]
    s = np.zeros((cell.S, 2))
    s[0], slope = [1.0, 4.0], np.ones(2)
    if kind == "ei_gif":
        s[0], s[3] = [1.0, 3.0], [0.75, 2.0]
        slope = 1 / s[3]
    u = s[0] - 1 if kind == "gif" else (s[0] - s[3]) / s[3]
    # Of two neurons, half their distance d from each other is the deviation: o = +-d / sqrt(d^2 + 1e-5).
    d = (u[1] - u[0]) / 2
    by_d = 1e-5 / (d**2 + 1e-5) ** 1.5
    expected = np.zeros((2, cell.S, 2))
    expected[:, 0] = np.array([[0.5, -0.5], [-0.5, 0.5]]) * by_d * slope
    if code == "reference":
        result = np.stack([reference_cells.pull_output(cell, s, signal) for signal in np.eye(2)])
    else:
        prepare(code)
        (result,) = jacobian(code, in_framework((cell,), code)[0].output, s)
    np.testing.assert_allclose(result, expected, rtol=1e-8, atol=1e-15)


def test_egru(code: str) -> None:
    """psi = 0.7 (1 - 1.7 |c - theta|); h' = c - e theta, y' = e c, o' = 0.9 o + 0.1 y', theta by its logarithm."""
    cell, theta, h, z = cells.EGRU(), 0.3, 0.5, 0.5
    n = tanh(0.2 + 0.5 * 0.4)
    c = z * h + (1 - z) * n
    psi = 0.7 * (1 - 1.7 * (c - theta))
    of_h, of_y = 1 - psi * theta, psi * c + 1  # by c, which is above theta
    D = [[z * of_h, 0, 0], [z * of_y, 0, 0], [0.1 * z * of_y, 0, 0.9]]
    by_n = (1 - z) * (1 - n**2)
    c_by = np.array([by_n, by_n * 0.4 * 0.25, 0.25 * (h - n), by_n * 0.5])
    F = np.zeros((3, 5))
    F[:, :4] = np.outer([of_h, of_y, 0.1 * of_y], c_by)
    F[:, 4] = np.array([theta * psi * theta - theta, -theta * psi * c, -0.1 * theta * psi * c])
    result = slopes(code, cell, [h, 0.2, 0.1], [0.2, 0.0, 0.0, 0.4, log(theta)])
    assert_slopes(result, D=D, F=F, R=[1, 0, 0], O=[0, 1, 0])
    assert_slopes(slopes(code, cells.EGRU(traced=True), [h, 0.2, 0.1], [0.2, 0.0, 0.0, 0.4, log(theta)]), O=[0, 0, 1])


@pytest.mark.parametrize("where", [-0.75, -0.25, 0.0, 0.25, 0.75])
def test_smooth_spike(code: str, where: float) -> None:
    """The area under 0.8 max(1/2 - |v|, 0) up to v: triangles of base and height 1/4, 1/2 and 1/4 before the end."""
    cell = cells.LIF(alpha=0.8, width=0.5, smooth=True)
    expected = {-0.75: 0.0, -0.25: 0.8 / 32, 0.0: 0.8 / 8, 0.25: 0.8 / 4 - 0.8 / 32, 0.75: 0.8 / 4}[where]
    if code == "reference":
        result = reference_cells.spike(cell, np.array([where]))
    else:
        prepare(code)
        array = import_module({"jax": "jax.numpy", "torch": "torch"}[code]).asarray
        result = import_module(f"drtrl_bench.implementations.cells.cells_{code}").spike(cell, array(np.array([where])))
    np.testing.assert_allclose(np.asarray(result), [expected], rtol=1e-12, atol=1e-15)
