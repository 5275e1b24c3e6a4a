"""Keep the networks of jobs in files until the jobs are measured: each is drawn once, in a process of its own.

A file that a run has drawn before it was ended is there for the next one. Its name tells what it is of.
"""

from pathlib import Path
from typing import Any

import numpy as np

from drtrl_bench import provenance
from drtrl_bench.case import Case, digest
from drtrl_bench.paper import apart
from drtrl_bench.view import display

MODULE = "experiments.brain_network"
"""The module that draws."""
DRAWN_FROM = ("neurons", "pairs", "fingerprint")
"""What of a job decides its network."""
progress = display.Console(stderr=True, soft_wrap=True)


def file_of(folder: Path, job: dict[str, Any]) -> Path:
    """Name the file of a job's network, by what decides it, the sources that draw it, and NumPy's version."""
    code = map(provenance.code_of, provenance.project_files(MODULE).values())
    return folder / f"network-{digest([{k: job.get(k) for k in DRAWN_FROM}, np.__version__, *code])}.npz"


def drawn(folder: Path, job: dict[str, Any], case: Case) -> Path:
    """Return the file of a job's network, which is drawn if it is not there yet.

    Raises EndedError if the process that draws ends without it.
    """
    file = file_of(folder, job)
    if not file.is_file():
        size = f"{job['neurons']:,} neurons and {job['pairs']:,} pairs" if job["neurons"] else "FlyWire's neurons"
        progress.print(f"drawing the network of {size}, once for all its jobs")
        (row,) = apart.rows(f"drtrl_bench.{MODULE}", job | {"network": str(file)}, case, progress.print)
        if "status" in row:
            raise apart.EndedError(MODULE, "drawing the network", row["reason"])
        peak = row["rss_drawing_mib"]
        progress.print("drawn" + (f"; its process held up to {peak:.0f} MiB" if peak else ""))
    return file


def remove_others(folder: Path, jobs: list[dict[str, Any]]) -> None:
    """Remove the files of networks that none of these jobs has, and what a run that was ended left of one."""
    kept = {file_of(folder, job) for job in jobs}
    for file in {*folder.glob("network-*.npz"), *folder.glob("network-*.part")} - kept:
        file.unlink()
