"""A case in PyTorch, ready to be called, timed and weighed. The twin is `subject_jax.py`.

Import this only in a process that measures PyTorch; it configures the framework.
"""

from typing import Any

import numpy as np
import torch

from bench import memory, registry
from bench.case import Case
from bench.fidelity import Gradient
from bench.problem import Problem, network
from implementations import network_torch

torch.backends.cuda.matmul.allow_tf32 = False
torch.backends.cudnn.allow_tf32 = False

OUT_OF_MEMORY = ("CUDA out of memory", "can't allocate memory", "not enough memory")


class Subject:
    """One gradient on one device, with its inputs there."""

    def __init__(self, case: Case, problem: Problem, dtype: str) -> None:
        torch.set_num_threads(case.threads)
        self.device = "cpu" if case.device == "cpu" else "cuda"
        place = {"dtype": getattr(torch, dtype), "device": self.device}
        self.net = network(case, "torch")
        params = [{k: torch.tensor(v, **place) for k, v in layer.items()} for layer in problem.params]
        targets = torch.tensor(problem.targets, dtype=torch.int64, device=self.device)
        self.arguments = (params, torch.tensor(problem.inputs, **place), targets)
        self.algorithm = registry.algorithm(case.algorithm, "torch", vars(case))
        self.chunk = case.chunk
        self.phases: dict[str, float] = {}

    def call(self) -> tuple[Any, Any]:
        """Loss and gradient, once the device is done."""
        found = network_torch.gradient(self.algorithm, self.net, *self.arguments, chunk=self.chunk)
        if self.device == "cuda":
            torch.cuda.synchronize()
        return found

    def gradient(self) -> tuple[float, Gradient]:
        loss, grads = self.call()
        return float(loss), [{k: g.cpu().numpy() for k, g in layer.items()} for layer in grads]

    def weigh(self) -> dict[str, Any]:
        peak = memory.torch_peak_bytes(self.call, self.device)
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
