"""Prepare a case in PyTorch to be called, timed, and its memory measured. The twin is `backend_jax.py`.

Import this module only in a process that measures PyTorch, because it configures the framework.
"""

from collections.abc import Callable
from functools import cache, partial
from time import perf_counter
from typing import Any

import numpy as np
import torch

from drtrl_bench import lookup, registry
from drtrl_bench.case import Case
from drtrl_bench.cost.sizes import at_once, block
from drtrl_bench.implementations.engine import adjoint_torch, network_torch
from drtrl_bench.implementations.engine.execution_torch import Execution
from drtrl_bench.measure import memory
from drtrl_bench.measure.fidelity import Gradient
from drtrl_bench.measure.problem import Problem, network

OUT_OF_MEMORY = ("CUDA out of memory", "can't allocate memory", "not enough memory")


def compiler() -> Callable[[Any], Any]:
    """Return a function that compiles a function, and each only once; one that cannot become one graph is an error."""
    return cache(partial(torch.compile, dynamic=False, fullgraph=True))


def execution(case: Case) -> Execution:
    """Return how a case's chunks are computed.

    In the mode "compile" the passes over the steps of a block are compiled, and so unrolled. The update of the carry is
    not compiled, because an unrolled one would copy the carry at every step.
    """
    steps = block(case)
    if case.mode == "triton":
        from drtrl_bench.implementations.kernels import execution_triton

        return execution_triton.execution(steps)
    if case.mode == "compile":
        compiled = compiler()
        forward, backward = compiled(network_torch.forward), compiled(adjoint_torch.backward)
        return Execution(steps, forward=forward, backward=backward, compiled=compiled)
    return Execution(steps)


class Backend:
    """One gradient, with its inputs on its device."""

    def __init__(self, case: Case, problem: Problem, dtype: str) -> None:
        torch.set_num_threads(case.threads)
        torch.set_float32_matmul_precision("highest" if case.precision == "highest" else "high")
        self.device = "cpu" if case.device == "cpu" else "cuda"
        like: dict[str, Any] = {"dtype": getattr(torch, dtype), "device": self.device}
        self.net = network(case, "torch")
        params = [{k: torch.tensor(v, **like) for k, v in layer.items()} for layer in problem.params]
        targets = torch.tensor(problem.targets, dtype=torch.int64, device=self.device)
        self.arguments = (params, torch.tensor(problem.inputs, **like), targets)
        self.algorithm = partial(lookup.algorithm, case.algorithm, "torch", lookup.options(case, dtype))
        self.chunk = at_once(case)
        self.phases: dict[str, float] = {}
        self.graph: Any = None
        if case.mode in ("compile", "triton"):
            torch._dynamo.config.fail_on_recompile_limit_hit = True
            torch._dynamo.config.recompile_limit = (
                64  # shapes: of each layer, of blocks and shorter last ones, two dtypes
            )
        self.execution = execution(case)
        self.overlapped = case.mode == "triton" and case.chunk <= self.execution.block < case.steps
        self.bound = self.algorithm(self.execution)
        if case.mode == "compile":
            if not registry.ALGORITHMS[case.algorithm].blockwise:
                self.bound.advance = compiler()(self.bound.advance)
            start = perf_counter()
            self.call()
            self.phases["compile_s"] = perf_counter() - start
        self.replayed = case.mode in ("cuda_graph", "triton")
        if self.replayed:
            start = perf_counter()
            self.graph, self.result = self.capture(self.run)
            self.phases["compile_s"] = perf_counter() - start

    def run(self) -> tuple[Any, Any]:
        """Return loss and gradient, perhaps before the device is done."""
        bound = self.bound
        if self.overlapped:
            from drtrl_bench.implementations.kernels.ahead_torch import Ahead

            bound = self.algorithm(self.execution._replace(forward=Ahead(self.execution.forward).forward))
        return network_torch.gradient(bound, self.net, *self.arguments, chunk=self.chunk)

    @staticmethod
    def capture(call: Callable[[], Any]) -> tuple[Any, Any]:
        """Record a call as a CUDA graph, whose replay saves the cost of the launches; return it and the call's result.

        A replay writes its result into the same tensors.
        """
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
        """Return loss and gradient, once the device is done."""
        if self.graph is not None:
            self.graph.replay()
        result = self.run() if self.graph is None else self.result
        if self.device == "cuda":
            torch.cuda.synchronize()
        return result

    def gradient(self) -> tuple[float, Gradient]:
        """Return loss and gradient on the host, in NumPy arrays."""
        loss, grads = self.call()
        return float(loss), [{k: g.cpu().numpy() for k, g in layer.items()} for layer in grads]

    def measure_memory(self) -> dict[str, Any]:
        """Return the bytes of one call, by name, with the meter that counted them."""
        peak = memory.torch_peak_bytes(self.run, self.device)  # not of a replay, which allocates nothing
        return {"meter": "torch_peak_bytes", "working_bytes": peak, "torch_peak_bytes": peak}

    def forward(self) -> Any:
        """Return a call that only runs the network forward; it returns where each layer spikes, or else its outputs."""
        params, inputs, _ = self.arguments

        @torch.no_grad()
        def outputs() -> list[Any]:
            x, by_layer = inputs, []
            effective, _ = network_torch.effective_weights(self.net, params)
            states = network_torch.initial_states(self.net, effective, inputs.shape[1])
            for cell, w, s0 in zip(self.net, effective, states, strict=True):
                s = self.execution.layer(cell, w, s0, x)[0][1:]
                x = cell.output(s)
                by_layer.append(cell.fired(s) if cell.spiking else x)
            return by_layer

        graph, result = self.capture(outputs) if self.replayed else (None, None)

        def call() -> Any:
            if graph is not None:
                graph.replay()
            by_layer = outputs() if graph is None else result
            if self.device == "cuda":
                torch.cuda.synchronize()
            return by_layer

        return call

    @staticmethod
    def numpy(array: Any) -> np.ndarray:
        """Return an array of this framework on the host."""
        return array.cpu().numpy()
