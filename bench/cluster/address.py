"""Reads the address of a cluster, and connects to it or starts it.

    dask://HOST:PORT                         a scheduler that runs already, with its workers
    slurm://PARTITION?jobs=4&memory=16GB     jobs of Slurm, each a worker on one machine; other words go to SLURMCluster

dask's packages are imported here alone, and only when a run asks for a cluster: `pip install drtrl-bench[cluster]`.
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from drtrl_bench.plan import PlanError

CONNECT_S = 10
"""Seconds to wait for a scheduler."""
JOB = {"cores": "1", "memory": "8GB", "walltime": "04:00:00"}
"""What a job of Slurm asks for, unless the address says otherwise. A machine measures one case at a time."""


class ClusterError(PlanError):
    """A cluster cannot be reached, or cannot run what was asked for."""


def package(name: str) -> Any:
    """Import a package of the extra `cluster`. Raises ClusterError with the command that installs it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ClusterError(f"--on needs {name}: pip install 'drtrl-bench[cluster]'") from None


def parse(address: str) -> tuple[str, str, dict[str, str]]:
    """Split an address into its kind, its place and its words. Raises ClusterError for another form."""
    parts = urlsplit(address)
    words = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.scheme == "dask" and parts.netloc and ":" in parts.netloc and not words:
        return "dask", parts.netloc, {}
    if parts.scheme == "slurm" and parts.netloc:
        if not words.get("jobs", "1").isdigit() or words.get("jobs") == "0":
            raise ClusterError(f"--on {address}: jobs={words['jobs']} is no number of jobs")
        return "slurm", parts.netloc, words
    raise ClusterError(f"--on {address}: give dask://HOST:PORT or slurm://PARTITION?jobs=4")


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Yield a client of the cluster at an address; jobs that were started for it end with it."""
    kind, place, words = parse(address)
    distributed = package("distributed")
    if kind == "slurm":
        jobqueue = package("dask_jobqueue")
        jobs = int(words.pop("jobs", "1"))
        with jobqueue.SLURMCluster(queue=place, processes=1, **typed(JOB | words)) as cluster:
            cluster.scale(jobs=jobs)
            with distributed.Client(cluster) as client:
                yield client
        return
    try:
        client = distributed.Client(f"tcp://{place}", timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterError(f"--on {address}: no scheduler answers there ({type(error).__name__})") from None
    with client:
        yield client


def typed(words: dict[str, str]) -> dict[str, Any]:
    """Return words with whole numbers in place of their digits, as SLURMCluster wants them."""
    return {key: int(value) if value.isdigit() else value for key, value in words.items()}
