"""Refuse a case that needs more memory than this machine has, before it is started."""

from drtrl_bench.cost.footprint import analytic_bytes, reference_bytes
from drtrl_bench.cost.sizes import Sizes
from drtrl_bench.measure.memory import SETTING, available_bytes, in_words

FRAMEWORK, INTERPRETER = 2**30, 2**26
"""Bytes that a framework and its compiler take besides the case's own arrays, and that Python and NumPy do."""


def refused_for_memory(sizes: Sizes, device: str) -> str | None:
    """Say why a case is not started: the least memory that it needs, and for what; or None.

    The reference is computed on the CPU, in a process of its own, whatever the device of the case.
    """
    reference, free = reference_bytes(sizes), available_bytes()
    of_case = analytic_bytes(sizes) if device == "cpu" else None
    if of_case is not None and of_case + FRAMEWORK >= reference + INTERPRETER:
        arrays, base = of_case, FRAMEWORK
        parts = f"{in_words(arrays)} of arrays and {in_words(base)} for the framework and its compiler"
        advice = "choose fewer neurons, a smaller batch or another algorithm"
    else:
        arrays, base = reference, INTERPRETER
        parts = f"{in_words(arrays)} of arrays and {in_words(base)} for Python, of the float64 reference over all steps"
        advice = "choose fewer steps, a smaller batch or fewer neurons"
    if arrays + base <= free:
        return None
    if arrays <= FRAMEWORK:
        advice = f"end other programs, or try all the same: {SETTING}=2"
    return f"refused: needs at least {in_words(arrays + base)}, {in_words(free)} available ({parts}); {advice}"
