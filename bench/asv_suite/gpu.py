"""Track time and memory on a GPU, from the records in `results/records` that were made at the commit under test.

The machine that runs asv has no GPU, so a commit has points once its records are committed.
"""

from typing import Any

from . import harness

RECORDS = harness.ROOT / "results" / "records"
WHOLE = {"bptt", "bptt_native"}
"""Algorithms that shorter chunks would truncate."""
SHARED = {
    "device": "gpu",
    "dataset": "bernoulli",
    "features": 64,
    "layers": 1,
    "mode": "triton",
    "precision": "highest",
    "trace_dtype": "same",
    "dtype": "float32",
}
"""Fields that all points of a curve share: another precision, trace or mode is another curve."""


def belongs(case: harness.Record, algorithm: str, framework: str, cell: str, size: str) -> bool:
    """Return whether a case is on a curve, at any chunk length, with BPTT over the whole sequence.

    Cases of older records may lack a field.
    """
    sizes = f"N={case['neurons']} B={case['batch']} T={case['steps']}"
    same = (case["algorithm"], case["framework"], case["cell"], sizes) == (algorithm, framework, cell, size)
    whole = algorithm not in WHOLE or case["chunk"] == case["steps"]
    return same and whole and all(case.get(name, value) == value for name, value in SHARED.items())


def fastest(algorithm: str, framework: str, cell: str, size: str) -> harness.Record:
    """Return the committed record of a case at its fastest chunk length. Raises NotImplementedError without one."""
    records = []
    for path in sorted(RECORDS.glob("*.jsonl")):
        for line in harness.lines(path):
            of_commit = line.get("commit") == harness.commit() and not line.get("dirty")
            if of_commit and line["status"] == "ok" and belongs(line["case"], algorithm, framework, cell, size):
                records.append(line)
    if not records:
        raise NotImplementedError(f"no record of a GPU for commit {harness.commit()[:9]} in results/records")
    return min(records, key=lambda line: line["time"]["median_s"])


class OnGPU:
    """A case of the plans `gpu`, `gpu_short`, `gpu_long` and `gpu_wide`, at its fastest chunk length."""

    params = (
        ["bptt", "bptt_native", "drtrl"],
        ["jax", "torch"],
        ["lif_delta"],
        ["N=512 B=32 T=256", "N=512 B=32 T=1024", "N=512 B=32 T=4096", "N=2048 B=32 T=1024"],
    )
    param_names = ("algorithm", "framework", "cell", "size")
    version = "1"

    def setup(self, *key: str) -> None:
        """Take the record of a parameter set. Raises NotImplementedError if the commit has none."""
        self.record: Any = fastest(*key)


class Speed(OnGPU):
    """Track the time of one gradient on a GPU, in seconds."""

    unit = "s"

    def track_gradient(self, *key: str) -> float:
        """Return the median of the samples, in seconds."""
        return self.record["time"]["median_s"]


class Memory(OnGPU):
    """Track the working memory of one gradient on a GPU, in bytes: the peak beyond its arguments."""

    unit = "bytes"

    def track_working_bytes(self, *key: str) -> float:
        """Return the working memory, in bytes."""
        return float(self.record["memory"]["working_bytes"])
