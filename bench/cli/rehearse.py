"""`drtrl-bench rehearse`: runs the self-test of the gate."""

from pathlib import Path
from typing import Annotated

import typer

from drtrl_bench.cli import terminal
from drtrl_bench.cli.reading import every_record
from drtrl_bench.cli.terminal import UsageError, console
from drtrl_bench.process import locks, signals
from drtrl_bench.records import parsing


def rehearse(
    comparisons: Annotated[
        int, typer.Option(help="A/A comparisons: the last commit with itself.", min=0, max=1_000)
    ] = 31,
    slowdowns: Annotated[
        int,
        typer.Option(help="Comparisons with each injected slowdown; fewer than 22 are not judged.", min=0, max=1_000),
    ] = 4,
    remeasured: Annotated[
        int, typer.Option(help="Measurements of bytes and fidelity of all cases.", min=0, max=1_000)
    ] = 31,
    records: Annotated[Path, typer.Option(help="Record file; a later call goes on with it.")] = Path(
        "results/local/gate.jsonl"
    ),
    measure: Annotated[bool, typer.Option(help="Measure missing records first, or only print the table.")] = True,
) -> None:
    """Test the gate: compare the last commit with itself, and with regressions injected into it.

    An A/A comparison takes three minutes, one with a slowdown and a measurement of all cases a minute or two each, the
    other injected regressions five minutes together; interrupt it when you like. The gate measures a case twice more
    before it calls it slower, so each comparison is judged with the next two.

    Draw the rates with `python -m drtrl_bench.figures.gate_power RECORDS`.

    Exit code: 0; 3 if an A/A comparison raised an alarm or an injected regression was missed.
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
    if not (measurements := every_record(records)):
        raise UsageError(f"{records}: no record in it; drtrl-bench rehearse makes them")
    try:
        parsing.require_known_fields(measurements)
    except ValueError as error:
        raise UsageError(f"{records}: {error}") from None
    if not selftest_table.render(measurements, console):
        raise typer.Exit(verdict.REGRESSION)
