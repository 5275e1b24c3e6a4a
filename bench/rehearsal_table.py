"""What testing the gate found, as a table: planted regressions and how many were caught; alarms without any."""

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from bench import rehearsal


def render(lines: list[dict[str, Any]], console: Console) -> bool:
    """Prints the table; whether no comparison without a change raised an alarm and everything planted was caught."""
    grid = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for name in ("planted", "in", "alarms"):
        grid.add_column(name, justify="right" if name == "alarms" else "left")
    alarms, number = rehearsal.false_alarms(lines)
    good = alarms == 0 < number
    grid.add_row("nothing", f"{number} comparisons", f"{alarms} of {number}", style=None if good else "red")
    for plant in rehearsal.PLANTS:
        caught, cases = rehearsal.caught(lines, plant)
        good &= caught == cases > 0
        style = None if caught == cases > 0 else "red"
        grid.add_row(plant.name, plant.file, f"{caught} of {cases}", style=style)
    for factor in rehearsal.SLOWDOWNS:
        for quartets in rehearsal.looks(lines, rehearsal.slowed(factor)):
            caught, number = rehearsal.alarms(quartets, both=False)
            grid.add_row(f"{factor:g}x slower", quartets[0][0]["case"]["framework"], f"{caught} of {number}")
    for factor in rehearsal.FACTORS[1:]:
        for quartets in rehearsal.looks(lines):
            caught, number = rehearsal.alarms(quartets, factor)
            framework = quartets[0][0]["case"]["framework"] if quartets else ""
            grid.add_row(f"{factor:g}x slower (samples scaled)", framework, f"{caught} of {number}")
    console.print(grid)
    return good
