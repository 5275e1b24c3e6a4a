"""The command `drtrl-bench`."""

import itertools
import json
import os
import re
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from drtrl_bench import __version__, lookup, plugins, registry
from drtrl_bench import case as cases
from drtrl_bench import data as sets
from drtrl_bench import plan as plans
from drtrl_bench.case import Case
from drtrl_bench.cli import data as data_cli
from drtrl_bench.cli.data import Data, Plugins
from drtrl_bench.measure import environment, runner
from drtrl_bench.process import locks, scratch, signals
from drtrl_bench.records import reading, record
from drtrl_bench.view import display

app = typer.Typer(
    help="Compare D-RTRL, exact RTRL and BPTT in JAX and PyTorch: time, memory and gradient fidelity.\n\n"
    "Start with `drtrl-bench run quick`, then `drtrl-bench report` and open the page it names.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.add_typer(data_cli.app, name="data")
console = display.Console()
complaints = display.Console(stderr=True, soft_wrap=True)
LOCAL = Path("results/local")
"""Where a run leaves its records; `results/records` is for evidence that is committed."""


class UsageError(Exception):
    """Something the user can put right: shown as one line, exit code 2."""


def version(wanted: bool) -> None:
    """Prints the version alone, as other programs do."""
    if wanted:
        typer.echo(f"drtrl-bench {__version__}")
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[
        bool, typer.Option("--version", help="Show the version, and exit.", callback=version, is_eager=True)
    ] = False,
) -> None:
    """Options of the command itself."""


FIELDS = {"algorithms": "algorithm", "cells": "cell", "data sets": "dataset"}
"""What `list` calls the names of plugins, and their field of a case."""


def plan_names(incomplete: str) -> list[str]:
    return [name for name in plans.names() if name.startswith(incomplete)]


Words = Annotated[
    list[str] | None,
    typer.Option(
        "-k", "--only", help="Only cases with this word in their line; repeat to narrow down.", metavar="WORD"
    ),
]
Records = Annotated[
    Path | None,
    typer.Argument(
        help="A record file or a folder of them; results/local if left out.", show_default=False, readable=False
    ),
]


def matching(words: list[set[str]], only: list[str] | None, what: str) -> list[bool]:
    """For each case, by its words, whether it has every word of the filter. Raises UsageError if none has."""
    lower = [{word.lower() for word in own} for own in words]
    found = [all(word.lower() in own for word in only or []) for own in lower]
    if not any(found):
        if unknown := next((word for word in only or [] if not any(word.lower() in own for own in lower)), None):
            known = {word for own in words for word in own if not re.fullmatch(r"[0-9a-f]{16}", word)}  # no case_key
            raise UsageError(f"no {what} matches -k {unknown}: {lookup.nearest(unknown, known)}")
        raise UsageError(f"no {what} matches {' '.join(f'-k {word}' for word in only or [])} together")
    return found


def chosen(plan: cases.Plan, only: list[str] | None) -> list[cases.Case]:
    """The plan's cases that have every word of the filter."""
    kept = matching([cases.words(case) for case in plan.cases], only, f"case of plan {plan.name!r}")
    return list(itertools.compress(plan.cases, kept))


@app.command("list")
def list_(
    plan: Annotated[
        str | None, typer.Argument(help="Show the cases of this plan.", autocompletion=plan_names, show_default=False)
    ] = None,
    only: Words = None,
    data: Data = None,
    plugin: Plugins = None,
) -> None:
    """What there is: plans, algorithms, cells and data sets; or the cases of one plan.

    Example: drtrl-bench list quick -k drtrl -k jax
    """
    plugins.load(plugin or (), installed=True)
    if plan is not None:
        for case in chosen(plans.read(plan), only):
            console.print(case.label, soft_wrap=True)
        return
    if only:
        raise UsageError(f"-k chooses among the cases of a plan: drtrl-bench list PLAN -k {only[0]}")
    sections = {
        "plans": {name: plans.read(name).description for name in plans.names()},
        "algorithms": {name: algorithm.about for name, algorithm in registry.ALGORITHMS.items()},
        "frameworks": {name: lookup.missing(name) or "installed" for name in registry.FRAMEWORKS},
        "cells": {name: described(name) for name in registry.CELLS},
        "readouts": {name: first_line(lookup.network("gru", name, 1)[1]) for name in registry.READOUTS},
        "data sets": {name: labelled(name) for name in sets.datasets()},
    }
    for title, entries in sections.items():
        grid = Table.grid(padding=(0, 2))
        grid.add_column(min_width=17, no_wrap=True)
        grid.add_column(overflow="fold")  # a path, which no line may hold, is not cut short
        for name, about in entries.items():
            brought = plugins.owner(FIELDS.get(title, ""), name)
            grid.add_row(f"  {name}", Text(f"{about} ({brought.origin})" if brought else about))
        console.print(title, style="bold")
        console.print(grid)


def labelled(name: str) -> str:
    """What a data set would load now, or what is wrong with its files."""
    try:
        return sets.dataset(name).LABEL
    except OSError as error:  # damaged, or not to be read
        return str(error)


def first_line(cell: Any) -> str:
    return (cell.__doc__ or "").splitlines()[0]


def described(name: str) -> str:
    """A cell in a line: what it is, and the options that tell it from others of its class."""
    cell, (_, options) = lookup.network(name, "linear", 1)[0], registry.CELLS[name]
    said = {"states": cell.states} | options if cell.spiking else options
    words = (f"{key} {', '.join(v) if isinstance(v, tuple) else v}" for key, v in said.items())
    return "; ".join([first_line(cell).rstrip("."), *words])


@app.command()
def run(
    plan: Annotated[str, typer.Argument(help="A plan's name, or the path of a .toml file.", autocompletion=plan_names)],
    only: Words = None,
    records: Annotated[
        Path | None, typer.Option(help="Append to this file; results/local/PLAN.jsonl if left out.", show_default=False)
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Also run cases that are finished already.")] = False,
    data: Data = None,
    plugin: Plugins = None,
) -> None:
    """Measure the cases of a plan and show them as a table.

    Each case runs in a process of its own: checked against its float64 reference first, then timed, then
    weighed. Finished cases are not run again, unless the implementation or a meter has changed; so an
    interrupted run goes on where it stopped.

    Examples: drtrl-bench run quick     drtrl-bench run quick -k drtrl -k torch     drtrl-bench run mine.toml

    Algorithms, cells and data sets of your own: drtrl-bench run mine.toml --plugin mine.py

    One case is measured on a machine at a time: a second run waits for the first one's case, and says so
    (DRTRL_BENCH_LOCK=none: it does not). One run at a time writes a record file.

    Exit code: 0; 1 if a case came out wrong or failed with an error; 2 for bad input; 128 + the signal that ended it.
    """
    from drtrl_bench.view import table

    plugins.load(plugin or (), installed=True)
    what = plans.read(plan)
    what = replace(what, cases=tuple(chosen(what, only)))
    path = records or LOCAL / f"{what.name}.jsonl"
    with signals.advising("the finished cases are kept, the same command goes on from here"):
        found, corrupt = reading.quietly(lambda: runner.run(what, path, progress, again))
    for line in corrupt:
        complaints.print(f"warning: {line}", style="yellow")
    table.render(table.collapse(reading.frame(found, path)), console)
    console.print(f"records: {path}   next: drtrl-bench report {path}", soft_wrap=True)
    if any(line["status"] in ("wrong", "error") for line in found):
        raise typer.Exit(1)


def progress(text: str, line: dict[str, Any] | None) -> None:
    """One line when a case starts, and one when it has ended."""
    if line is None:
        console.print(text, soft_wrap=True)
        return
    if line["status"] != "ok":
        console.print(f"    {line['status']}: {line['reason']}", style="yellow", soft_wrap=True)
        return
    from drtrl_bench.view import table

    said = table.sentence(table.collapse(record.frame([{"environment": None} | line])))
    console.print(f"    {said}", soft_wrap=True)


def read(where: Path) -> list[dict[str, Any]]:
    """The records at a place; complains about corrupt lines and missing files in one line each."""
    lines, corrupt = reading.quietly(lambda: record.newest(where))
    for line in corrupt:
        complaints.print(f"warning: {line}", style="yellow")
    if not lines:
        raise UsageError(f"no records at {where}; `drtrl-bench run PLAN` makes some")
    return lines


@app.command()
def show(records: Records = None, only: Words = None) -> None:
    """Show records as a table of at most 80 columns.

    The words of -k are those of `drtrl-bench list PLAN`, the plan, the status, and unstable, busy, noisy or synthetic.

    Examples: drtrl-bench show results/records -k torch -k T=512     drtrl-bench show -k unstable
    """
    from drtrl_bench.view import table

    rows = table.collapse(record.frame(read(records or LOCAL)))
    if only:
        kept = matching([table.words_of(row) for row in rows.to_dict("records")], only, "record")
        rows = rows[kept].reset_index(drop=True)
    table.render(rows, console)


@app.command()
def report(
    records: Records = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the page and the figures; beside the records if left out.")
    ] = None,
) -> None:
    """Write the figures (PNG, PDF, CSV) and one self-contained HTML page.

    Example: drtrl-bench report results/records --out results/figures
    """
    from importlib import import_module

    from drtrl_bench import figures
    from drtrl_bench.view import report as page

    where = records or LOCAL
    lines = read(where)
    frame, drawn = record.frame(lines), {}
    folder = out or (where if where.is_dir() else where.parent)
    for name, module in figures.FIGURES.items():
        drawing = import_module(module)
        try:
            figure = drawing.draw(frame)
            png, *_ = figures.save(figure, drawing.data(frame), folder, name)
        except figures.NothingToDraw as error:
            complaints.print(f"{name} was not drawn: {error}", style="yellow")
            continue
        drawn[name] = page.embedded(figure, png.read_bytes())
        console.print(f"{folder / name}.png .pdf .csv", soft_wrap=True)
    path = page.write_page(where.name, lines, frame, drawn, folder / "report.html")
    console.print(f"{path}: open it in a browser", soft_wrap=True)


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
            revisions.resolved(what)
        except revisions.RevisionError:
            raise UsageError(f"{what}: no such file, and no such revision") from None
    return None


@app.command("compare")
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
    from drtrl_bench.gate import check as gates
    from drtrl_bench.gate import compare, revisions
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
        what = replace(what, cases=tuple(chosen(what, only)))
        revisions.require("compare, of revisions,")
        sides = revisions.interleaved((old, new), what, announce, compare.slower)
    else:
        odd = new if files[0] else old
        raise UsageError(f"{odd!r} is not a record file, and a file can only be compared with a file")
    found = compare.changes(*sides)
    compare_table.render(found, console, every)
    if svg:
        compare_table.draw(found, svg, f"drtrl-bench compare {old} {new}", every)
    if gate and (code := gates.verdict(found)):
        complaints.print("nothing was measured on both sides" if code == gates.NOTHING else "regression", style="red")
        raise typer.Exit(code)


def recorded(path: Path) -> list[dict[str, Any]]:
    """The records of a file; complains about corrupt lines."""
    lines, corrupt = reading.quietly(lambda: record.read(path))
    for line in corrupt:
        complaints.print(f"warning: {line}", style="yellow")
    return lines


def last_recorded(path: Path) -> list[dict[str, Any]]:
    """The last record of each case and round of a file."""
    from drtrl_bench.gate import compare

    try:
        if not (lines := recorded(path)) and (path.is_dir() or path.stat().st_size):
            raise UsageError(f"{path}: no record in it; records are JSON lines, as drtrl-bench run writes them")
        return compare.latest(lines)
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from None


def announce(text: str) -> None:
    console.print(text, soft_wrap=True)


@app.command()
def baseline() -> None:
    """Measure what is deterministic, and write it as this environment's baseline.

    Bytes and fidelity of the plan `gate`, for the versions installed here. Look at the difference that git shows, and
    commit it on its own, with the reason.
    """
    from drtrl_bench.gate import check as gates
    from drtrl_bench.gate import revisions

    revisions.require("baseline", history=False)
    path = gates.baseline_path()
    lines = measured_now(plans.read(gates.PLAN))
    bad = [line for line in lines if line["status"] != "ok"]
    if bad:
        raise UsageError(f"{Case(**bad[0]['case']).label}: {bad[0]['status']}: {bad[0]['reason']}; no baseline written")
    path.parent.mkdir(parents=True, exist_ok=True)
    ordered = sorted((gates.of_now(line) for line in lines), key=lambda line: line["case_key"])
    whole = path.with_suffix(".part")  # one that is half written would be compared with
    whole.write_text("".join(json.dumps(line) + "\n" for line in ordered), encoding="utf-8")
    os.replace(whole, path)
    console.print(f"{path}: {len(ordered)} cases", soft_wrap=True)


def measured_now(plan: cases.Plan) -> list[dict[str, Any]]:
    """The plan's records, measured anew."""
    with scratch.folder() as folder:
        return runner.run(plan, folder / "now.jsonl", progress)


@app.command()
def check(
    against: Annotated[
        str | None, typer.Option(help="Revision to compare speed with; where this one left main, if left out.")
    ] = None,
    speed: Annotated[bool, typer.Option(help="Also compare speed.")] = True,
) -> None:
    """The regression gate of a change: bytes and fidelity against the baseline, speed against another revision.

    A case that only the other revision's plan has is timed all the same. If the baseline is not that revision's, what
    it lets pass is named; look whether that is wanted.

    Exit code: 0; 2 for bad input; 3 for a regression; 4 if a case could not be compared, as without a baseline. Speed
    alone may lack a case that the other revision does not have, as long as another was compared; it is named.
    """
    from drtrl_bench.gate import check as gates
    from drtrl_bench.gate import compare, revisions
    from drtrl_bench.view import compare_table

    revisions.require("check", history=speed or bool(against))
    try:
        expected = compare.latest(gates.baseline())
    except gates.NothingMeasured as error:
        complaints.print(f"drtrl-bench: {error}", style="red")
        raise typer.Exit(gates.NOTHING) from None
    if differs := gates.set_otherwise(expected):
        text = f"warning: not set as for the baseline, so errors of rounding may not compare: {', '.join(differs)}"
        complaints.print(text, style="yellow")
    plan, speed_plan = plans.read(gates.PLAN), None
    try:
        base = revisions.resolved(against) if against else revisions.base()
    except revisions.RevisionError:
        if speed or against:
            raise
        base = None
    now = measured_now(plan)
    found, timed = compare.changes(expected, now) + compare.parity(now), []
    if base and speed:
        try:
            speed_plan = gates.speed_plan(base)
        except plans.PlanError as error:
            speed_plan = plans.read(gates.SPEED_PLAN)
            said = f"the plan of {base[:9]} cannot be read here, so only this checkout's cases are timed: {error}"
            complaints.print(said, style="yellow")
        console.print(f"speed against {base[:9]}, interleaved")
        sides = revisions.interleaved((base, "."), speed_plan, announce, compare.slower)
        timed = [change for change in compare.changes(*sides) if change.metric in ("time_s", "status")]
    compare_table.render(found + timed, console)
    parts = [gates.verdict(found), *([gates.verdict(timed)] if speed_plan else [])]
    if missing := gates.uncompared(plan, found, "working_bytes", "error"):
        complaints.print(f"not in the baseline, or not whole: {'; '.join(missing)}: drtrl-bench baseline", style="red")
        parts.append(gates.NOTHING)
    if better := sorted({change.case for change in found if change.verdict in ("smaller", "more exact")}):
        said = f"better than the baseline, and could be lost unseen: {'; '.join(better)}: drtrl-bench baseline"
        complaints.print(said, style="yellow")
    if base and (hidden := gates.renewed(base, expected)):
        said = "; ".join(f"{change.case}: {change.metric}: {change.verdict}" for change in hidden)
        complaints.print(f"the baseline is not that of {base[:9]}, and lets pass: {said}", style="yellow")
    for case, state in (gates.uncompared(speed_plan, timed, "time_s") if speed_plan else {}).items():
        complaints.print(f"speed was not compared ({state}): {case}", style="yellow")
        parts.append(gates.OK if state in gates.NOT_BEFORE else gates.NOTHING)
    code = gates.REGRESSION if gates.REGRESSION in parts else max(parts)
    if code:
        complaints.print("not all could be compared" if code == gates.NOTHING else "regression", style="red")
        raise typer.Exit(code)


@app.command()
def rehearse(
    comparisons: Annotated[
        int, typer.Option(help="How many comparisons of the last commit with itself.", min=0, max=1_000)
    ] = 31,
    slowdowns: Annotated[
        int,
        typer.Option(
            help="How many with each of the slowdowns planted; fewer than 21 are not judged.", min=0, max=1_000
        ),
    ] = 4,
    remeasured: Annotated[
        int, typer.Option(help="How often all cases of the gate are, for bytes and fidelity.", min=0, max=1_000)
    ] = 31,
    records: Annotated[Path, typer.Option(help="Where they are kept; a later call goes on with this file.")] = Path(
        "results/local/gate.jsonl"
    ),
    measure: Annotated[bool, typer.Option(help="Measure what is lacking first, or only print the table.")] = True,
) -> None:
    """Test the gate: compare the last commit with itself, and with regressions planted in it.

    Takes three minutes for each comparison, a minute or two for each with a slowdown and each time that all cases are
    measured, and five minutes for the other planted regressions; interrupt it when you like. The last comparison serves
    as second look of the one before. Draw the rates with `python -m drtrl_bench.figures.gate_power RECORDS`.

    Exit code: 0; 3 if a comparison without a change raised an alarm or a planted regression was missed.
    """
    from drtrl_bench.gate import check as gates
    from drtrl_bench.gate import revisions
    from drtrl_bench.gate import selftest as rehearsal
    from drtrl_bench.view import selftest_table as rehearsal_table

    if measure:
        revisions.require("rehearse")
    if not measure and not records.exists():
        raise UsageError(f"{records}: no such file; drtrl-bench rehearse makes it")
    if records.exists():
        rehearsal.require(records)
    if measure:
        with locks.writing(records), signals.advising("the same command goes on from here"):
            rehearsal.plant(records, announce)
            rehearsal.alike(records, comparisons, announce)
            rehearsal.again(records, remeasured, announce)
            rehearsal.slow(records, slowdowns, announce)
    if not (lines := recorded(records)):
        raise UsageError(f"{records}: no record in it; drtrl-bench rehearse makes them")
    if not rehearsal_table.render(lines, console):
        raise typer.Exit(gates.REGRESSION)


@app.command()
def trend(
    revision: Annotated[str, typer.Argument(help="The commit; any revision that git knows.")] = "HEAD",
    folder: Annotated[
        Path | None, typer.Option(help="Where asv keeps its results; results/asv if left out.", show_default=False)
    ] = None,
) -> None:
    """Show how much asv measured of a commit, and fail where that is nothing.

    Exit code: 0; 2 for bad input or result files of another version of asv; 3 if a benchmark failed; 4 if one has no
    value at all, but for those of a GPU.
    """
    from drtrl_bench.gate import check as gates
    from drtrl_bench.gate import revisions, trend

    revisions.require("trend")
    commit = revisions.resolved(revision)
    found = [count for path in trend.files(commit, folder or trend.RESULTS) for count in trend.counts(path)]
    grid = Table.grid(padding=(0, 2))
    for count in found:
        told = (f"{count.measured} measured", f"{count.skipped} skipped", f"{count.failed} failed")
        grid.add_row(count.benchmark, *told, style="red" if count.failed else None)
    console.print(grid)
    if not any(count.measured for count in found):
        complaints.print(f"asv measured nothing of {commit[:9]}: make asv", style="red")
        raise typer.Exit(gates.NOTHING)
    if any(count.failed for count in found):
        raise typer.Exit(gates.REGRESSION)
    if without := trend.unmeasured(found, trend.known(folder or trend.RESULTS)):
        complaints.print(f"asv measured nothing for {', '.join(without)}: make asv", style="red")
        raise typer.Exit(gates.NOTHING)


@app.command()
def env(as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False) -> None:
    """Show what a record says of this machine: versions, processor, memory, commit, variables that are set.

    Of your environment, what is measured gets the folders and the language of the system, DRTRL_BENCH_*,
    CUDA_VISIBLE_DEVICES, and what tunes the processor, the allocator, the compiler or the driver: ATEN_CPU_CAPABILITY,
    ONEDNN_*, MALLOC_*, LD_PRELOAD, LD_LIBRARY_PATH, XLA_FLAGS, PYTORCH_*, CUBLAS_* and their like. Those are recorded,
    and a case is measured again where they differ. A case says itself what JAX_*, TORCH_*, OMP_*, KMP_* and MKL_*
    would: they stay out, and so does all else. DRTRL_BENCH_PASS=NAME,NAME lets others through, and records a hash.

    Example: drtrl-bench env --json
    """
    described = environment.describe() | environment.checkout()
    if as_json:
        typer.echo(json.dumps(described, indent=2))
        return
    versions = {package: version or "not installed" for package, version in described.pop("versions").items()}
    set_here = described.pop("variables", {})
    for key, value in (described | versions | set_here).items():
        console.print(f"{key:14} {value}")


def main() -> None:
    """The console command: bad input is one line on standard error and exit code 2."""
    from drtrl_bench.gate.revisions import RevisionError
    from drtrl_bench.gate.trend import TrendError

    display.prepare()
    warnings.simplefilter("default", record.CorruptLine)
    try:
        app(prog_name="drtrl-bench")
    except (UsageError, RevisionError, TrendError, plans.PlanError, plugins.PluginError, OSError) as error:
        complaints.print(f"drtrl-bench: {' '.join(str(error).split())}", style="red")
        raise SystemExit(2) from None
    except SystemExit as ended:
        if not ended.code and (error := display.lost()):
            complaints.print(f"drtrl-bench: not all was written to standard output: {error.strerror}", style="red")
            raise SystemExit(2) from None
        raise
