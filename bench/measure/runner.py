"""Run a plan's cases, each in a process of its own, and append a record for each.

Cases with a finished record are not run again: same case and round, same sources and meters, same environment. The
order is shuffled anew in every round. A child that runs out of memory or time, or crashes, has a record too.
"""

import json
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

from drtrl_bench import data, lookup, plugins, provenance, registry, start
from drtrl_bench.case import Case, Plan, digest
from drtrl_bench.cost.sizes import sizes
from drtrl_bench.files import cache_folder
from drtrl_bench.measure import environment, problem
from drtrl_bench.measure.refusal import refused_for_memory
from drtrl_bench.process import locks, result, scratch, supervised, variables
from drtrl_bench.process.supervised import Ended
from drtrl_bench.records import appending, parsing, reading, record
from drtrl_bench.records.record import Environment, Record

FINISHED = ("ok", "skip", "wrong", "oom", "timeout")
"""Statuses that running again would repeat; an `error` is tried again, and a `timeout` once it may take longer."""
MEASURED = ("status", "reason", "gate", "time", "memory", "fidelity", "activity", "floor")
"""Fields of a record that only the measuring child can know; the parent fills in all others."""
RESULT_FIELDS = {
    "drtrl_bench.measure.problem": ("problem", "status", "reason", "notes"),
    "drtrl_bench.plugins.check": ("complaint",),
    "drtrl_bench.measure.worker": (*MEASURED, "case"),
}
"""Fields of the result of each module that is run as a child."""
DECIDING = (
    "algorithm", "framework", "dataset", "cell", "readout", "layers", "scale_x", "scale_r", "initial", "surrogate",
    "reset", "detach_reset",
)  # fmt: skip
"""The fields of a case that its `implementation_sha` depends on."""

Report = Callable[[str, Record | None], None]
"""Called with a line of text before each case, and with its record after it."""


def implementation_sha(case: Case) -> str:
    """Return the hash of what produces this case's numbers: the cells' options, the code and the data's files."""
    files = provenance.sources(case.algorithm, case.framework, case.dataset)
    texts = {module: provenance.code_of(path) for module, path in files.items()}
    of_plugins = [provenance.code_of(path) for path in plugins.sources(case, case.framework)]
    return digest([repr(problem.network(case)), texts, of_plugins, *data.label_and_fingerprint(case.dataset)])


def identity(line: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the key by which two records are the same measurement."""
    return tuple(line[key] for key in ("case_key", "round", "implementation_sha", "env_hash"))


def finished(line: Record, plan: Plan) -> bool:
    """Return whether a case with this record is not run again; one refused for memory is, since memory gets free."""
    if line.get("refused"):
        return False
    if line["status"] == "timeout":
        return (line.get("limit_s") or 0) >= plan.limit_s
    return line["status"] in FINISHED


def refusal(case: Case) -> tuple[str, str] | None:
    """Return a status and a reason not to start the case at all, or None."""
    if reason := lookup.missing(case.framework) or plugins.lacking(case) or data.unavailable(case.dataset):
        return "skip", reason
    if case.device == "gpu" and environment.output("nvidia-smi", "-L") is None:
        return "skip", "no GPU found: nvidia-smi does not answer; choose device = 'cpu'"
    if case.threads > (cores := len(os.sched_getaffinity(0))):
        advice = f"set threads = {cores} in the plan"
        return "skip", f"asks for {case.threads} threads, but this process may use {cores}; {advice}"
    if reason := refused_for_memory(sizes(case, *data.shape(case.dataset, case.features)), case.device):
        return "oom", reason
    return None


def outcome(end: Ended) -> tuple[str, str]:
    """Return status and reason of a child that left no result."""
    if end.for_memory:
        return "oom", f"killed by the system for memory, in: {end.stage}"
    if end.outside:
        return "error", f"ended twice from outside ({end.outside}), not for memory, in: {end.stage}; run it again"
    if end.code < 0:
        return "error", f"ended by {signal.Signals(-end.code).name}: {end.reason}"
    return "error", end.reason


def command(module: str) -> list[str]:
    """Build the command that runs a module as a child."""
    return start.command(module)


def child(module: str, job: dict[str, Any], case: Case, limit_s: float, folder: Path) -> dict[str, Any]:
    """Run a module as a child, with a job on standard input; return its result, or at least a status and a reason."""
    with tempfile.TemporaryDirectory(dir=folder) as own:
        stdin, result_file = Path(own) / "job.json", Path(own) / "result.json"
        full_job = {"plugins": plugins.job(case), **job, "case": asdict(case), "result": str(result_file)}
        stdin.write_text(json.dumps(full_job | {"folder": str(folder)}), encoding="utf-8")
        run = partial(supervised.run, command(module), environment.child(case), standard_input=stdin, limit_s=limit_s)
        end = run()
        if end.outside:
            end = run()  # once more: a process ended from outside says nothing about its case
        if end.timed_out:
            return {"status": "timeout", "reason": f"stopped after {limit_s:g} s, in: {end.stage}"}
        if end.code:
            return dict(zip(("status", "reason"), outcome(end), strict=True))
        try:
            answer = result.read(result_file, RESULT_FIELDS[module])
        except result.ResultError as error:
            return {"status": "error", "reason": f"the result of {module} is not valid: {error}"}
        if "gate" in RESULT_FIELDS[module] and (status := answer.get("status")) not in ("ok", "wrong", "oom"):
            return {"status": "error", "reason": f"the result of {module} is not valid: its status is {status!r:.60}"}
        return answer


def measure(case: Case, plan: Plan, folder: Path) -> dict[str, Any]:
    """Run a case in a child, after another has computed its exact gradient; return at least a status and a reason."""
    if refused := refusal(case):
        status, reason = refused
        return {"status": status, "reason": reason, "refused": status == "oom"}
    unsolved = folder / f"unsolved-{case.problem_key}.json"
    if unsolved.exists():
        return json.loads(unsolved.read_text(encoding="utf-8"))
    cache = data.module("events.folders").cache_folder()
    solved = child("drtrl_bench.measure.problem", {"cache": str(cache)}, case, plan.limit_s, folder)
    cache_folder.pass_on(solved.pop("notes", None))
    if not isinstance(solved.get("problem"), str):
        reason = solved.get("reason", "it left no problem")
        solved = {"status": solved.get("status", "error"), "reason": f"its float64 reference: {reason}"}
        unsolved.write_text(json.dumps(solved), encoding="utf-8")
        return solved
    answer = child("drtrl_bench.measure.worker", solved | {"budget_s": plan.budget_s}, case, plan.limit_s, folder)
    return {key: value for key, value in answer.items() if key != "case"}


def check_plugins(plan: Plan, folder: Path) -> None:
    """Import in a child of each framework what a plan takes from plugins. Raises PluginError for what is incomplete."""
    for framework in registry.FRAMEWORKS:
        cases = [case for case in plan.cases if case.framework == framework and plugins.owners(case)]
        cases = [case for case in cases if not lookup.missing(framework) and not plugins.lacking(case)]
        if not cases:
            continue
        wanted = {plugin["name"]: plugin for case in cases for plugin in plugins.job(case)}
        names = dict.fromkeys((kind, name) for case in cases for kind, name, _ in plugins.owners(case))
        job = {"plugins": list(wanted.values()), "framework": framework}
        job["names"] = [(kind, name) for kind, name in names if kind != "dataset"]
        answer = child("drtrl_bench.plugins.check", job, cases[0], plan.limit_s, folder)
        if complaint := answer.get("complaint") or answer.get("reason"):
            raise plugins.PluginError(complaint)


def schedule(plan: Plan) -> list[tuple[int, Case]]:
    """List every case once per round, with the round; the order is drawn anew for each round from the plan's seed."""
    order = random.Random(plan.order_seed)
    return [(number, case) for number in range(plan.rounds) for case in order.sample(plan.cases, len(plan.cases))]


def run(plan: Plan, path: Path, report: Report, again: bool = False) -> list[Record]:
    """Measure what is missing from the records at `path`; return the records of this plan, old and new.

    Raises HeldError if another process writes this file.
    """
    with locks.writing(path):
        return complete(plan, path, report, again)


def complete(plan: Plan, path: Path, report: Report, again: bool) -> list[Record]:
    """Measure what is missing, in a file that no other process writes; return the records of the plan, old and new."""
    kind = {"kind": "environment", "schema_version": record.SCHEMA_VERSION}
    described = cast(Environment, environment.describe() | kind)
    known: dict[tuple[Any, ...], Record] = {}
    described_there = False
    appending.prepare(path)
    for line in reading.lines(path) if path.exists() else ():
        described_there |= line == described
        if line["kind"] == "record" and finished(line, plan):
            known[identity(line)] = line

    todo, began = schedule(plan), datetime.now(UTC).isoformat()
    records = []
    durations: list[float] = []
    shas: dict[tuple[Any, ...], str] = {}
    with scratch.folder() as folder:
        for index, (number, case) in enumerate(todo):
            deciding = tuple(getattr(case, name) for name in DECIDING)
            sha = shas.get(deciding) or shas.setdefault(deciding, implementation_sha(case))
            key = {"case_key": case.key, "round": number, "implementation_sha": sha, "env_hash": described["env_hash"]}
            if not again and (before := known.get(identity(key))):
                records.append(before)
                continue
            line = begin_record(plan, case, began, key)
            if not durations:
                check_plugins(plan, folder)
                for note in variables.notes(os.environ, variables.for_child(os.environ)):
                    report(note, None)
            if not described_there:
                appending.append(path, described)
                described_there = True
            left = (len(todo) - index) * sum(durations) / len(durations) if durations else None
            ahead = "" if left is None else f", about {left / 60:.0f} min left" if left > 90 else f", {left:.0f} s left"
            report(f"[{index + 1}/{len(todo)}{ahead}] {case.label}", None)
            with locks.measuring(lambda text: report(f"    {text}", None)):
                line["implementation_sha"] = implementation_sha(case)  # sources may have changed during a long wait
                started, clock = datetime.now(UTC), time.perf_counter()
                empty = {"gate": {}, "time": {}, "memory": {}, "fidelity": {}, "activity": {}}
                line |= environment.checkout() | empty | measure(case, plan, folder)
                durations.append(time.perf_counter() - clock)
            if wrong := parsing.complaint(line):
                line |= empty | {"status": "error", "reason": f"the child's result is no record: {wrong}", "floor": {}}
            line |= {"started": started.isoformat(timespec="seconds"), "duration_s": round(durations[-1], 3)}
            appending.append(path, measured := cast(Record, line))
            report("", measured)
            records.append(measured)
    return records


def begin_record(plan: Plan, case: Case, began: str, key: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a record that are known before its case is measured.

    began: when the whole run began; key: the fields of `identity`.
    """
    dataset = data.dataset(case.dataset)
    label = {"label": dataset.LABEL, "synthetic": dataset.SYNTHETIC}
    named = plugins.fingerprints(case)
    return {
        "kind": "record",
        "schema_version": record.SCHEMA_VERSION,
        "plan": plan.name,
        "run": began,
        "round": key["round"],
        "limit_s": plan.limit_s,
        "case_key": key["case_key"],
        "case": asdict(case),
        "implementation_sha": key["implementation_sha"],
        "env_hash": key["env_hash"],
        "data": label | {"fingerprint": data.fingerprint(case.dataset) or None},
    } | ({"plugins": named} if named else {})
