"""The regression gate: bytes and fidelity against committed baselines, speed against another revision.

A baseline is a record file without times, `results/baselines/PYTHON-FRAMEWORKS-MACHINE.jsonl`: what is deterministic
depends on the versions, so each set of versions has its own.
"""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

from drtrl_bench import plan as plans
from drtrl_bench.case import Plan
from drtrl_bench.files import textfile
from drtrl_bench.gate import compare, revisions
from drtrl_bench.gate.compare import Change
from drtrl_bench.measure import environment
from drtrl_bench.records import record

BASELINES = revisions.ROOT / "results" / "baselines"
MOST_BYTES = 64 * 2**20
"""Of a baseline; the committed one has 51 kB."""
PLAN, SPEED_PLAN = "gate", "gate_speed"
OK, REGRESSION, NOTHING = 0, 3, 4
"""Exit codes: nothing got worse; something did; nothing could be compared. Bad usage is 2, as everywhere."""
NOT_BEFORE = ("new", "mended")
"""Verdicts on cases that only the new side has: another revision's harness may not know them, a baseline must."""


class NothingMeasured(ValueError):  # noqa: N818
    """There is nothing to compare with; the message says how to get it."""


def baseline_path(folder: Path | None = None) -> Path:
    """The baseline of this environment. One serves every build of a version, such as torch with and without CUDA."""
    found = environment.describe()
    installed = ((name, found["versions"][name]) for name in ("jax", "torch", "numpy"))
    versions = (f"{name}{version.partition('+')[0]}" for name, version in installed if version)
    python = ".".join(found["python"].split(".")[:2])
    parts = (f"python{python}", *versions, found["os"].lower().replace(" ", "-"))
    return (folder or BASELINES) / ("-".join(parts) + ".jsonl")


def baseline(folder: Path | None = None) -> list[dict[str, Any]]:
    """The records of this environment's baseline. Raises NothingMeasured without one, UnreadableError for damage."""
    path = baseline_path(folder)
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.jsonl") if p.stem.isprintable())) or "none"
        raise NothingMeasured(
            f"no baseline for these versions at {path} (there are: {known}); make it with `drtrl-bench baseline`, "
            "look at it, and commit it on its own"
        )
    textfile.require(path, MOST_BYTES)
    with warnings.catch_warnings():
        warnings.simplefilter("error", record.CorruptLine)
        try:
            found = compare.latest(record.read(path))
        except (record.CorruptLine, ValueError) as error:
            said = str(error).removeprefix(str(path)).lstrip(",: ")
            raise damaged(path, said) from None
    if not found:
        raise damaged(path, "no record in it")
    return found


def damaged(path: Path, reason: str) -> textfile.UnreadableError:
    """What to raise for a baseline that cannot be read, with the way to get it back."""
    said = f"{textfile.shown(path)}: {reason}; git checkout brings the baseline back that was committed"
    return textfile.UnreadableError(said)


def of_now(line: dict[str, Any]) -> dict[str, Any]:
    """A record of now as a baseline has it: without times, and with the environment variables that were set."""
    tuned = environment.describe().get("variables")
    return without_times(line) | ({"variables": tuned} if tuned else {})


def set_otherwise(expected: list[dict[str, Any]]) -> list[str]:
    """The environment variables that are not set as they were for a baseline."""
    return compare.variables_differ(expected, [environment.describe()])


def speed_plan(base: str) -> Plan:
    """The cases whose speed is compared with a commit: this checkout's and that commit's, so that none is dropped
    unseen. Raises PlanError if that commit's plan is not one here."""
    own = plans.read(SPEED_PLAN)
    try:
        with revisions.file_at(base, f"bench/plans/{SPEED_PLAN}.toml") as file:
            theirs = plans.read(str(file)).cases
    except revisions.RevisionError:  # older than the plan
        theirs = ()
    return replace(own, cases=tuple(dict.fromkeys([*own.cases, *theirs])))


def renewed(base: str, expected: list[dict[str, Any]]) -> list[Change]:
    """What a baseline lets pass that a commit's baseline for these versions did not."""
    try:
        with revisions.file_at(base, str(baseline_path().relative_to(revisions.ROOT))) as file:
            before = compare.latest(record.read(file))
    except ValueError:  # none, as RevisionError says, or one of cases that are not known here
        return []
    return [change for change in compare.changes(before, expected) if change.regression]


def without_times(line: dict[str, Any]) -> dict[str, Any]:
    """A record reduced to what is the same on every run."""
    memory = {k: v for k, v in line["memory"].items() if k != "rss_peak_bytes"}
    kept = {k: v for k, v in line.items() if k not in ("environment", "source", "started", "duration_s")}
    return kept | {"time": {}, "memory": memory}


def uncompared(plan: Plan, found: list[Change], *metrics: str) -> dict[str, str]:
    """The cases of a plan for which a metric was not compared, and the verdict on each, if there is one.

    A case with a regression is not among them: that is said already.
    """
    failed = {change.case for change in found if change.regression}
    status = {change.case: change.verdict for change in found if change.metric == "status"}
    compared = {(change.case, change.metric) for change in found}
    return {
        case.label: status.get(case.label, "not measured")
        for case in plan.cases
        if case.label not in failed and not all((case.label, metric) in compared for metric in metrics)
    }


def verdict(found: list[Change]) -> int:
    """The exit code of a comparison."""
    if any(change.regression for change in found):
        return REGRESSION
    return OK if compare.measured(found) else NOTHING
