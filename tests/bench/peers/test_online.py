"""The emulation of other libraries' online rules: against equations by hand, and the mean over all signs of UORO."""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from drtrl_bench.implementations.reference.online import snap2
from drtrl_bench.measure import fidelity, problem
from drtrl_bench.peers import agreement, online, ways

WAYS = {**ways.PEERS["braintrace"].ways, **ways.PEERS["spikingjelly"].ways}


def drawn(way: str, cell: str, readout: str, **sizes: int) -> tuple[Any, Any, Any, Any]:
    """Network, weights, inputs and targets of the case on which agreement is checked."""
    case = replace(agreement.case_of(WAYS[way], cell, readout), **sizes)
    params, inputs, targets = problem.draw(case)
    return problem.network(case), params, inputs.astype(float), targets


def steps(net: Any, params: Any, inputs: Any, targets: Any) -> Any:
    """Yield of each step of LIF neurons: r^{t-1}, x, the slopes psi before and after, o and dL/dlogits."""
    a, kappa = np.exp(-1 / net[0].tau), np.exp(-1 / net[1].tau) if hasattr(net[1], "tau") else 0.0
    w, w_out = ({k: v[:, 0] for k, v in layer.items()} for layer in params)
    V, rho = np.zeros((inputs.shape[1], w["r"].shape[-1])), 0.0
    for x, y in zip(inputs, targets, strict=True):
        s, before = (V >= 1).astype(float), net[0].alpha * np.maximum(net[0].width - abs(V - 1), 0)
        V = a * (V - s) + x @ w["x"] + s @ w["r"] + w["b"][0]
        o, after = (V >= 1).astype(float), net[0].alpha * np.maximum(net[0].width - abs(V - 1), 0)
        rho = kappa * rho + o @ w_out["x"] + w_out.get("b", np.zeros(1))
        p = np.exp(rho) / np.exp(rho).sum(-1, keepdims=True)
        yield s, x, before, after, o, (p - np.eye(p.shape[-1])[y]) / len(y)


def worst(found: Any, **by_hand: Any) -> float:
    """The largest relative error of the weights x and r, and of the readout's x: none of them is 0."""
    true = {k: by_hand[k] for k in ("x", "r", "readout")}
    assert min(np.linalg.norm(v) for v in true.values()) > 0.1
    pairs = [(found[0]["x"], true["x"]), (found[0]["r"], true["r"]), (found[1]["x"], true["readout"])]
    return max(float(np.linalg.norm(f[:, 0] - t) / np.linalg.norm(t)) for f, t in pairs)


def test_eprop_filters_the_traces_of_states_of_both_layers() -> None:
    net, params, inputs, targets = drawn("eprop", "lif_delta", "leaky")
    _, found = online.eprop_of_states(net, params, inputs, targets)
    a, kappa = np.exp(-1 / net[0].tau), np.exp(-1 / net[1].tau)
    e: Any = dict.fromkeys(("x", "r", "readout"), 0.0)
    kept, grads = dict(e), dict(e)
    for s, x, before, after, o, error in steps(net, params, inputs, targets):
        for k, z in (("x", x), ("r", s)):
            e[k] = (a * (1 - before))[:, None] * e[k] + z[:, :, None]
            kept[k] = kappa * kept[k] + e[k]
            grads[k] += ((error @ params[1]["x"][:, 0].T * after)[:, None] * kept[k]).sum(0)
        e["readout"] = kappa * e["readout"] + o
        kept["readout"] = kappa * kept["readout"] + e["readout"]
        grads["readout"] += kept["readout"].T @ error
    assert worst(found, **grads) < 1e-12


@pytest.mark.parametrize("readout", ["linear", "leaky"])
def test_in_ottt_the_readout_has_the_trace_of_the_neurons(readout: str) -> None:
    net, params, inputs, targets = drawn("ottt", "lif_delta", readout)
    _, found = online.ottt_of_the_neurons(net, params, inputs, targets)
    a = np.exp(-1 / net[0].tau)
    kept: Any = dict.fromkeys(("x", "r", "readout"), 0.0)
    grads = dict(kept)
    for s, x, _, after, o, error in steps(net, params, inputs, targets):
        signal = error @ params[1]["x"][:, 0].T * after
        for k, z, l in (("x", x, signal), ("r", s, signal), ("readout", o, error)):
            kept[k] = a * kept[k] + z
            grads[k] += kept[k].T @ l
    assert worst(found, **grads) < 1e-12


@pytest.mark.parametrize("readout", ["linear", "leaky"])
@pytest.mark.parametrize("cell", ["tanh_rnn", "gru"])
def test_the_mean_of_uoro_over_all_signs_is_rtrl_of_the_layer(cell: str, readout: str) -> None:
    """That is SnAp-2 with all recurrent weights. Two samples, two neurons and two steps have 2^8 patterns of signs."""
    net, params, _, targets = drawn("uoro", cell, readout, neurons=2, features=2, batch=2, steps=2, chunk=2)
    inputs = np.random.default_rng(0).normal(size=(2, 2, 2))
    total = [{k: np.zeros(v.shape) for k, v in layer.items()} for layer in params]
    for bits in product((-1.0, 1.0), repeat=8):
        table = np.reshape(bits, (2, 2, 1, 2))

        def signs(draw: int, layer: int, t: int, shape: Any, table: Any = table) -> Any:
            return table[t] if layer == 0 else np.ones(shape)

        _, found = online.uoro_of_batch(net, params, inputs, targets, signs)
        total = [{k: g[k] + f[k] / 256 for k in g} for g, f in zip(total, found, strict=True)]
    true = snap2(net, params, inputs, targets)[1]
    assert min(np.linalg.norm(g) for g in true[0].values()) > 0.01
    layers = 2 if readout == "linear" else 1
    assert fidelity.worst_error(total[:layers], true[:layers])[1] < 1e-12


def test_the_norms_of_uoro_balance_what_is_carried_and_what_is_added() -> None:
    """One tanh neuron and two steps, by hand."""
    net, params, _, targets = drawn("uoro", "tanh_rnn", "linear", neurons=1, features=1, batch=1, steps=2, chunk=2)
    inputs = np.array([0.7, -0.4]).reshape(2, 1, 1)
    nu = (1.0, -1.0)
    _, found = online.uoro_of_batch(net, params, inputs, targets, lambda draw, layer, t, shape: np.full(shape, nu[t]))
    w_x, w_r, b = (float(params[0][k].item()) for k in ("x", "r", "b"))
    h1 = np.tanh(0.7 * w_x + b)
    h2 = np.tanh(-0.4 * w_x + h1 * w_r + b)
    l1, l2 = (signal(h, y, params[1]) for h, y in zip((h1, h2), targets[:, 0], strict=True))
    d1, d2 = ((1 - h**2) * np.array(z) for h, z in ((h1, (0.7, 0, 1)), (h2, (-0.4, h1, 1))))
    rho1 = np.sqrt(np.linalg.norm(d1))
    p, q = rho1, d1 / rho1  # nu is 1
    total = l1 * p * q
    carried = (1 - h2**2) * w_r * p
    rho0, rho1 = np.sqrt(np.linalg.norm(q) / abs(carried)), np.sqrt(np.linalg.norm(d2))
    total = total + l2 * (rho0 * carried - rho1) * (q / rho0 - d2 / rho1)
    assert np.linalg.norm(total) > 1e-3
    np.testing.assert_allclose([found[0][k].item() for k in ("x", "r", "b")], total, rtol=1e-9)


def signal(h: float, y: int, w_out: Any) -> float:
    """dL/dh of a step with one sample and one neuron."""
    logits = h * w_out["x"][0, 0] + w_out["b"][0, 0]
    p = np.exp(logits) / np.exp(logits).sum()
    return float(w_out["x"][0, 0] @ (p - np.eye(len(p))[y]))
