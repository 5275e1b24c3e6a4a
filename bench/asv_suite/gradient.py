"""Track time, working memory and fidelity of one gradient on a CPU, each case measured and checked once per commit."""

from itertools import product
from typing import Any

from . import harness

CELLS: dict[str, dict[str, Any]] = {"lif_delta": {"scale_x": 4.0}, "gru": {}}
SIZES: dict[str, dict[str, int]] = {
    "N=32 B=4 T=64": {"neurons": 32, "batch": 4, "steps": 64, "chunk": 16},
    "N=64 B=4 T=128": {"neurons": 64, "batch": 4, "steps": 128, "chunk": 32},
}
WHOLE = {"bptt"}
"""Algorithms that shorter chunks would truncate."""
LEFT_OUT = [("gru", "N=64 B=4 T=128")]
"""A commit should take a minute: one cell shows what a larger network costs."""
Key = tuple[str, str, str, str]


def case(algorithm: str, framework: str, cell: str, size: str) -> dict[str, Any]:
    """Return the fields of a plan for one parameter set; BPTT gets the whole sequence."""
    sizes = {"dataset": "bernoulli", "features": 32, "threads": 1, **SIZES[size]}
    whole = {"chunk": SIZES[size]["steps"]} if algorithm in WHOLE else {}
    return {"algorithm": algorithm, "framework": framework, "cell": cell, **CELLS[cell], **sizes, **whole}


class Gradient:
    """One gradient of a sequence, by the harness of the commit under test; the three metrics share it."""

    params = (["bptt", "rtrl", "drtrl"], ["jax", "torch"], list(CELLS), list(SIZES))
    param_names = ("algorithm", "framework", "cell", "size")
    timeout = 60
    version = "1"

    def setup_cache(self) -> dict[Key, harness.Record]:
        """Measure all parameter sets of the suite once for the commit, and return their records."""
        keys = [key for key in product(*self.params) if key[2:] not in LEFT_OUT]
        return dict(zip(keys, harness.measure([case(*key) for key in keys]), strict=True))

    setup_cache.timeout = 1800  # pyright: ignore[reportFunctionMemberAccess]

    def setup(self, records: dict[Key, harness.Record], *key: str) -> None:
        """Take the record of a parameter set. Raises as `harness.usable` if it has no numbers."""
        left_out = {"status": "skip", "reason": "not in the suite at this size"}
        self.record = harness.usable(records.get(key, left_out))  # pyright: ignore[reportArgumentType, reportCallIssue]


class Speed(Gradient):
    """Track the time of one gradient, in seconds."""

    unit = "s"

    def track_gradient(self, records: Any, *key: str) -> float:
        """Return the median of the samples, in seconds."""
        return self.record["time"]["median_s"]


class Memory(Gradient):
    """Track the working memory of one gradient, in bytes: the peak beyond its arguments."""

    unit = "bytes"

    def track_working_bytes(self, records: Any, *key: str) -> float:
        """Return the working memory, in bytes."""
        return float(self.record["memory"]["working_bytes"])


class Fidelity(Gradient):
    """Track the error of one gradient relative to the norm of the float64 BPTT gradient, without a unit."""

    unit = "relative error"

    def track_error(self, records: Any, *key: str) -> float:
        """Return the error against float64 BPTT, at least 1e-6: asv compares by ratio, and less is rounding."""
        return max(self.record["fidelity"]["overall"]["error"], 1e-6)
