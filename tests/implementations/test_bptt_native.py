"""BPTT by the frameworks themselves: that torch.nn's modules and the frameworks' checkpoints are what is run."""

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from support.problems import READOUTS, ZOO, Grads, Problem, cells, gradient, in_framework, needs, network, problem
from test_contract import assert_same

from drtrl_bench.implementations.reference import algorithms as reference

T = 7
NAMES = {"tanh_rnn": ("RNN", "rnn_tanh"), "gru": ("GRU", "gru"), "lstm": ("LSTM", "lstm")}
"""The cells that torch.nn has: its module, and what that calls."""


def posed(cell: str, layers: int = 1) -> Problem:
    return problem(network(cell, layers, "linear"), T=T, I=4, N=6)


def in_order(cell: str, w: dict[str, Any]) -> list[Any]:
    """The weights of torch.nn's module, gate by gate: its documentation's order and equations, our layout."""
    x, r, b = w["x"], w["r"], w["b"][0]
    zero, one = np.zeros_like(b[0]), np.ones_like(b[0])
    match cell:  # of each gate the input weights, the recurrent weights, and the bias of either
        case "tanh_rnn":
            gates = [(x[:, 0], r[:, 0], b[0], zero)]
        case "gru":
            gates = [(x[:, 1], r[:, 0], b[1], zero), (x[:, 2], r[:, 1], b[2], zero), (x[:, 0], r[:, 2], b[0], b[3])]
        case _:
            gates = [(x[:, i], r[:, i], b[i], one if i == 2 else zero) for i in (0, 2, 1, 3)]
    return [np.concatenate([part.T for part in parts]) for parts in zip(*gates, strict=True)]


def by_module(cell: str, p: Problem) -> tuple[float, Grads]:
    """The loss, and the gradient of the readout and of the input weights of torch.nn's own module, in its layout."""
    torch: Any = import_module("torch")
    w, readout = p.params
    module = getattr(torch.nn, NAMES[cell][0])(w["x"].shape[0], w["x"].shape[-1]).double()
    with torch.no_grad():
        for filled, ours in zip(module.parameters(), in_order(cell, w), strict=True):
            filled.copy_(torch.from_numpy(ours))
    linear = torch.nn.Linear(*readout["x"].shape[::2]).double()
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(readout["x"][:, 0].T))
        linear.bias.copy_(torch.from_numpy(readout["b"][0, 0]))
    logits = linear(module(torch.from_numpy(p.inputs))[0])
    log_p, (steps, samples) = torch.log_softmax(logits, -1), np.nonzero(p.targets >= 0)
    loss = -log_p[steps, samples, p.targets[steps, samples]].sum() / p.targets.shape[1]
    loss.backward()
    own: dict[str, Any] = dict(zip(("x", "r", "b", "b_r"), (q.grad.numpy() for q in module.parameters()), strict=True))
    return float(loss.detach()), [
        own,
        {"x": linear.weight.grad.numpy().T[:, None], "b": linear.bias.grad.numpy()[None, None]},
    ]


@needs("torch")
@pytest.mark.xdist_group("torch")
@pytest.mark.parametrize("cell", NAMES)
def test_it_is_the_gradient_of_torch_nn(cell: str) -> None:
    """Of a module of torch.nn that the test fills gate by gate; the bias of a cell is one of the module's two."""
    p = posed(cell)
    loss, (hidden, readout) = gradient("torch", "bptt_native", p, T)
    right_loss, (own, right_readout) = by_module(cell, p)
    x, r, b, _ = in_order(cell, {"x": hidden["x"], "r": hidden["r"], "b": hidden["b"]})
    assert_same((loss, [{"x": x, "r": r, "b": b}, readout]), (right_loss, [{k: own[k] for k in "xrb"}, right_readout]))
    if cell == "gru":
        np.testing.assert_allclose(hidden["b"][0, 3], own["b_r"][-hidden["b"].shape[-1] :], rtol=1e-12)


@needs("torch")
@pytest.mark.xdist_group("torch")
@pytest.mark.parametrize("cell", NAMES)
def test_torch_nn_is_what_is_called(cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a layer and chunk, and no equation of ours in its place."""
    torch: Any = import_module("torch")
    ours: Any = import_module("drtrl_bench.implementations.cells.cells_torch")
    native: Any = import_module("drtrl_bench.implementations.algorithms.exact.bptt_native_torch")
    p, calls = posed(cell, layers=2), []

    def counted(name: str) -> Any:
        call = getattr(torch, name)
        return lambda *arguments: (calls.append(name), call(*arguments))[1]

    monkeypatch.setattr(torch, NAMES[cell][1], counted(NAMES[cell][1]))
    monkeypatch.setattr(native, "steps", None)
    assert type(in_framework(p.net, "torch")[0]).dynamics in (
        ours.TanhRNN.dynamics,
        ours.GRU.dynamics,
        ours.LSTM.dynamics,
    )
    assert_same(gradient("torch", "bptt_native", p, 3), reference.bptt(*p, chunk=3))
    assert calls == [NAMES[cell][1]] * 2 * 3  # two layers, chunks of 3, 3 and 1 steps


@needs("torch")
@pytest.mark.xdist_group("torch")
def test_a_cell_with_other_equations_is_no_cell_of_torch_nn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A class derived from GRU has its own equations run, whatever it is derived from."""
    torch: Any = import_module("torch")
    ours: Any = import_module("drtrl_bench.implementations.cells.cells_torch")
    native: Any = import_module("drtrl_bench.implementations.algorithms.exact.bptt_native_torch")

    class Halved(ours.GRU):
        def output(self, s: Any) -> Any:
            return s[..., 0, :] / 2

    monkeypatch.setattr(torch, "gru", None)
    p = posed("gru")
    net, half = in_framework(p.net, "torch"), p.params[1] | {"x": p.params[1]["x"] / 2}
    params = [{k: torch.from_numpy(v) for k, v in w.items()} for w in p.params]
    data = torch.from_numpy(p.inputs), torch.from_numpy(p.targets)
    halved = (Halved(**vars(net[0])), net[1])
    loss = native.advance(halved, params, native.init(halved, params, 2), *data)[1]
    assert float(loss) == pytest.approx(reference.bptt(p.net, [p.params[0], half], *p[2:])[0], rel=1e-12)


@needs("jax")
@pytest.mark.parametrize("segments", [0, 2, T])
def test_jax_checkpoints_are_what_segments_ask_for(segments: int) -> None:
    """None without segments; else of each, and the scan over the steps is the only loop without them."""
    jax: Any = import_module("jax")
    native: Any = import_module("drtrl_bench.implementations.algorithms.exact.bptt_native_jax")
    p = posed("gru")
    net = in_framework(p.net, "jax")

    def advance(params: Any, inputs: Any) -> Any:
        carry = native.init(net, params, p.targets.shape[1])
        return native.advance(net, params, carry, inputs, p.targets, segments=segments)[1:]

    text = str(jax.make_jaxpr(advance)(p.params, p.inputs))
    assert ("checkpoint" in text or "remat" in text) == (segments > 0)


@needs("torch")
@pytest.mark.xdist_group("torch")
@pytest.mark.parametrize(("segments", "pieces"), [(0, 0), (2, 2), (T, T)])
def test_torch_checkpoints_are_what_segments_ask_for(
    segments: int, pieces: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    native: Any = import_module("drtrl_bench.implementations.algorithms.exact.bptt_native_torch")
    whole, calls = native.checkpoint, []

    def counted(*arguments: Any, **options: Any) -> Any:
        calls.append(len(arguments[3]))
        return whole(*arguments, **options)

    monkeypatch.setattr(native, "checkpoint", counted)
    gradient("torch", "bptt_native", posed("gru"), T, options={"segments": segments})
    assert len(calls) == pieces
    assert sum(calls) == (T if segments else 0)


@needs("torch")
@pytest.mark.xdist_group("torch")
@pytest.mark.parametrize("readout", ["leaky", "linear"])
@pytest.mark.parametrize("cell", ["lif_delta_hard", "tanh_rnn", "lstm", "gru", "lif_delta"])
def test_a_special_form_is_the_general_one(cell: str, readout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """To rounding, so that a special form is chosen for its time alone; both are the reference's gradient."""
    native: Any = import_module("drtrl_bench.implementations.algorithms.exact.bptt_native_torch")
    plain: cells.Cell = ZOO[cell] if cell != "lif_delta" else cells.LIF(scale_x=8.0, scale_r=4.0, reset="soft")
    p = problem((plain, plain, READOUTS[readout]), T=T, I=4, N=6)
    special = gradient("torch", "bptt_native", p, 3)
    monkeypatch.setattr(native, "MODULES", {})
    monkeypatch.setattr(native, "lean", lambda cell, w: None)
    assert_same(special, gradient("torch", "bptt_native", p, 3), 1e-12)
    assert_same(special, reference.bptt(*p, chunk=3))
