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
