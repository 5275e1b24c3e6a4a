"""Time and memory on a GPU, from the records that were committed for the commit under test.

Where asv runs there is no GPU; the points of a commit are there once its records are in `results/records`.
"""

from typing import Any

from . import harness

RECORDS = harness.ROOT / "results" / "records"


def fastest(algorithm: str, framework: str, cell: str, size: str) -> harness.Record:
    """The committed record of a case at its fastest chunk length. Raises NotImplementedError if there is none."""
    sizes = {"neurons": "N", "batch": "B", "steps": "T"}
    found = []
    for path in sorted(RECORDS.glob("*.jsonl")):
        for line in harness.lines(path):
            case = line["case"]
            same = (case["algorithm"], case["framework"], case["cell"]) == (algorithm, framework, cell)
            alike = " ".join(f"{letter}={case[name]}" for name, letter in sizes.items()) == size
            mine = line.get("commit") == harness.commit() and not line.get("dirty")
            if same and alike and mine and case["device"] == "gpu" and line["status"] == "ok":
                found.append(line)
    if not found:
        raise NotImplementedError(f"no record of a GPU for commit {harness.commit()[:9]} in results/records")
    return min(found, key=lambda line: line["time"]["median_s"])


class OnGPU:
    """Whatever chunk length is fastest: the others are in the records."""

    params = (
        ["bptt", "rtrl", "drtrl"],
        ["jax", "torch"],
        ["lif_delta"],
        ["N=256 B=16 T=1024", "N=512 B=16 T=1024", "N=512 B=4 T=256"],
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
