"""How a case is computed ends with the case: what a compiled case sets does not reach the next one of the process."""

from dataclasses import replace
from typing import Any

import pytest
from support.problems import needs

from drtrl_bench.case import Case
from drtrl_bench.measure.problem import Problem, draw

pytestmark = [needs("torch"), pytest.mark.xdist_group("torch")]
PLAIN = Case(
    framework="torch",
    dataset="bernoulli",
    features=3,
    cell="leaky_rnn",
    neurons=2,
    batch=1,
    steps=40,
    chunk=40,
    threads=1,
)


def calls_of(subject: Any, operator: str) -> int:
    """How often a gradient calls an operator of PyTorch."""
    import torch

    with torch.autograd.profiler.profile() as profile:
        subject.call()
    results: Any = profile
    return sum(event.count for event in results.key_averages() if event.key == operator)


def test_a_plain_case_after_a_compiled_one_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """One block of 40 steps, whose loss is one softmax, and no code of a compiler; compiled, there are blocks of 16."""
    import torch

    from drtrl_bench.measure.backend_torch import Backend

    used: list[Any] = []

    def compile_(function: Any, **options: Any) -> Any:
        def call(*arguments: Any, **more: Any) -> Any:
            used.append(function.__name__)
            return function(*arguments, **more)

        return call

    monkeypatch.setattr(torch, "compile", compile_)
    compiled = replace(PLAIN, mode="compile")
    posed = Problem(*draw(PLAIN), gradient=[], spikes=[])
    assert calls_of(Backend(compiled, posed, "float32"), "aten::log_softmax") == 3
    assert used
    plain = Backend(PLAIN, posed, "float32")
    used.clear()
    assert calls_of(plain, "aten::log_softmax") == 1
    assert not used
