"""Time and memory on a GPU, from the records that were committed for the commit under test.

Where asv runs there is no GPU; the points of a commit are there once its records are in `results/records`.
"""

from typing import Any

from . import harness

RECORDS = harness.ROOT / "results" / "records"
WHOLE = {"bptt"}
"""Algorithms that shorter chunks would truncate."""
ALIKE = {
    "device": "gpu",
    "dataset": "bernoulli",
    "features": 64,
    "layers": 1,
    "mode": "triton",
    "precision": "highest",
    "trace_dtype": "same",
    "dtype": "float32",
}
"""What all points of a curve share: another precision, trace or mode is another curve."""


def belongs(case: harness.Record, algorithm: str, framework: str, cell: str, size: str) -> bool:
    """Whether a case is on a curve, at any chunk length; BPTT takes the whole sequence. Older ones lack a field."""
    sizes = f"N={case['neurons']} B={case['batch']} T={case['steps']}"
    same = (case["algorithm"], case["framework"], case["cell"], sizes) == (algorithm, framework, cell, size)
    whole = algorithm not in WHOLE or case["chunk"] == case["steps"]
    return same and whole and all(case.get(name, value) == value for name, value in ALIKE.items())


def fastest(algorithm: str, framework: str, cell: str, size: str) -> harness.Record:
    """The committed record of a case at its fastest chunk length. Raises NotImplementedError if there is none."""
    found = []
    for path in sorted(RECORDS.glob("*.jsonl")):
        for line in harness.lines(path):
            mine = line.get("commit") == harness.commit() and not line.get("dirty")
            if mine and line["status"] == "ok" and belongs(line["case"], algorithm, framework, cell, size):
                found.append(line)
    if not found:
        raise NotImplementedError(f"no record of a GPU for commit {harness.commit()[:9]} in results/records")
    return min(found, key=lambda line: line["time"]["median_s"])


class OnGPU:
    """Of the plan `gpu`; whatever chunk length is fastest: the others are in the records."""

    params = (
        ["bptt", "drtrl"],
        ["jax", "torch"],
        ["lif_delta"],
        ["N=512 B=32 T=256", "N=512 B=32 T=1024", "N=512 B=32 T=4096", "N=2048 B=32 T=1024"],
    )
    param_names = ("algorithm", "framework", "cell", "size")
    version = "1"

    def setup(self, *key: str) -> None:
        self.record: Any = fastest(*key)


class Speed(OnGPU):
    unit = "s"

    def track_gradient(self, *key: str) -> float:
        return self.record["time"]["median_s"]


class Memory(OnGPU):
    unit = "bytes"

    def track_working_bytes(self, *key: str) -> float:
        return float(self.record["memory"]["working_bytes"])
