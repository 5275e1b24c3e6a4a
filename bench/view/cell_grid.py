"""Draws rows of cells below their headers, in a terminal."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.segment import Segment


class Cell(NamedTuple):
    """A cell of a table, and how it looks."""

    text: str
    style: str = ""
    mark: str = ""
    """What doubt of a number follows it, or a blank where others of its column have a mark."""

    @property
    def width(self) -> int:
        return cell_len(self.text) + len(self.mark)


DOUBTFUL, NO_MARK = "~", "\N{NO-BREAK SPACE}"
EMPTY = Cell("")


def align(cells: list[dict[str, Cell]], column: str) -> None:
    """Leaves room for a mark behind the numbers of a column in which one has a mark."""
    if any(own[column].mark for own in cells):
        for own in cells:
            if own[column].text and not own[column].mark:
                own[column] = own[column]._replace(mark=NO_MARK)


@dataclass(frozen=True)
class Grid:
    """Some rows of cells below their headers. (A table of rich's takes milliseconds a row.)"""

    titles: dict[str, str]
    """Headers of two lines each, by column."""
    widths: dict[str, int]
    words: set[str]
    """Columns that hold no numbers."""
    rows: list[tuple[dict[str, Cell], bool]]
    """Cells by column, and whether a blank line follows."""
    gap: str

    def blanks(self, name: str, width: int) -> tuple[str, str]:
        """What stands before and after a text of some width in its column."""
        lacking = " " * (self.widths[name] - width)
        return ("", lacking) if name in self.words else (lacking, "")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        look = cache(console.get_style)
        for heads in zip(*(title.split("\n") for title in self.titles.values()), strict=True):
            each = zip(self.titles, heads, strict=True)
            text = self.gap.join(head.join(self.blanks(name, len(head))) for name, head in each)
            yield Segment(f"{text.rstrip()}\n", look("bold"))
        yield Segment("─" * sum(self.widths.values(), len(self.gap) * (len(self.widths) - 1)) + "\n")
        for cells, ends in self.rows:
            plain = ""
            for name in self.titles:
                cell = cells[name]
                before, after = self.blanks(name, cell.width)
                for text, style in ((cell.text, cell.style), (cell.mark, "yellow" if cell.mark != NO_MARK else "")):
                    if style and text:
                        yield Segment(plain + before)
                        yield Segment(text, look(style))
                        plain, before = "", ""
                    else:
                        plain, before = plain + before + text, ""
                plain += after + self.gap
            yield Segment(plain.rstrip(" ") + ("\n\n" if ends else "\n"))
