"""A case in JAX, ready to be called, timed, and its memory measured. The twin is `backend_torch.py`.

Import this only in a process that measures JAX; it configures the framework.
"""

from functools import partial
from time import perf_counter
from typing import Any

import jax
import numpy as np

from drtrl_bench import lookup
from drtrl_bench.case import Case
from drtrl_bench.cost.sizes import block
from drtrl_bench.implementations.engine import blocks_jax, network_jax
from drtrl_bench.measure import memory
from drtrl_bench.measure.fidelity import Gradient
from drtrl_bench.measure.problem import Problem, network

jax.config.update("jax_enable_x64", True)  # for the gate; arrays carry their own dtype

OUT_OF_MEMORY = ("RESOURCE_EXHAUSTED", "Out of memory", "out of memory")

GPU_OPTIONS: dict[str, str | bool] = {"xla_gpu_enable_triton_gemm": False}
"""Of XLA's compiler on a GPU. Trying its own matrix products against cuBLAS's takes it most of a minute a case."""


class Backend:
    """One compiled gradient on one device, with its inputs there."""

    def __init__(self, case: Case, problem: Problem, dtype: str) -> None:
        jax.config.update("jax_default_matmul_precision", case.precision)
        network_jax.UNROLL, network_jax.KERNELS = case.unroll, case.mode == "triton"  # read while tracing
        place = partial(jax.device_put, device=jax.devices()[0])
        self.net = network(case, "jax")
        params = jax.tree.map(lambda a: place(np.asarray(a, dtype)), problem.params)
        self.arguments = (params, place(np.asarray(problem.inputs, dtype)), place(problem.targets))
        algorithm = lookup.algorithm(case.algorithm, "jax", lookup.options(case, dtype))
        call = partial(network_jax.gradient, algorithm, self.net, chunk=case.chunk)
        start = perf_counter()
        before, blocks_jax.BLOCK = blocks_jax.BLOCK, block(case)
        try:
            lowered = jax.jit(lambda *arguments: call(*arguments)).lower(*self.arguments)
        finally:
            blocks_jax.BLOCK = before
        middle = perf_counter()
        self.compiled = lowered.compile(GPU_OPTIONS if case.device == "gpu" else None)
        self.phases = {"lower_s": middle - start, "compile_s": perf_counter() - middle}

    def call(self) -> tuple[Any, Any]:
        """Loss and gradient, once the device is done."""
        return jax.block_until_ready(self.compiled(*self.arguments))

    def gradient(self) -> tuple[float, Gradient]:
        loss, grads = self.call()
        return float(loss), [{k: np.asarray(g) for k, g in layer.items()} for layer in grads]

    def measure_memory(self) -> dict[str, Any]:
        return memory.xla_bytes(self.compiled)

    def forward(self) -> Any:
        """A call that only runs the network forward: where each layer spiked, or its outputs."""

        def outputs(params: Any, inputs: Any) -> list[Any]:
            x, found = inputs, []
            params, _ = network_jax.acting(self.net, params)
            states = network_jax.initial_states(self.net, params, inputs.shape[1])
            for cell, w, s0 in zip(self.net, params, states, strict=True):
                s, _ = network_jax.forward(cell, w, s0, x)
                x = cell.output(s)
                found.append(cell.fired(s) if cell.spiking else x)
            return found

        compiled = jax.jit(outputs).lower(*self.arguments[:2]).compile()
        return lambda: jax.block_until_ready(compiled(*self.arguments[:2]))

    @staticmethod
    def numpy(array: Any) -> np.ndarray:
        return np.asarray(array)
