"""The contract of every algorithm in either framework: its gradient is the reference's, at every chunk length."""

from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.problems import (
    ALGORITHMS,
    CELLS,
    Grads,
    Problem,
    cosine,
    errors,
    execution,
    gradient,
    in_framework,
    network,
    problem,
    without,
)

from drtrl_bench import registry
from drtrl_bench.implementations.reference import algorithms as reference

T = 11
CHUNKS = (1, 3, T)  # 3 does not divide 11
NETWORKS = [(cell, layers, readout) for cell in CELLS for layers in (1, 3) for readout in ("leaky", "linear")]
NETWORKS.append(("mixed", 3, "linear"))


def name(case: tuple[str, int, str]) -> str:
    cell, layers, readout = case
    return f"{cell}-{layers}layers-{readout}"


def often(case: tuple[str, int, str], K: int) -> bool:
    """Deep networks at every K; shallow and mixed ones where whole chunks and a shorter one meet. The rest is slow."""
    cell, layers, readout = case
    return (layers, readout) == (3, "leaky") or ((layers == 1 or cell == "mixed") and readout == "linear" and K == 3)


CASES = [
    pytest.param(case, K, id=f"{name(case)}-K{K}", marks=() if often(case, K) else pytest.mark.slow)
    for case in NETWORKS
    for K in CHUNKS
]


@cache
def posed(case: tuple[str, int, str]) -> Problem:
    return problem(network(*case), T=T)


@cache
def expected(algorithm: str, case: tuple[str, int, str], K: int) -> tuple[float, Grads]:
    return truth(algorithm, posed(case), K)


def truth(algorithm: str, p: Problem, K: int) -> tuple[float, Grads]:
    """What the reference says: exact but for truncated BPTT, whose gradient depends on K, and D-RTRL."""
    match algorithm:
        case "bptt" | "bptt_native":
            return reference.bptt(*p, chunk=K)
        case "rtrl":
            return reference.bptt(*p)
        case "drtrl":
            return reference.drtrl(*p)
        case _:
            raise KeyError(algorithm)


def assert_same(found: tuple[float, Grads], right: tuple[float, Grads], tolerance: float = 1e-10) -> None:
    assert found[0] == pytest.approx(right[0], rel=tolerance)
    wrong = {name: e for name, e in errors(found[1], right[1]).items() if not e <= tolerance}
    assert not wrong, f"relative error by weight: {wrong}"


@pytest.mark.parametrize(("case", "K"), CASES)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_gradient(framework: str, algorithm: str, case: tuple[str, int, str], K: int) -> None:
    assert_same(gradient(framework, algorithm, posed(case), K), expected(algorithm, case, K))


@pytest.mark.parametrize("case", NETWORKS, ids=name)
def test_problem_is_alive(case: tuple[str, int, str]) -> None:
    """What makes the tests above worth something: no gradient is 0, neurons spike, the algorithms differ."""
    p = posed(case)
    exact, diagonal = reference.bptt(*p)[1], reference.drtrl(*p)[1]
    truncated = {K: reference.bptt(*p, chunk=K)[1] for K in CHUNKS}
    for grads in (exact, diagonal, *truncated.values()):
        assert all(np.abs(g).max() > 1e-4 for w in grads for g in w.values())
    for cell, tape in zip(p.net, reference.forward(p.net, p.params, p.inputs), strict=True):
        if cell.spiking:
            assert 0.03 < tape.outputs.mean() < 0.9
    assert cosine(exact[:-1], diagonal[:-1]) < 0.96
    assert cosine(exact[:-1], truncated[1][:-1]) < 0.98
    assert cosine(exact[:-1], truncated[3][:-1]) < 0.9999
    assert 0 < (p.targets < 0).sum() < p.targets.size


@pytest.mark.parametrize("K", [pytest.param(K, marks=() if K == 3 else pytest.mark.slow) for K in CHUNKS])
@pytest.mark.parametrize("cell", CELLS)
def test_drtrl_is_exact_without_recurrence(framework: str, cell: str, K: int) -> None:
    """One layer whose neurons do not see each other, and a readout without memory: nothing is cut."""
    recurrent, readout = network(cell, 1, "linear")
    alone = without(type(recurrent), "r")(**vars(recurrent))
    p = problem((alone, readout), T=T)
    assert "r" not in p.params[0]
    assert_same(gradient(framework, "drtrl", p, K), reference.bptt(*p))


@pytest.mark.parametrize("K", CHUNKS)
def test_states_above_reach_layers_without_recurrence(framework: str, K: int) -> None:
    """RTRL has an adjoint for every state above a layer, and each gains what that state owes to the step."""
    recurrent, readout = network("leaky_rnn", 1, "leaky")
    alone = without(type(recurrent), "r")(**vars(recurrent))
    p = problem((alone, alone, readout), T=T)
    assert_same(gradient(framework, "rtrl", p, K), reference.bptt(*p))


@pytest.mark.parametrize("cell", CELLS)
def test_drtrl_is_exact_for_a_leaky_readout(framework: str, cell: str) -> None:
    """Its trace is all there is: no weight stands between a readout's state and its own past."""
    case = (cell, 3, "leaky")
    _, grads = gradient(framework, "drtrl", posed(case), 3)
    assert max(errors(grads[-1:], reference.bptt(*posed(case))[1][-1:]).values()) <= 1e-10


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@settings(max_examples=4)
@given(data=st.data())
def test_any_size(framework: str, algorithm: str, data: st.DataObject) -> None:
    net = network(data.draw(st.sampled_from(sorted(CELLS))), data.draw(st.integers(1, 2)), "leaky")
    sizes = {size: data.draw(st.integers(1, 5), label=size) for size in ("B", "I", "N", "T")}
    p = problem(net, **sizes, C=data.draw(st.integers(2, 4)), seed=data.draw(st.integers(0, 99)), silent=0.0)
    K = data.draw(st.integers(1, 6), label="K")  # also more than T
    loss, grads = gradient(framework, algorithm, p, K)
    right_loss, right = truth(algorithm, p, K)
    assert loss == pytest.approx(right_loss, rel=1e-10)
    for g, e in zip(grads, right, strict=True):  # a single silent neuron has gradient 0: absolute errors
        for k in e:
            np.testing.assert_allclose(g[k], e[k], rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("algorithm", ["drtrl", "rtrl"])
def test_tiles_of_a_large_carry(framework: str, algorithm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A carry is moved tile by tile; at the other tests' sizes it is one tile."""
    if framework == "jax":
        from drtrl_bench.implementations.engine import xla_jax

        monkeypatch.setattr(xla_jax, "TILES", 3)
        monkeypatch.setattr(xla_jax, "TILE_BYTES", 1)
    else:
        from drtrl_bench.implementations.engine import influence_torch

        monkeypatch.setattr(influence_torch, "NEURONS", 2)
    p = problem(network("alif", 1, "leaky"), T=T, B=5, N=7)
    assert_same(gradient(framework, algorithm, p, 3), truth(algorithm, p, 3))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("K", [5, 8, T])
def test_blocks_of_a_long_chunk(framework: str, algorithm: str, K: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk is gone through block by block; at the other tests' lengths it is one block, and compiled as such. In JAX
    a long chunk's trace also moves by a product for each sample.
    """
    if framework == "jax":
        monkeypatch.setattr(import_module("drtrl_bench.implementations.engine.trace_jax"), "SHORT", 4)
    p = problem(network("mixed", 3, "leaky"), T=T, B=3)
    options = {"execution": execution(framework, block=4)}
    assert_same(gradient(framework, algorithm, p, K, options=options), truth(algorithm, p, K))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_no_target_no_loss(framework: str, algorithm: str) -> None:
    """Whole chunks without a target add nothing, yet time goes on in them."""
    p = posed(("alif", 1, "leaky"))
    targets = p.targets.copy()
    targets[:7] = -1
    late = p._replace(targets=targets)
    assert_same(gradient(framework, algorithm, late, 3), truth(algorithm, late, 3))
    never = p._replace(targets=np.full_like(targets, -1))
    loss, grads = gradient(framework, algorithm, never, 3)
    assert loss == 0
    assert all((g == 0).all() for w in grads for g in w.values())


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_gradient_is_the_fold_of_advance(framework: str, algorithm: str) -> None:
    """A training loop may call `advance` itself, carry in hand; it need not know which chunk is the last."""
    p = posed(("gru", 1, "leaky"))
    module, net = registry.ALGORITHMS[algorithm].module(algorithm, framework), in_framework(p.net, framework)
    advance, array = compiled(framework, module)
    params = [{k: array(v) for k, v in w.items()} for w in p.params]
    carry, total = module.init(net, params, p.targets.shape[1]), 0.0
    sums = [{k: np.zeros_like(v) for k, v in w.items()} for w in p.params]
    for start in range(0, T, 3):
        x, t = array(p.inputs[start : start + 3]), array(p.targets[start : start + 3])
        carry, loss, grads = advance(net, params, carry, x, t)
        total += float(loss)
        sums = [{k: w[k] + np.asarray(g[k]) for k in w} for w, g in zip(sums, grads, strict=True)]
    assert_same((total, sums), gradient(framework, algorithm, p, 3), 1e-12)


def compiled(framework: str, module: Any) -> tuple[Any, Any]:
    """`advance` and what makes an array of its framework."""
    if framework == "torch":
        return module.advance, import_module("torch").from_numpy
    jax = import_module("jax")
    return jax.jit(module.advance, static_argnums=0), jax.numpy.asarray
