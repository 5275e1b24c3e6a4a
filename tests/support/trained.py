"""Rows of a task of the paper as if it had been trained: with accuracies that a test chooses."""

from collections.abc import Callable
from typing import Any

import pandas as pd

Job = dict[str, Any]
TRIALS = 10**6
"""Of validation and test: so many that luck in them plays no part."""


def row(job: Job, test: float | None, memory: float, **more: Any) -> Job:
    """The row of a job; it is solved where the test accuracy is as high as ends a training."""
    points = (job["until"] or job["updates"]) // job["every"]
    found = {"at": [job["every"] * (i + 1) for i in range(points)], "seconds_per_update": 0.5}
    found |= {name: [0.5] * points for name in ("valid_accuracy", "valid_loss", "loss")}
    found |= {"test_loss": None if test is None else 1 - test}
    found |= {"solved": test is not None and job["enough"] is not None and test >= job["enough"]}
    found |= {"test_accuracy": test, "tested": TRIALS, "held_out": TRIALS, "rate": job["rates"][2]}
    best = 0.3 - abs(job["rule_options"]["decay"] - 0.98) / 10
    found |= {"worth": [0.1, 0.2, best, *[0.1] * (len(job["rates"]) - 3)], "final": [None] * len(job["rates"])}
    found |= {"working_bytes": int(memory * 2**20), "density": 0.9999, "validated": 256, "env_hash": "e", "setup": "A"}
    found |= {"rate_per_step": None, "silent": None, "data": f"{job['dataset']} (synthetic)", "synthetic": True}
    return job | found | {"commits": frozenset()} | more


def framed(module: Any, rows: list[Job], size: str = "cpu") -> Any:
    """Rows of a module, as the records of a size give them."""
    made = pd.DataFrame(rows)
    name = module.__name__.rpartition(".")[2]
    made.attrs = {"environments": {"e": {}}, "results": "0" * 16, "experiment": name, "size": size}
    made.attrs |= {"jobs": len(rows), "seeds": 2, "cpu_s": 1.0, "instead": module.ABOUT.instead}
    return made


def trained(module: Any, accuracy: Callable[[Job], float], size: str = "cpu", **more: Any) -> Any:
    """The rows of all jobs of two seeds, of which the second is a little better. BPTT's memory grows with T."""
    rows = []
    for job in module.jobs(module.SIZES[size]):
        if job["seed"] < 2:
            test = None if job["until"] else accuracy(job) + 0.01 * job["seed"]
            rows.append(row(job, test, job["steps"] if job["rule"] == "bptt" else 3, **more))
    return framed(module, rows, size)
