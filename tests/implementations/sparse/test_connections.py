"""Weights of a convolution and of low rank: the gradient of each rule is that of the NumPy reference for the dense
weights that they make, taken to kernel and factors by the chain rule as it is written here."""

from functools import cache, partial
from importlib import import_module
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from support.problems import Grads, Problem, in_framework, network, problem

from drtrl_bench.implementations.reference import algorithms as reference
from drtrl_bench.implementations.sparse.pattern import pattern_of, windows
from drtrl_bench.measure import memory

Array = NDArray[np.float64]
T, B, RANK = 11, 2, 2
CHUNKS = (1, 3, T)  # 3 does not divide 11
RULES = ("drtrl", "es_drtrl", "bptt")
CELLS = ("lif_soft", "alif")  # of a potential; of a potential, an adaptation and a synaptic current


class Maps(NamedTuple):
    """The sizes of a convolution, as `windows` takes them."""

    kernel: tuple[int, int, int, int]
    height: int
    width: int
    stride: int
    padding: int


FIRST, SECOND = Maps((3, 2, 3, 2), 4, 3, 1, 0), Maps((3, 3, 2, 3), 2, 2, 2, 1)
"""2 x 4 x 3 inputs to 3 x 2 x 2 neurons, and these to 3 x 2 x 1, whose windows never reach the padding on the right."""
CONVOLUTIONS = (FIRST, SECOND, Maps((2, 1, 3, 2), 5, 6, 2, 1), Maps((1, 2, 1, 1), 3, 2, 1, 0))
I, N_FIRST, N_SECOND = 24, 12, 6


def synapses_of(m: Maps) -> list[tuple[int, int, tuple[int, int, int, int]]]:
    """The pre- and the postsynaptic neuron of each synapse of a convolution, and its number, by loops over all."""
    C_out, C_in, rows, columns = m.kernel
    height = (m.height + 2 * m.padding - rows) // m.stride + 1
    width = (m.width + 2 * m.padding - columns) // m.stride + 1
    found = []
    for o, y, x in product(range(C_out), range(height), range(width)):
        for c, u, v in product(range(C_in), range(rows), range(columns)):
            row, column = m.stride * y + u - m.padding, m.stride * x + v - m.padding
            if row in range(m.height) and column in range(m.width):
                pre = c * m.height * m.width + row * m.width + column
                found.append((pre, o * height * width + y * width + x, (o, c, u, v)))
    return found


class Factors(NamedTuple):
    """A weight W0 + U V."""

    W0: Array
    """[J, N]; 0 where it is left out."""
    U: Array
    V: Array


class Case(NamedTuple):
    """Two layers, each a convolution with recurrent weights of low rank, and a readout of low rank."""

    dense: Problem
    """With the dense weights that kernels and factors make."""
    kernels: list[Array]
    factors: list[Factors]
    """Recurrent weights with a sparse W0; with a dense one; the readout's, without."""


@cache
def case_of(cell: str) -> Case:
    """Kernels and factors at random, as large as the dense weights are drawn."""
    rng = np.random.default_rng(7)
    p = problem(network(cell, 2, "leaky"), T=T, B=B, I=I, N=N_FIRST, wider=N_SECOND - N_FIRST)
    kernels, factors = [], []
    for m, net, w in zip((FIRST, SECOND), p.net, p.params, strict=False):
        kernels.append(rng.standard_normal(m.kernel) * np.sqrt(net.scale_x / np.prod(m.kernel[1:])))
        w["x"][:] = 0
        for pre, post, number in synapses_of(m):
            w["x"][pre, 0, post] = kernels[-1][number]
    for w, kind, share in zip(p.params, "rrx", (0.5, 1, 0), strict=True):
        J, _, N = w[kind].shape
        W0 = w[kind][:, 0] * (rng.random((J, N)) < share)
        U, V = rng.standard_normal((J, RANK)), rng.standard_normal((RANK, N)) * w[kind].std() / np.sqrt(RANK)
        factors.append(Factors(W0, U, V))
        w[kind][:, 0] = W0 + U @ V
    return Case(p, kernels, factors)


def modules(framework: str, *names: str) -> list[Any]:
    """Modules of the implementations in a framework."""
    return [import_module(f"drtrl_bench.implementations.{name}_{framework}") for name in names]


def to_array(framework: str) -> Any:
    return import_module("torch").tensor if framework == "torch" else import_module("jax").numpy.asarray


def gradient(framework: str, rule: str, case: Case, K: int, whole: bool) -> tuple[float, Grads]:
    """Loss and gradient of a rule; that of factors is one array [J + N, rank]."""
    algorithm, synapses, convolution, low_rank, engine = modules(
        framework, f"sparse.{rule}", "sparse.synapses", "sparse.convolution", "sparse.low_rank", "engine.network"
    )
    array, p, (first, second, top) = to_array(framework), case.dense, case.factors
    pre, post = np.nonzero(first.W0)
    pattern = pattern_of(pre, post, N_FIRST, N_FIRST, whole=whole)
    W0 = array(pattern.take(first.W0[:, None]))
    wiring = [
        {
            "x": convolution.convolution(*FIRST, whole),
            "r": low_rank.low_rank(N_FIRST, N_FIRST, W0, synapses.synapses(pattern)),
        },
        {
            "x": convolution.convolution(*SECOND, whole),
            "r": low_rank.low_rank(N_SECOND, N_SECOND, array(second.W0)),
        },
        {"x": low_rank.low_rank(*top.W0.shape)},
    ]
    factors = [low_rank.pack(array(each.U), array(each.V)) for each in case.factors]
    kernels = [array(each) for each in case.kernels]
    trained = [*({"x": x, "r": r} for x, r in zip(kernels, factors, strict=False)), {"x": factors[2]}]
    params = [{k: array(v) for k, v in w.items()} | of for w, of in zip(p.params, trained, strict=True)]
    net = in_framework(p.net, framework)

    def sequence(wiring: Any, params: Any, inputs: Any, targets: Any) -> Any:
        carry = algorithm.init(net, wiring, params, B)
        return engine.fold(partial(algorithm.advance, net, wiring, params), carry, params, inputs, targets, K)[1:]

    if framework == "jax":
        sequence = import_module("jax").jit(sequence)
    loss, grads = sequence(wiring, params, array(p.inputs), array(p.targets))
    return float(loss), [{k: np.asarray(g) for k, g in w.items()} for w in grads]


@cache
def expected(rule: str, cell: str, K: int = T) -> tuple[float, Grads]:
    """The reference's gradient for the dense weights, taken to kernels and factors."""
    case = case_of(cell)
    loss, grads = getattr(reference, rule)(*case.dense, **({"chunk": K} if rule == "bptt" else {}))
    for m, kernel, w in zip((FIRST, SECOND), case.kernels, grads, strict=False):
        G, w["x"] = w["x"], np.zeros_like(kernel)
        for pre, post, number in synapses_of(m):
            w["x"][number] += G[pre, 0, post]
    for w, kind, (_, U, V) in zip(grads, "rrx", case.factors, strict=True):
        G = w[kind][:, 0]
        w[kind] = np.concatenate([G @ V.T, G.T @ U])
    return loss, grads


@pytest.mark.parametrize(
    ("cell", "K", "whole"),
    [
        pytest.param(
            cell,
            K,
            whole,
            id=f"{cell}-K{K}{'-whole' if whole else ''}",
            marks=() if K == 3 and whole == (cell == "alif") else pytest.mark.slow,
        )
        for cell in CELLS
        for K in CHUNKS
        for whole in (False, True)
    ],
)
@pytest.mark.parametrize("rule", RULES)
def test_gradient_is_the_dense_one_by_the_chain_rule(framework: str, rule: str, cell: str, K: int, whole: bool) -> None:
    loss, grads = gradient(framework, rule, case_of(cell), K, whole)
    right_loss, right = expected(rule, cell, K)
    assert loss == pytest.approx(right_loss, rel=1e-12)
    for found, of_layer in zip(grads, right, strict=True):
        for k, g in of_layer.items():
            assert found[k].shape == g.shape
            assert np.abs(found[k] - g).max() <= 1e-10 * np.abs(g).max()


@pytest.mark.parametrize("cell", CELLS)
def test_the_problem_would_show_an_error(cell: str) -> None:
    """Both layers spike; no gradient of a kernel or factor is 0, or what it would be without a trace."""
    residuals = reference.forward(*case_of(cell).dense[:3])
    assert all(0.02 < r.outputs.mean() < 0.98 for r in residuals[:2])
    without = expected("no_trace", cell)[1]
    for rule in RULES:
        for w, cut in zip(expected(rule, cell)[1][:2], without, strict=False):
            pairs = zip((w["x"], *np.split(w["r"], 2)), (cut["x"], *np.split(cut["r"], 2)), strict=True)
            for g, lost in pairs:
                assert np.abs(g).max() > 1e-4
                assert np.abs(g - lost).max() > 0.01 * np.abs(g).max()
    U, V = np.split(expected("drtrl", cell)[1][2]["x"], [N_SECOND])
    assert min(np.abs(U).max(), np.abs(V).max()) > 1e-4


def library(framework: str, m: Maps, kernel: Array, z: Array, dy: Array) -> list[Array]:
    """A library's convolution of maps z, and its derivatives times dy: with respect to maps and kernel."""
    shaped = z.reshape(len(z), m.kernel[1], m.height, m.width)
    if framework == "torch":
        import torch

        maps, weight = torch.tensor(shaped, requires_grad=True), torch.tensor(kernel, requires_grad=True)
        y = torch.nn.functional.conv2d(maps, weight, stride=m.stride, padding=m.padding)
        y.backward(torch.tensor(dy).view_as(y))
        assert maps.grad is not None
        assert weight.grad is not None
        results = y.detach().flatten(1), maps.grad.flatten(1), weight.grad
        return [each.numpy() for each in results]
    import jax

    def convolve(maps: Any, weight: Any) -> Any:
        padding = [(m.padding, m.padding)] * 2
        return jax.lax.conv_general_dilated(maps, weight, (m.stride,) * 2, padding).reshape(len(z), -1)

    y, vjp = jax.vjp(convolve, jax.numpy.asarray(shaped), jax.numpy.asarray(kernel))
    dz, dkernel = vjp(jax.numpy.asarray(dy))
    return [np.asarray(y), np.asarray(dz).reshape(len(z), -1), np.asarray(dkernel)]


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("m", CONVOLUTIONS, ids=lambda m: "x".join(map(str, m.kernel)))
def test_convolution_is_a_library_s(framework: str, m: Maps, whole: bool) -> None:
    """Forward, feedback and gradient; half of the neurons are silent."""
    (module,), array, rng = modules(framework, "sparse.convolution"), to_array(framework), np.random.default_rng(3)
    connections = module.convolution(*m, whole)
    z = rng.standard_normal((4, connections.J)) * (rng.random((4, connections.J)) < 0.5)
    kernel, dy = rng.standard_normal(m.kernel), rng.standard_normal((4, connections.N))
    y, dz, dkernel = library(framework, m, kernel, z, dy)
    W = connections.effective(array(kernel))
    found = (
        (connections.currents(W, array(z)), y),
        (connections.feedback(W, array(dy)), dz),
        (connections.to_stored(connections.gradient(W, array(z[:, None]), array(dy[:, None]))), dkernel),
    )
    for one, other in found:
        assert np.abs(other).max() > 0.1
        np.testing.assert_allclose(np.asarray(one), other, rtol=0, atol=1e-12)


def low_rank_alone(framework: str, rule: str, N: int) -> Any:
    """The gradient of one layer of N neurons with recurrent weights U V, in a chunk of 3 steps, as a function."""
    algorithm, low_rank = modules(framework, f"sparse.{rule}", "sparse.low_rank")
    array, p = to_array(framework), problem(network("lif_soft", 1, "leaky"), T=3, B=1, N=N)
    U, V = np.random.default_rng(1).standard_normal((2, N, RANK))
    params = [{k: array(v) for k, v in w.items() if k != "r"} for w in p.params]
    params[0]["r"] = low_rank.pack(array(U), array(V.T))
    net, wiring = in_framework(p.net, framework), [{"r": low_rank.low_rank(N, N)}, {}]

    def chunk() -> Any:
        carry = algorithm.init(net, wiring, params, 1)
        return algorithm.advance(net, wiring, params, carry, array(p.inputs), array(p.targets))

    return chunk


@pytest.mark.parametrize("rule", RULES)
def test_d_rtrl_alone_has_an_array_as_large_as_the_weights(framework: str, rule: str) -> None:
    """In JAX no intermediate result is [N, N]; in PyTorch less is allocated than one would take."""
    if framework == "jax":
        operations = str(import_module("jax").make_jaxpr(low_rank_alone(framework, rule, 37))())
        largest = "37,37]" in operations or "37,1,37]" in operations
    else:
        largest = memory.torch_peak_bytes(low_rank_alone(framework, rule, 600)) >= 8 * 600**2
    assert largest == (rule == "drtrl")


def test_windows_by_hand() -> None:
    """A kernel of two numbers moves over three inputs: two neurons, of which both read the input in the middle."""
    pattern, index = windows((1, 1, 1, 2), 1, 3)
    np.testing.assert_array_equal(pattern.pre, [0, 1, 1, 2])
    np.testing.assert_array_equal(pattern.post[:, 0], [0, 0, 1, 1])
    np.testing.assert_array_equal(index[:, 0], [0, 1, 0, 1])


def test_what_is_no_convolution() -> None:
    with pytest.raises(ValueError, match="a kernel of 3 x 2 is larger than a map of 2 x 2 with 0 zeros"):
        windows((1, 1, 3, 2), 2, 2)


def test_what_is_no_fixed_part(framework: str) -> None:
    synapses, low_rank = modules(framework, "sparse.synapses", "sparse.low_rank")
    array, three = to_array(framework), synapses.synapses(pattern_of([0, 1, 2], [1, 2, 0], 3, 3))
    with pytest.raises(ValueError, match=r"W0 is \[3, 3\] where \[3, 1\] is needed"):
        low_rank.low_rank(3, 3, array(np.zeros((3, 3))), three)
    with pytest.raises(ValueError, match="W0 is left out where"):
        low_rank.low_rank(3, 3, None, three)
    with pytest.raises(ValueError, match="from 3 to 3 neurons"):
        low_rank.low_rank(3, 4, array(np.zeros((3, 1))), three)
