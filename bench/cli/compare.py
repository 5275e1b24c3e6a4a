"""`drtrl-bench compare`: two record files, or two revisions, case by case."""

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


def records_of(what: str) -> Path | None:
    """A side of a comparison as a record file, or None if it is a revision."""
    from drtrl_bench.gate import revisions

    if not what:
        raise UsageError("a side is empty text; it must be a record file or folder, or a git revision")
    path = Path(what)
    if what == "." or path.exists():
        return None if what == "." else path
    if what.endswith(".jsonl"):
        raise UsageError(f"{what}: no such file")
    if "/" in what:
        try:
            revisions.resolve(what)
        except revisions.RevisionError:
            raise UsageError(f"{what}: no such file, and no such revision") from None
    return None


def compare_(
    old: Annotated[str, typer.Argument(help="A record file or folder, or a git revision.", show_default=False)],
    new: Annotated[
        str, typer.Argument(help="Another; a dot is the checkout as it is. Default: a dot.", show_default=False)
    ] = ".",
    plan: Annotated[str, typer.Option(help="What to measure of revisions.", autocompletion=plan_names)] = "gate",
    only: Words = None,
    gate: Gate = False,
    every: Annotated[bool, typer.Option("--all", help="Show what is the same, too.")] = False,
    svg: Annotated[Path | None, typer.Option(help="Also write the table as a picture.", show_default=False)] = None,
) -> None:
    """Compare two record files, or measure two revisions of the project against each other.

    Revisions are measured in throw-away worktrees, interleaved A B B A for every case. Bytes and fidelity are
    deterministic and judged tightly. A slowdown counts only if it is above 1.3 after A B B A, and still is when the
    rounds of another A B B A are added; "cpu time" marks times that are the processor's and not the clock's.

    Examples: drtrl-bench compare before.jsonl after.jsonl     drtrl-bench compare HEAD~1 --gate

    Exit code: 0; 2 for bad input; with --gate 3 for a regression and 4 if nothing was measured.
    """
    from drtrl_bench.gate import compare, revisions, slowdown, verdict
    from drtrl_bench.view import compare_table

    files = records_of(old), records_of(new)
    if all(files):
        sides = tuple(last_recorded(file) for file in files if file)
        if differs := compare.environments_differ(*sides):
            said = "times, and errors of rounding, may not compare"
            text = f"warning: not measured alike, so {said}: {', '.join(differs)} differ"
            complaints.print(text, style="yellow")
    elif not any(files):
        what = plans.read(plan)
        if what.plugins:
            raise UsageError(
                f"plan {plan!r} has plugins, which revisions of the project do not know: leave plugins out"
            )
        what = replace(what, cases=tuple(arguments.chosen(what, only)))
        revisions.require("compare, of revisions,")
        sides = revisions.measure_interleaved((old, new), what, terminal.announce, slowdown.slower)
    else:
        odd = new if files[0] else old
        raise UsageError(f"{odd!r} is not a record file, and a file can only be compared with a file")
    found = compare.changes(*sides)
    compare_table.render(found, console, every)
    if svg:
        compare_table.draw(found, svg, f"drtrl-bench compare {old} {new}", every)
    if gate and (code := verdict.exit_code(found)):
        complaints.print("nothing was measured on both sides" if code == verdict.NOTHING else "regression", style="red")
        raise typer.Exit(code)


def last_recorded(path: Path) -> list[Record]:
    """The last record of each case and round of a file."""
    from drtrl_bench.gate import compare

    try:
        if not (lines := every_record(path)) and (path.is_dir() or path.stat().st_size):
            raise UsageError(f"{path}: no record in it; records are JSON lines, as drtrl-bench run writes them")
        return compare.latest(lines)
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from None
