"""The gate put to the test: the checkout against itself, and against itself with a regression planted.

A/A comparisons are the gate's own measurement of `gate_speed` with both sides at the same commit, one quartet of rounds
A B B A per case; they are appended to a record file, which a later call goes on with.
"""

from pathlib import Path
from typing import Any

from bench import case as cases
from bench import gate, record, revisions
from bench.revisions import Report

QUARTET = 4
"""Rounds of one look at a case: A B B A."""


def quartets(lines: list[dict[str, Any]]) -> int:
    """Comparisons that a record file holds."""
    return max((line["round"] // QUARTET + 1 for line in lines), default=0)


def alike(path: Path, number: int, report: Report) -> None:
    """Measures A/A comparisons until the file at `path` holds `number` of them."""
    plan = cases.read(gate.SPEED_PLAN)
    there = quartets(record.read(path)) if path.exists() else 0
    for index in range(there, number):
        report(f"A/A comparison {index + 1} of {number}")
        old, new = revisions.interleaved(("HEAD", "HEAD"), plan, report)
        environments: set[str] = {e["env_hash"] for e in record.lines(path)} if path.exists() else set()
        for line in sorted([*old, *new], key=lambda line: (line["started"], line["round"])):
            described = line["environment"]
            if described["env_hash"] not in environments:
                environments.add(described["env_hash"])
                record.append(path, described)
            record.append(path, brief(line) | {"round": line["round"] + QUARTET * index})


def brief(line: dict[str, Any]) -> dict[str, Any]:
    """A record reduced to what a gate compares, with samples to four digits: there are hundreds of them."""
    kept = {key: value for key, value in line.items() if key not in ("environment", "source")}
    time = {key: value for key, value in line["time"].items() if key in ("median_s", "low_s", "high_s", "load", "busy")}
    samples = [float(f"{s:.4g}") for s in line["time"].get("samples_s", ())]
    fidelity = {key: value for key, value in line["fidelity"].items() if key == "overall"}
    return kept | {"time": time | {"samples_s": samples} if samples else {}, "fidelity": fidelity}
