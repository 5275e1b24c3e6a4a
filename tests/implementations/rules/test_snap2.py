"""SnAp-2 between SnAp-1 and RTRL: which of RTRL's paths a mask leaves."""

from dataclasses import replace

import numpy as np
import pytest
from support.problems import CELLS, READOUTS, Problem, cosine, gradient, network, problem
from test_contract import assert_same

from drtrl_bench.implementations.algorithms.further.pattern import reached
from drtrl_bench.implementations.cells import spec as cells
from drtrl_bench.implementations.reference import algorithms as reference
from drtrl_bench.implementations.reference import online

T = 9


@pytest.mark.parametrize("cell", ["gru", "alif"])
@pytest.mark.parametrize("K", [1, 4, T])
def test_all_weights_there_is_rtrl_within_a_layer(framework: str, cell: str, K: int) -> None:
    """With one layer and a readout without memory this is the exact gradient."""
    p = problem(network(cell, 1, "linear"), T=T)
    exact = reference.rtrl(*p)
    assert_same(gradient(framework, "snap2", p, K), exact)
    assert cosine(reference.snap1(*p)[1][:1], exact[1][:1]) < 0.999


class Chain(cells.LeakyRNN):
    """Neurons in a chain: 0 feeds 1, 1 feeds 2, and so on."""

    def mask(self, kind: str, J: int, N: int) -> np.ndarray | None:
        return np.eye(N, k=1)[:, None] if kind == "r" else None


def test_pattern_of_a_chain() -> None:
    index, valid = reached(Chain(), 4)
    assert [set(row[there == 1]) for row, there in zip(index, valid, strict=True)] == [{0, 1}, {1, 2}, {2, 3}, {3}]
    assert index[:, 0].tolist() == [0, 1, 2, 3]


def test_two_neurons_are_exact_and_the_third_is_cut() -> None:
    """Along a chain a weight reaches the next neuron, and not the one after: the exact gradient if that is all."""
    net = (Chain(scale_x=2.0, scale_r=2.0), READOUTS["linear"])
    short, long = (problem(net, T=T, N=N) for N in (2, 3))
    assert_same(online.snap2(*short), reference.bptt(*short))
    assert cosine(reference.snap1(*short)[1][:1], reference.bptt(*short)[1][:1]) < 0.9999
    cut, exact = online.snap2(*long)[1][0], reference.bptt(*long)[1][0]
    for k in ("x", "b"):
        np.testing.assert_allclose(cut[k][..., 1:], exact[k][..., 1:], rtol=1e-11)
        assert np.abs(cut[k][..., 0] - exact[k][..., 0]).max() > 1e-4


@pytest.mark.parametrize("density", [0.0, 0.3])
def test_a_sparse_layer(framework: str, density: float) -> None:
    hidden = replace(CELLS["lif_soft"], density=density)
    p: Problem = problem((hidden, hidden, READOUTS["leaky"]), T=T, N=6)
    right = online.snap2(*p)
    assert_same(gradient(framework, "snap2", p, 3), right)
    if density == 0:
        assert_same(right, reference.drtrl(*p))
    else:
        assert cosine(right[1][:1], reference.snap1(*p)[1][:1]) < 0.9999
