"""Loaded by a worker of a test: it takes a while to say that it measured, and measures nothing."""

import time
from typing import Any


def dask_setup(worker: Any) -> None:
    """Replace what would run the case."""
    from drtrl_bench.measure import runner

    def measure(case: Any, plan: Any, folder: Any) -> dict[str, str]:
        time.sleep(0.05 * case.seed % 0.4)
        return {"status": "skip", "reason": f"pretended by {worker.name}"}

    runner.measure = measure
