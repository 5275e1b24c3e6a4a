"""Record lines as a run would write them, without running anything: what tables, figures and reports are fed."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from drtrl_bench.case import Case

DIGITS = "digits (event-converted)"


def environment(env_hash: str = "e1", **changes: Any) -> Any:
    """An environment line."""
    facts = {"python": "3.11.7", "versions": {"jax": "0.10.2", "torch": "2.13.0"}, "cpu": "AMD EPYC", "cores": 2}
    kind = {"kind": "environment", "schema_version": 1, "env_hash": env_hash}
    return kind | facts | {"gpu": None, "os": "Linux"} | changes


def line(case: Case, time_s: float = 0.0123, error: float = 3e-7, unstable: bool = False, **changes: Any) -> Any:
    """A record line; with a status other than ok it holds no measurement, as the worker writes it.

    The processor works 3 % less than the clock says.
    """
    gate = {"reference": case.algorithm, "steps": 35, "batch": 2, "error": 2e-16, "limit": 1e-10}
    close = {"cosine": 1 - error**2, "error": error, "norm_ratio": 1.0, "sign_agreement": 1.0}
    record = {
        "kind": "record",
        "schema_version": 1,
        "plan": "quick",
        "run": "2026-03-01T12:00:00+00:00",
        "round": 0,
        "case_key": case.key,
        "case": asdict(case),
        "status": "ok",
        "reason": None,
        "env_hash": "e1",
        "implementation_sha": "f00d",
        "commit": "0123456789abcdef",
        "dirty": False,
        "data": {"label": DIGITS, "synthetic": False, "fingerprint": "beef"},
        "gate": gate,
        "time": {
            "phases": {"lower_s": 0.3, "compile_s": 0.9, "first_call_s": 0.1},
            "samples_s": [time_s * x for x in (0.98, 1.0, 1.0, 1.04)],
            "cpu_samples_s": [time_s * x for x in (0.96, 0.97, 0.97, 0.99)],
            "median_s": time_s,
            "iqr_s": 0.01 * time_s,
            "low_s": 0.98 * time_s,
            "high_s": 1.02 * time_s,
            "unstable": unstable,
            "busy": False,
            "forward_s": time_s / 3,
        },
        "memory": {
            "working_bytes": 3 << 19,
            "meter": "xla_temp_bytes",
            "analytic_bytes": 1 << 20,
            "rss_peak_bytes": None,
        },
        "fidelity": {
            "overall": close,
            "per_layer": {f"layer{i}": close for i in range(case.layers)} | {"readout": close},
            "per_parameter": {"layer0.x": close, "layer0.r": close, "readout.b": close},
        },
        "activity": {"firing_rate": [0.08], "silent": [0.1], "spike_mismatch": [0.0]},
        "started": "2026-03-01T12:00:00+00:00",
        "duration_s": 4.0,
    }
    if changes.get("status", "ok") != "ok":
        record |= {"time": {}, "memory": {}, "fidelity": {}, "activity": {}, "gate": {}}
    return record | changes


def grid(cells: tuple[str, ...] = ("lif_delta",), steps: tuple[int, ...] = (64, 256)) -> list[Any]:
    """Every algorithm in both frameworks, at K = 16 and K = T, over some T."""
    found = []
    for cell in cells:
        for T in steps:
            for algorithm, error in (("bptt", 3e-7), ("rtrl", 4e-7), ("drtrl", 0.3)):
                for framework in ("jax", "torch"):
                    for K in (T,) if algorithm == "bptt" else (16, T):
                        case = Case(algorithm=algorithm, framework=framework, cell=cell, steps=T, chunk=K)
                        found.append(line(case, time_s=1e-4 * T, error=error))
    return found


def write(folder: Path, lines: list[Any], environments: list[Any] | None = None) -> Path:
    """The lines as a record file."""
    path = folder / "records.jsonl"
    every = [*(environments or [environment()]), *lines]
    path.write_text("".join(json.dumps(one) + "\n" for one in every), encoding="utf-8")
    return path
