"""`drtrl-bench compare`: compares two record files, or two revisions, case by case."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from drtrl_bench import plan as plans
from drtrl_bench.cli import arguments, terminal
from drtrl_bench.cli.arguments import Words, plan_names
from drtrl_bench.cli.reading import every_record
from drtrl_bench.cli.terminal import UsageError, complaints, console
from drtrl_bench.records.record import Record

Gate = Annotated[
    bool, typer.Option("--gate", help="Exit with 3 if something got worse and with 4 if nothing could be compared.")
]


def records_of(side: str) -> Path | None:
    """Return the path of the record file that a side of a comparison names, or None if the side names a revision.

    Raises UsageError for text that is neither.
    """
    from drtrl_bench.gate import revisions

    if not side:
        raise UsageError("a side is empty text; it must be a record file or folder, or a git revision")
    path = Path(side)
    if side == "." or path.exists():
        return None if side == "." else path
    if side.endswith(".jsonl"):
        raise UsageError(f"{side}: no such file")
    if "/" in side:
        try:
            revisions.resolve(side)
        except revisions.RevisionError:
            raise UsageError(f"{side}: no such file, and no such revision") from None
    return None


def compare_(
    old: Annotated[str, typer.Argument(help="A record file or folder, or a git revision.", show_default=False)],
    new: Annotated[
        str,
        typer.Argument(
            help="Another file or revision; a dot is the checkout as it is. Default: a dot.", show_default=False
        ),
    ] = ".",
    plan: Annotated[
        str, typer.Option(help="Plan whose cases are measured at both revisions.", autocompletion=plan_names)
    ] = "gate",
    only: Words = None,
    gate: Gate = False,
    every: Annotated[bool, typer.Option("--all", help="Show unchanged values, too.")] = False,
    svg: Annotated[Path | None, typer.Option(help="Also write the table as a picture.", show_default=False)] = None,
) -> None:
    """Compare two record files, or measure two revisions of the project against each other.

    Revisions are measured in throw-away worktrees, interleaved A B B A for every case. Bytes and fidelity are
    deterministic and judged tightly. A slowdown counts only if it is above 1.3 after A B B A and stays above 1.3 once
    a second and a third A B B A are added; "cpu time" marks times of the processor in place of the clock.

    Examples: drtrl-bench compare before.jsonl after.jsonl     drtrl-bench compare HEAD~1 --gate

    Exit code: 0; 2 for bad input; with --gate 3 for a regression and 4 if nothing was measured.
    """
    from drtrl_bench.gate import compare, revisions, slowdown, verdict
    from drtrl_bench.view import compare_table

    files = records_of(old), records_of(new)
    if all(files):
        sides = tuple(last_recorded(file) for file in files if file)
        if differs := compare.environments_differ(*sides):
            effect = "times, and errors of rounding, may not compare"
            text = f"warning: not measured alike, so {effect}: {', '.join(differs)} differ"
            complaints.print(text, style="yellow")
    elif not any(files):
        to_measure = plans.read(plan)
        if to_measure.plugins:
            raise UsageError(
                f"plan {plan!r} has plugins, which revisions of the project do not know: leave plugins out"
            )
        to_measure = replace(to_measure, cases=tuple(arguments.choose(to_measure, only)))
        revisions.require("compare, of revisions,")
        sides = revisions.measure_interleaved((old, new), to_measure, terminal.announce, slowdown.slower)
    else:
        revision = new if files[0] else old
        raise UsageError(f"{revision!r} is not a record file, and a file can only be compared with a file")
    changes = compare.changes(*sides)
    compare_table.render(changes, console, every)
    if svg:
        compare_table.draw(changes, svg, f"drtrl-bench compare {old} {new}", every)
    if gate and (code := verdict.exit_code(changes)):
        complaints.print("nothing was measured on both sides" if code == verdict.NOTHING else "regression", style="red")
        raise typer.Exit(code)


def last_recorded(path: Path) -> list[Record]:
    """Return the last record of each case and round in a file. Raises UsageError if the file has none."""
    from drtrl_bench.gate import compare

    try:
        if not (records := every_record(path)) and (path.is_dir() or path.stat().st_size):
            raise UsageError(f"{path}: no record in it; records are JSON lines, as drtrl-bench run writes them")
        return compare.latest(records)
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from None
