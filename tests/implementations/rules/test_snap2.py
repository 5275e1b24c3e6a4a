"""SnAp-2 between SnAp-1 and RTRL: against dense matrices with a pattern by hand, and where it is another rule."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from support.problems import (
    CELLS,
    READOUTS,
    Grads,
    Problem,
    cosine,
    errors,
    gradient,
    network,
    problem,
    wired,
    without,
)
from test_contract import assert_same

from drtrl_bench.implementations.algorithms.further.pattern import reached
from drtrl_bench.implementations.cells import spec as cells
from drtrl_bench.implementations.reference import algorithms as reference
from drtrl_bench.implementations.reference import online

T = 9
FEEDS = {0: (1, 3), 1: (2,), 2: (), 3: (0, 3), 4: (0, 1, 2)}
"""Which neurons each one's recurrent weights feed: 3 itself, 2 none; 0 reaches 2 in three steps only."""
KEPT = np.array(
    [
        [1, 0, 0, 1, 1],
        [1, 1, 0, 0, 1],
        [0, 1, 1, 0, 1],
        [1, 0, 0, 1, 0],
        [0, 0, 0, 0, 1],
    ]
)
"""[m, n]: whether a weight to n counts for m: in one step for itself, in two for those that it feeds."""


def by_feeds(cell: cells.Cell, kind: str, J: int, N: int) -> Any:
    """A mask: each of these weights in some of the gates, and in one at least."""
    if kind != "r":
        return None
    gates = cell.reads[kind].stop - cell.reads[kind].start
    mask = np.zeros((J, gates, N))
    for n, fed in FEEDS.items():
        for m in fed:
            mask[n, :, m] = [gates == 1 or (n + m + g) % 3 > 0 for g in range(gates)]
    return mask


@cache
def posed() -> Problem:
    """A layer of each kind of five neurons, then a leaky readout."""
    rate = wired(cells.LeakyRNN, by_feeds)(scale_x=2.0, scale_r=8.0)
    gated = wired(cells.LSTM, by_feeds)(scale_x=4.0, scale_r=16.0)
    return problem((rate, gated, READOUTS["leaky"]), T=T, N=5, wider=0)


# The same by hand


def leaky(s: Any, w: dict[str, Any], x: Any) -> Any:
    a = np.exp(-1 / 5)
    return a * s + (1 - a) * np.tanh(x @ w["x"][:, 0] + s @ w["r"][:, 0] + w["b"][0, 0])


def lstm(s: Any, w: dict[str, Any], x: Any) -> Any:
    """The states are five h and then five c."""
    h, c = s[:5], s[5:]
    i, g, f, o = (x @ w["x"][:, k] + h @ w["r"][:, k] + w["b"][0, k] for k in range(4))
    c = c / (1 + np.exp(-f - 1)) + np.tanh(g) / (1 + np.exp(-i))
    return np.concatenate([np.tanh(c) / (1 + np.exp(-o)), c])


def readout(s: Any, w: dict[str, Any], x: Any) -> Any:
    return np.exp(-1 / 4) * s + x @ w["x"][:, 0]


LAWS = (leaky, lstm, readout)


def slopes(f: Any, v: Any) -> Any:
    """df/dv [outputs, len(v)] by a complex step: exact to rounding."""
    return np.stack([f(v + 1e-30j * unit).imag / 1e-30 for unit in np.eye(len(v))], axis=1)


def by_hand(kept: Any) -> tuple[float, Grads]:
    """RTRL in each layer with all of ds/dW [states, weights], whose entries that are not kept are set to 0.

    The error reaches a layer by the step's own derivatives; the readout keeps all of its own.
    """
    p = posed()
    masks = [by_feeds(cell, "r", 5, 5) if "r" in cell.reads else None for cell in p.net]
    weights = [{k: v * mask if k == "r" else v for k, v in w.items()} for w, mask in zip(p.params, masks, strict=True)]
    flat = [np.concatenate([v.ravel() for v in w.values()]) for w in weights]
    loss, sums = 0.0, [np.zeros(len(v)) for v in flat]

    def shaped(layer: int, v: Any) -> dict[str, Any]:
        parts = np.split(v, np.cumsum([each.size for each in weights[layer].values()])[:-1])
        return {k: part.reshape(weights[layer][k].shape) for k, part in zip(weights[layer], parts, strict=True)}

    B = p.inputs.shape[1]
    for b in range(B):
        s = [np.zeros(5), np.zeros(10), np.zeros(3)]
        M = [np.zeros((len(each), len(v))) for each, v in zip(s, flat, strict=True)]
        for t in range(T):
            x, by_x = p.inputs[t, b], []
            for i, law in enumerate(LAWS):
                before = s[i]
                A = slopes(lambda v, i=i, law=law, x=x: law(v, weights[i], x), before)
                direct = slopes(lambda v, i=i, law=law, x=x, s=before: law(s, shaped(i, v), x), flat[i])
                by_x.append(slopes(lambda v, i=i, law=law, s=before: law(s, weights[i], v), x))
                N = weights[i]["x"].shape[-1]
                pattern = np.tile(kept if i < 2 else np.eye(3), (len(before) // N, len(flat[i]) // N))
                M[i] = pattern * (A @ M[i] + direct)
                s[i] = law(before, weights[i], x)
                x = s[i][:N]
            if (label := p.targets[t, b]) < 0:
                continue
            chances = np.exp(x) / np.exp(x).sum()
            loss -= np.log(chances[label]) / B
            l = (chances - np.eye(3)[label]) / B
            for i in (2, 1, 0):
                sums[i] += l @ M[i]
                if i:
                    l = np.concatenate([l @ by_x[i], np.zeros(len(s[i - 1]) - 5)])
    grads = [shaped(i, v) for i, v in enumerate(sums)]
    return loss, [{k: g * mask if k == "r" else g for k, g in w.items()} for w, mask in zip(grads, masks, strict=True)]


@cache
def snap2_by_hand() -> tuple[float, Grads]:
    return by_hand(KEPT)


@pytest.mark.parametrize("K", [1, 4, T])
def test_gradient_is_that_of_dense_matrices_and_a_pattern(framework: str, K: int) -> None:
    assert_same(gradient(framework, "snap2", posed(), K), snap2_by_hand())


def test_reference_is_that_of_dense_matrices_and_a_pattern() -> None:
    assert_same(online.snap2(*posed()), snap2_by_hand(), 1e-12)


def test_pattern_matters_there() -> None:
    """Every weight's gradient differs with another: SnAp-1's, all neurons, and those that feed."""
    right = snap2_by_hand()[1]
    assert_same(by_hand(np.eye(5)), reference.snap1(*posed()))
    for other in (np.eye(5), np.ones((5, 5)), KEPT.T):
        wrong = errors(by_hand(other)[1][:2], right[:2])
        assert min(wrong.values()) > 1e-3, wrong
    assert min(np.abs(g).max() for w in right for g in w.values()) > 1e-4


# Where it is another rule


@pytest.mark.parametrize("cell", ["gru", "alif"])
@pytest.mark.parametrize("K", [1, 4, T])
def test_all_weights_there_is_rtrl_within_a_layer(framework: str, cell: str, K: int) -> None:
    """With one layer and a readout without memory this is the exact gradient."""
    p = problem(network(cell, 1, "linear"), T=T)
    exact = reference.rtrl(*p)
    assert_same(gradient(framework, "snap2", p, K), exact)
    assert cosine(reference.snap1(*p)[1][:1], exact[1][:1]) < 0.999


def chain(_: cells.Cell, kind: str, J: int, N: int) -> Any:
    """A mask: neuron 0 feeds 1, 1 feeds 2, and so on."""
    return np.eye(N, k=1)[:, None] if kind == "r" else None


CHAIN = wired(cells.LeakyRNN, chain)


def test_pattern_of_a_chain() -> None:
    index, exists = reached(CHAIN(), 4)
    assert [set(row[there == 1]) for row, there in zip(index, exists, strict=True)] == [{0, 1}, {1, 2}, {2, 3}, {3}]
    assert index[:, 0].tolist() == [0, 1, 2, 3]


def test_two_neurons_are_exact_and_the_third_is_cut(framework: str) -> None:
    """Along a chain a weight reaches the next neuron, and not the one after: the exact gradient if that is all."""
    net = (CHAIN(scale_x=2.0, scale_r=2.0), READOUTS["linear"])
    short, long = (problem(net, T=T, N=N) for N in (2, 3))
    assert_same(gradient(framework, "snap2", short, 4), reference.bptt(*short))
    assert cosine(reference.snap1(*short)[1][:1], reference.bptt(*short)[1][:1]) < 0.9999
    cut, exact = gradient(framework, "snap2", long, 4)[1][0], reference.bptt(*long)[1][0]
    for k in ("x", "b"):
        np.testing.assert_allclose(cut[k][..., 1:], exact[k][..., 1:], rtol=1e-10)
        assert np.abs(cut[k][..., 0] - exact[k][..., 0]).max() > 1e-4


def test_a_sparse_layer(framework: str) -> None:
    hidden = replace(CELLS["lif_soft"], density=0.3)
    p = problem((hidden, hidden, READOUTS["leaky"]), T=T, N=6)
    right = online.snap2(*p)
    assert_same(gradient(framework, "snap2", p, 3), right)
    assert cosine(right[1][:1], reference.snap1(*p)[1][:1]) < 0.9999


def test_without_recurrent_weights_it_is_drtrl(framework: str) -> None:
    hidden = CELLS["alif"]
    alone = without(type(hidden), "r")(**vars(hidden))
    p = problem((alone, alone, READOUTS["leaky"]), T=T)
    assert_same(gradient(framework, "snap2", p, 4), reference.drtrl(*p))
