"""Prints a comparison with other libraries: two lines for each way, the library's and that of this project."""

import textwrap

from rich.console import Console
from rich.text import Text

from drtrl_bench.peers.comparison import COSTS, Cost, Row, sizes
from drtrl_bench.view import cell_grid, display
from drtrl_bench.view.cell_grid import EMPTY, Cell, Grid

TIME, MEMORY = "x time", "x MiB"
COLUMNS = {name: name for name in ("way", *COSTS, TIME, MEMORY)}
"""Headers by column."""
LEGEND = (
    "ms: by the clock; where one thread worked by the processor, which other work disturbs less",
    "x: the library's over this project's, the median of the rounds",
    "cos, norm: cosine with the exact gradient, and norm over that of the exact one, all weights as one vector",
    f"{cell_grid.DOUBTFUL}: unstable samples or a busy machine in some round",
)


def place(row: Row) -> str:
    """Return what a row has in common with others, in words: cell and sizes."""
    return ", ".join([row.cell, *(f"{symbol} = {size}" for symbol, size in sizes(row).items())])


def render(every: list[Row], console: Console) -> None:
    """Print a table for each cell and size, and below all what must be said of some rows; no number is cut off."""
    notes = {note: number for number, note in enumerate(dict.fromkeys(row.note for row in every if row.note), 1)}
    by_place: dict[str, list[dict[str, Cell]]] = {}
    for row in every:
        by_place.setdefault(place(row), []).extend(lines(row, notes.get(row.note)))
    cells = [line for group in by_place.values() for line in group]
    for column in ("ms", TIME):
        cell_grid.align(cells, column)
    widths = {name: max(len(name), *(line[name].width for line in cells)) for name in COLUMNS}
    for where, group in by_place.items():
        console.print(Text(display.shown(where), "bold"))
        grid = Grid(COLUMNS, widths, {"way"}, [(line, False) for line in group], "  ")
        console.print(grid, crop=False, no_wrap=True, overflow="ignore")
    for text in LEGEND:
        console.print(Text(textwrap.fill(text, max(min(console.width, 80), 40)), "dim"))
    for note, number in notes.items():
        console.print(Text(display.shown(f"[{number}] {note}"), "yellow"), soft_wrap=True)


def lines(row: Row, note: int | None) -> list[dict[str, Cell]]:
    """Return the cells of the lines of a row; note: the number of what must be said of it, if anything."""
    way = Cell(f"{row.library} {row.way}{f' [{note}]' if note else ''}")
    if row.reason:
        return [dict.fromkeys(COLUMNS, EMPTY) | {"way": way}]
    ratios = {TIME: Cell(f"{row.x_time:.3g}", mark=row.mark), MEMORY: Cell(f"{row.x_memory:.3g}")}
    ours = {"way": Cell(f"  {row.name} here", "dim"), **measured(row.ours), TIME: EMPTY, MEMORY: EMPTY}
    return [{"way": way, **measured(row.theirs), **ratios}, ours]


def measured(cost: Cost) -> dict[str, Cell]:
    """Return the cells of a cost."""
    cells = dict(zip(COSTS, map(Cell, cost.texts), strict=True))
    return cells | {"ms": cells["ms"]._replace(mark=cost.mark)}
