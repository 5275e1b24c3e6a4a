"""Cases on the workers of a real scheduler: every record once, whichever worker goes away; refusals in one line."""

import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from drtrl_bench.case import Case, Plan
from drtrl_bench.cluster import address, dispatch, worker
from drtrl_bench.cluster.address import ClusterError
from drtrl_bench.process.locks import HeldError

distributed = pytest.importorskip("distributed")
PRETENDING, SLEEPING = (
    str(Path(__file__).parents[2] / "support" / f"{name}_worker.py") for name in ("pretending", "sleeping")
)
CASES = tuple(Case(framework="torch", algorithm="drtrl", dataset="bernoulli", seed=seed) for seed in range(40))
PLAN = Plan("many", "", CASES)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the workers often: what is pretended takes no time."""
    monkeypatch.setattr(dispatch, "POLL_S", 0.05)


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Take back the environment variables that dask sets for the workers that it starts."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@contextmanager
def workers(number: int, **options: Any) -> Iterator[Any]:
    """Start a scheduler, and workers each in a process of its own, which is started again when it dies."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=number, threads_per_worker=1, processes=True, dashboard_address=":0", host="127.0.0.1", **options
    ) as cluster:
        yield cluster


def on(cluster: Any) -> str:
    return cluster.scheduler_address.replace("tcp://", "dask://")


def quietly(text: str, line: Any) -> None:
    pass


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def measured(path: Path) -> Counter[int]:
    return Counter(line["case"]["seed"] for line in lines(path) if line["kind"] == "record")


def kill_one(cluster: Any, seed: int, killed: list[int]) -> None:
    """End a worker's process at a random moment, as a machine that fails does."""
    draw = random.Random(seed)
    time.sleep(draw.uniform(0.1, 3))
    nanny = draw.choice(list(cluster.workers.values()))
    if nanny.pid:
        os.kill(nanny.pid, signal.SIGKILL)
        killed.append(nanny.pid)


def survive(cluster: Any, path: Path, seed: int) -> list[int]:
    """Run the plan while one worker is killed; the process numbers of those that were."""
    killed: list[int] = []
    killer = threading.Thread(target=kill_one, args=(cluster, seed, killed))
    killer.start()
    records = dispatch.run(PLAN, path, quietly, on=on(cluster))
    killer.join()
    assert len(records) == len(CASES)
    assert measured(path) == dict.fromkeys(range(40), 1), "each once, none lost"
    assert {line["status"] for line in records} == {"skip"}
    return killed


@pytest.mark.filterwarnings("ignore")  # of a worker's connection that is cut
def test_a_killed_worker_loses_and_doubles_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRTRL_BENCH_LOCK", "none")  # both workers at once, as if they were two machines
    with workers(2, preload=[PRETENDING]) as cluster:
        assert survive(cluster, tmp_path / "many.jsonl", 1)
    assert len({line.get("reason") for line in lines(tmp_path / "many.jsonl")[1:]}) == 2, "both workers took part"


def test_two_workers_of_one_machine_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the machine's lock, here one of the test's own: never are two cases measured at once."""
    monkeypatch.setenv("DRTRL_BENCH_LOCK", str(tmp_path / "lock"))
    with workers(2, preload=[SLEEPING]) as cluster:
        records = dispatch.run(replace(PLAN, cases=CASES[:6]), tmp_path / "turns.jsonl", quietly, on=on(cluster))
    names, began, ended = zip(*(str(line["reason"]).split() for line in records), strict=True)
    assert len(set(names)) == 2, "both workers took part"
    turns = sorted(zip(map(float, began), map(float, ended), strict=True))
    assert all(end - start >= 0.5 for start, end in turns)
    assert all(end <= start for (_, end), (start, _) in pairwise(turns)), "no turn begins before the last one has ended"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.filterwarnings("ignore")
def test_twenty_times_a_killed_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRTRL_BENCH_LOCK", "none")
    killed = []
    with workers(2, preload=[PRETENDING]) as cluster:
        for seed in range(20):
            killed += survive(cluster, tmp_path / f"{seed}.jsonl", seed)
    assert len(killed) == 20


def test_a_record_is_the_one_that_the_machine_itself_makes(tmp_path: Path) -> None:
    """Measured in earnest on a worker; a second run, here without a cluster, finds the case finished."""
    pytest.importorskip("torch")
    from drtrl_bench.measure import runner

    case = Case(framework="torch", algorithm="drtrl", dataset="bernoulli", neurons=4, batch=2, steps=8, chunk=4)
    plan, path = Plan("one", "", (case,), limit_s=120.0, budget_s=0.0), tmp_path / "one.jsonl"
    with workers(1) as cluster:
        (line,) = dispatch.run(plan, path, quietly, on=on(cluster))
        (again,) = dispatch.run(plan, path, quietly, on=on(cluster))
    assert line["status"] == "ok"
    assert line["gate"]["error"] < 1e-10
    assert again == line
    described, *records = lines(path)
    assert described["kind"] == "environment"
    assert described["env_hash"] == line["env_hash"]
    assert records == [line]
    os.environ.pop("MALLOC_TRIM_THRESHOLD_", None)  # which dask leaves here, too
    assert "variables" not in described
    assert runner.run(plan, path, quietly) == [line]


def test_rounds_are_kept_apart(tmp_path: Path) -> None:
    plan = replace(PLAN, cases=CASES[:1], rounds=2)
    with workers(1, preload=[PRETENDING]) as cluster:
        dispatch.run(plan, tmp_path / "r.jsonl", quietly, on=on(cluster))
    assert sorted(line["round"] for line in lines(tmp_path / "r.jsonl")[1:]) == [0, 1]


def test_other_sources_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "sources", lambda: "another")
    with workers(1) as cluster, pytest.raises(ClusterError, match="has other sources: install this commit there"):
        dispatch.run(PLAN, tmp_path / "x.jsonl", quietly, on=on(cluster))
    assert not (tmp_path / "x.jsonl").exists() or not measured(tmp_path / "x.jsonl")


def test_a_scheduler_without_workers_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "PATIENCE_S", 1.0)
    said: list[str] = []
    with workers(0) as cluster, pytest.raises(ClusterError, match="dask worker HOST:PORT"):
        dispatch.run(PLAN, tmp_path / "x.jsonl", lambda text, line: said.append(text), on=on(cluster))
    assert said == ["waiting 1 s for a worker"]


def test_a_file_in_use_is_refused(tmp_path: Path) -> None:
    from drtrl_bench.process import locks

    with locks.writing(tmp_path / "x.jsonl"), pytest.raises(HeldError):
        dispatch.run(PLAN, tmp_path / "x.jsonl", quietly, on="dask://127.0.0.1:1")


def test_a_scheduler_that_is_not_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "CONNECT_S", 1)
    with pytest.raises(ClusterError, match=r"--on dask://127\.0\.0\.1:9: no scheduler answers there"):
        dispatch.run(PLAN, tmp_path / "x.jsonl", quietly, on="dask://127.0.0.1:9")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tcp://there:1", "give dask://HOST:PORT or slurm://PARTITION"),
        ("dask://there", "give dask://HOST:PORT or slurm://PARTITION"),
        ("slurm://", "give dask://HOST:PORT or slurm://PARTITION"),
        ("slurm://gpu?jobs=many", "jobs=many is no number of jobs"),
    ],
)
def test_another_address_is_refused(text: str, said: str) -> None:
    with pytest.raises(ClusterError, match=said):
        address.parse(text)


def test_slurm_is_asked_for_what_the_address_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """The script of a job, as dask-jobqueue writes it: a core for each thread of a case, lists one by one."""
    jobqueue = pytest.importorskip("dask_jobqueue")
    scripts: list[str] = []

    class Written(jobqueue.SLURMCluster):
        def scale(self, n: int = 0, jobs: int = 0, **_: Any) -> None:
            if jobs:  # not while it starts
                scripts.append(f"{jobs} jobs\n{self.job_script()}")

    monkeypatch.setattr(jobqueue, "SLURMCluster", Written)
    words = "jobs=4&memory=16GB&job_extra_directives=--gres=gpu:1&job_extra_directives=--exclusive"
    with address.connected(f"slurm://gpu?{words}", threads=2), address.connected("slurm://gpu?job_cpu=8", threads=2):
        pass
    first, second = scripts
    assert "4 jobs" in first
    for line in ("-p gpu", "--mem=15G", "--cpus-per-task=2", "-t 04:00:00", "--gres=gpu:1", "--exclusive"):
        assert f"#SBATCH {line}\n" in first
    assert "--nthreads 1 " in first
    assert "#SBATCH --cpus-per-task=8\n" in second


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(ClusterError, match=r"--on needs distributed: pip install 'drtrl-bench\[cluster\]'"):
        dispatch.run(PLAN, tmp_path / "x.jsonl", quietly, on="dask://127.0.0.1:1")


def test_a_case_that_is_lost_every_time_is_an_error_that_runs_again() -> None:
    from drtrl_bench.measure import runner
    from drtrl_bench.records import parsing

    key = {"case_key": CASES[0].key, "round": 2, "implementation_sha": "0" * 16, "env_hash": "1" * 16}
    line: Any = dispatch.lost(PLAN, dispatch.Task(CASES[0], key, 3), "2026-01-01T00:00:00+00:00", "it went away")
    assert parsing.complaint(json.loads(json.dumps(line))) is None
    assert (line["status"], line["reason"], line["round"]) == ("error", "it went away", 2)
    assert not runner.finished(line, PLAN)


def test_cases_of_a_gpu_go_to_a_worker_that_has_one() -> None:
    cluster = dispatch.Cluster(client=None, sources="")
    cluster.machines = {"a": {"gpu": False}, "b": {"gpu": True}}
    on_gpu, on_cpu = (Case(device=device) for device in ("gpu", "cpu"))
    assert cluster.free(on_gpu) == "b"
    assert cluster.free(on_cpu) == "a"
    cluster.busy = {"b": (None, None)}  # pyright: ignore[reportAttributeAccessIssue]
    assert cluster.free(on_gpu) is None
    assert cluster.free(on_cpu) == "a"
