"""drtrl-bench: D-RTRL, exact RTRL and BPTT in JAX and PyTorch under one harness.

`drtrl_bench.load("results/records")` reads records into a pandas frame; everything else is reached through the
command `drtrl-bench` (or `python -m drtrl_bench`). Importing this package imports no framework, pandas or matplotlib.
"""

from drtrl_bench.record import load

__all__ = ["load"]
__version__ = "0.1.0"
