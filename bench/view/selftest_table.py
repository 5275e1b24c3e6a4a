"""Renders the result of the gate's self-test: injected regressions and how many were caught, and false alarms."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from drtrl_bench.gate import alarms, injected, selftest
from drtrl_bench.gate.alarms import Quartet
from drtrl_bench.records.record import Record

MUST_CATCH, POWER, ENOUGH = 1.5, 0.95, 20
"""A slowdown that the gate must catch, in which share of comparisons; judged once there are this many."""


def has_power(factor: float, caught: int, number: int) -> bool:
    """Return whether the gate catches a slowdown as often as it must; with too few comparisons it is not judged."""
    return factor != MUST_CATCH or number < ENOUGH or caught >= POWER * number


def render(lines: list[Record], console: Console) -> bool:
    """Print the table; return whether there was no false alarm and every injected regression was caught.

    Of slowdowns by `MUST_CATCH`, injected or scaled, the share `POWER` must be caught for each case that has `ENOUGH`
    comparisons.
    """
    grid = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for name in ("injected", "in", "alarms"):
        grid.add_column(name, justify="right" if name == "alarms" else "left")
    raised, number = alarms.false_alarms(lines)
    good = raised == 0 < number
    grid.add_row("nothing", f"{number} comparisons", f"{raised} of {number}", style=None if good else "red")
    raised, number = alarms.remeasurement_alarms(lines)
    good &= (well := raised == 0 < number)
    where = f"bytes, fidelity: {number} comparisons"
    grid.add_row("nothing", where, f"{raised} of {number}", style=None if well else "red")
    for regression in injected.INJECTED:
        caught, cases = alarms.count_caught(lines, regression)
        good &= (well := caught == cases > 0)
        grid.add_row(regression.name, regression.file, f"{caught} of {cases}", style=None if well else "red")
    for factor in selftest.SLOWDOWNS:
        cases_of = alarms.quartets_by_case(lines, selftest.slowdown_plan(factor))
        good &= add_slowdown(grid, factor, f"{factor:g}x slower", cases_of, scaled=False)
    for factor in selftest.FACTORS[1:]:
        cases_of = alarms.quartets_by_case(lines)
        good &= add_slowdown(grid, factor, f"{factor:g}x slower (scaled)", cases_of, scaled=True)
    console.print(grid)
    return good


def add_slowdown(grid: Table, factor: float, name: str, cases: list[list[Quartet]], scaled: bool) -> bool:
    """Add a row for each framework; return whether the gate catches the slowdown of every case as often as it must.

    scaled: the samples of an A/A comparison are multiplied, in both orders of A and B; else the call of B was slowed
    down when it was measured.
    """
    good = True
    for framework in dict.fromkeys(quartets[0][0]["case"]["framework"] for quartets in cases):
        of_framework = [quartets for quartets in cases if quartets[0][0]["case"]["framework"] == framework]
        counts = [alarms.count_slower(quartets, factor if scaled else 1.0, scaled) for quartets in of_framework]
        well = all(has_power(factor, caught, number) for caught, number in counts)
        caught, number = (sum(column) for column in zip(*counts, strict=True))
        where = f"{framework}, cases: {len(of_framework)}" + (", both orders" if scaled else "")
        if factor == MUST_CATCH and any(number < ENOUGH for _, number in counts):
            where += "; too few to judge"
        if not well:
            where += f"; one case: {min(caught / number for caught, number in counts):.0%}"
        grid.add_row(name, where, f"{caught} of {number}", style=None if well else "red")
        good &= well
    return good
