"""Every surrogate derivative at potentials where it can be worked out by hand, against NumPy, JAX and PyTorch alike."""

from importlib import import_module
from math import log, pi, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from conftest import prepare
from support.by_hand import CODES, jacobian

from drtrl_bench.implementations.cells import spec as cells
from drtrl_bench.implementations.cells.cell import SURROGATES
from drtrl_bench.implementations.reference import cells as reference_cells
from drtrl_bench.implementations.reference.dual import Dual

THIRD, NINTH = log(3) / 4, log(9) / 4
"""Where sigma(4 v) is 3/4 and 9/10."""

PSI: dict[str, dict[float, float]] = {
    # 0.3 max(1 - |v|, 0)
    "relu": {-1.5: 0, -1.0: 0, -0.75: 0.075, -0.2: 0.24, 0.0: 0.3, 0.5: 0.15, 0.9: 0.03, 1.0: 0, 2.0: 0},
    # 4 sigma(4 v) (1 - sigma(4 v))
    "sigmoid": {-NINTH: 0.36, -THIRD: 0.75, 0.0: 1.0, THIRD: 0.75, NINTH: 0.36},
    # half the bell of deviation 1/2: its height is 0.39894, and it falls by exp(-1/2) at 1/2, by exp(-2) at 1
    "gaussian": {
        -1.0: 0.05399096651318806,
        -0.5: 0.24197072451914337,
        0.0: 0.3989422804014327,
        0.5: 0.24197072451914337,
        1.0: 0.05399096651318806,
    },
    # (1.15 bell(0, 1/2) - 0.15 bell(1/2, 3) - 0.15 bell(-1/2, 3)) / 2; negative away from the threshold
    "multi_gaussian": {
        -1.5: -0.012324155, -0.5: 0.258858195, 0.0: 0.439111637, 0.5: 0.258858195, 1.5: -0.012324155,
        3.0: -0.012097757,
    },
    # the sigmoid's below the threshold, 1 / (v + 1) from there on
    "s2nn": {-NINTH: 0.36, -THIRD: 0.75, 0.0: 1.0, 0.25: 0.8, 1.0: 0.5, 3.0: 0.25},
    "boxcar": {-0.75: 0, -0.5000001: 0, -0.5: 1, 0.0: 1, 0.5: 1, 0.5000001: 0, 0.75: 0},
    # 1 / (1 + (pi v)^2): where pi v is 0, 1, the root of 3, 3
    "atan": {-3 / pi: 0.1, -1 / pi: 0.5, 0.0: 1.0, 1 / pi: 0.5, sqrt(3) / pi: 0.25},
    # 1 / (1 + 25 |v|)^2: where 25 v is 0, 1, 3, 9
    "fast_sigmoid": {-0.36: 0.01, -0.04: 0.25, 0.0: 1.0, 0.04: 0.25, 0.12: 0.0625},
    # 1 / (1 + 100 |v|)^2
    "superspike": {-0.09: 0.01, -0.01: 0.25, 0.0: 1.0, 0.01: 0.25, 0.03: 0.0625},
}  # fmt: skip


def psi(code: str, cell: cells.Spiking, v: list[float]) -> np.ndarray:
    """The slope of the spike, as every gradient takes it."""
    at = np.array(v)
    if code == "reference":
        dual = reference_cells.spike(cell, Dual(at, np.ones((1, len(v)))))
        return dual.by[0]
    prepare(code)
    spike = import_module(f"drtrl_bench.implementations.cells.cells_{code}").spike
    return np.diag(jacobian(code, lambda v: spike(cell, v), at)[0])


def test_they_are_these() -> None:
    assert tuple(PSI) == SURROGATES
    assert cells.LIF().surrogate == cells.EGRU().surrogate == "relu"


@pytest.mark.parametrize("surrogate", PSI)
@pytest.mark.parametrize("code", CODES)
def test_psi(code: str, surrogate: str) -> None:
    result = psi(code, cells.LIF(surrogate=surrogate), list(PSI[surrogate]))
    np.testing.assert_allclose(result, list(PSI[surrogate].values()), rtol=2e-8, atol=1e-12)


@pytest.mark.parametrize("code", CODES)
def test_bells_of_the_standard_library(code: str) -> None:
    at = [-3.2, -0.7, 0.0, 0.1, 0.6, 4.5]
    narrow, right, left = (NormalDist(mean, deviation).pdf for mean, deviation in ((0, 0.5), (0.5, 3), (-0.5, 3)))
    one = [0.5 * narrow(v) for v in at]
    three = [0.5 * (1.15 * narrow(v) - 0.15 * right(v) - 0.15 * left(v)) for v in at]
    for surrogate, expected in (("gaussian", one), ("multi_gaussian", three)):
        np.testing.assert_allclose(psi(code, cells.LIF(surrogate=surrogate), at), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"alpha": 0.6}, [0.15, 0.48, 0.6, 0.3, 0]),
        ({"width": 0.5}, [0, 0.09, 0.15, 0, 0]),
        ({"alpha": 2.0, "width": 1.5}, [1.5, 2.6, 3.0, 2.0, 0.6]),
    ],
)
@pytest.mark.parametrize("code", CODES)
def test_alpha_and_width(code: str, options: dict[str, Any], expected: list[float]) -> None:
    """alpha max(width - |v|, 0): of this surrogate alone."""
    at = [-0.75, -0.2, 0.0, 0.5, 1.2]
    np.testing.assert_allclose(psi(code, cells.LIF(**options), at), expected, rtol=1e-12, atol=1e-15)
    plain, changed = (psi(code, cells.LIF(surrogate="sigmoid", **o), at) for o in ({}, options))
    np.testing.assert_array_equal(plain, changed)


@pytest.mark.parametrize("code", CODES)
def test_event_of_the_gated_cell(code: str) -> None:
    """0.7 max(1 - 1.7 |v|, 0), as its authors write it."""
    at = [-0.6, -0.5, -0.1, 0.0, 0.2, 1 / 1.7]
    np.testing.assert_allclose(psi(code, cells.EGRU(), at), [0, 0.105, 0.581, 0.7, 0.462, 0], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("surrogate", PSI)
@pytest.mark.parametrize("code", CODES)
def test_a_spike_is_0_or_1(code: str, surrogate: str) -> None:
    """Whatever its slope: at the threshold it is 1, just below it 0."""
    cell, at = cells.LIF(surrogate=surrogate), np.array([-1.0, -1e-300, 0.0, 1e-300, 1.0])
    if code == "reference":
        result = reference_cells.spike(cell, at)
    else:
        prepare(code)
        array = import_module({"jax": "jax.numpy", "torch": "torch"}[code]).asarray
        result = import_module(f"drtrl_bench.implementations.cells.cells_{code}").spike(cell, array(at))
    np.testing.assert_array_equal(np.asarray(result), [0, 0, 1, 1, 1])
