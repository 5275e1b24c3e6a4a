"""Chunks of several blocks, the last one short, and traces stored in half the bytes: against NumPy and by hand."""

from functools import cache
from importlib import import_module
from math import exp, tanh
from typing import Any

import numpy as np
import pytest
from support.by_hand import arrays, weights
from support.problems import CELLS, READOUTS, Grads, Problem, execution, gradient, in_framework, problem
from test_contract import assert_same, compiled
from test_zoo import true_gradient

from drtrl_bench.implementations.cells import spec as cells

T, K = 150, 140
"""A chunk of two blocks of 64 steps and one of 12, and a chunk of 10."""
BLOCKWISE = (
    "bptt",
    "bptt_checkpointed",
    "bptt_native",
    "rtrl",
    "drtrl",
    "snap1",
    "drtrl_window",
    "random_feedback",
    "snap2",
    "eprop",
    "ottt",
    "uoro",
)


@cache
def posed() -> Problem:
    return problem((CELLS["alif"], READOUTS["leaky"]), T=T)


@cache
def truth(rule: str, chunk: int = K) -> tuple[float, Grads]:
    return true_gradient(rule, posed(), chunk)


@pytest.mark.parametrize("rule", BLOCKWISE)
def test_gradient_of_several_blocks(framework: str, rule: str) -> None:
    assert execution(framework).block == 64
    assert_same(gradient(framework, rule, posed(), K), truth(rule), 1e-8)


@pytest.mark.parametrize("rule", BLOCKWISE)
def test_a_block_is_no_chunk(rule: str) -> None:
    """What makes the test above worth something: a rule that forgot what was before a block would differ."""
    p = posed()
    grads = truth(rule)[1]
    cut: Grads = [{k: np.zeros_like(v) for k, v in w.items()} for w in grads]
    for start in range(0, T, 64):
        part = p._replace(inputs=p.inputs[start : start + 64], targets=p.targets[start : start + 64])
        for total, w in zip(cut, true_gradient(rule, part, 64)[1], strict=True):
            for k, g in w.items():
                total[k] = total[k] + g
    for w, other in zip(grads, cut, strict=True):
        for k, g in w.items():
            assert np.linalg.norm(g - other[k]) > 1e-4 * np.linalg.norm(g), k


def halved(value: float) -> float:
    """A float32 rounded to bfloat16: the nearest number with 8 bits of precision, to even."""
    bits = int(np.float32(value).view(np.uint32))
    return float(np.uint32((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16 << 16).view(np.float32))


def test_rounding_by_hand() -> None:
    assert [halved(v) for v in (1.0, 1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-7, -1.003)] == [
        1.0,
        1.0,
        1 + 2**-6,
        1.0078125,
        -1.0,
    ]


@pytest.mark.parametrize("trace_dtype", ["same", "bfloat16"])
def test_trace_is_stored_as_asked(framework: str, trace_dtype: str) -> None:
    """A leaky neuron, twelve steps in chunks of one: e = a e + (1 - a) tanh'(u) x, rounded after every step.

    The gradient of a step is l times a e + (1 - a) tanh'(u) x: of the rounded e of the step before.
    """
    a, w, b, out = 0.75, 0.8, 0.1, (1.5, -0.5)
    stored = halved if trace_dtype == "bfloat16" else float
    inputs = np.random.default_rng(3).standard_normal(12)
    h, e, exact, expected, unrounded = 0.0, 0.0, 0.0, 0.0, 0.0
    for x in inputs:
        u = tanh(w * x + b)
        h = a * h + (1 - a) * u
        p0 = 1 / (1 + exp((out[1] - out[0]) * h))
        by_h = p0 * (out[0] - out[1])
        now, exact = a * e + (1 - a) * (1 - u**2) * x, a * exact + (1 - a) * (1 - u**2) * x
        expected, unrounded = expected + by_h * now, unrounded + by_h * exact
        e = stored(now)
    if trace_dtype == "bfloat16":
        assert 2e-4 < abs(expected - unrounded) / abs(unrounded) < 2e-2, "it matters, as much as 8 bits can"

    net = in_framework((cells.LeakyRNN(tau=-1 / np.log(a)), cells.LinearReadout()), framework)
    rule: Any = import_module(f"drtrl_bench.implementations.algorithms.approximate.drtrl_{framework}")
    given = [weights(w, 0.0, b), {"x": np.array([[out]]), "b": np.zeros((1, 1, 2))}]
    single = [{k: v.astype(np.float32) for k, v in layer.items()} for layer in given]
    params, x, t = arrays(framework, single, inputs.astype(np.float32)[:, None, None], np.ones((12, 1), np.int64))
    advance, _ = compiled(framework, rule)
    carry, total = rule.init(net, params, 1, trace_dtype=trace_dtype), 0.0
    for step in range(12):
        carry, _, grads = advance(net, params, carry, x[step : step + 1], t[step : step + 1])
        total += float(grads[0]["x"].squeeze())
        for trace in held(carry[1]):
            assert str(trace.dtype).endswith({"same": "float32"}.get(trace_dtype, trace_dtype))
    assert total == pytest.approx(expected, rel=2e-6)


def held(traces: Any) -> list[Any]:
    """The arrays of a trace, which JAX holds in tiles."""
    found = [e for layer in traces for e in layer.values()]
    return [tile for e in found for tile in e] if isinstance(found[0], list) else found
