"""Refusing a case that this machine has not the memory for, before it is started."""

from drtrl_bench.cost.footprint import analytic_bytes, reference_bytes
from drtrl_bench.cost.sizes import Sizes
from drtrl_bench.measure.memory import SETTING, available_bytes, said

FRAMEWORK, INTERPRETER = 2**30, 2**26
"""Bytes that a framework and its compiler take besides the case's own arrays, and that Python and NumPy do."""


def refused_for_memory(sizes: Sizes, device: str) -> str | None:
    """Say why a case is not started: the memory that it needs at least and what takes it; or None.

    The reference is computed on the CPU, in a process of its own, whatever the device of the case.
    """
    reference, free = reference_bytes(sizes), available_bytes()
    own = analytic_bytes(sizes) if device == "cpu" else None
    if own is not None and own + FRAMEWORK >= reference + INTERPRETER:
        arrays, base = own, FRAMEWORK
        parts = f"{said(arrays)} of arrays and {said(base)} for the framework and its compiler"
        advice = "choose fewer neurons, a smaller batch or another algorithm"
    else:
        arrays, base = reference, INTERPRETER
        parts = f"{said(arrays)} of arrays and {said(base)} for Python, of the float64 reference over all steps"
        advice = "choose fewer steps, a smaller batch or fewer neurons"
    if arrays + base <= free:
        return None
    if arrays <= FRAMEWORK:
        advice = f"end other programs, or try all the same: {SETTING}=2"
    return f"refused: needs at least {said(arrays + base)}, {said(free)} available ({parts}); {advice}"
