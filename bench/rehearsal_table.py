"""What testing the gate found, as a table: planted regressions and how many were caught; alarms without any."""

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from bench import rehearsal

MUST_SEE, POWER, ENOUGH = 1.5, 0.95, 20
"""A slowdown that the gate must see, in which share of comparisons, judged once there are this many."""


def seen(factor: float, caught: int, number: int) -> bool:
    """Whether the gate has the power that it must have at a slowdown; too few comparisons say nothing."""
    return factor != MUST_SEE or number < ENOUGH or caught >= POWER * number


def render(lines: list[dict[str, Any]], console: Console) -> bool:
    """Prints the table; whether no comparison without a change raised an alarm and what was planted was caught.

    Of slowdowns, `POWER` of those by `MUST_SEE`, planted or scaled, in each framework.
    """
    grid = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for name in ("planted", "in", "alarms"):
        grid.add_column(name, justify="right" if name == "alarms" else "left")
    alarms, number = rehearsal.false_alarms(lines)
    good = alarms == 0 < number
    grid.add_row("nothing", f"{number} comparisons", f"{alarms} of {number}", style=None if good else "red")
    alarms, number = rehearsal.alarms_again(lines)
    good &= (well := alarms == 0 < number)
    said = f"bytes, fidelity: {number} comparisons"
    grid.add_row("nothing", said, f"{alarms} of {number}", style=None if well else "red")
    for plant in rehearsal.PLANTS:
        caught, cases = rehearsal.caught(lines, plant)
        good &= caught == cases > 0
        style = None if caught == cases > 0 else "red"
        grid.add_row(plant.name, plant.file, f"{caught} of {cases}", style=style)
    for factor in rehearsal.SLOWDOWNS:
        for quartets in rehearsal.looks(lines, rehearsal.slowed(factor)):
            caught, number = rehearsal.alarms(quartets, both=False)
            good &= (well := seen(factor, caught, number))
            framework = quartets[0][0]["case"]["framework"]
            grid.add_row(f"{factor:g}x slower", framework, f"{caught} of {number}", style=None if well else "red")
    for factor in rehearsal.FACTORS[1:]:
        for quartets in rehearsal.looks(lines):
            caught, number = rehearsal.alarms(quartets, factor)
            good &= (well := seen(factor, caught, number))
            framework = quartets[0][0]["case"]["framework"] if quartets else ""
            of = f"{framework}: {number // 2} comparisons, both orders"
            name = f"{factor:g}x slower (scaled)"
            grid.add_row(name, of, f"{caught} of {number}", style=None if well else "red")
    console.print(grid)
    return good
