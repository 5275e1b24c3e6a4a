"""What the child measures, on a subject whose calls are written down and whose seconds are counted by hand."""

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from drtrl_bench.case import Case
from drtrl_bench.measure import clock, gradcheck, memory, worker
from drtrl_bench.measure.problem import Problem

TRUE = np.array([[[1, 0, 0, 1]], [[0, 1, 0, 1]]], dtype=bool)
FLIPPED = np.array([[[1, 1, 0, 1]], [[1, 1, 0, 0]]], dtype=np.float32)
"""Three of the eight are others."""
GRADIENT = [{"x": np.array([3.0, 4.0])}, {"x": np.array([1.0])}]


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls, in order. A gradient takes 8 s and a forward pass 0.5 s, by a clock that nothing else moves."""
    calls: list[str] = []
    seconds = {"call": 8.0, "forward": 0.5}

    class Backend:
        phases: dict[str, float] = {}  # noqa: RUF012
        net = (SimpleNamespace(spiking=True), SimpleNamespace(spiking=False))

        def __init__(self, *arguments: Any) -> None: ...

        def call(self) -> None:
            calls.append("call")

        def gradient(self) -> tuple[float, Any]:
            return 1.0, GRADIENT

        def forward(self) -> Any:
            def pass_() -> list[Any]:
                calls.append("forward")
                return [FLIPPED, np.zeros((2, 1, 3))]

            return pass_

        def numpy(self, array: Any) -> Any:
            return array

        def measure_memory(self) -> dict[str, int]:
            calls.append("measure_memory")
            return {"working_bytes": 77}

    def noted(name: str, value: Any) -> Any:
        calls.append(name)
        return value

    right = {"parameter": "layer0.x", "error": 0.0, "loss_error": 0.0, "limit": 1e-10}
    monkeypatch.setitem(sys.modules, "drtrl_bench.measure.backend_fake", SimpleNamespace(Backend=Backend))
    monkeypatch.setattr(gradcheck, "gradient_check", lambda *arguments: right)
    monkeypatch.setattr(clock, "perf_counter", lambda: sum(seconds.get(name, 0.0) for name in calls))
    monkeypatch.setattr(memory, "reset_rss_peak", lambda: noted("reset", True))
    monkeypatch.setattr(memory, "rss_peak_bytes", lambda: noted("peak", 4096))
    return calls


def measured() -> dict[str, Any]:
    whole = Problem([], np.zeros((2, 1, 1), np.float32), np.zeros((2, 1), np.int32), GRADIENT, [TRUE])
    return worker.measure(Case(framework="fake", steps=2, chunk=2, batch=1), whole, 1.0)


def test_the_forward_pass_has_its_own_time(done: list[str]) -> None:
    found = measured()
    assert found["status"] == "ok"
    assert (found["time"]["median_s"], found["time"]["forward_s"]) == (8.0, 0.5)
    assert found["time"]["phases"] == {"first_call_s": 8.0}
    assert done.count("forward") == 1 + 5, "one for the spikes, and the fewest samples"


def test_spikes_are_counted_against_those_in_float64(done: list[str]) -> None:
    found = measured()
    assert found["activity"]["spike_mismatch"] == [3 / 8]
    assert found["activity"]["firing_rate"] == [4 / 8]


def test_peak_memory_is_that_of_one_call_after_its_reset(done: list[str]) -> None:
    found = measured()
    assert done[-4:] == ["reset", "call", "peak", "measure_memory"]
    assert found["memory"] == {"rss_peak_bytes": 4096, "working_bytes": 77}
