"""Initial weights and states: widths, limits, masks and signs in numbers, over so many draws that 1 % is seen."""

from dataclasses import replace
from importlib import import_module
from math import erf, exp, log, pi, sqrt
from typing import Any

import numpy as np
import pytest
from conftest import prepare
from support.by_hand import CODES, arrays, weights
from support.problems import in_framework

from drtrl_bench.case import Case
from drtrl_bench.implementations.cells import spec as cells
from drtrl_bench.implementations.cells.cell import TRUNCATED_DEVIATION, network_masks
from drtrl_bench.implementations.reference import algorithms as reference
from drtrl_bench.measure import problem

I, N = 300, 400
ALL: dict[str, cells.Cell] = {
    "tanh_rnn": cells.TanhRNN(),
    "leaky_rnn": cells.LeakyRNN(),
    "gru": cells.GRU(),
    "lstm": cells.LSTM(),
    "mgu": cells.MGU(),
    "lru": cells.LRU(),
    "lif": cells.LIF(),
    "gif": cells.GIF(),
    "ei_gif": cells.EIGIF(),
    "egru": cells.EGRU(),
    "leaky": cells.LeakyReadout(),
    "linear": cells.LinearReadout(),
}
SHAPES: dict[str, dict[str, tuple[int, int, int]]] = {
    "tanh_rnn": {"x": (I, 1, N), "r": (N, 1, N), "b": (1, 1, N)},
    "leaky_rnn": {"x": (I, 1, N), "r": (N, 1, N), "b": (1, 1, N)},
    "gru": {"x": (I, 3, N), "r": (N, 3, N), "b": (1, 4, N)},
    "lstm": {"x": (I, 4, N), "r": (N, 4, N), "b": (1, 4, N)},
    "mgu": {"x": (I, 2, N), "r": (N, 2, N), "b": (1, 3, N)},
    "lru": {"x": (I, 2, N), "b": (1, 2, N), "p": (1, 2, N)},
    "lif": {"x": (I, 1, N), "r": (N, 1, N), "b": (1, 1, N)},
    "gif": {"x": (I, 1, N), "r": (N, 1, N), "b": (1, 1, N)},
    "ei_gif": {"x": (I, 1, N), "r": (N, 2, N), "b": (1, 3, N)},
    "egru": {"x": (I, 3, N), "r": (N, 3, N), "b": (1, 4, N), "p": (1, 1, N)},
    "leaky": {"x": (I, 1, N)},
    "linear": {"x": (I, 1, N), "b": (1, 1, N)},
}


def drawn(cell: cells.Cell, seed: int = 0) -> dict[str, np.ndarray]:
    return cell.initial_weights(np.random.default_rng(seed), I, N)


def assert_width(w: np.ndarray, variance: float) -> None:
    """Within six standard errors of both moments."""
    assert abs(w.mean()) < 6 * sqrt(variance / w.size)
    assert w.var() == pytest.approx(variance, rel=6 * sqrt(2 / w.size))


@pytest.mark.parametrize("initial", ["normal", "truncated"])
@pytest.mark.parametrize("name", ALL)
def test_variance_is_the_scale_over_the_lines(name: str, initial: str) -> None:
    """scale_x / I and scale_r / N (inhibitory ones four times that), biases 0, in gates of the same width."""
    w = drawn(replace(ALL[name], scale_x=5.0, scale_r=0.7, initial=initial))
    assert {k: v.shape for k, v in w.items()} == SHAPES[name]
    for gate in range(w["x"].shape[1]):
        assert_width(w["x"][:, gate], 5.0 / 300)
    for gate in range(w["r"].shape[1] if "r" in w else 0):
        assert_width(w["r"][:, gate], 0.7 / 400 * (4 if (name, gate) == ("ei_gif", 1) else 1))
    assert not w.get("b", np.zeros(1)).any()


def test_the_scales_of_a_case_are_those_of_its_hidden_layers() -> None:
    """Four times the variance is twice the weight, of both layers; the readout keeps its own, cut off or not."""
    plain = Case(dataset="bernoulli", cell="gru", neurons=40, layers=2, steps=2, batch=1)
    params = {
        name: problem.draw(replace(plain, **changes))[0]
        for name, changes in {
            "plain": {},
            "x": {"scale_x": 4.0},
            "r": {"scale_r": 4.0},
            "cut": {"initial": "truncated"},
        }.items()
    }
    *hidden, readout = range(3)
    for layer in hidden:
        for name, times in {"x": (2, 1), "r": (1, 2)}.items():
            for k, factor in zip("xr", times, strict=True):
                np.testing.assert_allclose(params[name][layer][k], factor * params["plain"][layer][k], rtol=1e-12)
    for name in "xr":
        np.testing.assert_array_equal(params[name][readout]["x"], params["plain"][readout]["x"])
    for layer, lines, scale in ((0, 64, 1), (1, 40, 1), (readout, 40, 2)):
        limit = 2 / 0.87962566 * sqrt(scale / lines) * (1 + 1e-7)
        assert np.abs(params["cut"][layer]["x"]).max() <= limit < np.abs(params["plain"][layer]["x"]).max()


def test_truncated_normal() -> None:
    """Cut at two deviations of the uncut one, which is wider by 1 / 0.8796 so that the variance stays."""
    within = erf(2 / sqrt(2))
    assert pytest.approx(sqrt(1 - 4 * exp(-2) / sqrt(2 * pi) / within), abs=5e-9) == 0.87962566
    assert pytest.approx(0.87962566, abs=5e-9) == TRUNCATED_DEVIATION
    w = drawn(cells.LIF(scale_x=3.0, scale_r=3.0, initial="truncated"))["r"] / sqrt(3 / 400)
    assert 0.999 * 2 / 0.87962566 < np.abs(w).max() <= 2 / 0.87962566 * (1 + 1e-12)
    assert (np.abs(w) < 1 / 0.87962566).mean() == pytest.approx(erf(1 / sqrt(2)) / within, abs=0.006)
    untouched = drawn(cells.LIF(scale_x=3.0, scale_r=3.0))["r"] / sqrt(3 / 400)
    assert np.abs(untouched).max() > 4
    assert (np.abs(untouched) < 1).mean() == pytest.approx(erf(1 / sqrt(2)), abs=0.006)


def test_defaults_of_the_scales() -> None:
    assert {(c.scale_x, c.scale_r) for n, c in ALL.items() if n not in ("leaky", "linear")} == {(1.0, 1.0)}
    assert {c.scale_x for n, c in ALL.items() if n in ("leaky", "linear")} == {2.0}


def test_trained_constants_start_around_their_middle() -> None:
    """As logarithms, each in its row, `spread` wide; all alike without a spread."""
    cell = cells.LIF(trainable=("threshold", "tau"), threshold=0.7, tau=20.0, spread=0.3)
    p = np.concatenate([drawn(cell, seed)["p"] for seed in range(50)], axis=2)
    assert p.shape == (1, 2, 50 * N)
    assert p.mean(axis=(0, 2)) == pytest.approx([log(0.7), log(20.0)], abs=6 * 0.3 / sqrt(50 * N))
    assert p.std(axis=(0, 2)) == pytest.approx([0.3, 0.3], rel=0.03)
    equal = drawn(replace(cell, spread=0.0))["p"]
    np.testing.assert_allclose(equal, np.broadcast_to(np.log([[0.7], [20.0]]), (1, 2, N)), rtol=1e-15)
    for name, middle, spread in (("lru", (0.1, 0.3), 0.5), ("egru", (0.25,), 0.5)):
        p = np.concatenate([drawn(ALL[name], seed)["p"] for seed in range(50)], axis=2)
        assert p.mean(axis=(0, 2)) == pytest.approx(np.log(middle), abs=6 * spread / sqrt(50 * N))
        assert p.std(axis=(0, 2)) == pytest.approx([spread] * len(middle), rel=0.03)


def test_states_at_rest() -> None:
    """0, but for resources x = 1, release u = U, moving thresholds of 1, and potentials uniform in [0, 1)."""
    for name in ALL:
        if name != "ei_gif":
            np.testing.assert_array_equal(ALL[name].rest(3), np.zeros((len(ALL[name].states), 3)))
    lif = cells.LIF(states=("V", "a", "u", "x", "g"), U=0.15)
    np.testing.assert_array_equal(lif.rest(2), [[0, 0], [0, 0], [0.15, 0.15], [1, 1], [0, 0]])
    rest = cells.EIGIF().rest(4000)
    np.testing.assert_array_equal(rest[[1, 2, 4, 5]], 0)
    np.testing.assert_array_equal(rest[3], 1)
    assert 0 <= rest[0].min() < 0.01
    assert 0.99 < rest[0].max() < 1
    assert rest[0].mean() == pytest.approx(0.5, abs=0.03)
    assert rest[0].var() == pytest.approx(1 / 12, rel=0.06)
    np.testing.assert_array_equal(cells.EIGIF().rest(2)[0], [0.2616121342493164, 0.2984911434141233])


@pytest.mark.parametrize("density", [0.1, 0.6])
def test_mask_of_a_sparse_recurrence(density: float) -> None:
    """That share of the recurrent weights, each on its own; the same on every call; no other kind is masked."""
    cell = cells.GRU(density=density)
    mask = cell.mask("r", N, N)
    assert mask is not None
    assert mask.shape == (N, 3, N)
    assert set(np.unique(mask)) == {0.0, 1.0}
    assert mask.mean() == pytest.approx(density, abs=6 * sqrt(density * (1 - density) / mask.size))
    error = 6 * sqrt(density * (1 - density) / N)
    for axis in ((0, 1), (1, 2)):
        assert np.abs(mask.mean(axis=axis) - density).max() < error, "no row or column stands out"
    again = cell.mask("r", N, N)
    assert again is not None
    np.testing.assert_array_equal(mask, again)
    assert [cell.mask(kind, 5, N) for kind in ("x", "b")] == [None, None]
    assert cells.GRU().mask("r", N, N) is None


@pytest.mark.parametrize("density", [0.1, 1.0])
def test_mask_of_excitatory_and_inhibitory_neurons(density: float) -> None:
    """The first 80 % send by the first gate only, the others by the second."""
    mask = cells.EIGIF(density=density).mask("r", N, N)
    assert mask is not None
    assert mask.shape == (N, 2, N)
    assert not mask[320:, 0].any()
    assert not mask[:320, 1].any()
    for there in (mask[:320, 0], mask[320:, 1]):
        assert there.mean() == pytest.approx(density, abs=6 * sqrt(density * (1 - density) / there.size))
    few = cells.EIGIF(density=1.0, excitatory=0.5).mask("r", 4, 1)
    np.testing.assert_array_equal(few, [[[1], [0]], [[1], [0]], [[0], [1]], [[0], [1]]])
    assert cells.EIGIF().density == 0.1
    assert cells.EIGIF().mask("x", I, N) is None


@pytest.mark.parametrize("code", CODES)
def test_masks_and_signs_act(code: str) -> None:
    """Of weights 2, -3, 5, -7 the second and third exist, and act as 3 and 5 with slopes -1 and 1; inputs as are.

    The same without a sign, where -3 acts as it is.
    """
    there = np.array([[[0.0, 1.0]], [[1.0, 0.0]]])
    for signed, acts, slopes in ((True, [0, 3, 5, 0], [0, -1, 1, 0]), (False, [0, -3, 5, 0], [0, 1, 1, 0])):
        cell = cells.TanhRNN(signed=signed, density=0.5)
        w = weights(np.array([[[-2.0, 4.0]]]), np.array([[[2.0, -3.0]], [[5.0, -7.0]]]), np.zeros((1, 1, 2)))
        network_masks.cache_clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cells.Cell, "mask", lambda self, kind, J, N: there if kind == "r" else None)
            effective, by = acting(code, cell, w)
        network_masks.cache_clear()
        np.testing.assert_array_equal(np.ravel(effective["r"]), acts)
        np.testing.assert_array_equal(np.ravel(by["r"]), slopes)
        np.testing.assert_array_equal(np.ravel(effective["x"]), [-2, 4])


def acting(code: str, cell: cells.Cell, w: Any) -> tuple[Any, Any]:
    """The weights of a layer as they act, and their slopes by the stored ones."""
    if code == "reference":
        (acts,), (slopes,) = reference.effective_weights((cell,), [w])
        return acts, slopes
    prepare(code)
    network = import_module(f"drtrl_bench.implementations.engine.network_{code}")
    (acts,), (slopes,) = network.effective_weights(in_framework((cell,), code), arrays(code, [w])[0])
    return acts, slopes
