"""Experiment 2.1: cosines of Jacobians by hand, against dense Jacobians of both kinds, and what is drawn of them."""

import math
from functools import partial
from typing import Any

import numpy as np
import pytest

from drtrl_bench.implementations.reference import cells as reference
from drtrl_bench.paper import experiment, jacobian
from drtrl_bench.paper.measures import networks, settings

JOB: dict[str, Any] = {
    "cell": "lif_delta",
    "constants": {"tau": 10.0},
    "rec": 4.0,
    "ff": 3.0,
    "neurons": 5,
    "dataset": "bernoulli",
    "reading": {"features": 12, "rate": 0.3},
    "steps": 9,
    "samples": 2,
    "seed": 1,
    "framework": "jax",
}
LAYERS = {"lif_delta": 1, "lif_expcu": 2, "lif_std": 3, "lif_stp": 4, "alif_delta": 2, "alif_expcu": 3, "alif_std": 4,
          "alif_stp": 5}  # fmt: skip
"""States of a neuron."""


def of(cell: str, framework: str = "jax") -> dict[str, Any]:
    _, _, constants = settings.setting(settings.JACOBIAN, cell, "shd")
    strong = {"rec": 40.0, "ff": 300.0} if "delta" not in cell else {}
    return JOB | {"cell": cell, "constants": constants, "framework": framework} | strong


def measured(job: dict[str, Any]) -> dict[str, np.ndarray]:
    pytest.importorskip(job["framework"])
    if job["framework"] == "jax":
        from drtrl_bench.paper.measures import jacobians_jax as jacobians
    else:
        from drtrl_bench.paper.measures import jacobians_torch as jacobians
    return jacobians.measures(job, networks.draw(job))


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b))


def by_reference(job: dict[str, Any]) -> dict[str, np.ndarray]:
    """J and D of every step [T, B, S N, S N], laid out from the NumPy reference's equations and dual numbers."""
    cell, layer = networks.layer_cell(job), networks.draw(job)
    N, S = job["neurons"], cell.S
    W, steps = layer.weights["r"][:, 0], []
    s = np.broadcast_to(cell.rest(N), (job["samples"], S, N))
    for x in layer.inputs:
        y = (x @ layer.weights["x"][:, 0] + reference.emit(cell, s) @ W)[:, None]
        D, F = reference.jacobians(cell, s, y)
        R = reference.output_jacobian(cell, s)
        own = np.einsum("bsun,nm->bsnum", D, np.eye(N))
        steps.append((own, own + np.einsum("bsn,mn,bum->bsnum", F[:, :, 0], W, R)))
        s = reference.dynamics(cell, s, y)
    size = (len(steps), job["samples"], S * N, S * N)
    return {name: np.array([step[i] for step in steps]).reshape(size) for i, name in enumerate("DJ")}


@pytest.mark.parametrize("cell", list(LAYERS))
def test_measures_are_those_of_dense_jacobians_of_the_reference(cell: str, framework: str) -> None:
    job = of(cell, framework)
    found, dense = measured(job), by_reference(job)
    assert dense["J"].shape[-1] == LAYERS[cell] * 5
    assert found["rate"].max() > 0.1
    for b in range(2):
        for t in range(9):
            J, D = dense["J"][t, b], dense["D"][t, b]
            assert found["single"][t, b] == pytest.approx(cosine(J, D), abs=1e-10)
            assert found["error"][t, b] == pytest.approx(np.linalg.norm(J - D) / np.linalg.norm(J), abs=1e-10)
        J, D = (np.linalg.multi_dot(dense[name][::-1, b]) for name in "JD")
        assert found["all"][b] == pytest.approx(cosine(J, D), abs=1e-10)
        assert found["log_J"][b] == pytest.approx(math.log10(np.linalg.norm(J)), abs=1e-10)
        assert found["log_D"][b] == pytest.approx(math.log10(np.linalg.norm(D)), abs=1e-10)
        W = networks.draw(job).weights["r"][:, 0]
        largest = np.abs(np.linalg.eigvals(dense["J"][4, b] - dense["D"][4, b])).max()
        assert jacobian.radius(found["F"][b], found["R"][b], W) == pytest.approx(largest, abs=1e-7)
    assert found["error"].max() > 0.05  # the recurrent paths are there
    assert found["all"].min() < 0.999


@pytest.mark.parametrize("cell", ["lif_delta", "alif_stp"])
def test_dense_jacobians_are_those_of_automatic_differentiation(cell: str) -> None:
    """Of a step written down here, all of it and with the currents held fixed."""
    jax = pytest.importorskip("jax")
    from drtrl_bench.implementations.cells import cells_jax

    job = of(cell)
    made, layer, dense = networks.layer_cell(job, cells_jax), networks.draw(job), by_reference(job)
    W, size = layer.weights["r"][:, 0], (made.S, 5)
    s = made.rest(5)
    for t, x in enumerate(layer.inputs[:, 0]):
        u = x @ layer.weights["x"][:, 0]

        def step(flat: Any, held: Any = None, u: Any = u) -> Any:
            states = flat.reshape(size)
            y = u + (made.emit(states) if held is None else held) @ W
            return made.dynamics(states, y[None]).reshape(-1)

        J = jax.jacrev(step)(s.reshape(-1))
        D = jax.jacrev(partial(step, held=made.emit(s)))(s.reshape(-1))
        np.testing.assert_allclose(J, dense["J"][t, 0], atol=1e-12)
        np.testing.assert_allclose(D, dense["D"][t, 0], atol=1e-12)
        s = np.asarray(step(s.reshape(-1))).reshape(size)


def test_cosines_of_matrices_by_hand(framework: str) -> None:
    """D = diag(1, 2) and a weight of 3 from neuron 0 to 1: J = ((1, 0), (3, 2)), and twice ((1, 0), (9, 4))."""
    pytest.importorskip(framework)
    if framework == "jax":
        import jax.numpy as jnp

        from drtrl_bench.paper.measures import jacobians_jax as jacobians

        array: Any = jnp.asarray
    else:
        import torch

        from drtrl_bench.paper.measures import jacobians_torch as jacobians

        array = torch.tensor
    D, ones = [[[[[1.0, 2.0]]]]] * 2, [[[[1.0, 1.0]]]] * 2  # [T, B, S, S, N] and [T, B, S, N]
    given = (array(D), array(ones), array(ones), array([[0.0, 3.0], [0.0, 0.0]]))
    single, error = jacobians.one_step(*given)
    assert [float(each) for each in single[:, 0]] == pytest.approx([5 / math.sqrt(5 * 14)] * 2)
    assert [float(each) for each in error[:, 0]] == pytest.approx([3 / math.sqrt(14)] * 2)
    every, log_J, log_D = jacobians.all_steps(*given)
    assert float(every[0]) == pytest.approx(17 / math.sqrt(17 * 98))
    assert float(log_J[0]) == pytest.approx(math.log10(98) / 2)
    assert float(log_D[0]) == pytest.approx(math.log10(17) / 2)


def test_steps_of_a_sample_corrected_and_as_published() -> None:
    nan = float("nan")
    found = {"single": [0.5, nan, 1.0, 0.0], "error": [0.2, 0.4, 0.6, 0.8], "all": 0.7, "log_J": -20.0, "log_D": -3.0}
    row = jacobian.per_sample(found | {"rate": 0.05})
    assert (row["single"], row["undefined"], row["published"]) == (0.5, 1, 0.375)
    assert row["published_square"] == pytest.approx(1.25 / 4)
    assert row["error"] == pytest.approx(0.5)
    assert (row["all"], row["all_published"]) == (0.7, 0.0)  # 10^-40 is no normal number of float32
    assert row["rate"] == 50
    assert jacobian.per_sample(found | {"rate": 0, "log_J": -18.0})["all_published"] == 0.7
    silent = jacobian.per_sample({"single": [nan], "error": [nan], "all": nan, "log_J": -np.inf, "log_D": 0, "rate": 0})
    assert (silent["single"], silent["undefined"], silent["all"], silent["log_J"]) == (None, 1, None, None)


def test_settings_are_those_of_the_published_tables() -> None:
    """A few entries, looked up in the published code."""
    assert settings.setting(settings.JACOBIAN, "alif_stp", "shd") == (
        6, 40, {"tau_syn": 5, "tau_f": 10, "tau_d": 100, "tau_a": 100, "tau": 5}
    )  # fmt: skip
    assert settings.setting(settings.JACOBIAN, "lif_delta", "nmnist") == (2, 15, {"tau": 10})
    assert settings.setting(settings.SETTING_1, "lif_std", "nmnist") == (
        40, 100, {"tau_syn": 10, "tau": 10, "tau_std": 200}
    )  # fmt: skip
    assert settings.setting(settings.SETTING_1, "alif_delta", "dvs_gesture")[:2] == (0.5, 0.5)


def test_weights_have_the_variance_of_their_kind() -> None:
    layer = networks.draw(JOB | {"neurons": 400, "rec": 4.0, "ff": 3.0, "steps": 1})
    assert layer.weights["x"].std() == pytest.approx(math.sqrt(3 / 12), rel=0.03)
    assert layer.weights["r"].std() == pytest.approx(math.sqrt(4 / 400), rel=0.01)
    assert np.abs(layer.weights["r"]).max() < 2.3 * math.sqrt(4 / 400)  # cut at two deviations
    assert not layer.weights["b"].any()
    assert layer.density == pytest.approx(np.count_nonzero(layer.inputs) / layer.inputs.size)


def test_jobs_of_the_sizes() -> None:
    for name in experiment.SIZES:
        jobs = jacobian.jobs(jacobian.SIZES[name])
        assert len({str(sorted(job.items())) for job in jobs}) == len(jobs)
        assert {job["seed"] for job in jobs} == {0, 1, 2, 3, 4}
        models = {(job["cell"], job["dataset"]) for job in jobs if job["study"] == "models"}
        assert len(models) == 24
    swept = [job for job in jacobian.jobs(jacobian.SIZES["cpu"]) if job["study"] == "sweeps" and job["seed"] == 0]
    ours = [job for job in swept if job["cell"] == "lif_expcu"]
    assert sorted((job["neurons"], job["ff"], job["rec"]) for job in ours) == [
        (10, 20, 4), (50, 20, 4), (100, 2, 4), (100, 20, 0.4), (100, 20, 4), (100, 20, 40), (100, 200, 4)
    ]  # fmt: skip
