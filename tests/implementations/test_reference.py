"""The reference against itself, against finite differences and against other people's code."""

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from math import atan, exp, pi
from typing import Any

import numpy as np
import pytest
from support.problems import CELLS, READOUTS, ZOO, Grads, Problem, cosine, errors, in_framework, needs, network, problem

from drtrl_bench.implementations.cells import spec as cells
from drtrl_bench.implementations.cells.cell import SURROGATES, Network
from drtrl_bench.implementations.reference import algorithms as reference
from drtrl_bench.implementations.reference import cells as reference_cells

NETWORKS = [
    (cell, layers, readout) for cell in [*CELLS, "mixed"] for layers in (1, 3) for readout in ("leaky", "linear")
]


@pytest.mark.parametrize("case", NETWORKS, ids=str)
def test_forward_and_backward_in_time_agree(case: tuple[str, int, str]) -> None:
    p = problem(network(*case))
    exact, diagonal = reference.bptt(*p), reference.drtrl(*p)
    assert max(errors(reference.rtrl(*p)[1], exact[1]).values()) < 1e-12
    assert max(errors(reference.drtrl_by_cutting(*p)[1], diagonal[1]).values()) < 1e-12
    assert exact[0] == diagonal[0] == reference.drtrl_by_cutting(*p)[0]
    assert cosine(diagonal[1], exact[1]) < 0.9999


SMOOTH: dict[str, Network] = {
    "leaky_rnn": network("leaky_rnn", 2, "leaky"),
    "gru": network("gru", 2, "linear"),
    "lif_soft": network("lif_soft", 2, "leaky", smooth=True),
    "alif": network("alif", 2, "linear", smooth=True),
    "trained": (replace(ZOO["alif_delta"], smooth=True), replace(ZOO["leaky_rnn"]), READOUTS["trained"]),
    "lif_stp": network("lif_stp", 2, "trained", smooth=True),
    "lif_masked": network("lif_masked", 2, "leaky", smooth=True, surrogate="relu"),
    "lif_multiply": network("lif_multiply", 2, "leaky", smooth=True, surrogate="relu"),
    "lstm": network("lstm", 1, "linear"),
    "mgu": network("mgu", 1, "linear"),
    "lru": network("lru", 2, "linear"),
    "egru": network("egru", 1, "leaky", smooth=True),
    "egru_traced": network("egru_traced", 1, "leaky", smooth=True),
}


@pytest.mark.parametrize("cell", SMOOTH)
def test_bptt_is_the_slope_of_the_loss(cell: str) -> None:
    """Central differences by every weight. A hard reset has none: its gradient leaves out a path on purpose."""
    p = problem(SMOOTH[cell], T=6)
    slopes = finite_differences(p, step=1e-5)
    assert max(errors(reference.bptt(*p)[1], slopes).values()) < 1e-6


def finite_differences(p: Problem, step: float) -> Grads:
    def total(layer: int, kind: str, where: tuple[int, ...], by: float) -> float:
        params = [dict(w) for w in p.params]
        params[layer][kind] = params[layer][kind].copy()
        params[layer][kind][where] += by
        return reference.loss(reference.forward(p.net, params, p.inputs)[-1].outputs, p.targets)

    slopes: Grads = [{k: np.zeros_like(v) for k, v in w.items()} for w in p.params]
    for layer, w in enumerate(slopes):
        for kind, slope in w.items():
            for where in np.ndindex(slope.shape):
                slope[where] = (total(layer, kind, where, step) - total(layer, kind, where, -step)) / (2 * step)
    return slopes


def test_a_target_of_minus_one_has_no_loss() -> None:
    logits = np.log([[[0.25, 0.75], [0.5, 0.5]], [[0.1, 0.9], [0.2, 0.8]]])  # two steps, two samples
    assert reference.loss(logits, np.array([[0, -1], [1, 1]])) == pytest.approx(-np.log(0.25 * 0.9 * 0.8) / 2)
    slope = reference.loss_gradient(logits, np.array([[0, -1], [1, 1]]))
    np.testing.assert_allclose(slope, [[[-0.375, 0.375], [0, 0]], [[0.05, -0.05], [0.1, -0.1]]], atol=1e-15)


def test_a_cell_without_a_law_is_named() -> None:
    with pytest.raises(KeyError, match="no law for Cell"):
        reference_cells.law(cells.Cell())


@pytest.mark.parametrize(("reset", "after"), [("soft", 1.3 - 1), ("hard", 0.0)])
def test_lif_by_hand(reset: str, after: float) -> None:
    """One neuron, currents 1.3 then 0.2 then 0.2: a spike, its reset a step later, and decay."""
    cell = cells.LIF(tau=5.0, threshold=1.0, reset=reset)
    weights = {"x": np.ones((1, 1, 1)), "r": np.zeros((1, 1, 1)), "b": np.zeros((1, 1, 1))}
    (tape,) = reference.forward((cell,), [weights], np.array([1.3, 0.2, 0.2]).reshape(3, 1, 1))
    V = [0.0, 1.3, exp(-1 / 5) * after + 0.2]
    V.append(exp(-1 / 5) * V[2] + 0.2)
    np.testing.assert_allclose(tape.states.ravel(), V, rtol=1e-15)
    np.testing.assert_array_equal(tape.outputs.ravel(), [1, 0, 0])


def test_alif_by_hand() -> None:
    """One neuron from V = 1.5, beta a = 0.05, g = 1, which spikes at threshold 1 with beta 0.1, and drive 2."""
    cell = cells.LIF(states=("V", "a", "g"), tau=5.0, tau_a=100.0, tau_syn=10.0, beta=0.1)
    s = reference_cells.dynamics(cell, np.array([[1.5], [0.05], [1.0]]), np.array([[2.0]]))
    g = exp(-0.1) * 1 + 2
    np.testing.assert_allclose(s.ravel(), [exp(-0.2) * 0.5 + (1 - exp(-0.2)) * g, exp(-0.01) * 0.15, g], rtol=1e-15)


@pytest.mark.parametrize(("release", "emitted"), [("after", 0.9 - 0.2 * 0.8), ("before", 0.9)])
def test_depression_by_hand(release: str, emitted: float) -> None:
    """A spike with x = 0.8, which recovers half-way to 1 in a step and loses U x of it; emitted before or after."""
    cell = cells.LIF(states=("V", "x", "g"), tau_std=1 / np.log(2), U=0.2, release=release)
    s = np.array([[1.5], [0.8], [0.0]])
    assert reference_cells.emit(cell, s) == pytest.approx(emitted)
    assert reference_cells.dynamics(cell, s, np.array([[0.0]]))[1] == pytest.approx(0.9 - 0.2 * 0.8)


def test_a_threshold_is_a_unit() -> None:
    """Potentials in units of the threshold: the same spikes as with V, theta and beta a in units of their own."""
    rng, theta, beta = np.random.default_rng(2), 0.7, 0.3
    cell = cells.LIF(states=("V", "a"), threshold=theta, beta=beta, tau=4.0, tau_a=9.0)
    s, V, a = np.zeros((2, 50)), np.zeros(50), np.zeros(50)
    fired = 0.0
    for _ in range(40):
        drive = rng.standard_normal(50)
        spikes = np.where(V - theta - beta * a >= 0, 1.0, 0.0)
        V, a = exp(-1 / 4) * (V - theta * spikes) + drive, exp(-1 / 9) * (a + spikes)
        s = reference_cells.dynamics(cell, s, drive[None])
        np.testing.assert_array_equal(reference_cells.emit(cell, s), np.where(V - theta - beta * a >= 0, 1.0, 0.0))
        fired += spikes.mean()
    assert 2 < fired < 30


# --- the frameworks' cells -----------------------------------------------------------------------------------------


def value_and_slopes(framework: str, f: Callable[..., Any], *at: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """f and its full Jacobians by autodiff, float64."""
    if framework == "jax":
        import jax

        jacobians = jax.jacrev(f, argnums=tuple(range(len(at))))(*at)
        return np.asarray(f(*at)), [np.asarray(j) for j in jacobians]
    import torch

    arrays = tuple(torch.from_numpy(a) for a in at)
    jacobians = torch.autograd.functional.jacobian(f, arrays)
    return f(*arrays).numpy(), [j.numpy() for j in jacobians]


@pytest.mark.parametrize("surrogate", [*SURROGATES, "smooth"])
def test_surrogate(framework: str, surrogate: str) -> None:
    """Exactly 0 or 1 going forward, psi going backward; `smooth` is psi's primitive, by the trapezoid rule."""
    spike = import_module(f"drtrl_bench.implementations.cells.cells_{framework}").spike
    smooth = surrogate == "smooth"
    cell = cells.LIF(alpha=0.4, width=1.5, smooth=smooth, surrogate="relu" if smooth else surrogate)
    v = np.concatenate([np.linspace(-2, 2, 401), [-1e-300, -0.0]])
    value, (slope,) = value_and_slopes(framework, lambda v: spike(cell, v), v)
    psi = reference_cells.psi(cell, v)
    np.testing.assert_allclose(slope, np.diag(psi), atol=1e-14)
    np.testing.assert_allclose(value, reference_cells.spike(cell, v), rtol=1e-14, atol=1e-15)
    if surrogate in ("relu", "smooth"):
        np.testing.assert_allclose(psi, 0.4 * np.maximum(1.5 - np.abs(v), 0), atol=1e-15)
    if smooth:
        area = np.concatenate([[0], np.cumsum((psi[1:401] + psi[:400]) / 2 * 0.01)])
        np.testing.assert_allclose(value[:401], area, atol=2e-5)
    else:
        np.testing.assert_array_equal(value, v >= 0)


@pytest.mark.parametrize(
    ("surrogate", "area"),
    [
        *(("sigmoid", 1), ("gaussian", 0.5), ("multi_gaussian", (1.15 - 0.3) / 2), ("boxcar", 1)),
        *(("atan", atan(40 * pi) * 2 / pi), ("fast_sigmoid", 2 / 25 * 1000 / 1001), ("superspike", 0.02 * 4000 / 4001)),
    ],
)
def test_area_under_surrogate(surrogate: str, area: float) -> None:
    """From -40 to 40."""
    v = np.linspace(-40, 40, 800_001)
    assert reference_cells.psi(cells.LIF(surrogate=surrogate), v).sum() * 1e-4 == pytest.approx(area, rel=1e-3)


TWINS = (
    CELLS
    | ZOO
    | {
        "alif_hard": replace(CELLS["alif"], reset="hard"),
        "alif_smooth": replace(CELLS["alif"], smooth=True),
        "readout_leaky": cells.LeakyReadout(),
        "readout_trained": READOUTS["trained"],
        "readout_linear": cells.LinearReadout(),
    }
)


@pytest.mark.parametrize("cell", TWINS)
def test_equations_and_jacobians(framework: str, cell: str) -> None:
    """D, F, R and the output of the reference are what autodiff makes of the framework's equations."""
    spec = TWINS[cell]
    (twin,) = in_framework((spec,), framework)
    rng, N = np.random.default_rng(1), 40
    s, y = rng.standard_normal((spec.S, N)), rng.standard_normal((spec.G, N))
    if cell == "ei_gif":
        s[3:] = np.abs(s[3:]) + 0.2  # a threshold and conductances are above 0

    value, (D, F) = value_and_slopes(framework, twin.dynamics, s, y)
    by_s, by_y = reference_cells.jacobians(spec, s, y)
    np.testing.assert_allclose(reference_cells.dynamics(spec, s, y), value, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(D, spread_over_neurons(by_s), atol=1e-12)
    np.testing.assert_allclose(F, spread_over_neurons(by_y), atol=1e-12)

    if "r" in spec.reads:
        value, (by_s,) = value_and_slopes(framework, twin.emit, s)
        np.testing.assert_allclose(reference_cells.emit(spec, s), value, rtol=1e-13, atol=1e-15)
        R = reference_cells.output_jacobian(spec, s)
        np.testing.assert_allclose(by_s, spread_over_neurons(R[None])[0], atol=1e-13)
        assert np.abs(R).max() > 0.1
    value, (by_s,) = value_and_slopes(framework, twin.output, s)
    np.testing.assert_allclose(reference_cells.output(spec, s), value, rtol=1e-12, atol=1e-14)
    signal, ds = rng.standard_normal(N), rng.standard_normal((3, spec.S, N))
    np.testing.assert_allclose(
        reference_cells.pull_output(spec, s, signal), np.einsum("n,nsm->sm", signal, by_s), atol=1e-12
    )
    np.testing.assert_allclose(reference_cells.push_output(spec, s, ds), np.einsum("nsm,psm->pn", by_s, ds), atol=1e-12)


def spread_over_neurons(blocks: np.ndarray) -> np.ndarray:
    """[rows, columns, N] -> [rows, N, columns, N], 0 between different neurons."""
    return np.einsum("ijn,nm->injm", blocks, np.eye(blocks.shape[-1]))


@needs("torch")
@pytest.mark.xdist_group("torch")
def test_gru_is_torch_nn_gru() -> None:
    """Forward pass and gradient of the equations against PyTorch's own GRU."""
    import torch

    I, N, C = 3, 5, 4
    p = problem((CELLS["gru"], cells.LinearReadout()), I=I, N=N, C=C, T=9)
    w, w_out = p.params
    gru, out = torch.nn.GRU(I, N, dtype=torch.float64), torch.nn.Linear(N, C, dtype=torch.float64)
    zero = np.zeros((1, N))
    pack = {  # torch's gates are r, z, n; ours are I_nx, I_r, I_z, I_nr
        "weight_ih_l0": [w["x"][:, g] for g in (1, 2, 0)],
        "weight_hh_l0": [w["r"][:, g] for g in (0, 1, 2)],
        "bias_ih_l0": [w["b"][:, 1], w["b"][:, 2], w["b"][:, 0]],
        "bias_hh_l0": [zero, zero, w["b"][:, 3]],
    }
    with torch.no_grad():
        for name, gates in pack.items():
            value = torch.from_numpy(np.concatenate(gates, axis=1).T)
            getattr(gru, name).copy_(value[:, 0] if name.startswith("bias") else value)
        out.weight.copy_(torch.from_numpy(w_out["x"][:, 0].T))
        out.bias.copy_(torch.from_numpy(w_out["b"][0, 0]))

    h, _ = gru(torch.from_numpy(p.inputs))
    targets = torch.from_numpy(p.targets)
    loss = torch.nn.functional.cross_entropy(out(h).flatten(0, 1), targets.flatten(), ignore_index=-1, reduction="sum")
    loss = loss / targets.shape[1]
    loss.backward()

    np.testing.assert_allclose(reference.forward(*p[:3])[0].outputs, h.detach(), rtol=1e-12, atol=1e-13)
    ours_loss, (ours, ours_out) = reference.bptt(*p)
    assert ours_loss == pytest.approx(loss.item(), rel=1e-12)
    theirs: dict[str, Any] = {k: getattr(gru, k).grad.numpy() for k in pack}
    r_x, z_x, n_x = np.split(theirs["weight_ih_l0"].T, 3, axis=1)
    grads = [
        {
            "x": np.stack([n_x, r_x, z_x], axis=1),
            "r": np.stack(np.split(theirs["weight_hh_l0"].T, 3, axis=1), axis=1),
            "b": np.stack(
                [*np.split(theirs["bias_ih_l0"][None], 3, axis=1), theirs["bias_hh_l0"][None, 2 * N :]], axis=1
            )[:, [2, 0, 1, 3]],
        },
        {"x": np.asarray(out.weight.grad).T[:, None], "b": np.asarray(out.bias.grad)[None, None]},
    ]
    assert max(errors([ours, ours_out], grads).values()) < 1e-10


@needs("torch")
@pytest.mark.xdist_group("torch")
@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
def test_lstm_and_rnn_are_those_of_torch(kind: str) -> None:
    """Forward pass and gradient; torch's LSTM adds no 1 to the forget gate, so its bias has it."""
    import torch

    I, N, C = 3, 5, 4
    cell = {"LSTM": cells.LSTM(scale_x=2.0, scale_r=3.0), "RNN": cells.TanhRNN(scale_x=2.0, scale_r=2.0)}[kind]
    order = {"LSTM": [0, 2, 1, 3], "RNN": [0]}[kind]  # torch's gates are i, f, g, o; ours i, g, f, o
    p = problem((cell, cells.LinearReadout()), I=I, N=N, C=C, T=9)
    w, w_out = p.params
    theirs: Any = getattr(torch.nn, kind)(I, N, dtype=torch.float64)
    one = np.zeros((N, cell.G))
    one[:, 2:3] = 1.0
    values = {
        "weight_ih_l0": w["x"].transpose(1, 2, 0)[order].reshape(-1, I),
        "weight_hh_l0": w["r"].transpose(1, 2, 0)[order].reshape(-1, N),
        "bias_ih_l0": (w["b"][0] + one.T)[order].ravel(),
        "bias_hh_l0": np.zeros(cell.G * N),
    }
    with torch.no_grad():
        for name, value in values.items():
            getattr(theirs, name).copy_(torch.from_numpy(value))
    h, _ = theirs(torch.from_numpy(p.inputs))
    logits = h @ torch.from_numpy(w_out["x"][:, 0]) + torch.from_numpy(w_out["b"][0, 0])
    targets = torch.from_numpy(p.targets)
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1, reduction="sum")
    loss = loss / targets.shape[1]
    loss.backward()

    np.testing.assert_allclose(reference.forward(*p[:3])[0].outputs, h.detach(), rtol=1e-12, atol=1e-13)
    ours_loss, (ours, _) = reference.bptt(*p)
    assert ours_loss == pytest.approx(loss.item(), rel=1e-12)

    def ordered(name: str) -> np.ndarray:
        """A gradient [J, G, N] in our order of gates."""
        value = getattr(theirs, name).grad.numpy().reshape(cell.G, N, -1)[np.argsort(order)]
        return value.transpose(2, 0, 1)

    grads = [{"x": ordered("weight_ih_l0"), "r": ordered("weight_hh_l0"), "b": ordered("bias_ih_l0")}]
    assert max(errors([ours], grads).values()) < 1e-10
