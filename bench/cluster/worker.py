"""Measure one case on the machine of a worker, as `drtrl-bench run` does there: called by `dispatch.py` through dask.

The worker's own environment, checkout and lock count: a machine measures one case at a time, however many its workers.
"""

import os
import socket
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from drtrl_bench import provenance
from drtrl_bench.case import Case, Plan, digest
from drtrl_bench.cluster.address import package
from drtrl_bench.measure import environment, runner
from drtrl_bench.process import scratch
from drtrl_bench.records import reading, record


def sources() -> str:
    """Return the hash of all sources that measure a case: those of the harness, of implementations and of data sets."""
    root = Path(provenance.__file__).parent
    files = [file for folder in (root, *neighbours(root)) for file in folder.rglob("*.py")]
    return digest(sorted(f"{file.name}\n{file.read_text('utf-8')}" for file in files))


def neighbours(root: Path) -> list[Path]:
    """List the folders of the package that lie beside the harness in a checkout, and in it once it is installed."""
    import drtrl_bench.datasets
    import drtrl_bench.implementations

    found = [Path(module.__path__[0]).resolve() for module in (drtrl_bench.datasets, drtrl_bench.implementations)]
    return [path for path in found if root.resolve() not in path.parents]


def forget_nanny() -> None:
    """Remove the environment variables that dask set for its workers: a local run does not have them.

    They change how memory is freed and how many threads libraries take. Those that the user set otherwise stay.
    """
    config = package("dask").config
    for group in ("pre-spawn-environ", "environ"):
        for name, value in config.get(f"distributed.nanny.{group}", {}).items():
            if os.environ.get(name) == str(value):
                del os.environ[name]


def describe() -> dict[str, Any]:
    """Describe the machine of a worker: its name, sources and environment, and whether it has a GPU."""
    forget_nanny()
    line = environment.describe() | {"kind": "environment", "schema_version": record.SCHEMA_VERSION}
    return {"host": socket.gethostname(), "sources": sources(), "environment": line, "gpu": line["gpu"] is not None}


def job(plan: Plan, number: int, case: Case) -> dict[str, Any]:
    """Write one round of one case as plain data, for `measure`."""
    return {"plan": asdict(replace(plan, cases=(), rounds=1)), "case": asdict(case), "round": number}


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Measure a job here, and return its record."""
    plan = Plan(**job["plan"] | {"cases": (Case(**job["case"]),), "plugins": ()})
    with scratch.folder() as folder:
        path = folder / "one.jsonl"
        runner.run(plan, path, lambda text, line: None)
        (measured,) = (line for line in reading.lines(path) if line["kind"] == "record")
    return dict(measured) | {"round": job["round"]}
