"""Draws rows of cells below their headers, in a terminal."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.segment import Segment


class Cell(NamedTuple):
    """A cell of a table, and its style."""

    text: str
    style: str = ""
    mark: str = ""
    """A mark of doubt that follows the number, or a blank if other cells of its column have a mark."""

    @property
    def width(self) -> int:
        """Return how many columns of a terminal the cell takes."""
        return cell_len(self.text) + len(self.mark)


DOUBTFUL, NO_MARK = "~", "\N{NO-BREAK SPACE}"
EMPTY = Cell("")


def align(cells: list[dict[str, Cell]], column: str) -> None:
    """Leave room for a mark behind each number of a column in which some number has a mark."""
    if any(row[column].mark for row in cells):
        for row in cells:
            if row[column].text and not row[column].mark:
                row[column] = row[column]._replace(mark=NO_MARK)


@dataclass(frozen=True)
class Grid:
    """Rows of cells below their headers, drawn fast: a table of rich's takes milliseconds a row."""

    titles: dict[str, str]
    """Headers of two lines each, by column."""
    widths: dict[str, int]
    words: set[str]
    """Columns that hold no numbers."""
    rows: list[tuple[dict[str, Cell], bool]]
    """Cells by column, and whether a blank line follows."""
    gap: str

    def blanks(self, name: str, width: int) -> tuple[str, str]:
        """Return the blanks before and after a text of some width in its column."""
        lacking = " " * (self.widths[name] - width)
        return ("", lacking) if name in self.words else (lacking, "")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        style_of = cache(console.get_style)
        for heads in zip(*(title.split("\n") for title in self.titles.values()), strict=True):
            named = zip(self.titles, heads, strict=True)
            text = self.gap.join(head.join(self.blanks(name, len(head))) for name, head in named)
            yield Segment(f"{text.rstrip()}\n", style_of("bold"))
        yield Segment("─" * sum(self.widths.values(), len(self.gap) * (len(self.widths) - 1)) + "\n")
        for cells, ends in self.rows:
            plain = ""
            for name in self.titles:
                cell = cells[name]
                before, after = self.blanks(name, cell.width)
                for text, style in ((cell.text, cell.style), (cell.mark, "yellow" if cell.mark != NO_MARK else "")):
                    if style and text:
                        yield Segment(plain + before)
                        yield Segment(text, style_of(style))
                        plain, before = "", ""
                    else:
                        plain, before = plain + before + text, ""
                plain += after + self.gap
            yield Segment(plain.rstrip(" ") + ("\n\n" if ends else "\n"))
