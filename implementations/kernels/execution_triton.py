"""Offer the Triton kernels as an `Execution`, for PyTorch on a GPU."""

from functools import cache, partial
from typing import Any

import torch

from drtrl_bench.implementations.engine import adjoint_torch as adjoint
from drtrl_bench.implementations.engine.adjoint_torch import FULL, Rule
from drtrl_bench.implementations.engine.execution_torch import Execution
from drtrl_bench.implementations.kernels import adjoint_triton, forward_triton, trace_step_triton


def execution(block: int, compiled: bool = True) -> Execution:
    """Return an execution in blocks of `block` steps; without `compiled`, only the kernels are Triton's.

    torch.compile fuses element-wise operations. Without paths through the recurrent weights, these are all of a block's
    backward pass but for one kernel; with such paths, steps are launched one by one, and the operations within a step
    are fused.
    """
    fused = cache(partial(torch.compile, dynamic=False)) if compiled else adjoint.as_written
    by_kernel = partial(adjoint.backward, recursion=adjoint_triton.recursion)

    def without_weights(*arguments: Any) -> Any:
        return by_kernel(*arguments)

    diagonal = torch.compile(without_weights, dynamic=False, fullgraph=True) if compiled else by_kernel
    full = partial(by_kernel, compiled=fused)

    def backward(rule: Rule, *arguments: Any) -> Any:
        return (full if FULL in (rule.loss, rule.carry) else diagonal)(rule, *arguments)

    return Execution(
        block=block,
        layer=forward_triton.layer,
        backward=backward,
        trace_step=trace_step_triton.step,
    )
