"""Paths within a step that count twice: against autograd by a state where it is computed, of equations written out."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.problems import needs

from drtrl_bench.case import Case
from drtrl_bench.implementations.cells import spec
from drtrl_bench.implementations.reference import algorithms as reference
from drtrl_bench.measure import fidelity, problem
from drtrl_bench.peers import emulation

CELLS = ("lif_delta", "lif_expcu", "alif_expcu", "lif_std", "alif_std", "lif_stp", "alif_stp", "lstm")
T, B, N, DECAY = 9, 2, 5, 0.7


def drawn(cell: str) -> tuple[Any, Any, np.ndarray, np.ndarray]:
    """Network, weights, inputs and targets: strong weights, so that neurons spike and emit again and again."""
    strong: Any = {"scale_x": 2.0, "scale_r": 2.0} if cell == "lstm" else {"scale_x": 60.0, "scale_r": 20.0}
    case = Case("drtrl", cell=cell, dataset="bernoulli", features=7, neurons=N, batch=B, steps=T, chunk=T, **strong)
    (params, inputs, targets), net = problem.draw(case), problem.network(case)
    if cell != "lstm":
        net = (replace(net[0], tau_std=20.0, tau_f=10.0, tau_d=15.0), *net[1:])
    return net, params, inputs.astype(float), targets


def step(cell: Any, s: dict[str, Any], drive: Callable[[Any], Any], p: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """States and output of one step in PyTorch; p is added to each state where it is computed, before it is read.

    s, p [N] by state. drive: the currents [G, N] from what the neurons emit.
    """
    import torch

    class Spike(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, v: Any) -> Any:
            ctx.save_for_backward(v)
            return (v >= 0).double()

        @staticmethod
        def backward(ctx: Any, *g: Any) -> Any:
            return g[0] * 0.3 * torch.clamp(1 - ctx.saved_tensors[0].abs(), min=0)

    if "h" in s:
        I_i, I_g, I_f, I_o = drive(s["h"])
        c = torch.sigmoid(I_f + 1) * s["c"] + torch.sigmoid(I_i) * torch.tanh(I_g) + p["c"]
        h = torch.sigmoid(I_o) * torch.tanh(c) + p["h"]
        return {"h": h, "c": c}, h
    adaptation = s.get("a", 0.0)
    spikes: Any = Spike.apply(s["V"] - adaptation - 1)
    new, emitted = {}, spikes
    if "u" in s:
        new["u"] = s["u"] * math.exp(-1 / cell.tau_f) + spikes * cell.U * (1 - s["u"]) + p["u"]
        new["x"] = 1 + (s["x"] - 1) * math.exp(-1 / cell.tau_d) - spikes * new["u"] * s["x"] + p["x"]
        emitted = spikes * new["u"] * new["x"]
    elif "x" in s:
        new["x"] = 1 + (s["x"] - 1) * math.exp(-1 / cell.tau_std) - cell.U * spikes * s["x"] + p["x"]
        emitted = spikes * new["x"]
    (current,), k = drive(emitted), math.exp(-1 / cell.tau)
    if "g" in s:
        new["g"] = math.exp(-1 / cell.tau_syn) * s["g"] + current + p["g"]
        current = (1 - k) * new["g"]
    new["V"] = k * (s["V"] - spikes) + current + p["V"]
    if "a" in s:
        new["a"] = math.exp(-1 / cell.tau_a) * (s["a"] + cell.beta * spikes) + p["a"]
    return new, Spike.apply(new["V"] - new.get("a", 0.0) - 1)


def by_autograd(cell: str) -> tuple[dict[str, dict[str, np.ndarray]], np.ndarray]:
    """The hidden layer's gradients by D-RTRL and by ES-D-RTRL, whose signals are autograd's by p; and what is emitted.

    Traces by the rules' equations, with D and D_f of `step` by autograd, the currents held fixed.
    """
    import torch

    net, params, inputs, targets = drawn(cell)
    of, names, leak = net[0], net[0].states, math.exp(-1 / net[1].tau)
    w = {k: torch.tensor(v, dtype=torch.float64) for k, v in params[0].items()}
    w_out = torch.tensor(params[1]["x"][:, 0], dtype=torch.float64)
    found = {rule: {k: np.zeros(v.shape) for k, v in params[0].items()} for rule in ("drtrl", "es_drtrl")}
    outputs = []
    for b in range(B):
        s = {name: torch.tensor(row, dtype=torch.float64) for name, row in zip(names, of.rest(N), strict=True)}
        rho = torch.zeros(w_out.shape[1], dtype=torch.float64)
        eps: Any = dict.fromkeys(w, 0.0)
        eps_x: Any = {"x": 0.0, "r": 0.0, "b": 0.0}
        eps_f: Any = 0.0
        for t in range(T):
            x, z = torch.tensor(inputs[t, b]), {}

            def drive(r: Any, x: Any = x, z: dict[str, Any] = z) -> Any:
                z.update(x=x, r=r, b=torch.ones(1, dtype=torch.float64))
                return sum(torch.einsum("j,jgn->gn", z[k], w[k]) for k in w)

            p = {name: torch.zeros(N, dtype=torch.float64, requires_grad=True) for name in names}
            new, o = step(of, s, drive, p)
            rho_new = leak * rho + o @ w_out
            loss = torch.nn.functional.cross_entropy(rho_new, torch.tensor(int(targets[t, b]))) / B
            l = torch.stack(torch.autograd.grad(loss, [p[name] for name in names])).numpy()  # [S, N]
            z = {k: v.detach().numpy() for k, v in z.items()}
            zero, current = dict.fromkeys(names, 0.0), drive(torch.as_tensor(z["r"])).detach()

            def fixed(states: Any, current: Any, zero: dict[str, float] = zero) -> Any:
                of_names = dict(zip(names, states, strict=True))
                after, _ = step(of, of_names, lambda r: current, zero)
                return torch.stack([after[name] for name in names])

            before = torch.stack([s[name] for name in names])
            by_s, by_y = torch.autograd.functional.jacobian(fixed, (before, current))
            D, D_f = (np.einsum("snun->sun", each.numpy()) for each in (by_s, by_y))
            eps_f = DECAY * np.einsum("sun,ugn->sgn", D, eps_f + np.zeros_like(D_f)) + (1 - DECAY) * D_f
            for k in w:
                immediate = np.einsum("j,sgn->jsgn", z[k], D_f)
                eps[k] = np.einsum("sun,jugn->jsgn", D, eps[k] + np.zeros_like(immediate)) + immediate
                found["drtrl"][k] += np.einsum("sn,jsgn->jgn", l, eps[k])
                eps_x[k] = (0.0 if k == "b" else DECAY) * eps_x[k] + z[k]
                dy = np.einsum("sn,sgn->gn", l, eps_f) / (1 - DECAY ** (t + 1))
                found["es_drtrl"][k] += np.einsum("j,gn->jgn", eps_x[k], dy)
            s, rho = {name: new[name].detach() for name in names}, rho_new.detach()
            outputs.append(o.detach().numpy())
    return found, np.array(outputs)


@needs("torch")
@pytest.mark.parametrize("cell", CELLS)
def test_signals_are_autograds_by_a_state_where_it_is_computed(cell: str) -> None:
    """D-RTRL and ES-D-RTRL; and where there is a path within a step, neither is the rule with each path once."""
    net, params, inputs, targets = drawn(cell)
    by_hand, outputs = by_autograd(cell)
    assert 0.05 < np.abs(outputs).mean() < 0.9
    once = {
        "drtrl": reference.drtrl(net, params, inputs, targets)[1],
        "es_drtrl": reference.es_drtrl(net, params, inputs, targets, DECAY)[1],
    }
    twice = {
        "drtrl": emulation.in_step_twice(reference.local_jacobians, net, params, inputs, targets)[1],
        "es_drtrl": emulation.filtered_in_step_twice(net, params, inputs, targets, DECAY)[1],
    }
    for rule, gradient in twice.items():
        _, error = fidelity.worst_error([gradient[0]], [by_hand[rule]])
        assert error < 1e-12, rule
        assert min(np.linalg.norm(g) for g in by_hand[rule].values()) > 1e-4
        np.testing.assert_allclose(gradient[1]["x"], once[rule][1]["x"], rtol=1e-12)  # the readout has one state
        _, apart = fidelity.worst_error([gradient[0]], [once[rule][0]])
        assert apart < 1e-12 if cell == "lif_delta" else apart > 0.01


def test_cells_of_other_paths_are_not_emulated() -> None:
    case = Case("drtrl", cell="gif", dataset="bernoulli", features=7, neurons=N, batch=B, steps=T, chunk=T)
    params, inputs, targets = problem.draw(case)
    with pytest.raises(ValueError, match=r"the paths within a step of GIF \('V', 'J', 'g'\) are not emulated"):
        emulation.filtered_in_step_twice(problem.network(case), params, inputs, targets, DECAY)
    assert isinstance(problem.network(case)[0], spec.GIF)
