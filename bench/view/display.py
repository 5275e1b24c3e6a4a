"""What people see: foreign text made harmless, and output that nothing about it can end a measurement.

Text of a record, a log, a plan, a plugin or a file's name may hold what a terminal, a page or a figure obeys. `shown`
is what makes it plain text; whatever prints, writes or draws such text puts it through it.
"""

import codecs
import errno
import io
import os
import select
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from rich import console as rich_console
from rich.segment import Segment

from drtrl_bench.view.escape import escaped, shown

NARROWEST = 40
"""Columns that are printed to at least; a terminal with fewer breaks the lines by itself."""
SIGNS = ("±", "\N{MULTIPLICATION SIGN}", "·", "…", "≈", "─", "━", "│", "•", "\N{NO-BREAK SPACE}", *"╭╮╰╯")
PLAIN: dict[str, str] = dict(zip(SIGNS, ("+-", "x", "-", "...", "~", "-", "-", "|", "*", " ", *"++++"), strict=True))
"""The project's own signs, for output whose encoding lacks them."""
ENCODED = "drtrl_bench.view.display"
"""The name of what puts `PLAIN`, or an escape, where an encoding lacks a character."""
FORMULA = ("=", "+", "-", "@")
"""What a spreadsheet takes for the start of a formula."""


def shown_lines(text: str) -> str:
    """The same of text in lines, whose ends stay."""
    return text if text.isprintable() else "\n".join(map(shown, text.split("\n")))


def shown_in_page(value: Any) -> Any:
    """The same of what a page is filled with: text in lines; what is no text stays as it is."""
    return shown_lines(value) if isinstance(value, str) else value


def shown_in_csv(value: Any) -> Any:
    """The same of a value of a CSV, in which a spreadsheet must find no formula either; numbers stay as they are."""
    if not isinstance(value, str):
        return value
    text = shown(value)
    return f"'{text}" if text.startswith(FORMULA) else text


class Console(rich_console.Console):
    """A console that takes text for text: no markup in it is obeyed, no character of it steers the terminal."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, highlight=False, emoji=False, **options)

    @property
    def size(self) -> rich_console.ConsoleDimensions:
        """Columns and lines."""
        width, height = super().size
        return rich_console.ConsoleDimensions(max(width, NARROWEST), height)

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        self._width, self._height = new_size

    def render(self, renderable: Any, options: rich_console.ConsoleOptions | None = None) -> Iterable[Segment]:
        """All that is printed, in pieces of one style."""
        for segment in super().render(renderable, options):
            plain = segment.control or segment.text == "\n" or segment.text.isprintable()
            yield segment if plain else Segment(own_signs(segment.text), segment.style)


def own_signs(text: str) -> str:
    """Text in lines, made harmless but for the blanks that do not break."""
    return "\N{NO-BREAK SPACE}".join(map(shown_lines, text.split("\N{NO-BREAK SPACE}")))


class Lasting(io.RawIOBase):
    """A file descriptor that takes everything, also when nobody reads it any more or its disk is full."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.lost: OSError | None = None
        """Why nothing more is written."""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.descriptor

    def isatty(self) -> bool:
        return os.isatty(self.descriptor)

    def write(self, content: Any) -> int:
        while self.lost is None:
            try:
                return os.write(self.descriptor, content)
            except BlockingIOError:
                select.select([], [self.descriptor], [])
            except OSError as error:
                self.lost = error
        return len(content)


def readable(error: UnicodeError) -> tuple[str, int]:
    """What stands for characters that an encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(PLAIN.get(c) or escaped(c) for c in error.object[error.start : error.end]), error.end


def lasting(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    """The stream, so that it takes every character, and lasts."""
    codecs.register_error(ENCODED, readable)
    stream.flush()
    raw = io.BufferedWriter(Lasting(stream.fileno()))
    return io.TextIOWrapper(raw, stream.encoding, ENCODED, line_buffering=stream.line_buffering)


def prepare() -> None:
    """Makes standard output and error of a command take every text, and outlast who reads them."""
    for name in ("stdout", "stderr"):
        with suppress(io.UnsupportedOperation):  # text that is collected in memory
            if isinstance(stream := getattr(sys, name), io.TextIOWrapper):
                setattr(sys, name, lasting(stream))


def lost() -> OSError | None:
    """Why standard output is not whole; None if it is, or if its reader has had enough of it."""
    if sys.stdout is None:
        return None
    sys.stdout.flush()
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    error = raw.lost if isinstance(raw, Lasting) else None
    return error if error and error.errno != errno.EPIPE else None
