"""Run a plan's cases on the workers of a cluster, one case on a worker at a time, and append their records here.

The file, what is finished in it, and the fields of a record are those of a local run (`measure/runner.py`). A worker
that goes away costs its case a try, never a record: records are written here alone, once each.
"""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from drtrl_bench import plugins
from drtrl_bench.case import Case, Plan
from drtrl_bench.cluster import worker
from drtrl_bench.cluster.address import ClusterError, connected, package
from drtrl_bench.measure import environment, runner
from drtrl_bench.process import locks
from drtrl_bench.records import appending, reading
from drtrl_bench.records.record import Record

TRIES = 3
"""How often a case is sent out when its workers go away."""
PATIENCE_S = 60.0
"""Seconds to wait for a worker when there is none."""
POLL_S = 0.5
"""Seconds between two looks at the list of workers."""


@dataclass
class Task:
    """One case in one round, how often it was sent out, and what is known of its record before it is measured."""

    case: Case
    key: dict[str, Any]
    tries: int = 0


@dataclass
class Cluster:
    """The workers of a scheduler: what each is, and which of them is measuring."""

    client: Any
    sources: str = field(default_factory=lambda: worker.sources())
    machines: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What `worker.describe` says of each worker, by its address."""
    seen: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The same of all workers that ever were."""
    busy: dict[str, tuple[Any, Task]] = field(default_factory=dict)
    """The call and the task of each worker that is measuring, by its address."""

    def look(self) -> None:
        """Describe the workers that are new, and forget those that are gone. Raises ClusterError for other sources."""
        present = self.client.scheduler_info(n_workers=-1)["workers"]
        self.machines = {address: machine for address, machine in self.machines.items() if address in present}
        for address in present:
            if address in self.machines:
                continue
            try:
                machine = self.client.run(worker.describe, workers=[address], on_error="return")[address]
            except (OSError, KeyError, TimeoutError):
                continue  # it went away meanwhile
            if isinstance(machine, ImportError):
                raise ClusterError(f"the worker on {address} cannot import drtrl_bench: install this commit there")
            if isinstance(machine, OSError):
                continue
            if isinstance(machine, Exception):
                raise ClusterError(f"the worker on {address} cannot describe its machine: {machine}")
            if machine["sources"] != self.sources:
                raise ClusterError(f"the worker on {machine['host']} has other sources: install this commit there")
            self.machines[address] = self.seen[address] = machine

    def free(self, case: Case) -> str | None:
        """Choose a worker without a case; for a GPU's one with a GPU, where some worker has one, and else without."""
        on_gpu = case.device == "gpu" and any(machine["gpu"] for machine in self.machines.values())
        able = [a for a, machine in self.machines.items() if machine["gpu"] or not on_gpu]
        able.sort(key=lambda address: self.machines[address]["gpu"])
        return next((address for address in able if address not in self.busy), None)

    def send(self, address: str, plan: Plan, task: Task) -> None:
        """Let a worker measure a task."""
        task.tries += 1
        task.key["env_hash"] = self.machines[address]["environment"]["env_hash"]
        job = worker.job(plan, task.key["round"], task.case)
        call = self.client.submit(worker.measure, job, workers=[address], allow_other_workers=False, pure=False)
        self.busy[address] = call, task

    def ended(self) -> Iterator[tuple[Task, dict[str, Any] | str]]:
        """Yield the tasks that are done with their records, and those that are lost with the reason."""
        for address, (call, task) in list(self.busy.items()):
            if call.status == "finished":
                del self.busy[address]
                try:
                    yield task, call.result(timeout=PATIENCE_S)
                except (OSError, TimeoutError, self.client_errors) as error:
                    yield task, f"its result was lost: {error}"
            elif call.status in ("error", "lost", "cancelled") or address not in self.machines:
                del self.busy[address]
                reason = f"{call.exception()!r:.300}" if call.status == "error" else f"the worker {address} went away"
                call.cancel()
                yield task, reason

    @property
    def client_errors(self) -> type[Exception]:
        """The exception of a call that the scheduler has forgotten."""
        return package("distributed").client.FutureCancelledError


def run(plan: Plan, path: Path, report: runner.Report, again: bool = False, *, on: str) -> list[Record]:
    """Measure on a cluster what is missing from the records at `path`; return the records of this plan, old and new.

    on: the cluster's address, as in `address.py`. Raises HeldError if another process writes the file, ClusterError for
    a cluster that cannot be reached, has no workers, or has other sources.
    """
    if named := sorted({name for case in plan.cases for _, name, _ in plugins.owners(case)}):
        raise ClusterError(f"plugins are not sent to workers: {', '.join(named)} cannot be measured with --on")
    threads = max((case.threads for case in plan.cases), default=1)
    with locks.writing(path), connected(on, threads) as client:
        return complete(plan, path, report, again, Cluster(client))


def complete(plan: Plan, path: Path, report: runner.Report, again: bool, cluster: Cluster) -> list[Record]:
    """Send out what is missing in a file that no other process writes; return the records of the plan, old and new."""
    appending.prepare(path)
    known, described = {}, set()
    for line in reading.lines(path) if path.exists() else ():
        if line["kind"] == "environment":
            described.add(line["env_hash"])
        elif runner.finished(line, plan):
            known[runner.identity(line)] = line

    def append(record: dict[str, Any]) -> None:
        environments = {machine["environment"]["env_hash"]: machine["environment"] for machine in cluster.seen.values()}
        if record["env_hash"] not in described:
            described.add(record["env_hash"])
            appending.append(path, environments[record["env_hash"]])
        appending.append(path, measured := cast(Record, record))
        report("", measured)
        records.append(measured)

    records: list[Record] = []
    wait_for_workers(cluster, report)
    began, waiting = datetime.now(UTC).isoformat(), deque[Task]()
    hashes = {machine["environment"]["env_hash"] for machine in cluster.machines.values()}
    for number, case in runner.schedule(plan):
        key = {"case_key": case.key, "round": number, "implementation_sha": runner.implementation_sha(case)}
        before = [known[one] for each in hashes if (one := runner.identity(key | {"env_hash": each})) in known]
        if before and not again:
            records.append(before[0])
        else:
            waiting.append(Task(case, key))

    sent, total = len(records), len(records) + len(waiting)
    while waiting or cluster.busy:
        if not cluster.machines:
            wait_for_workers(cluster, report)
        for _ in range(len(waiting)):
            task = waiting.popleft()
            if (address := cluster.free(task.case)) is None:
                waiting.append(task)
                continue
            cluster.send(address, plan, task)
            sent += task.tries == 1
            report(f"[{sent}/{total}] {task.case.label} on {cluster.machines[address]['host']}", None)
        time.sleep(POLL_S)
        cluster.look()
        for task, result in cluster.ended():
            if isinstance(result, dict):
                append(result | {"run": began})
            elif task.tries < TRIES:
                report(f"    {task.case.label}: {result}; it is sent out again", None)
                waiting.appendleft(task)
            else:
                append(lost(plan, task, began, f"sent out {TRIES} times, at last {result}"))
    return records


def lost(plan: Plan, task: Task, began: str, reason: str) -> dict[str, Any]:
    """Return the record of a case whose workers went away every time; an `error` is tried again by the next run."""
    empty: dict[str, Any] = {"gate": {}, "time": {}, "memory": {}, "fidelity": {}, "activity": {}}
    found = runner.begin_record(plan, task.case, began, task.key) | environment.checkout() | empty
    ended = datetime.now(UTC).isoformat(timespec="seconds")
    return found | {"status": "error", "reason": reason, "floor": {}, "started": ended, "duration_s": 0.0}


def wait_for_workers(cluster: Cluster, report: runner.Report) -> None:
    """Wait until the scheduler has a worker. Raises ClusterError if none comes."""
    deadline, told = time.monotonic() + PATIENCE_S, False
    cluster.look()
    while not cluster.machines:
        if not told:
            report(f"waiting {PATIENCE_S:.0f} s for a worker", None)
            told = True
        if time.monotonic() > deadline:
            raise ClusterError("the scheduler has no worker: start one on each machine, dask worker HOST:PORT")
        time.sleep(POLL_S)
        cluster.look()
