"""`drtrl-bench run`: measures the cases of a plan."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from drtrl_bench import plan as plans
from drtrl_bench import plugins
from drtrl_bench.cli import arguments
from drtrl_bench.cli.arguments import Data, Plugins, Words, plan_names
from drtrl_bench.cli.reading import LOCAL
from drtrl_bench.cli.terminal import complaints, console
from drtrl_bench.measure import runner
from drtrl_bench.process import signals
from drtrl_bench.records import frames, reading
from drtrl_bench.records.record import Record


def run(
    plan: Annotated[str, typer.Argument(help="A plan's name, or the path of a .toml file.", autocompletion=plan_names)],
    only: Words = None,
    records: Annotated[
        Path | None, typer.Option(help="Append to this file; results/local/PLAN.jsonl if left out.", show_default=False)
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Also run cases that are finished already.")] = False,
    data: Data = None,
    plugin: Plugins = None,
    on: Annotated[
        str | None,
        typer.Option(
            help="Measure on the workers of a cluster: dask://HOST:PORT, or slurm://PARTITION?jobs=4.",
            metavar="ADDRESS",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Measure the cases of a plan and show them as a table.

    Each case runs in a process of its own: its gradient is checked against a float64 reference, then it is timed, then
    its peak memory is measured. Finished cases are not run again, unless the implementation or a meter has changed; so
    an interrupted run goes on where it stopped.

    Examples: drtrl-bench run quick     drtrl-bench run quick -k drtrl -k torch     drtrl-bench run mine.toml

    Algorithms, cells and data sets of your own: drtrl-bench run mine.toml --plugin mine.py

    A machine measures one case at a time: a second run says that it waits for the first one's case (with
    DRTRL_BENCH_LOCK=none it does not wait). Only one run at a time can write a record file.

    On many machines: install the same commit on each, start dask scheduler on one and dask worker HOST:PORT on all, and
    add --on dask://HOST:PORT. A worker that goes away costs its case a try, never a record.

    Exit code: 0; 1 if a gradient was wrong or a case failed with an error; 2 for bad input; 128 + the signal that ended
    the run.
    """
    from drtrl_bench.cluster.dispatch import run as cluster_run
    from drtrl_bench.view import collapse, table

    plugins.load(plugin or (), installed=True)
    to_measure = plans.read(plan)
    to_measure = replace(to_measure, cases=tuple(arguments.choose(to_measure, only)))
    path = records or LOCAL / f"{to_measure.name}.jsonl"
    with signals.advising("the finished cases are kept, the same command goes on from here"):
        measure = runner.run if on is None else partial(cluster_run, on=on)
        measurements, corrupt = reading.quietly(lambda: measure(to_measure, path, progress, again))
    for line in corrupt:
        complaints.print(f"warning: {line}", style="yellow")
    table.render(collapse.rounds(frames.of_run(measurements, path)), console)
    console.print(f"records: {path}   next: drtrl-bench report {path}", soft_wrap=True)
    if any(record["status"] in ("wrong", "error") for record in measurements):
        raise typer.Exit(1)


def progress(text: str, record: Record | None) -> None:
    """Print a line when a case starts, and the numbers of its record in one line when it has ended."""
    if record is None:
        console.print(text, soft_wrap=True)
        return
    if record["status"] != "ok":
        console.print(f"    {record['status']}: {record.get('reason')}", style="yellow", soft_wrap=True)
        return
    from drtrl_bench.view import cell_text, collapse

    numbers = cell_text.sentence(collapse.rounds(frames.frame([record])))
    console.print(f"    {numbers}", soft_wrap=True)
