"""The loss, a gradient through two layers and its signs and masks, worked out by hand for every code alike."""

from importlib import import_module
from math import exp, log, tanh
from typing import Any

import numpy as np
import pytest
from conftest import prepare
from support.by_hand import CODES, arrays, weights
from support.problems import Problem, gradient

from drtrl_bench.implementations.algorithms.approximate.filtering import smoothing
from drtrl_bench.implementations.cells import spec as cells
from drtrl_bench.implementations.reference import algorithms as reference

RANDOM = (0.16935449620806858, -0.8024674014982749)
"""The fixed weights of random feedback from two classes to one neuron of the lowest layer."""


def loss_and_error(code: str, logits: Any, targets: Any) -> tuple[float, Any]:
    """The loss and its derivative by the logits."""
    if code == "reference":
        return reference.loss(logits, targets), reference.loss_gradient(logits, targets)
    prepare(code)
    network = import_module(f"drtrl_bench.implementations.engine.network_{code}")
    logits_and_targets = arrays(code, logits, targets)
    if code == "torch":
        loss, error = network.loss_and_error(*logits_and_targets)
    else:
        loss, error = import_module("jax").value_and_grad(network.readout_loss)(*logits_and_targets)
    return float(loss), np.asarray(error)


@pytest.mark.parametrize("code", CODES)
def test_loss(code: str) -> None:
    """-log p of the target: summed over the steps, over all samples' number, and nothing where it is negative.

    Three steps, two samples, three classes; five losses of six, each shared among both samples.
    """
    p = np.array([
        [[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]],
        [[0.2, 0.2, 0.6], [0.3, 0.3, 0.4]],
        [[0.8, 0.1, 0.1], [0.05, 0.9, 0.05]],
    ])  # fmt: skip
    logits, targets = np.log(p) + np.array([[[3.0], [-2.0]]]), np.array([[0, 2], [-1, 1], [1, 0]])
    loss, error = loss_and_error(code, logits, targets)
    assert loss == pytest.approx(-log(0.5 * 0.7 * 0.3 * 0.1 * 0.05) / 2, rel=1e-13)
    expected = np.array([
        [[-0.25, 0.125, 0.125], [0.05, 0.1, -0.15]],
        [[0, 0, 0], [0.15, -0.35, 0.2]],
        [[0.4, -0.45, 0.05], [-0.475, 0.45, 0.025]],
    ])  # fmt: skip
    np.testing.assert_allclose(error, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("code", CODES)
def test_no_target_is_no_loss(code: str) -> None:
    loss, error = loss_and_error(code, np.array([[[1.0, 2.0]]]), np.array([[-1]]))
    assert loss == 0
    assert not error.any()


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("rule", ["bptt", "rtrl", "snap1", "drtrl", "no_trace", "random_feedback"])
def test_gradient(code: str, rule: str) -> None:
    """A leaky neuron with a weight on itself, and two classes, over two steps with a target at the second one.

    h1 = (1 - a) tanh(u), h2 = a h1 + (1 - a) tanh(u), with a = 3/4 and u = w x + v h + b. The recurrent weight acts
    by its absolute value. D-RTRL is without the path h1 -> v -> h2, which SnAp-1 has; no trace, no path from h1 at all.
    """
    a, w, v, b, out = 0.75, 0.8, -0.6, 0.1, (1.5, -0.5)
    x1, x2 = 1.0, -0.4
    t1 = tanh(w * x1 + b)
    h1 = (1 - a) * t1
    t2 = tanh(w * x2 + abs(v) * h1 + b)
    h2 = a * h1 + (1 - a) * t2
    p0 = 1 / (1 + exp((out[1] - out[0]) * h2))  # of class 0; the target is class 1
    error = (p0, -p0)
    back = RANDOM if rule == "random_feedback" else out
    by_h2 = error[0] * back[0] + error[1] * back[1]
    by_u2 = by_h2 * (1 - a) * (1 - t2**2)
    by_h1 = by_h2 * (0 if rule == "no_trace" else a)
    if rule in ("bptt", "rtrl", "snap1"):
        by_h1 += by_u2 * abs(v)
    by_u1 = by_h1 * (1 - a) * (1 - t1**2)
    expected = [
        {"x": by_u1 * x1 + by_u2 * x2, "r": -by_u2 * h1, "b": by_u1 + by_u2},
        {"x": np.array([[error[0] * h2, error[1] * h2]]), "b": np.array([error])},
    ]
    cell = cells.LeakyRNN(tau=-1 / log(a), signed=True)
    params = [weights(w, v, b), {"x": np.array([[out]]), "b": np.zeros((1, 1, 2))}]
    p = Problem((cell, cells.LinearReadout()), params, np.array([[[x1]], [[x2]]]), np.array([[-1], [1]]))
    if code == "reference":
        loss, grads = getattr(reference, rule)(*p)
    else:
        prepare(code)
        loss, grads = gradient(code, rule, p, 2)
    assert loss == pytest.approx(-log(1 - p0), rel=1e-13)
    for result, right in zip(grads, expected, strict=True):
        for kind, value in right.items():
            np.testing.assert_allclose(np.squeeze(result[kind]), np.squeeze(value), rtol=1e-11, err_msg=kind)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("correction", ["corrected", "as_published", "none"])
@pytest.mark.parametrize(("decay_x", "keeps"), [(0, 0.8), (0.3, 0.3), (1, 0.0)])
def test_filters(code: str, correction: str, decay_x: float, keeps: float) -> None:
    """ES-D-RTRL of a leaky neuron, three steps: ex = 0.8 ex + x, ef = 0.8 a ef + 0.2 F, over c; the bias has ex = 1.

    With a decay of its own, ex keeps another share of itself.

    The linear readout remembers nothing: its gradient is the exact one, the sum of h^t (p^t - target), whatever c is.
    """
    a, decay, w, b, out = 0.75, 0.8, 0.8, 0.1, (1.5, -0.5)
    h, ex, ef, x_grad, b_grad = 0.0, 0.0, 0.0, 0.0, 0.0
    out_grad, out_bias = np.zeros(2), np.zeros(2)
    for t, x in enumerate((1.0, -0.4, 0.7)):
        slope = tanh(w * x + b)
        h = a * h + (1 - a) * slope
        ex = keeps * ex + x
        ef = decay * a * ef + (1 - decay) * (1 - a) * (1 - slope**2)
        c = {"corrected": 1 - 0.8 ** (t + 1), "as_published": 1 - 0.2 ** (t + 1), "none": 1.0}[correction]
        p0 = 1 / (1 + exp((out[1] - out[0]) * h))
        by_h = p0 * (out[0] - out[1])
        x_grad, b_grad = x_grad + ex * by_h * ef / c, b_grad + by_h * ef / c
        out_grad, out_bias = out_grad + h * p0 * np.array([1, -1]), out_bias + p0 * np.array([1, -1])
    params = [weights(w, 0.0, b), {"x": np.array([[out]]), "b": np.zeros((1, 1, 2))}]
    net = (cells.LeakyRNN(tau=-1 / log(a)), cells.LinearReadout())
    p = Problem(net, params, np.array([[[1.0]], [[-0.4]], [[0.7]]]), np.ones((3, 1), int))
    options = {"decay": decay, "decay_x": decay_x, "bias_correction": correction}
    if code == "reference":
        _, grads = reference.es_drtrl(*p, **options)
    else:
        prepare(code)
        _, grads = gradient(code, "es_drtrl", p, 2, options=options)
    assert grads[0]["x"].item() == pytest.approx(x_grad, rel=1e-11)
    assert grads[0]["b"].item() == pytest.approx(b_grad, rel=1e-11)
    assert grads[1]["x"].ravel() == pytest.approx(out_grad, rel=1e-11)
    assert grads[1]["b"].ravel() == pytest.approx(out_bias, rel=1e-11)
    assert min(abs(out_grad)) > 0.05


def test_ranks() -> None:
    """The paper's: 4 is 0.6, 10 is 0.818, 40 is 0.951; below 1 a decay is itself."""
    result = [smoothing(rank, "none") for rank in (1, 4, 10, 40, 0.98)]
    assert result == pytest.approx([0, 0.6, 9 / 11, 39 / 41, 0.98], rel=1e-15)
