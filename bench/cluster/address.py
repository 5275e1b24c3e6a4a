"""Read the address of a cluster, and connect to the cluster or start it.

    dask://HOST:PORT                         a scheduler that runs already, with its workers
    slurm://PARTITION?jobs=4&memory=16GB     jobs of Slurm, each a worker on one machine; other words go to SLURMCluster

A word that SLURMCluster takes as a list may be given several times: `job_extra_directives=--gres=gpu:1`.
dask's packages are imported here alone, and only when a run asks for a cluster: `pip install drtrl-bench[cluster]`.
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from drtrl_bench.plan import PlanError

CONNECT_S = 10
"""Seconds to wait for a scheduler."""
JOB = {"cores": "1", "memory": "8GB", "walltime": "04:00:00"}
"""What a job of Slurm asks for, unless the address says otherwise. A machine measures one case at a time, so that a
worker has one thread, however many cores the job has (`job_cpu`)."""
LISTS = ("job_extra_directives", "job_directives_skip", "job_script_prologue", "worker_extra_args")
"""What SLURMCluster takes as lists."""


class ClusterError(PlanError):
    """A cluster cannot be reached, or cannot run what was asked for."""


def package(name: str) -> Any:
    """Import a package of the extra `cluster`. Raises ClusterError with the command that installs it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ClusterError(f"--on needs {name}: pip install 'drtrl-bench[cluster]'") from None


def parse(address: str) -> tuple[str, str, dict[str, Any]]:
    """Split an address into its kind, its place and its words. Raises ClusterError for another form."""
    parts = urlsplit(address)
    given = parse_qs(parts.query, keep_blank_values=True)
    words: dict[str, Any] = {key: values if key in LISTS else values[-1] for key, values in given.items()}
    if parts.scheme == "dask" and parts.netloc and ":" in parts.netloc and not words:
        return "dask", parts.netloc, {}
    if parts.scheme == "slurm" and parts.netloc:
        if not words.get("jobs", "1").isdigit() or words.get("jobs") == "0":
            raise ClusterError(f"--on {address}: jobs={words['jobs']} is no number of jobs")
        return "slurm", parts.netloc, words
    raise ClusterError(f"--on {address}: give dask://HOST:PORT or slurm://PARTITION?jobs=4")


@contextmanager
def connected(address: str, threads: int = 1) -> Iterator[Any]:
    """Yield a client of the cluster at an address; jobs that were started for it end with it.

    threads: the most that a case uses; a job of Slurm asks for as many cores, unless the address has a `job_cpu`.
    """
    kind, place, words = parse(address)
    distributed = package("distributed")
    if kind == "slurm":
        jobqueue = package("dask_jobqueue")
        jobs = int(words.pop("jobs", "1"))
        asked = typed(JOB | {"job_cpu": threads} | words)
        # Its dashboard takes any port: the usual one may be that of another run.
        options = {"dashboard_address": ":0"}
        with jobqueue.SLURMCluster(queue=place, processes=1, scheduler_options=options, **asked) as cluster:
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


def typed(words: dict[str, Any]) -> dict[str, Any]:
    """Return words with whole numbers in place of their digits, as SLURMCluster wants them."""
    return {key: int(value) if isinstance(value, str) and value.isdigit() else value for key, value in words.items()}
