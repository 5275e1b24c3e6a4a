"""What testing the gate found, as a table: planted regressions and how many were caught; alarms without any."""

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from drtrl_bench.gate import injected, selftest
from drtrl_bench.records.record import Record

MUST_SEE, POWER, ENOUGH = 1.5, 0.95, 20
"""A slowdown that the gate must see, in which share of comparisons, judged once there are this many."""


def seen(factor: float, caught: int, number: int) -> bool:
    """Whether the gate has the power that it must have at a slowdown; too few comparisons say nothing."""
    return factor != MUST_SEE or number < ENOUGH or caught >= POWER * number


def render(lines: list[Record], console: Console) -> bool:
    """Prints the table; whether no comparison without a change raised an alarm and what was planted was caught.

    Of slowdowns, `POWER` of those by `MUST_SEE`, planted or scaled, of each case that has `ENOUGH` of them.
    """
    grid = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for name in ("planted", "in", "alarms"):
        grid.add_column(name, justify="right" if name == "alarms" else "left")
    alarms, number = selftest.false_alarms(lines)
    good = alarms == 0 < number
    grid.add_row("nothing", f"{number} comparisons", f"{alarms} of {number}", style=None if good else "red")
    alarms, number = selftest.alarms_again(lines)
    good &= (well := alarms == 0 < number)
    said = f"bytes, fidelity: {number} comparisons"
    grid.add_row("nothing", said, f"{alarms} of {number}", style=None if well else "red")
    for plant in injected.INJECTED:
        caught, cases = selftest.caught(lines, plant)
        good &= caught == cases > 0
        style = None if caught == cases > 0 else "red"
        grid.add_row(plant.name, plant.file, f"{caught} of {cases}", style=style)
    for factor in selftest.SLOWDOWNS:
        good &= add_slowdown(
            grid, factor, f"{factor:g}x slower", selftest.looks(lines, selftest.slowed(factor)), both=False
        )
    for factor in selftest.FACTORS[1:]:
        good &= add_slowdown(grid, factor, f"{factor:g}x slower (scaled)", selftest.looks(lines), both=True)
    console.print(grid)
    return good


def add_slowdown(grid: Table, factor: float, name: str, cases: list[Any], both: bool) -> bool:
    """Adds a row per framework; whether the gate saw the slowdown of every case as often as it must.

    both: the samples are scaled, in both orders of A and B; else B was slowed down in earnest.
    """
    good = True
    for framework in dict.fromkeys(quartets[0][0]["case"]["framework"] for quartets in cases):
        own = [quartets for quartets in cases if quartets[0][0]["case"]["framework"] == framework]
        found = [selftest.alarms(quartets, factor if both else 1.0, both) for quartets in own]
        well = all(seen(factor, caught, number) for caught, number in found)
        caught, number = (sum(each) for each in zip(*found, strict=True))
        said = f"{framework}, cases: {len(own)}, both orders" if both else f"{framework}, cases: {len(own)}"
        if factor == MUST_SEE and any(each < ENOUGH for _, each in found):
            said += "; too few to judge"
        if not well:
            said += f"; one case: {min(c / n for c, n in found):.0%}"
        grid.add_row(name, said, f"{caught} of {number}", style=None if well else "red")
        good &= well
    return good
