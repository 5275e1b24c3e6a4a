"""The emulation of other libraries' neurons: against autograd over their equations, written out step by step."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.problems import needs

from drtrl_bench.implementations.reference import algorithms as reference
from drtrl_bench.measure import fidelity, problem
from drtrl_bench.peers import agreement, emulation, ways
from drtrl_bench.peers.emulation import Definition

DEFINITIONS = {
    "here": ("lif_delta", Definition()),
    "here, hard": ("lif_delta_hard", Definition()),
    "snntorch": ("lif_delta", Definition(reset_after_decay=True, detached=True)),
    "snntorch, undelayed": ("lif_delta", Definition(twice=True)),
    "hard product": ("lif_delta_hard", Definition(product=True)),
    "detached": ("lif_delta", Definition(detached=True)),
    "hard, detached": ("lif_delta_hard", Definition(detached=True, product=True)),
    "spyx": ("lif_delta", Definition(reset_after_decay=True, late=True)),
}


def by_autograd(name: str, cell: Any, leak: float, params: Any, inputs: Any, targets: Any) -> tuple[float, Any]:
    """Loss and gradient of a library's equations, in PyTorch and float64."""
    import torch

    class Spike(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, v: Any) -> Any:
            ctx.save_for_backward(v)
            return (v >= 0).double()

        @staticmethod
        def backward(ctx: Any, *g: Any) -> Any:
            return g[0] * cell.alpha * torch.clamp(cell.width - ctx.saved_tensors[0].abs(), min=0)

    a = float(np.exp(-1 / cell.tau))
    w = [{k: torch.tensor(v[:, 0], requires_grad=True) for k, v in layer.items()} for layer in params]
    x, y = torch.tensor(inputs), torch.tensor(targets, dtype=torch.int64)
    V = torch.zeros(x.shape[1], params[0]["r"].shape[-1], dtype=torch.float64)
    rho, loss, s = torch.zeros(x.shape[1], 10, dtype=torch.float64), 0.0, torch.zeros_like(V)
    for t in range(len(x)):
        if name == "spyx":
            s = out = Spike.apply(V - 1)
            V = a * V + x[t] @ w[0]["x"] + s @ w[0]["r"] + w[0]["b"] - s
        elif name == "snntorch, undelayed":  # mem is stored after its reset
            reset = (V >= 1).double()
            V = a * V + x[t] @ w[0]["x"] + s @ w[0]["r"] + w[0]["b"] - reset
            s = out = Spike.apply(V - 1)
            V = V - (s - reset)
        else:
            before = Spike.apply(V - 1)
            current = x[t] @ w[0]["x"] + before @ w[0]["r"] + w[0]["b"]
            V = {
                "here": lambda: a * (V - before) + current,  # noqa: B023
                "here, hard": lambda: a * (V - V.detach() * before) + current,  # noqa: B023
                "snntorch": lambda: a * V - before.detach() + current,  # noqa: B023
                "hard product": lambda: a * ((1 - before) * V) + current,  # noqa: B023
                "detached": lambda: a * (V - before.detach()) + current,  # noqa: B023
                "hard, detached": lambda: a * ((1 - before.detach()) * V) + current,  # noqa: B023
            }[name]()
            out = Spike.apply(V - 1)
        rho = leak * rho + out @ w[1]["x"] + w[1].get("b", 0)
        loss = loss + torch.nn.functional.cross_entropy(rho, y[t])
    leaves = [each for layer in w for each in layer.values()]
    total = torch.as_tensor(loss)
    grads = iter(torch.autograd.grad(total, leaves))
    return float(total.detach()), [{k: next(grads).numpy()[:, None] for k in layer} for layer in w]


@needs("torch")
@pytest.mark.parametrize("readout", ["linear", "leaky"])
@pytest.mark.parametrize("name", DEFINITIONS)
def test_each_definition_is_the_librarys_equation(name: str, readout: str) -> None:
    cell, definition = DEFINITIONS[name]
    case = agreement.case_of(ways.PEERS["norse"].ways["bptt"], cell, readout)
    net, (params, inputs, targets) = problem.network(case), problem.draw(case)
    leak = float(np.exp(-1 / net[-1].tau)) if readout == "leaky" else 0.0
    loss, gradient = emulation.bptt(definition, net, params, inputs.astype(float), targets)
    true_loss, true = by_autograd(name, net[0], leak, params, inputs.astype(float), targets)
    assert abs(loss - true_loss) < 1e-12 * true_loss
    assert fidelity.worst_error(gradient, true)[1] < 1e-12


@pytest.mark.parametrize("name", DEFINITIONS)
def test_each_definition_makes_a_difference_but_our_own(name: str) -> None:
    """In the case that agreement is checked on: one without effect would explain nothing."""
    cell, definition = DEFINITIONS[name]
    case = agreement.case_of(ways.PEERS["norse"].ways["bptt"], cell, "leaky")
    net, (params, inputs, targets) = problem.network(case), problem.draw(case)
    _, gradient = emulation.bptt(definition, net, params, inputs.astype(float), targets)
    _, true = reference.bptt(net, params, inputs.astype(float), targets)
    _, error = fidelity.worst_error(gradient, true)
    assert error < 1e-12 if name.startswith("here") else error > 0.1


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("hard product", {"reset": "multiply"}),
        ("detached", {"detach_reset": True}),
        ("hard, detached", {"reset": "multiply", "detach_reset": True}),
    ],
)
def test_the_definitions_that_are_options_of_a_case(name: str, options: dict[str, Any]) -> None:
    cell, definition = DEFINITIONS[name]
    case = agreement.case_of(ways.PEERS["norse"].ways["bptt"], cell, "leaky")
    params, inputs, targets = problem.draw(case)
    loss, gradient = emulation.bptt(definition, problem.network(case), params, inputs.astype(float), targets)
    own_loss, own = reference.bptt(problem.network(replace(case, **options)), params, inputs.astype(float), targets)
    assert own_loss == pytest.approx(loss, rel=1e-12)
    assert fidelity.worst_error(own, gradient)[1] < 1e-12


@pytest.mark.parametrize("jacobian", [reference.local_jacobians, reference.jacobians_with_own_weight])
def test_in_one_step_the_gates_of_the_cell_count_twice_and_the_output_gate_once(jacobian: Any) -> None:
    """With a single step nothing else is in the gradient: i, g and f act on h through c alone, o directly."""
    case = replace(agreement.case_of(ways.PEERS["braintrace"].ways["d_rtrl"], "lstm", "leaky"), steps=1, chunk=1)
    net, (params, inputs, targets) = problem.network(case), problem.draw(case)
    inputs = inputs.astype(float) + 0.1
    loss, gradient = emulation.in_step_twice(jacobian, net, params, inputs, targets)
    true_loss, true = reference.bptt(net, params, inputs, targets)
    assert loss == true_loss
    for kind in ("x", "b"):
        i, g, f, o = np.moveaxis(gradient[0][kind] / np.where(true[0][kind] == 0, 1, true[0][kind]), 1, 0)
        np.testing.assert_allclose(i, 2, rtol=1e-12)
        np.testing.assert_allclose(g, 2, rtol=1e-12)
        np.testing.assert_allclose(f, 0, atol=1e-12)  # c is 0 before the first step
        np.testing.assert_allclose(o, 1, rtol=1e-12)
    np.testing.assert_allclose(gradient[1]["x"], true[1]["x"], rtol=1e-12)


RULES = (reference.local_jacobians, reference.jacobians_with_own_weight)


@pytest.mark.parametrize(("jacobian", "own"), [*zip(RULES, (0, 1), strict=True)])
def test_in_three_steps_a_rule_has_its_own_jacobian(jacobian: Any, own: int) -> None:
    """One neuron, by hand: SnAp-1 keeps the paths through its weight on itself (`own` = 1), D-RTRL cuts them.

    The gradient of the forget gate's bias: its traces are e_c of c' = f c + i g and e_h of h' = o tanh(c'), and the
    learning signal l of h reaches e_c as well as e_h, although e_h has the path from c' to h' already.
    """
    assert len({round(forget_bias(rule)[0], 6) for rule in RULES}) == 2
    gradient, (w, w_out), inputs, targets = forget_bias(jacobian)

    def sigma(v: float) -> float:
        return float(1 / (1 + np.exp(-v)))

    x, r, b = (np.asarray(w[kind], float)[0, :, 0] for kind in ("x", "r", "b"))
    readout, bias = (np.asarray(w_out[kind], float)[0, 0] for kind in ("x", "b"))
    h, c, e_h, e_c, total = 0.0, 0.0, 0.0, 0.0, 0.0
    for t in range(3):
        I_i, I_g, I_f, I_o = inputs[t, 0, 0] * x + h * r + b
        i, g, f, o = sigma(I_i), float(np.tanh(I_g)), sigma(I_f + 1), sigma(I_o)
        by_h = r[0] * i * (1 - i) * g + r[1] * i * (1 - g**2) + r[2] * f * (1 - f) * c
        e_c = f * e_c + own * by_h * e_h + f * (1 - f) * c
        c = f * c + i * g
        slope = o * (1 - np.tanh(c) ** 2)
        e_h = slope * e_c + own * r[3] * o * (1 - o) * np.tanh(c) * e_h
        h = o * np.tanh(c)
        logits = h * readout + bias
        p = np.exp(logits) / np.exp(logits).sum()
        l = readout @ (p - np.eye(len(p))[targets[t, 0]])
        total += l * (e_h + slope * e_c)
    assert abs(total) > 1e-3
    assert gradient == pytest.approx(total, rel=1e-12)


def forget_bias(jacobian: Any) -> tuple[float, Any, Any, Any]:
    """The gradient of the forget gate's bias in an LSTM of one neuron, of three steps; weights, inputs and targets."""
    case = agreement.case_of(ways.PEERS["braintrace"].ways["d_rtrl"], "lstm", "linear")
    case = replace(case, neurons=1, features=1, batch=1, steps=3, chunk=3)
    params, _, targets = problem.draw(case)
    inputs = np.array([0.5, -1.0, 2.0]).reshape(3, 1, 1)
    _, gradient = emulation.in_step_twice(jacobian, problem.network(case), params, inputs, targets)
    return float(gradient[0]["b"][0, 2, 0]), params, inputs, targets
