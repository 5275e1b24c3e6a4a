"""Measure for the gate's self-test: the last commit against itself, and against itself with injected regressions.

A/A comparisons measure the plan `gate_speed` as the gate does, with both sides at the same commit: per case one quartet
of rounds, A B B A. Bytes and fidelity of all cases of the plan `gate` are measured again and again. Injected
regressions are appended to sources in a throw-away worktree, which is measured as any revision. All records go to one
file, with which a later call goes on; a record's plan says what was injected. `alarms.py` counts what the gate calls.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

from drtrl_bench import plan as plans
from drtrl_bench.case import Plan
from drtrl_bench.files import textfile
from drtrl_bench.gate import injected, revisions, verdict
from drtrl_bench.gate.injected import Injected
from drtrl_bench.gate.revisions import Report
from drtrl_bench.process import scratch
from drtrl_bench.records import appending, reading
from drtrl_bench.records.record import Record

QUARTET = 4
"""Rounds of one comparison of a case: A B B A."""
MOST_BYTES = 256 * 2**20
"""Size of the record file at most; the committed one has 4.4 MB."""
A_A, UNCHANGED = verdict.SPEED_PLAN, "planted nothing"
"""Plans of the records without a regression: of A/A comparisons, and of what injected regressions are compared with."""

INJECTED_IN = {("drtrl", "lif_delta"), ("bptt", "lif_delta")}
"""Algorithm and cell of the cases with which injected regressions are measured."""
SLOWED_ALGORITHMS = {"drtrl"}
"""Algorithms with which slowdowns are measured: few, because the call itself is slowed down, whatever the algorithm."""
SLOWDOWNS = (1.2, 1.5)
"""Factors by which the call is slowed down."""
FACTORS = (1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2.0)
"""Factors by which samples of A/A comparisons are multiplied, to count alarms without measuring."""


def injection_plan() -> Plan:
    """Return the plan for injected regressions: the cases of `gate` in `INJECTED_IN`."""
    plan = plans.read(verdict.PLAN)
    return replace(plan, cases=tuple(case for case in plan.cases if (case.algorithm, case.cell) in INJECTED_IN))


def read(path: Path) -> list[Record]:
    """Read the records of self-tests so far; none if there is no file yet. Raises UnreadableError."""
    if not path.exists():
        return []
    require(path)
    return reading.read(path)


def require(path: Path) -> None:
    """Raise UnreadableError for a record file that is no regular file, or larger than it may be."""
    textfile.require(path, MOST_BYTES)


def append(path: Path, lines: list[Record], name: str, first: int = 0, weights: bool = False) -> None:
    """Append records under a plan's name, in the order of their measurement, with rounds counted from `first`."""
    known = {e["env_hash"] for e in reading.lines(path)} if path.exists() else set()
    for line in sorted(lines, key=lambda line: (line.get("started") or "", line["round"])):
        described = line.get("environment")
        if described and described["env_hash"] not in known:
            known.add(described["env_hash"])
            appending.append(path, described)
        appending.append(path, {**brief(line, weights), "plan": name, "round": line["round"] + first})


def brief(line: Record, weights: bool) -> Record:
    """Reduce a record to what a gate compares, with samples to four digits, since there are hundreds of them.

    weights: whether to keep the error and the norm of each weight's gradient, which the gate compares, too.
    """
    rest = {key: value for key, value in line.items() if key not in ("environment", "source")}
    time = {key: value for key, value in line["time"].items() if key in ("median_s", "low_s", "high_s", "load", "busy")}
    names = ("samples_s", "cpu_samples_s")
    samples = {name: [float(f"{s:.4g}") for s in line["time"].get(name) or ()] for name in names}
    fidelity = {key: value for key, value in line["fidelity"].items() if key == "overall"}
    if weights:
        agreements = line["fidelity"].get("per_parameter") or {}
        fidelity["per_parameter"] = {
            name: {metric: (agreement or {}).get(metric) for metric in ("error", "norm_ratio")}
            for name, agreement in agreements.items()
        }
    return cast(Record, rest | {"time": time | samples if time else {}, "fidelity": fidelity})


def measure_a_a(path: Path, number: int, report: Report) -> None:
    """Measure A/A comparisons until the file at `path` holds `number` of every case."""
    interleave(path, A_A, plans.read(verdict.SPEED_PLAN), number, report)


def slowdown_plan(factor: float) -> str:
    """Return the plan's name in records of comparisons with a call that is slowed down by a factor."""
    return f"planted {factor:g}x slower"


def measure_slowdowns(path: Path, number: int, report: Report) -> None:
    """Measure comparisons with each of the `SLOWDOWNS`, until the file at `path` holds `number` of each.

    Only the cases of `SLOWED_ALGORITHMS` are measured.
    """
    plan = plans.read(verdict.SPEED_PLAN)
    plan = replace(plan, cases=tuple(case for case in plan.cases if case.algorithm in SLOWED_ALGORITHMS))

    def edit(factor: float, tree: Path) -> None:
        for framework in ("jax", "torch"):
            append_code(tree / f"bench/measure/backend_{framework}.py", injected.SLOWED_DOWN.format(factor=factor))

    for factor in SLOWDOWNS:
        interleave(path, slowdown_plan(factor), plan, number, report, partial(edit, factor))


def interleave(
    path: Path, name: str, plan: Plan, number: int, report: Report, edit: Callable[[Path], None] | None = None
) -> None:
    """Measure quartets of HEAD against HEAD, or against it with an edit, until every case has `number` of them."""
    done = {(line["case_key"], line["round"] // QUARTET) for line in read(path) if line["plan"] == name}
    for index in range(number):
        if lacking := tuple(case for case in plan.cases if (case.key, index) not in done):
            report(f"{name}: comparison {index + 1} of {number}")
            old, new = revisions.measure_interleaved(("HEAD", "HEAD"), replace(plan, cases=lacking), report, edit=edit)
            append(path, [*old, *new], name, QUARTET * index)


def remeasure(path: Path, number: int, report: Report) -> None:
    """Measure bytes and fidelity of all cases of the gate until the file at `path` has them `number` times for HEAD."""
    plan = plans.read(verdict.PLAN)
    commit = revisions.resolve("HEAD")
    rounds = [line["round"] for line in read(path) if line["plan"] == verdict.PLAN and line.get("commit") == commit]
    for index in range(max(rounds, default=-1) + 1, number):
        report(f"{verdict.PLAN}: bytes and fidelity of {len(plan.cases)} cases, {index + 1} of {number}")
        with revisions.checkout("HEAD") as tree, scratch.folder() as folder:
            lines = [line for case in plan.cases for line in revisions.measure_once(tree, case, plan, folder, report)]
        append(path, [{**line, "time": {}} for line in lines], verdict.PLAN, index, weights=True)


def append_code(file: Path, code: str) -> None:
    """Append code to a source file."""
    file.write_text(file.read_text(encoding="utf-8") + code, encoding="utf-8")


def measure_injected(path: Path, report: Report) -> None:
    """Measure HEAD, and HEAD with each injected regression, unless the file at `path` holds its records already."""
    commit = revisions.resolve("HEAD")
    measured = {line["plan"] for line in read(path) if line.get("commit") == commit}
    regressions: dict[str, Injected | None] = {UNCHANGED: None}
    regressions |= {injected.plan_name(regression): regression for regression in injected.INJECTED}
    for name, regression in regressions.items():
        if name not in measured:
            measure_with(path, name, regression, report)


def measure_with(path: Path, name: str, regression: Injected | None, report: Report) -> None:
    """Append a record of each case of HEAD with a regression injected; a case that vanished has none."""
    plan = injection_plan()
    report(name)
    with revisions.checkout("HEAD") as tree, scratch.folder() as folder:
        if regression:
            append_code(tree / regression.file, regression.code)
        lines = [line for case in plan.cases for line in revisions.measure_once(tree, case, plan, folder, report)]
    append(path, lines, name)
