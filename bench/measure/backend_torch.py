"""A case in PyTorch, ready to be called, timed, and its memory measured. The twin is `backend_jax.py`.

Import this only in a process that measures PyTorch; it configures the framework.
"""

import importlib
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
import torch

from drtrl_bench import lookup, provenance, registry
from drtrl_bench.case import Case
from drtrl_bench.cost.sizes import block
from drtrl_bench.implementations.engine import blocks_torch, network_torch
from drtrl_bench.measure import memory
from drtrl_bench.measure.fidelity import Gradient
from drtrl_bench.measure.problem import Problem, network

OUT_OF_MEMORY = ("CUDA out of memory", "can't allocate memory", "not enough memory")


FUSED = ("intrinsic", "learning_signals", "through_weights", "presynaptic")
"""What torch.compile makes one kernel each of, for a way back whose steps are launched one by one."""


def kernels(case: Case) -> list[tuple[Any, str, Any]]:
    """What mode "triton" puts in the place of PyTorch's loops over steps: modules, names and what they stand for then.

    torch.compile fuses what is element-wise between the kernels; of a way back that is not launched step by step, all.
    """
    from drtrl_bench.implementations.kernels import adjoint_triton, forward_triton

    put: list[tuple[Any, str, Any]] = [
        (network_torch, "forward", forward_triton.forward),
        (blocks_torch, "BLOCK", block(case)),
    ]
    for part in registry.ALGORITHMS[case.algorithm].compiled:
        file, _, name = part.rpartition(".")
        if name == "back":
            module = importlib.import_module(f"drtrl_bench.implementations.{file}_torch")
            put.append((module, "pull_back", adjoint_triton.pull_back))
            if hasattr(module, "through_weights"):
                put += [(module, name, torch.compile(getattr(module, name), dynamic=False)) for name in FUSED]
            else:
                put.append((module, "back", torch.compile(module.back, dynamic=False, fullgraph=True)))
    return put


@contextmanager
def standing_in(put: list[tuple[Any, str, Any]]) -> Iterator[None]:
    """Has names of modules stand for something else for a while."""
    before = [getattr(module, name) for module, name, _ in put]
    for module, name, new in put:
        setattr(module, name, new)
    try:
        yield
    finally:
        for (module, name, _), old in zip(put, before, strict=True):
            setattr(module, name, old)


class Backend:
    """One gradient on one device, with its inputs there."""

    def __init__(self, case: Case, problem: Problem, dtype: str) -> None:
        torch.set_num_threads(case.threads)
        torch.set_float32_matmul_precision("highest" if case.precision == "highest" else "high")
        self.device = "cpu" if case.device == "cpu" else "cuda"
        place = {"dtype": getattr(torch, dtype), "device": self.device}
        self.net = network(case, "torch")
        params = [{k: torch.tensor(v, **place) for k, v in layer.items()} for layer in problem.params]
        targets = torch.tensor(problem.targets, dtype=torch.int64, device=self.device)
        self.arguments = (params, torch.tensor(problem.inputs, **place), targets)
        self.algorithm = lookup.algorithm(case.algorithm, "torch", lookup.options(case, dtype))
        self.chunk = case.chunk
        self.phases: dict[str, float] = {}
        self.graph: Any = None
        if case.mode in ("compile", "triton"):
            torch._dynamo.config.fail_on_recompile_limit_hit = True
            torch._dynamo.config.recompile_limit = 64  # of layers, blocks and shorter ones, and two dtypes
        self.put = kernels(case) if case.mode == "triton" else []
        self.overlapped = case.mode == "triton" and case.chunk <= block(case) < case.steps
        if case.mode == "triton" and case.algorithm == "drtrl":
            from drtrl_bench.implementations.kernels import trace_step_triton

            own = registry.place("drtrl", "torch")  # of no other rule a source
            drtrl = importlib.import_module(f"{provenance.PACKAGE}.{own}")
            turn = partial(trace_step_triton.turn, move=drtrl.move)
            self.algorithm.advance = partial(self.algorithm.advance, turn=turn)
        if case.mode == "compile":
            start = perf_counter()
            self.compile(case)
            self.call()
            self.phases["compile_s"] = perf_counter() - start
        self.replayed = case.mode in ("cuda_graph", "triton")
        if self.replayed:
            self.graph, self.result = self.captured(self.run)

    def run(self) -> tuple[Any, Any]:
        """Loss and gradient, perhaps before the device is done."""
        put = list(self.put)
        if self.overlapped:
            from drtrl_bench.implementations.kernels import ahead_torch

            put.append((blocks_torch, "forth", ahead_torch.Ahead().forth))
        with standing_in(put):
            return network_torch.gradient(self.algorithm, self.net, *self.arguments, chunk=self.chunk)

    def compile(self, case: Case) -> None:
        """Has torch.compile unroll a block, or the chunk of a rule without; the pass over a carry is left as it is.

        Of a carry it would make copies. What it cannot take as one graph is an error, not run eagerly unsaid.
        """
        compiled = partial(torch.compile, dynamic=False, fullgraph=True)
        parts = registry.ALGORITHMS[case.algorithm].compiled
        if not parts:
            self.algorithm.advance = compiled(self.algorithm.advance)
        if "engine.blocks.forth" in parts:
            blocks_torch.BLOCK = block(case)
        for part in parts:
            file, _, name = part.rpartition(".")
            module = importlib.import_module(f"drtrl_bench.implementations.{file}_torch")
            setattr(module, name, compiled(inspect.unwrap(getattr(module, name))))

    @staticmethod
    def captured(call: Callable[[], Any]) -> tuple[Any, Any]:
        """A call as one CUDA graph, recorded once, then replayed without the launches' cost; and what it returns."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            call()  # allocates and tunes what a capture may not
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            result = call()
        return graph, result

    def call(self) -> tuple[Any, Any]:
        """Loss and gradient, once the device is done."""
        if self.graph is not None:
            self.graph.replay()
        found = self.run() if self.graph is None else self.result
        if self.device == "cuda":
            torch.cuda.synchronize()
        return found

    def gradient(self) -> tuple[float, Gradient]:
        loss, grads = self.call()
        return float(loss), [{k: g.cpu().numpy() for k, g in layer.items()} for layer in grads]

    def measure_memory(self) -> dict[str, Any]:
        peak = memory.torch_peak_bytes(self.run, self.device)  # what a graph replays was allocated before
        return {"meter": "torch_peak_bytes", "working_bytes": peak, "torch_peak_bytes": peak}

    def forward(self) -> Any:
        """A call that only runs the network forward: where each layer spiked, or its outputs."""
        params, inputs, _ = self.arguments

        @torch.no_grad()
        def outputs() -> list[Any]:
            x, found = inputs, []
            acts, _ = network_torch.acting(self.net, params)
            states = network_torch.initial_states(self.net, acts, inputs.shape[1])
            with standing_in(self.put):
                for cell, w, s0 in zip(self.net, acts, states, strict=True):
                    s = network_torch.forward(cell, w, s0, x)[0][1:]
                    x = cell.output(s)
                    found.append(cell.fired(s) if cell.spiking else x)
            return found

        graph, result = self.captured(outputs) if self.replayed else (None, None)

        def call() -> Any:
            if graph is not None:
                graph.replay()
            done = outputs() if graph is None else result
            if self.device == "cuda":
                torch.cuda.synchronize()
            return done

        return call

    @staticmethod
    def numpy(array: Any) -> np.ndarray:
        return array.cpu().numpy()
