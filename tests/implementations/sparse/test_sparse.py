"""Sparse weights: the gradient of each rule is that of the NumPy reference for dense weights under the same mask."""

from functools import cache, partial
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from support.problems import Grads, Problem, in_framework, network, problem

from drtrl_bench.implementations.reference import algorithms as reference
from drtrl_bench.implementations.sparse import pattern as pattern_module
from drtrl_bench.implementations.sparse.pattern import Pattern, pattern_of

T = 11
CHUNKS = (1, 3, T, 2 * T)  # 3 does not divide 11
RULES = ("drtrl", "es_drtrl", "bptt")
CASES = [("lif_soft", 2, 1), ("lif_soft", 1, 3), ("lif_hard", 1, 2), ("alif", 1, 2), ("leaky_rnn", 1, 1)]
Patterns = list[dict[str, Pattern]]


@cache
def sparse_problem(
    cell: str, layers: int, B: int, whole: bool = False, readout: str = "leaky"
) -> tuple[Problem, Patterns]:
    """A problem half of whose input and recurrent weights are 0, and the patterns of the others, read whole or not."""
    p, patterns = problem(network(cell, layers, readout), T=T, B=B, I=5, N=9), []
    rng = np.random.default_rng(5)
    for layer, w in enumerate(p.params):
        patterns.append({})
        for k in w.keys() & {"x", "r"}:
            exists = rng.random(w[k][:, 0].shape) < 0.5
            w[k] *= exists[:, None] / np.sqrt(0.5)
            pre, post = np.nonzero(exists)
            width = None if layer else 2
            patterns[-1][k] = pattern_of(pre, post, *exists.shape, width=width, whole=whole)
    return p, patterns


def modules(framework: str, rule: str) -> list[Any]:
    """The rule, the synapses and the engine's network of a framework."""
    names = (f"sparse.{rule}", "sparse.synapses", "engine.network")
    return [import_module(f"drtrl_bench.implementations.{name}_{framework}") for name in names]


def arrays(framework: str) -> Any:
    return import_module("torch").from_numpy if framework == "torch" else import_module("jax").numpy.asarray


def gradient(framework: str, rule: str, p: Problem, patterns: Patterns, K: int) -> tuple[float, Grads]:
    """Loss and gradient [J, Gk, N] of a rule, 0 where no synapse is."""
    algorithm, synapses, engine = modules(framework, rule)
    array, net = arrays(framework), in_framework(p.net, framework)
    wiring = [{k: synapses.synapses(pattern) for k, pattern in of_layer.items()} for of_layer in patterns]
    params = [
        {k: array(of_layer[k].take(v) if k in of_layer else v) for k, v in w.items()}
        for of_layer, w in zip(patterns, p.params, strict=True)
    ]

    def whole(wiring: Any, params: Any, inputs: Any, targets: Any) -> Any:
        carry = algorithm.init(net, wiring, params, p.targets.shape[1])
        return engine.fold(partial(algorithm.advance, net, wiring, params), carry, params, inputs, targets, K)[1:]

    if framework == "jax":
        whole = import_module("jax").jit(whole)
    loss, grads = whole(wiring, params, array(p.inputs), array(p.targets))
    return float(loss), [
        {k: of_layer[k].dense(np.asarray(g)) if k in of_layer else np.asarray(g) for k, g in w.items()}
        for of_layer, w in zip(patterns, grads, strict=True)
    ]


def expected(rule: str, p: Problem, patterns: Patterns, K: int) -> tuple[float, Grads]:
    """The reference's gradient for the dense weights, under the mask."""
    loss, grads = getattr(reference, rule)(*p, **({"chunk": K} if rule == "bptt" else {}))
    for of_layer, w in zip(patterns, grads, strict=True):
        for k, pattern in of_layer.items():
            w[k] *= pattern.dense(pattern.exists.astype(float))
    return loss, grads


def marks(case: tuple[str, int, int], K: int, whole: bool) -> Any:
    """Chunks and a shorter one for every case read by spikes and for two read whole, and all lengths for one."""
    fast = K == 3 and case in (CASES[0], CASES[4]) if whole else K == 3 or case == CASES[1]
    return () if fast else pytest.mark.slow


@pytest.mark.parametrize(
    ("case", "K", "whole"),
    [
        pytest.param(
            case,
            K,
            whole,
            id=f"{case[0]}-{case[1]}layers-B{case[2]}-K{K}{'-whole' if whole else ''}",
            marks=marks(case, K, whole),
        )
        for case in CASES
        for K in CHUNKS
        for whole in (False, True)
    ],
)
@pytest.mark.parametrize("rule", RULES)
def test_gradient_is_the_masked_dense_one(
    framework: str, rule: str, case: tuple[str, int, int], K: int, whole: bool
) -> None:
    p, patterns = sparse_problem(*case, whole)
    loss, grads = gradient(framework, rule, p, patterns, K)
    right_loss, right = expected(rule, p, patterns, K)
    assert loss == pytest.approx(right_loss, rel=1e-12)
    for found, of_layer in zip(grads, right, strict=True):
        for k, g in of_layer.items():
            assert np.abs(g).max() > 1e-4
            assert np.abs(found[k] - g).max() <= 1e-10 * np.abs(g).max()


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("rule", RULES)
def test_a_readout_without_memory(framework: str, rule: str, whole: bool) -> None:
    """ES-D-RTRL does not filter what a linear readout reads: its gradient there is BPTT's, over several chunks."""
    p, patterns = sparse_problem("lif_soft", 1, 2, whole, "linear")
    _, grads = gradient(framework, rule, p, patterns, 3)
    _, right = expected(rule, p, patterns, 3)
    for found, of_layer in zip(grads, right, strict=True):
        for k, g in of_layer.items():
            assert np.abs(found[k] - g).max() <= 1e-10 * np.abs(g).max() > 0
    exact = expected("bptt", p, patterns, T)[1][1]["x"]
    assert np.abs(grads[1]["x"] - exact).max() <= 1e-10 * np.abs(exact).max()


def test_chunks_of_the_problem_matter() -> None:
    """A trace that were lost at a chunk's end would be seen: what earlier steps add is far more than the tolerance."""
    p, patterns = sparse_problem("lif_soft", 2, 1)
    exact, cut = (expected(rule, p, patterns, T)[1][0]["r"] for rule in ("drtrl", "no_trace"))
    assert np.abs(exact - cut).max() > 0.01 * np.abs(exact).max()


@pytest.mark.xdist_group("jax")
@pytest.mark.parametrize("code", ["jax"])
def test_every_row_is_read_whatever_the_block(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten rows at most are active: they are read whole by blocks of 2048, of 3 and of 1."""
    pytest.importorskip(code)
    synapses = import_module("drtrl_bench.implementations.sparse.synapses_jax")
    p, patterns = sparse_problem("lif_soft", 1, 3)
    right = expected("drtrl", p, patterns, 3)[1][0]["r"]
    for size in (1, 3):
        monkeypatch.setattr(synapses, "BLOCK", size)
        found = gradient(code, "drtrl", p, patterns, 3)[1][0]["r"]
        assert np.abs(found - right).max() <= 1e-10 * np.abs(right).max()


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("rule", RULES)
def test_nobody_spikes(framework: str, rule: str, whole: bool) -> None:
    """Without inputs, biases and spikes there is nothing to read, and only biases have a gradient."""
    p, patterns = sparse_problem("lif_soft", 1, 3, whole)
    silent = [{k: np.zeros_like(v) if k == "b" else v for k, v in w.items()} for w in p.params]
    p = p._replace(inputs=np.zeros_like(p.inputs), params=silent)
    loss, grads = gradient(framework, rule, p, patterns, 3)
    assert loss == pytest.approx(expected(rule, p, patterns, 3)[0], rel=1e-12)
    assert not any(grads[0][k].any() for k in ("x", "r"))
    assert grads[0]["b"].any()


def test_pattern_by_hand() -> None:
    """Five synapses in rows of two: neuron 0 has three of them, 1 none, 2 two."""
    pattern = pattern_of([2, 0, 0, 2, 0], [1, 3, 0, 0, 2], J=3, N=4, width=2)
    np.testing.assert_array_equal(pattern.post, [[0, 2], [3, 4], [0, 1]])
    np.testing.assert_array_equal(pattern.first, [0, 2, 2, 3])
    np.testing.assert_array_equal(pattern.pre, [0, 0, 2])
    np.testing.assert_array_equal(pattern.pack([1, 2, 3, 4, 5]), [[1, 2], [3, 0], [4, 5]])
    np.testing.assert_array_equal(pattern.unpack(pattern.pack([1, 2, 3, 4, 5])), [1, 2, 3, 4, 5])
    np.testing.assert_array_equal(
        pattern.dense(pattern.pack([1, 2, 3, 4, 5]))[:, 0], [[1, 0, 2, 3], [0, 0, 0, 0], [4, 5, 0, 0]]
    )


def test_width_follows_the_number_of_synapses() -> None:
    """By spikes, one synapse a neuron takes no padding and a hundred take wide rows; read whole, each has a row."""
    assert pattern_of(range(9), range(9), 9, 9, whole=False).post.shape == (9, 1)
    pre, post = np.repeat(range(3), 100), np.tile(range(100), 3)
    assert pattern_of(pre, post, 3, 100, whole=False).post.shape[1] == 16
    assert pattern_of(pre, post, 3, 100, whole=True).post.shape == (300, 1)


def test_a_small_pattern_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pattern_of([0, 1, 2], [1, 2, 0], 3, 3).whole
    monkeypatch.setattr(pattern_module, "WHOLE", 2)
    assert pattern_of([0, 1], [1, 2], 3, 3).whole
    assert not pattern_of([0, 1, 2], [1, 2, 0], 3, 3).whole


def test_incoming_by_hand() -> None:
    """Neuron 0 receives from 0 and 2, 1 from 2, 2 and 3 from 0; each slot is where that synapse lies in the pattern."""
    pattern, slots = pattern_of([2, 0, 0, 2, 0], [1, 3, 0, 0, 2], J=3, N=4, width=2).incoming(width=2)
    np.testing.assert_array_equal(pattern.post, [[0, 2], [2, 3], [0, 3], [0, 3]])
    np.testing.assert_array_equal(pattern.first, [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(slots, [[0, 4], [5, 6], [1, 6], [2, 6]])


def test_what_is_no_pattern() -> None:
    with pytest.raises(ValueError, match="exists twice"):
        pattern_of([0, 0], [1, 1], 2, 2)
    with pytest.raises(ValueError, match="post has neurons 0 to 2 of 2"):
        pattern_of([0, 1], [0, 2], 2, 2)


def test_cell_of_several_recurrent_currents_says_so(framework: str) -> None:
    p, patterns = problem(network("gru", 1, "leaky")), [{"r": pattern_of([0], [1], 4, 4)}, {}]
    with pytest.raises(ValueError, match="take a cell of one current"):
        gradient(framework, "drtrl", p, patterns, 3)
