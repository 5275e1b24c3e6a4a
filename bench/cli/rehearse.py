"""`drtrl-bench rehearse`: the self-test of the gate."""

from pathlib import Path
from typing import Annotated

import typer

from drtrl_bench.cli import terminal
from drtrl_bench.cli.reading import every_record
from drtrl_bench.cli.terminal import UsageError, console
from drtrl_bench.process import locks, signals


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
    from drtrl_bench.gate import revisions, selftest, verdict
    from drtrl_bench.view import selftest_table

    if measure:
        revisions.require("rehearse")
    if not measure and not records.exists():
        raise UsageError(f"{records}: no such file; drtrl-bench rehearse makes it")
    if records.exists():
        selftest.require(records)
    if measure:
        with locks.writing(records), signals.advising("the same command goes on from here"):
            selftest.measure_injected(records, terminal.announce)
            selftest.measure_a_a(records, comparisons, terminal.announce)
            selftest.remeasure(records, remeasured, terminal.announce)
            selftest.measure_slowdowns(records, slowdowns, terminal.announce)
    if not (lines := every_record(records)):
        raise UsageError(f"{records}: no record in it; drtrl-bench rehearse makes them")
    if not selftest_table.render(lines, console):
        raise typer.Exit(verdict.REGRESSION)
