"""Fidelity of gradients that are no multiple of the reference: what it says of each weight and of all, by hand."""

from math import sqrt

import numpy as np
import pytest

from drtrl_bench.measure import fidelity

REFERENCE = [{"x": np.array([[[3.0, 4.0]]]), "r": np.array([[[30.0, 0.0]]])}, {"x": np.array([[[0.0, -2.0]]])}]
TURNED = [{"x": np.array([[[3.0, -4.0]]]), "r": np.array([[[18.0, 24.0]]])}, {"x": np.array([[[1.0, -4.0]]])}]


def test_each_weight() -> None:
    """(3, 4) and (3, -4): 9 - 16 of 25. (30, 0) turned to (18, 24): 0.6. (0, -2) and (1, -4): 8 of 2 sqrt(17)."""
    found = fidelity.compare(TURNED, REFERENCE)["per_parameter"]
    assert found["layer0.x"] == pytest.approx(
        {"cosine": -7 / 25, "error": 8 / 5, "norm_ratio": 1, "sign_agreement": 1 / 2}, rel=1e-12
    )
    assert found["layer0.r"] == pytest.approx(
        {"cosine": 0.6, "error": sqrt(12**2 + 24**2) / 30, "norm_ratio": 1, "sign_agreement": 1}, rel=1e-12
    )
    assert found["readout.x"] == pytest.approx(
        {"cosine": 8 / (2 * sqrt(17)), "error": sqrt(5) / 2, "norm_ratio": sqrt(17) / 2, "sign_agreement": 1}, rel=1e-12
    )
    assert list(found) == ["layer0.x", "layer0.r", "readout.x"]


def test_all_of_them_are_one_vector() -> None:
    """Not the mean over weights: products, squares and signs are summed first. 3 of 4 signs agree, and one has none."""
    dot, size, found_size = -7 + 540 + 8, 25 + 900 + 4, 25 + 900 + 17
    expected = {
        "cosine": dot / sqrt(size * found_size),
        "error": sqrt((64 + 720 + 5) / size),
        "norm_ratio": sqrt(found_size / size),
        "sign_agreement": 3 / 4,
    }
    assert fidelity.compare(TURNED, REFERENCE)["overall"] == pytest.approx(expected, rel=1e-12)
    assert fidelity.compare(REFERENCE, TURNED)["overall"]["norm_ratio"] == pytest.approx(sqrt(size / found_size))


def test_worst_error_is_the_largest_of_any_weight() -> None:
    assert fidelity.worst_error(TURNED, REFERENCE) == ("layer0.x", pytest.approx(8 / 5, rel=1e-12))
    assert fidelity.worst_error(REFERENCE, REFERENCE)[1] == 0


def test_activity() -> None:
    """Two steps, two samples, three neurons: 5 spikes of 12; one neuron of three never fires."""
    spikes = np.array([[[1, 0, 1], [1, 0, 0]], [[0, 0, 1], [1, 0, 0]]], bool)
    assert fidelity.activity([spikes]) == {"firing_rate": [5 / 12], "silent": [1 / 3]}
