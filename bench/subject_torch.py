"""A case in PyTorch, ready to be called, timed and weighed. The twin is `subject_jax.py`.

Import this only in a process that measures PyTorch; it configures the framework.
"""

import importlib
import inspect
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
import torch

from drtrl_bench import memory, registry
from drtrl_bench.case import Case
from drtrl_bench.fidelity import Gradient
from drtrl_bench.implementations import blocks_torch, network_torch
from drtrl_bench.problem import Problem, network

OUT_OF_MEMORY = ("CUDA out of memory", "can't allocate memory", "not enough memory")


class Subject:
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
        self.algorithm = registry.algorithm(case.algorithm, "torch", registry.options(case, dtype))
        self.chunk = case.chunk
        self.phases: dict[str, float] = {}
        self.graph: Any = None
        if case.mode == "triton" and dtype != "float64":
            from drtrl_bench.implementations import trace_step_triton

            self.algorithm.advance = partial(self.algorithm.advance, turn=trace_step_triton.turn)
        if case.mode == "compile":
            start = perf_counter()
            self.compile(case)
            self.call()
            self.phases["compile_s"] = perf_counter() - start
        if case.mode == "cuda_graph":
            self.graph = self.captured()

    def run(self) -> tuple[Any, Any]:
        """Loss and gradient, perhaps before the device is done."""
        return network_torch.gradient(self.algorithm, self.net, *self.arguments, chunk=self.chunk)

    def compile(self, case: Case) -> None:
        """Has torch.compile unroll a block, or the chunk of a rule without; the pass over a carry is left as it is.

        Of a carry it would make copies. What it cannot take as one graph is an error, not run eagerly unsaid.
        """
        torch._dynamo.config.fail_on_recompile_limit_hit = True
        torch._dynamo.config.recompile_limit = 16  # whole blocks and shorter ones, first states kept apart, two dtypes
        compiled = partial(torch.compile, dynamic=False, fullgraph=True)
        parts = registry.ALGORITHMS[case.algorithm].compiled
        if not parts:
            self.algorithm.advance = compiled(self.algorithm.advance)
        if "blocks.forth" in parts:
            blocks_torch.BLOCK = memory.block(case)
        for part in parts:
            file, name = part.split(".")
            module = importlib.import_module(f"drtrl_bench.implementations.{file}_torch")
            setattr(module, name, compiled(inspect.unwrap(getattr(module, name))))

    def captured(self) -> Any:
        """The whole gradient as one CUDA graph: recorded once, then replayed without the launches' cost."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            self.run()  # allocates and tunes what a capture may not
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.result = self.run()
        return graph

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

    def weigh(self) -> dict[str, Any]:
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
            for cell, w, s0 in zip(self.net, acts, states, strict=True):
                s = network_torch.forward(cell, w, s0, x)[0][1:]
                x = cell.output(s)
                found.append(cell.fired(s) if cell.spiking else x)
            if self.device == "cuda":
                torch.cuda.synchronize()
            return found

        return outputs

    @staticmethod
    def numpy(array: Any) -> np.ndarray:
        return array.cpu().numpy()
