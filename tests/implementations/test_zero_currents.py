"""The E/I neuron where nothing spikes: its currents are exactly 0, and |I| then has the derivative 0 everywhere."""

from importlib import import_module
from typing import Any

import numpy as np

from drtrl_bench.implementations.cells import spec
from drtrl_bench.implementations.reference import cells as reference


def test_a_current_of_exactly_0_changes_nothing(framework: str) -> None:
    cells = import_module(f"drtrl_bench.implementations.cells.cells_{framework}")
    s = np.random.default_rng(0).random((2, 6, 3))
    y = np.array([[0.0, 0.5, -0.5], [0.0, 0.0, 0.2], [-0.1, 0.0, 0.0]])[None].repeat(2, 0)
    by_y = np.zeros((2, 6, 3, 3))
    if framework == "jax":
        jax: Any = import_module("jax")
        with jax.enable_x64(True):
            for g in range(3):
                one = np.zeros_like(y)
                one[:, g] = 1
                by_y[:, :, g] = jax.jvp(lambda y: cells.EIGIF().dynamics(jax.numpy.asarray(s), y), (y,), (one,))[1]
    else:
        torch: Any = import_module("torch")
        leaf = torch.tensor(y, requires_grad=True)
        after = cells.EIGIF().dynamics(torch.tensor(s), leaf)
        for state in range(6):  # no neuron depends on another's current
            (found,) = torch.autograd.grad(after[:, state].sum(), leaf, retain_graph=True)
            by_y[:, state] = found.numpy()
    np.testing.assert_allclose(by_y, reference.jacobians(spec.EIGIF(), s, y)[1], atol=1e-9)
    at_0 = np.broadcast_to((y == 0)[:, None], by_y.shape)
    assert (by_y[at_0] == 0).all()
    assert (by_y[:, 4, :2][~at_0[:, 4, :2]] != 0).all()
