"""OTTT against autograd of a network written out by hand."""

from typing import Any

import numpy as np
import pytest
from support.problems import CELLS, READOUTS, cosine, errors, gradient, problem
from test_contract import assert_same

from drtrl_bench.implementations.reference import algorithms as reference
from drtrl_bench.implementations.reference import online

T = 11


@pytest.mark.parametrize(
    "code", ["reference", *(pytest.param(f, marks=pytest.mark.xdist_group(f)) for f in ("jax", "torch"))]
)
def test_spiking_network_by_hand(code: str) -> None:
    """Resets, recurrent spikes and the readout's past are detached: what is left of V is a leak of what comes in.

    The published rule multiplies what came in with the slope of the step that learns, as this loss does.
    """
    torch = pytest.importorskip("torch")
    p = problem((CELLS["lif_soft"], READOUTS["leaky"]), T=T)
    w, out = ({k: torch.tensor(v, requires_grad=True) for k, v in layer.items()} for layer in p.params)
    a, kappa = np.exp(-1 / 5), np.exp(-1 / 4)

    def spike(v: Any) -> Any:
        slope = (0.7 * (1.5 - v.abs()).clamp(min=0)).detach()
        return (v >= 0).double() + slope * (v - v.detach())

    V, s, rho, losses = torch.zeros(2, 4).double(), torch.zeros(2, 4).double(), torch.zeros(2, 3).double(), []
    for x, target in zip(torch.tensor(p.inputs), torch.tensor(p.targets), strict=True):
        now = x @ w["x"][:, 0] + s.detach() @ w["r"][:, 0]
        V = a * (V - s.detach()) + now + w["b"][0]
        s = spike(V - 1)
        kept = kappa * rho + s.detach() @ out["x"][:, 0]
        each = torch.nn.functional.cross_entropy(
            kept + (s - s.detach()) @ out["x"][:, 0].detach(), target.clamp(min=0), reduction="none"
        )
        rho = kept
        losses.append((each * (target >= 0)).sum() / 2)
        V = V - w["b"][0] + w["b"][0].detach()  # a bias learns from its own step alone
    loss = torch.stack(losses).sum()
    loss.backward()
    expected = loss.item(), [{k: v.grad.numpy() for k, v in layer.items()} for layer in (w, out)]
    if code == "jax":
        pytest.importorskip("jax")
    assert_same(online.ottt(*p) if code == "reference" else gradient(code, "ottt", p, 3), expected)
    assert all(np.abs(g).max() > 1e-2 for layer in expected[1] for g in layer.values())
    for other in (reference.drtrl, reference.no_trace):
        assert cosine(other(*p)[1][:1], expected[1][:1]) < 0.999


def test_a_leaky_readout_is_exact(framework: str) -> None:
    p = problem((CELLS["gru"], READOUTS["leaky"]), T=T)
    found = gradient(framework, "ottt", p, 3)[1]
    assert max(errors(found[-1:], reference.bptt(*p)[1][-1:]).values()) < 1e-10
    assert max(errors(found[:1], reference.no_trace(*p)[1][:1]).values()) < 1e-10, "a GRU has no tau"
