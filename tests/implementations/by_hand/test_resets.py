"""Resets and surrogates against PyTorch's differentiation of a loop written here, in float64.

One layer of LIF neurons and a linear readout, by the equations: the loop shares no code with the cells. For D-RTRL the
spikes that the recurrent weights read are detached, which cuts every path that D-RTRL cuts in one layer.
"""

from functools import cache
from math import exp
from typing import Any

import numpy as np
import pytest
from conftest import prepare
from support.by_hand import CODES
from support.problems import Problem, cosine, errors, gradient, needs, problem

from drtrl_bench.implementations.cells import spec as cells
from drtrl_bench.implementations.reference import algorithms as reference

pytestmark = [needs("torch"), pytest.mark.xdist_group("torch")]

SLOPES: dict[str, Any] = {
    "relu": lambda size: 0.3 * (1 - size).clip(min=0),
    "atan": lambda size: 1 / (1 + 9.869604401089358 * size**2),
    "fast_sigmoid": lambda size: 1 / (1 + 50 * size + 625 * size**2),
    "superspike": lambda size: 1 / (1 + 200 * size + 10_000 * size**2),
}
"""The surrogate derivatives of the size of v: the squares are multiplied out."""
RESETS = [(reset, detached, "atan") for reset in ("soft", "hard", "multiply") for detached in (False, True)]
RESETS += [("soft", False, surrogate) for surrogate in SLOPES if surrogate != "atan"]
TAU, THETA, T, K = 5.0, 0.8, 20, 7


def posed(reset: str, detached: bool, surrogate: str) -> Problem:
    cell = cells.LIF(
        reset=reset, detach_reset=detached, surrogate=surrogate, tau=TAU, threshold=THETA, scale_x=8.0, scale_r=4.0
    )
    return problem((cell, cells.LinearReadout()), T=T, I=4, N=6)


@cache
def differentiated(reset: str, detached: bool, surrogate: str, cut: bool) -> tuple[float, Any]:
    """Loss and gradient of the loop."""
    import torch

    torch.set_num_threads(1)

    class Sigma(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, v: Any) -> Any:
            ctx.save_for_backward(v)
            return (v >= 0).double()

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            return grads[0] * SLOPES[surrogate](ctx.saved_tensors[0].abs())

    _, params, inputs, targets = posed(reset, detached, surrogate)
    hidden, readout = ({k: torch.tensor(v[:, 0]).requires_grad_() for k, v in w.items()} for w in params)
    x, labels = torch.tensor(inputs), torch.tensor(targets)
    V, loss = torch.zeros(*x.shape[1:2], 6, dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for t in range(T):
        s = Sigma.apply(V - 1)
        own, seen = s.detach() if detached else s, s.detach() if cut else s
        if reset == "soft":
            left = V - own
        elif reset == "hard":
            left = V - V.detach() * own
        else:
            left = (1 - own) * V
        V = exp(-1 / TAU) * left + (x[t] @ hidden["x"] + seen @ hidden["r"] + hidden["b"]) / THETA
        logits = Sigma.apply(V - 1) @ readout["x"] + readout["b"]
        for b in range(len(labels[t])):
            if labels[t, b] >= 0:
                loss = loss - torch.log_softmax(logits[b], 0)[labels[t, b]] / len(labels[t])
    loss.backward()
    return loss.item(), [{k: v.grad[:, None].numpy() for k, v in w.items()} for w in (hidden, readout)]


def found(code: str, rule: str, p: Problem) -> tuple[float, Any]:
    """Loss and gradient of a rule; BPTT's over the whole sequence."""
    if code == "reference":
        return {"bptt": reference.bptt, "drtrl": reference.drtrl}[rule](*p)
    prepare(code)
    return gradient(code, rule, p, K if rule == "drtrl" else T)


@pytest.mark.parametrize(("reset", "detached", "surrogate"), RESETS)
@pytest.mark.parametrize("code", CODES)
def test_gradients(code: str, reset: str, detached: bool, surrogate: str) -> None:
    p = posed(reset, detached, surrogate)
    own_loop = ("bptt_native",) if code == "torch" else ()
    for rule in ("bptt", "drtrl", *own_loop):
        loss, right = differentiated(reset, detached, surrogate, rule == "drtrl")
        own_loss, grads = found(code, rule, p)
        assert own_loss == pytest.approx(loss, rel=1e-12), rule
        assert max(errors(grads, right).values()) < 1e-10, rule


@pytest.mark.parametrize("cut", [False, True])
def test_what_is_expected_is_alive(cut: bool) -> None:
    """No gradient is 0, and no two of the resets and surrogates have the same one."""
    known: list[Any] = [differentiated(*each, cut)[1] for each in RESETS]
    for grads in known:
        assert all(np.abs(g).max() > 1e-5 for w in grads for g in w.values())
    for i, one in enumerate(known):
        for j, other in enumerate(known[:i]):
            assert cosine(one[:1], other[:1]) < 1 - 1e-9, (RESETS[i], RESETS[j])
    hard, multiply = (differentiated(reset, False, "atan", cut)[0] for reset in ("hard", "multiply"))
    assert hard == multiply, "they differ by the gradient alone"
