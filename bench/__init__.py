"""drtrl-bench: D-RTRL, exact RTRL and BPTT in JAX and PyTorch under one harness.

`drtrl_bench.run_case(algorithm="drtrl", neurons=64)` and `drtrl_bench.run_plan("quick")` measure, and
`drtrl_bench.load("results/records")` reads records; all three return a pandas frame. Everything else is reached through
the command `drtrl-bench` (or `python -m drtrl_bench`). Importing this package imports no framework, pandas or
matplotlib.
"""

from typing import TYPE_CHECKING, Any

from drtrl_bench.records.frames import load

if TYPE_CHECKING:
    from drtrl_bench.session import run_case, run_plan

__all__ = ["load", "run_case", "run_plan"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import run_case and run_plan on first use, since their modules are also started as `python -m`."""
    if name in ("run_case", "run_plan"):
        from drtrl_bench import session

        return getattr(session, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
