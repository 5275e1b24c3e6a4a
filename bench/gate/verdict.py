"""Decide how a gate ends: its exit code, its plans, and the cases of a plan that were not compared."""

from dataclasses import replace

from drtrl_bench import plan as plans
from drtrl_bench.case import Plan
from drtrl_bench.gate import compare, revisions
from drtrl_bench.gate.compare import Change

PLAN, SPEED_PLAN = "gate", "gate_speed"
OK, REGRESSION, NOTHING = 0, 3, 4
"""Exit codes: nothing got worse; something did; nothing could be compared. Bad usage is 2, as everywhere."""
NOT_BEFORE = ("new", "mended")
"""Verdicts on cases that only the new side has: an older revision may lack them, a baseline may not."""


def speed_plan(base: str) -> Plan:
    """Return the plan for comparing speed with the commit `base`: the cases of this checkout and of that commit.

    So no case is dropped unnoticed. Raises PlanError if that commit's plan cannot be read here.
    """
    current = plans.read(SPEED_PLAN)
    try:
        with revisions.file_at(base, f"bench/plans/{SPEED_PLAN}.toml") as file:
            theirs = plans.read(str(file)).cases
    except revisions.RevisionError:  # older than the plan
        theirs = ()
    return replace(current, cases=tuple(dict.fromkeys([*current.cases, *theirs])))


def uncompared(plan: Plan, changes: list[Change], *metrics: str) -> dict[str, str]:
    """Return the cases of a plan for which a metric was not compared, with the verdict on each, if there is one.

    A case with a regression is not among them, because it is reported anyway.
    """
    failed = {change.case for change in changes if change.regression}
    status = {change.case: change.verdict for change in changes if change.metric == "status"}
    compared = {(change.case, change.metric) for change in changes}
    return {
        case.label: status.get(case.label, "not measured")
        for case in plan.cases
        if case.label not in failed and not all((case.label, metric) in compared for metric in metrics)
    }


def exit_code(changes: list[Change]) -> int:
    """Return the exit code of a comparison."""
    if any(change.regression for change in changes):
        return REGRESSION
    return OK if compare.has_numbers(changes) else NOTHING
