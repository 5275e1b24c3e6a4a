"""List the regressions that the gate's self-test injects, as code that is appended to a source."""

from typing import NamedTuple

SLOWED_DOWN = """
from time import process_time
_call = Backend.call
def call(self):
    began = process_time()
    result = _call(self)
    took = process_time() - began
    while process_time() - began < {factor} * took:
        pass
    return result
Backend.call = call
"""

LARGER_TORCH = """
_measure, _run = Backend.measure_memory, Backend.run
def measure_memory(self):
    extra = _measure(self)["working_bytes"] // 50
    self.run = lambda: (torch.empty(extra, dtype=torch.uint8), _run(self))
    return _measure(self)
Backend.measure_memory = measure_memory
"""
LARGER_JAX = """
_measure = Backend.measure_memory
Backend.measure_memory = lambda self: (meter := _measure(self)) | {"working_bytes": int(1.02 * meter["working_bytes"])}
"""
LESS_EXACT = """
_gradient = Backend.gradient
def gradient(self):
    loss, grads = _gradient(self)
    return loss, [{{k: {factor} * g if g.dtype == "float32" else g for k, g in layer.items()}} for layer in grads]
Backend.gradient = gradient
"""
WRONG = """
_advance = advance
def advance(*arguments, **options):
    carry, loss, grads = _advance(*arguments, **options)
    return carry, loss, [{k: 1.001 * g for k, g in layer.items()} for layer in grads]
"""
CRASHES = """
def advance(*arguments, **options):
    raise RuntimeError("injected")
"""
VANISHED = """
del ALGORITHMS["drtrl"]
"""


class Injected(NamedTuple):
    """A regression: code, and the source that it is appended to.

    words: those of the cases that it changes; verdicts: those by which the gate catches it.
    """

    name: str
    file: str
    code: str
    words: set[str]
    verdicts: set[str]


INJECTED = [
    Injected("2 % more bytes", "bench/measure/backend_torch.py", LARGER_TORCH, {"torch"}, {"larger"}),
    Injected("2 % more bytes", "bench/measure/backend_jax.py", LARGER_JAX, {"jax"}, {"larger"}),
    *(
        Injected(
            f"float32 gradient off by {off}",
            f"bench/measure/backend_{framework}.py",
            LESS_EXACT.format(factor=1 + float(off)),
            {framework, *words},
            {"less exact", "other"},
        )
        for off, words in (("1e-3", ()), ("2e-5", ("bptt",)))
        for framework in ("torch", "jax")
    ),
    Injected(
        "gradient off by 1e-3",
        "implementations/algorithms/approximate/drtrl_torch.py",
        WRONG,
        {"torch", "drtrl"},
        {"wrong"},
    ),
    Injected(
        "gradient off by 1e-3",
        "implementations/algorithms/approximate/drtrl_jax.py",
        WRONG,
        {"jax", "drtrl"},
        {"wrong"},
    ),
    Injected(
        "a benchmark that crashes",
        "implementations/algorithms/approximate/drtrl_torch.py",
        CRASHES,
        {"torch", "drtrl"},
        {"crashed"},
    ),
    Injected(
        "a benchmark that crashes",
        "implementations/algorithms/approximate/drtrl_jax.py",
        CRASHES,
        {"jax", "drtrl"},
        {"crashed"},
    ),
    Injected("a benchmark that vanished", "bench/registry.py", VANISHED, {"drtrl"}, {"vanished"}),
]


def plan_name(regression: Injected) -> str:
    """Return the plan's name in the records of an injected regression."""
    return f"planted {regression.name} in {regression.file}"
