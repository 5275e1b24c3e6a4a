"""Decides how a gate ends: its exit code, its plans, and the cases of a plan that were not compared."""

from dataclasses import replace

from drtrl_bench import plan as plans
from drtrl_bench.case import Plan
from drtrl_bench.gate import compare, revisions
from drtrl_bench.gate.compare import Change

PLAN, SPEED_PLAN = "gate", "gate_speed"
OK, REGRESSION, NOTHING = 0, 3, 4
"""Exit codes: nothing got worse; something did; nothing could be compared. Bad usage is 2, as everywhere."""
NOT_BEFORE = ("new", "mended")
"""Verdicts on cases that only the new side has: another revision's harness may not know them, a baseline must."""


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


def exit_code(found: list[Change]) -> int:
    """The exit code of a comparison."""
    if any(change.regression for change in found):
        return REGRESSION
    return OK if compare.measured(found) else NOTHING
