"""What the backends ask of a GPU, call by call, told by objects that stand for it: a machine of the tests has none."""

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from support.problems import needs

from drtrl_bench.case import Case
from drtrl_bench.measure.problem import Problem, draw

CASE = Case(dataset="bernoulli", features=3, neurons=2, batch=1, steps=8, chunk=8, threads=1)


def posed(case: Case) -> Problem:
    return Problem(*draw(case), gradient=[], spikes=[])


class Clock:
    """A clock that goes on when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    backend = pytest.importorskip(f"drtrl_bench.measure.backend_{request.param}")
    monkeypatch.setattr(backend, "perf_counter", found)
    return found


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls of streams and graphs, in order, and of the gradient between them."""
    torch = pytest.importorskip("torch")
    from drtrl_bench.implementations.engine import network_torch
    from drtrl_bench.implementations.engine.execution_torch import Execution
    from drtrl_bench.measure import backend_torch

    calls: list[str] = []

    def said(text: str, result: Any = None) -> Any:
        calls.append(text)
        return result

    def stream(name: str) -> Any:
        return SimpleNamespace(name=name, wait_stream=lambda other: said(f"{name} waits for {other.name}"))

    main = stream("main")
    monkeypatch.setattr(torch.cuda, "Stream", lambda: stream("side"))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: main)
    monkeypatch.setattr(torch.cuda, "stream", lambda side: said(f"on {side.name}", nullcontext()))
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: SimpleNamespace(replay=lambda: said("replay")))
    monkeypatch.setattr(torch.cuda, "graph", lambda graph: said("capture", nullcontext()))
    plain = network_torch.gradient
    monkeypatch.setattr(network_torch, "gradient", lambda *a, **k: said("gradient", plain(*a, **k)))
    monkeypatch.setattr(backend_torch, "execution", lambda case: Execution(4))
    return calls


RECORDED = ["side waits for main", "on side", "gradient", "main waits for side", "capture", "gradient"]


@needs("torch")
@pytest.mark.xdist_group("torch")
@pytest.mark.parametrize("mode", ["cuda_graph", "triton"])
def test_a_gradient_is_recorded_once_and_replayed_from_then_on(mode: str, cuda: list[str]) -> None:
    from drtrl_bench.measure.backend_torch import Backend

    case = replace(CASE, framework="torch", mode=mode)
    subject = Backend(case, posed(case), "float32")
    assert cuda == RECORDED
    subject.call()
    subject.gradient()
    assert cuda == [*RECORDED, "replay", "replay"]


@needs("torch")
@pytest.mark.xdist_group("torch")
@pytest.mark.parametrize("mode", ["cuda_graph", "triton"])
def test_bytes_are_those_of_a_gradient_and_not_of_a_replay(mode: str, cuda: list[str]) -> None:
    from drtrl_bench.measure.backend_torch import Backend

    case = replace(CASE, framework="torch", mode=mode)
    subject = Backend(case, posed(case), "float32")
    cuda.clear()
    assert subject.measure_memory()["working_bytes"] > 0
    assert set(cuda) == {"gradient"}


@needs("torch")
@pytest.mark.xdist_group("torch")
def test_a_plain_gradient_is_not_recorded(cuda: list[str]) -> None:
    from drtrl_bench.measure.backend_torch import Backend

    case = replace(CASE, framework="torch")
    Backend(case, posed(case), "float32").call()
    assert cuda == ["gradient"]


@needs("torch")
@pytest.mark.xdist_group("torch")
@pytest.mark.parametrize("clock", ["torch"], indirect=True)
@pytest.mark.parametrize("mode", ["cuda_graph", "triton"])
def test_the_time_to_record_is_the_time_to_compile(
    mode: str, clock: Clock, cuda: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from drtrl_bench.measure.backend_torch import Backend

    def capture(call: Any) -> tuple[Any, Any]:
        clock.now += 7
        return None, call()

    monkeypatch.setattr(Backend, "capture", staticmethod(capture))
    case = replace(CASE, framework="torch", mode=mode)
    assert Backend(case, posed(case), "float32").phases == {"compile_s": 7.0}


@needs("torch")
@pytest.mark.xdist_group("torch")
@pytest.mark.parametrize(
    ("mode", "chunk", "steps", "overlapped"),
    [
        ("triton", 4, 8, True),
        ("triton", 2, 8, True),
        ("triton", 8, 16, False),
        ("triton", 4, 4, False),
        ("cuda_graph", 4, 8, False),
    ],
)
def test_chunks_of_one_block_each_run_ahead(
    mode: str, chunk: int, steps: int, overlapped: bool, cuda: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks have 4 steps here; a chunk of several keeps too much to be there twice, and one chunk has no next."""
    from drtrl_bench.implementations.kernels import ahead_torch
    from drtrl_bench.measure.backend_torch import Backend

    made: list[Any] = []
    monkeypatch.setattr(ahead_torch, "Ahead", lambda forward: made.append(1) or SimpleNamespace(forward=forward))
    case = replace(CASE, framework="torch", mode=mode, chunk=chunk, steps=steps)
    Backend(case, posed(case), "float32")
    assert len(made) == (2 if overlapped else 0), "one for each gradient: before the capture, and in it"


class Lowered:
    """What JAX has of a function before it is compiled; to lower it takes 2 s, to compile it 5."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.options = clock, []

    def lower(self, *arguments: Any) -> "Lowered":
        self.clock.now += 2
        return self

    def compile(self, options: Any = None) -> Any:
        self.clock.now += 5
        self.options.append(options)
        return lambda *arguments: arguments


@needs("jax")
@pytest.mark.xdist_group("jax")
@pytest.mark.parametrize("clock", ["jax"], indirect=True)
@pytest.mark.parametrize(("device", "options"), [("gpu", {"xla_gpu_enable_triton_gemm": False}), ("cpu", None)])
def test_a_gpu_does_not_time_xlas_own_products(
    device: str, options: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither for the gradient nor for the forward pass alone."""
    import jax

    from drtrl_bench.measure.backend_jax import Backend

    lowered = Lowered(clock)
    case = replace(CASE, device=device)
    problem = posed(case)
    monkeypatch.setattr(jax, "jit", lambda function: lowered)
    subject = Backend(case, problem, "float32")
    assert subject.phases == {"lower_s": 2.0, "compile_s": 5.0}
    assert lowered.options == [options]
    subject.forward()
    assert lowered.options == [options, options]


@needs("jax")
@pytest.mark.xdist_group("jax")
def test_jax_unrolls_as_the_case_says_and_takes_the_kernel_in_mode_triton() -> None:
    from drtrl_bench.implementations.engine import network_jax
    from drtrl_bench.implementations.kernels import forward_pallas
    from drtrl_bench.measure.backend_jax import execution

    plain = execution(replace(CASE, unroll=3, chunk=5))
    assert (plain.block, plain.unroll, plain.layer) == (5, 3, network_jax.layer)
    kernel = execution(replace(CASE, unroll=3, device="gpu", mode="triton", steps=512, chunk=512))
    assert (kernel.block, kernel.unroll, kernel.layer) == (256, 3, forward_pallas.layer)
