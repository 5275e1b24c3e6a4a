"""`drtrl-bench list`, `show`, `report` and `env`: what there is, what was measured, and where."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from drtrl_bench import data as sets
from drtrl_bench import lookup, plugins, registry
from drtrl_bench import plan as plans
from drtrl_bench.cli import arguments
from drtrl_bench.cli.arguments import Data, Plugins, Records, Words, plan_names
from drtrl_bench.cli.reading import LOCAL, newest_records
from drtrl_bench.cli.terminal import UsageError, complaints, console
from drtrl_bench.measure import environment
from drtrl_bench.records import frames

FIELDS = {"algorithms": "algorithm", "cells": "cell", "data sets": "dataset"}
"""What `list` calls the names of plugins, and their field of a case."""


def list_(
    plan: Annotated[
        str | None,
        typer.Argument(help="Show the cases of this plan.", autocompletion=plan_names, show_default=False),
    ] = None,
    only: Words = None,
    data: Data = None,
    plugin: Plugins = None,
) -> None:
    """List plans, algorithms, cells and data sets, or the cases of one plan.

    Example: drtrl-bench list quick -k drtrl -k jax
    """
    plugins.load(plugin or (), installed=True)
    if plan is not None:
        for case in arguments.chosen(plans.read(plan), only):
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


def show(records: Records = None, only: Words = None) -> None:
    """Show records as a table of at most 80 columns.

    The words of -k are those of `drtrl-bench list PLAN`, the plan, the status, and unstable, busy, noisy or synthetic.

    Examples: drtrl-bench show results/records -k torch -k T=512     drtrl-bench show -k unstable
    """
    from drtrl_bench.view import collapse, table

    rows = collapse.rounds(frames.frame(newest_records(records or LOCAL)))
    if only:
        kept = arguments.matching([table.words_of(row) for row in rows.to_dict("records")], only, "record")
        rows = rows[kept].reset_index(drop=True)
    table.render(rows, console)


def report_(
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
    from drtrl_bench.view import report

    where = records or LOCAL
    lines = newest_records(where)
    frame, drawn = frames.frame(lines), {}
    folder = out or (where if where.is_dir() else where.parent)
    for name, module in figures.FIGURES.items():
        drawing = import_module(module)
        try:
            figure = drawing.draw(frame)
            png, *_ = figures.save(figure, drawing.data(frame), folder, name)
        except figures.NothingToDraw as error:
            complaints.print(f"{name} was not drawn: {error}", style="yellow")
            continue
        drawn[name] = report.embed(figure, png.read_bytes())
        console.print(f"{folder / name}.png .pdf .csv", soft_wrap=True)
    path = report.write_page(where.name, lines, frame, drawn, folder / "report.html")
    console.print(f"{path}: open it in a browser", soft_wrap=True)


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
