"""e-prop against autograd of a network written out by hand, and what its filter restores."""

from typing import Any

import numpy as np
import pytest
from support.problems import CELLS, READOUTS, Problem, cosine, errors, gradient, network, problem, without
from test_contract import assert_same

from drtrl_bench.implementations.reference import algorithms as reference
from drtrl_bench.implementations.reference import online

T = 11


def without_recurrence(cell: str) -> Problem:
    """One layer whose neurons do not see each other, and a leaky readout."""
    hidden = network(cell, 1, "leaky")[0]
    return problem((without(type(hidden), "r")(**vars(hidden)), READOUTS["leaky"]), T=T)


@pytest.mark.parametrize("K", [1, 3, T])
@pytest.mark.parametrize("cell", ["leaky_rnn", "lif_soft", "lif_hard", "alif"])
def test_exact_where_no_path_leads_through_weights(framework: str, cell: str, K: int) -> None:
    """The leak is all that D-RTRL loses here, and it is a fifth of every hidden gradient or more."""
    p = without_recurrence(cell)
    exact = reference.bptt(*p)
    assert_same(gradient(framework, "eprop", p, K), exact)
    assert all(np.abs(g).max() > 1e-3 for w in exact[1] for g in w.values())
    assert min(errors(reference.drtrl(*p)[1][:1], exact[1][:1]).values()) > 0.2


@pytest.mark.parametrize(
    "code", ["reference", *(pytest.param(f, marks=pytest.mark.xdist_group(f)) for f in ("jax", "torch"))]
)
def test_spiking_network_by_hand(code: str) -> None:
    """A LIF layer with recurrent weights: autograd of the textbook's loop, its recurrent spikes detached."""
    torch = pytest.importorskip("torch")
    hidden, readout = CELLS["lif_soft"], READOUTS["leaky"]
    p = problem((hidden, readout), T=T)
    w, out = ({k: torch.tensor(v, requires_grad=True) for k, v in layer.items()} for layer in p.params)
    a, kappa = np.exp(-1 / 5), np.exp(-1 / 4)

    def spike(v: Any) -> Any:
        slope = (0.7 * (1.5 - v.abs()).clamp(min=0)).detach()
        return (v >= 0).double() + slope * (v - v.detach())

    V, s, rho, losses = torch.zeros(2, 4).double(), torch.zeros(2, 4).double(), torch.zeros(2, 3).double(), []
    for x, target in zip(torch.tensor(p.inputs), torch.tensor(p.targets), strict=True):
        V = a * (V - s) + x @ w["x"][:, 0] + s.detach() @ w["r"][:, 0] + w["b"][0]
        s = spike(V - 1)
        rho = kappa * rho + s @ out["x"][:, 0]
        each = torch.nn.functional.cross_entropy(rho, target.clamp(min=0), reduction="none")
        losses.append((each * (target >= 0)).sum() / 2)
    loss = torch.stack(losses).sum()
    loss.backward()
    expected = loss.item(), [{k: v.grad.numpy() for k, v in layer.items()} for layer in (w, out)]
    if code == "jax":
        pytest.importorskip("jax")
    found = online.eprop(*p) if code == "reference" else gradient(code, "eprop", p, 3)
    assert_same(found, expected)
    assert all(np.abs(g).max() > 1e-2 for layer in expected[1] for g in layer.values())
    assert cosine(reference.drtrl(*p)[1][:1], expected[1][:1]) < 0.99


def test_without_a_leak_it_is_drtrl(framework: str) -> None:
    p = problem(network("gru", 2, "linear"), T=T)
    assert_same(gradient(framework, "eprop", p, 3), reference.drtrl(*p))


def test_leaks_of_classes_are_averaged(framework: str) -> None:
    """Where every class has its own, no one filter is exact."""
    p = problem((without(type(CELLS["leaky_rnn"]), "r")(), READOUTS["trained"]), T=T)
    exact = reference.bptt(*p)[1]
    right = online.eprop(*p)
    assert_same(gradient(framework, "eprop", p, 3), right)
    assert max(errors(right[1][:1], exact[:1]).values()) > 1e-3
    assert cosine(right[1][:1], exact[:1]) > 0.95
