"""`drtrl-bench baseline` and `drtrl-bench check`: measure the gate's baseline, and check a change against it."""

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
    """Measure bytes and fidelity, which are deterministic, and write them as this environment's baseline.

    The cases are those of the plan `gate`, with the versions installed here. Look at the difference that git shows, and
    commit the new baseline on its own, with the reason.
    """
    from drtrl_bench.gate import baseline, revisions, verdict

    revisions.require("baseline", history=False)
    path = baseline.baseline_path()
    records = measure(plans.read(verdict.PLAN))
    if failure := next((record for record in records if record["status"] != "ok"), None):
        case = Case(**failure["case"])
        raise UsageError(f"{case.label}: {failure['status']}: {failure.get('reason')}; no baseline written")
    path.parent.mkdir(parents=True, exist_ok=True)
    ordered = sorted((baseline.baseline_record(record) for record in records), key=lambda line: line["case_key"])
    temporary = path.with_suffix(".part")  # so that no check compares with half a baseline
    temporary.write_text("".join(json.dumps(line) + "\n" for line in ordered), encoding="utf-8")
    os.replace(temporary, path)
    console.print(f"{path}: {len(ordered)} cases", soft_wrap=True)


def measure(plan: plans.Plan) -> list[Record]:
    """Measure all cases of a plan anew, and return their records."""
    with scratch.folder() as folder:
        return runner.run(plan, folder / "now.jsonl", run.progress)


def check_(
    against: Annotated[
        str | None,
        typer.Option(help="Revision to compare speed with; if left out, the commit where this branch left main."),
    ] = None,
    speed: Annotated[bool, typer.Option(help="Also compare speed.")] = True,
) -> None:
    """Check a change for regressions: bytes and fidelity against the baseline, speed against another revision.

    A case that only the other revision's plan has is timed, too. If the baseline differs from that revision's, the
    command names the regressions that the new baseline accepts: make sure that they are wanted.

    Exit code: 0; 2 for bad input; 3 for a regression; 4 if a case could not be compared, for example
    without a baseline. The command names a case that the other revision does not have; that its speed is missing is
    no failure if the speed of another case was compared.
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
    records = measure(plan)
    changes, time_changes = compare.changes(expected, records) + compare.parity(records), []
    if base and speed:
        try:
            speed_plan = verdict.speed_plan(base)
        except plans.PlanError as error:
            speed_plan = plans.read(verdict.SPEED_PLAN)
            warning = f"the plan of {base[:9]} cannot be read here, so only this checkout's cases are timed: {error}"
            complaints.print(warning, style="yellow")
        console.print(f"speed against {base[:9]}, interleaved")
        sides = revisions.measure_interleaved((base, "."), speed_plan, terminal.announce, slowdown.slower)
        time_changes = [change for change in compare.changes(*sides) if change.metric in ("time_s", "status")]
    compare_table.render(changes + time_changes, console)
    codes = [verdict.exit_code(changes), *([verdict.exit_code(time_changes)] if speed_plan else [])]
    if missing := verdict.uncompared(plan, changes, "working_bytes", "error"):
        complaints.print(f"not in the baseline, or not whole: {'; '.join(missing)}: drtrl-bench baseline", style="red")
        codes.append(verdict.NOTHING)
    if better := sorted({change.case for change in changes if change.verdict in ("smaller", "more exact")}):
        advice = f"better than the baseline, and could be lost unseen: {'; '.join(better)}: drtrl-bench baseline"
        complaints.print(advice, style="yellow")
    if base and (hidden := baseline.accepted_regressions(base, expected)):
        accepted = "; ".join(f"{change.case}: {change.metric}: {change.verdict}" for change in hidden)
        complaints.print(f"the baseline is not that of {base[:9]}, and lets pass: {accepted}", style="yellow")
    for case, state in (verdict.uncompared(speed_plan, time_changes, "time_s") if speed_plan else {}).items():
        complaints.print(f"speed was not compared ({state}): {case}", style="yellow")
        codes.append(verdict.OK if state in verdict.NOT_BEFORE else verdict.NOTHING)
    code = verdict.REGRESSION if verdict.REGRESSION in codes else max(codes)
    if code:
        complaints.print("not all could be compared" if code == verdict.NOTHING else "regression", style="red")
        raise typer.Exit(code)
