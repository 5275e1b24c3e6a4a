"""`drtrl-bench list`, `show`, `report` and `env`: show the choices, the records, their figures, and this machine."""

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
"""The sections of `list` that plugins can add to, and the field of a case that holds their names."""


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
        for case in arguments.choose(plans.read(plan), only):
            console.print(case.label, soft_wrap=True)
        return
    if only:
        raise UsageError(f"-k chooses among the cases of a plan: drtrl-bench list PLAN -k {only[0]}")
    sections = {
        "plans": {name: plans.read(name).description for name in plans.names()},
        "algorithms": {name: algorithm.about for name, algorithm in registry.ALGORITHMS.items()},
        "frameworks": {name: lookup.missing(name) or "installed" for name in registry.FRAMEWORKS},
        "cells": {name: cell_line(name) for name in registry.CELLS},
        "readouts": {name: first_line(lookup.network("gru", name, 1)[1]) for name in registry.READOUTS},
        "data sets": {name: dataset_line(name) for name in sets.datasets()},
    }
    for title, entries in sections.items():
        grid = Table.grid(padding=(0, 2))
        grid.add_column(min_width=17, no_wrap=True)
        grid.add_column(overflow="fold")  # so that a path longer than a line is not cut short
        for name, about in entries.items():
            owner = plugins.owner(FIELDS.get(title, ""), name)
            grid.add_row(f"  {name}", Text(f"{about} ({owner.origin})" if owner else about))
        console.print(title, style="bold")
        console.print(grid)


def dataset_line(name: str) -> str:
    """Return the label of a data set as it loads here and now, or what is wrong with its files."""
    try:
        return sets.dataset(name).LABEL
    except OSError as error:  # damaged, or not to be read
        return str(error)


def first_line(cell: Any) -> str:
    """Return the first line of a cell's docstring."""
    return (cell.__doc__ or "").splitlines()[0]


def cell_line(name: str) -> str:
    """Describe a cell in a line, with the options that distinguish it from other cells of its class."""
    cell, (_, options) = lookup.network(name, "linear", 1)[0], registry.CELLS[name]
    options = {"states": cell.states} | options if cell.spiking else options
    words = (f"{key} {', '.join(v) if isinstance(v, tuple) else v}" for key, v in options.items())
    return "; ".join([first_line(cell).rstrip("."), *words])


def show(records: Records = None, only: Words = None) -> None:
    """Show records as a table of at most 80 columns.

    The words of -k are those of `drtrl-bench list PLAN`, the plan, the status, and unstable, busy, noisy or synthetic.

    Examples: drtrl-bench show results/records -k torch -k T=512     drtrl-bench show -k unstable
    """
    from drtrl_bench.view import collapse, table

    rows = collapse.rounds(frames.frame(newest_records(records or LOCAL)))
    if only:
        matches = arguments.match([table.words_of(row) for row in rows.to_dict("records")], only, "record")
        rows = rows[matches].reset_index(drop=True)
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

    source = records or LOCAL
    newest = newest_records(source)
    frame, pictures = frames.frame(newest), {}
    folder = out or (source if source.is_dir() else source.parent)
    for name, module in figures.FIGURES.items():
        drawing = import_module(module)
        try:
            figure = drawing.draw(frame)
            png, *_ = figures.save(figure, drawing.data(frame), folder, name)
        except figures.NothingToDraw as error:
            complaints.print(f"{name} was not drawn: {error}", style="yellow")
            continue
        pictures[name] = report.embed(figure, png.read_bytes())
        console.print(f"{folder / name}.png .pdf .csv", soft_wrap=True)
    path = report.write_page(source.name, newest, frame, pictures, folder / "report.html")
    console.print(f"{path}: open it in a browser", soft_wrap=True)


def env(as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False) -> None:
    """Show what records say of this machine: versions, processor, memory, commit, environment variables.

    A measuring process gets these variables of your environment: the folders and the language of the system,
    `DRTRL_BENCH_*`, `CUDA_VISIBLE_DEVICES`, and those that tune the processor, the allocator, the compiler or the
    driver (`ATEN_CPU_CAPABILITY`, `ONEDNN_*`, `MALLOC_*`, `LD_PRELOAD`, `LD_LIBRARY_PATH`, `XLA_FLAGS`, `PYTORCH_*`,
    `CUBLAS_*` and their like). The tuning variables are recorded, and a case is measured again where they differ.
    `JAX_*`, `TORCH_*`, `OMP_*`, `KMP_*` and `MKL_*` do not reach the process, because the fields of the case decide
    what they would; nor does any other variable, unless `DRTRL_BENCH_PASS=NAME,NAME` names it; of its value a hash is
    recorded.

    Example: drtrl-bench env --json
    """
    facts = environment.describe() | environment.checkout()
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    versions = {package: version or "not installed" for package, version in facts.pop("versions").items()}
    variables = facts.pop("variables", {})
    for key, value in (facts | versions | variables).items():
        console.print(f"{key:14} {value}")
