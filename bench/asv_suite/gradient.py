"""Time, working memory and fidelity of one gradient, measured by the harness.

Each parameter set is one case of the harness, measured in a process of its own behind its gate. The three metrics of a
case are tracked from the same record: it is measured once per commit, and kept beside asv's environments.
"""

import os
from pathlib import Path
from typing import Any

from bench import runner
from bench.case import Case, Plan

FOLDER = Path(os.environ.get("ASV_ENV_DIR", "results/local"))
COMMIT = os.environ.get("ASV_COMMIT", "checkout")
CELLS: dict[str, dict[str, Any]] = {
    "lif_delta": {"cell": "lif_delta", "scale_x": 4.0},
    "gru": {"cell": "gru"},
}


def quietly(text: str, line: dict[str, Any] | None) -> None:
    """The runner reports progress; asv has its own."""


def measured(algorithm: str, framework: str, cell: str) -> dict[str, Any]:
    """The record of a case. Raises NotImplementedError, which asv shows as skipped, where it cannot be measured."""
    sizes = {"dataset": "bernoulli", "features": 32, "neurons": 64, "batch": 8, "steps": 128, "threads": 1}
    chunk = 128 if algorithm == "bptt" else 32
    case = Case(algorithm=algorithm, framework=framework, chunk=chunk, **sizes, **CELLS[cell])
    plan = Plan("asv", "", (case,), limit_s=120.0, budget_s=1.0)
    (record,) = runner.run(plan, FOLDER / f"asv-{COMMIT[:12]}.jsonl", quietly)
    if record["status"] == "skip":
        raise NotImplementedError(record["reason"])
    if record["status"] != "ok":
        raise RuntimeError(f"{record['status']}: {record['reason']}")
    return record


class Gradient:
    """One gradient over 128 steps."""

    params = (["bptt", "rtrl", "drtrl"], ["jax", "torch"], list(CELLS))
    param_names = ("algorithm", "framework", "cell")
    timeout = 300
    version = "1"

    def setup(self, algorithm: str, framework: str, cell: str) -> None:
        self.record = measured(algorithm, framework, cell)

    def track_time(self, algorithm: str, framework: str, cell: str) -> float:
        return self.record["time"]["median_s"]

    def track_working_memory(self, algorithm: str, framework: str, cell: str) -> float:
        return float(self.record["memory"]["working_bytes"])

    def track_error(self, algorithm: str, framework: str, cell: str) -> float:
        """Relative error against float64 BPTT; asv compares by ratio, so rounding errors count as one."""
        return max(self.record["fidelity"]["overall"]["error"], 1e-6)


for method, unit in (("track_time", "s"), ("track_working_memory", "bytes"), ("track_error", "relative error")):
    function: Any = getattr(Gradient, method)
    function.unit, function.version = unit, "1"
