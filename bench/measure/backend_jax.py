"""Prepare a case in JAX to be called, timed, and its memory measured. The twin is `backend_torch.py`.

Import this module only in a process that measures JAX, because it configures the framework.
"""

from functools import partial
from time import perf_counter
from typing import Any

import jax
import numpy as np

from drtrl_bench import lookup
from drtrl_bench.case import Case
from drtrl_bench.cost.sizes import at_once, block
from drtrl_bench.implementations.engine import network_jax
from drtrl_bench.implementations.engine.execution_jax import Execution
from drtrl_bench.measure import memory
from drtrl_bench.measure.fidelity import Gradient
from drtrl_bench.measure.problem import Problem, network

jax.config.update("jax_enable_x64", True)  # for the gradient check; arrays carry their own dtype

OUT_OF_MEMORY = ("RESOURCE_EXHAUSTED", "Out of memory", "out of memory")

GPU_OPTIONS: dict[str, str | bool] = {"xla_gpu_enable_triton_gemm": False}
"""Options of XLA's compiler on a GPU: timing its own matrix products against cuBLAS's takes most of a minute a case."""


def execution(case: Case) -> Execution:
    """Return how a case's chunks are computed."""
    if case.mode == "triton":
        from drtrl_bench.implementations.kernels import forward_pallas

        return Execution(block(case), case.unroll, forward_pallas.layer)
    return Execution(block(case), case.unroll)


class Backend:
    """One compiled gradient, with its inputs on its device."""

    def __init__(self, case: Case, problem: Problem, dtype: str) -> None:
        jax.config.update("jax_default_matmul_precision", case.precision)
        to_device = partial(jax.device_put, device=jax.devices()[0])
        self.net = network(case, "jax")
        params = jax.tree.map(lambda a: to_device(np.asarray(a, dtype)), problem.params)
        self.arguments = (params, to_device(np.asarray(problem.inputs, dtype)), to_device(problem.targets))
        self.execution = execution(case)
        algorithm = lookup.algorithm(case.algorithm, "jax", lookup.options(case, dtype), self.execution)
        call = partial(network_jax.gradient, algorithm, self.net, chunk=at_once(case))
        start = perf_counter()
        lowered = jax.jit(lambda *arguments: call(*arguments)).lower(*self.arguments)
        middle = perf_counter()
        self.options = GPU_OPTIONS if case.device == "gpu" else None
        self.compiled = lowered.compile(self.options)
        self.phases = {"lower_s": middle - start, "compile_s": perf_counter() - middle}

    def call(self) -> tuple[Any, Any]:
        """Return loss and gradient, once the device is done."""
        return jax.block_until_ready(self.compiled(*self.arguments))

    def gradient(self) -> tuple[float, Gradient]:
        """Return loss and gradient on the host, in NumPy arrays."""
        loss, grads = self.call()
        return float(loss), [{k: np.asarray(g) for k, g in layer.items()} for layer in grads]

    def measure_memory(self) -> dict[str, Any]:
        """Return the bytes of one call, by name, with the meter that counted them."""
        return memory.xla_bytes(self.compiled)

    def forward(self) -> Any:
        """Return a call that only runs the network forward; it returns where each layer spikes, or else its outputs."""

        def outputs(params: Any, inputs: Any) -> list[Any]:
            x, by_layer = inputs, []
            effective, _ = network_jax.effective_weights(self.net, params)
            states = network_jax.initial_states(self.net, effective, inputs.shape[1])
            for cell, w, s0 in zip(self.net, effective, states, strict=True):
                s, _ = self.execution.unrolled(cell, w, s0, x)
                x = cell.output(s)
                by_layer.append(cell.fired(s) if cell.spiking else x)
            return by_layer

        compiled = jax.jit(outputs).lower(*self.arguments[:2]).compile(self.options)
        return lambda: jax.block_until_ready(compiled(*self.arguments[:2]))

    @staticmethod
    def numpy(array: Any) -> np.ndarray:
        """Return an array of this framework on the host."""
        return np.asarray(array)
