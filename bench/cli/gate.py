"""`drtrl-bench baseline` and `drtrl-bench check`: the regression gate of a change."""

import json
import os
from typing import Annotated

import typer

from drtrl_bench import plan as plans
from drtrl_bench.case import Case
from drtrl_bench.cli import run, terminal
from drtrl_bench.cli.terminal import UsageError, complaints, console
from drtrl_bench.measure import runner
from drtrl_bench.process import scratch
from drtrl_bench.records.record import Record


def baseline_() -> None:
    """Measure what is deterministic, and write it as this environment's baseline.

    Bytes and fidelity of the plan `gate`, for the versions installed here. Look at the difference that git shows, and
    commit it on its own, with the reason.
    """
    from drtrl_bench.gate import baseline, revisions, verdict

    revisions.require("baseline", history=False)
    path = baseline.baseline_path()
    lines = measured_now(plans.read(verdict.PLAN))
    if bad := next((line for line in lines if line["status"] != "ok"), None):
        case = Case(**bad["case"])
        raise UsageError(f"{case.label}: {bad['status']}: {bad.get('reason')}; no baseline written")
    path.parent.mkdir(parents=True, exist_ok=True)
    ordered = sorted((baseline.baseline_record(line) for line in lines), key=lambda line: line["case_key"])
    whole = path.with_suffix(".part")  # one that is half written would be compared with
    whole.write_text("".join(json.dumps(line) + "\n" for line in ordered), encoding="utf-8")
    os.replace(whole, path)
    console.print(f"{path}: {len(ordered)} cases", soft_wrap=True)


def measured_now(plan: plans.Plan) -> list[Record]:
    """The plan's records, measured anew."""
    with scratch.folder() as folder:
        return runner.run(plan, folder / "now.jsonl", run.progress)


def check_(
    against: Annotated[
        str | None, typer.Option(help="Revision to compare speed with; where this one left main, if left out.")
    ] = None,
    speed: Annotated[bool, typer.Option(help="Also compare speed.")] = True,
) -> None:
    """Check a change for regressions: bytes and fidelity against the baseline, speed against another revision.

    A case that only the other revision's plan has is timed, too. If the baseline is not the one of that revision, the
    regressions that it accepts are named: make sure that they are wanted.

    Exit code: 0; 2 for bad input; 3 for a regression; 4 if a case could not be compared, for example
    without a baseline. A case that the other revision does not have is named; its speed may lack if another
    case's was compared.
    """
    from drtrl_bench.gate import baseline, compare, revisions, slowdown, verdict
    from drtrl_bench.view import compare_table

    revisions.require("check", history=speed or bool(against))
    try:
        expected = compare.latest(baseline.records())
    except baseline.NothingMeasured as error:
        complaints.print(f"drtrl-bench: {error}", style="red")
        raise typer.Exit(verdict.NOTHING) from None
    if differs := baseline.variables_changed(expected):
        text = f"warning: not set as for the baseline, so errors of rounding may not compare: {', '.join(differs)}"
        complaints.print(text, style="yellow")
    plan, speed_plan = plans.read(verdict.PLAN), None
    try:
        base = revisions.resolve(against) if against else revisions.base()
    except revisions.RevisionError:
        if speed or against:
            raise
        base = None
    now = measured_now(plan)
    found, timed = compare.changes(expected, now) + compare.parity(now), []
    if base and speed:
        try:
            speed_plan = verdict.speed_plan(base)
        except plans.PlanError as error:
            speed_plan = plans.read(verdict.SPEED_PLAN)
            said = f"the plan of {base[:9]} cannot be read here, so only this checkout's cases are timed: {error}"
            complaints.print(said, style="yellow")
        console.print(f"speed against {base[:9]}, interleaved")
        sides = revisions.measure_interleaved((base, "."), speed_plan, terminal.announce, slowdown.slower)
        timed = [change for change in compare.changes(*sides) if change.metric in ("time_s", "status")]
    compare_table.render(found + timed, console)
    parts = [verdict.exit_code(found), *([verdict.exit_code(timed)] if speed_plan else [])]
    if missing := verdict.uncompared(plan, found, "working_bytes", "error"):
        complaints.print(f"not in the baseline, or not whole: {'; '.join(missing)}: drtrl-bench baseline", style="red")
        parts.append(verdict.NOTHING)
    if better := sorted({change.case for change in found if change.verdict in ("smaller", "more exact")}):
        said = f"better than the baseline, and could be lost unseen: {'; '.join(better)}: drtrl-bench baseline"
        complaints.print(said, style="yellow")
    if base and (hidden := baseline.accepted_regressions(base, expected)):
        said = "; ".join(f"{change.case}: {change.metric}: {change.verdict}" for change in hidden)
        complaints.print(f"the baseline is not that of {base[:9]}, and lets pass: {said}", style="yellow")
    for case, state in (verdict.uncompared(speed_plan, timed, "time_s") if speed_plan else {}).items():
        complaints.print(f"speed was not compared ({state}): {case}", style="yellow")
        parts.append(verdict.OK if state in verdict.NOT_BEFORE else verdict.NOTHING)
    code = verdict.REGRESSION if verdict.REGRESSION in parts else max(parts)
    if code:
        complaints.print("not all could be compared" if code == verdict.NOTHING else "regression", style="red")
        raise typer.Exit(code)
