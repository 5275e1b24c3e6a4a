"""Makes foreign text harmless, and output lasting: no unwritable text or closed pipe may end a measurement.

Text of a record, a log, a plan, a plugin or a file's name may contain sequences that a terminal, a page or a figure
obeys. `shown` replaces them; all code that prints, writes or draws such text calls it first.
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
"""Columns to which text is printed at least; a terminal with fewer breaks the lines by itself."""
SIGNS = ("±", "\N{MULTIPLICATION SIGN}", "·", "…", "≈", "─", "━", "│", "•", "\N{NO-BREAK SPACE}", *"╭╮╰╯")
PLAIN: dict[str, str] = dict(zip(SIGNS, ("+-", "x", "-", "...", "~", "-", "-", "|", "*", " ", *"++++"), strict=True))
"""The project's own signs, for output whose encoding lacks them."""
ENCODED = "drtrl_bench.view.display"
"""The name of the error handler that writes `PLAIN`, or an escape, for a character that an encoding lacks."""
FORMULA = ("=", "+", "-", "@")
"""Characters that a spreadsheet takes for the start of a formula."""


def shown_lines(text: str) -> str:
    """Make text in lines plain, line by line."""
    return text if text.isprintable() else "\n".join(map(shown, text.split("\n")))


def shown_in_page(value: Any) -> Any:
    """Make a value of a page plain: text line by line; other values stay as they are."""
    return shown_lines(value) if isinstance(value, str) else value


def shown_in_csv(value: Any) -> Any:
    """Make a value of a CSV plain, and no formula for a spreadsheet; numbers stay as they are."""
    if not isinstance(value, str):
        return value
    text = shown(value)
    return f"'{text}" if text.startswith(FORMULA) else text


class Console(rich_console.Console):
    """A console that prints text as text: it obeys no markup, and no character of it steers the terminal."""

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
        """Yield all that is printed, in segments of one style, made plain."""
        for segment in super().render(renderable, options):
            plain = segment.control or segment.text == "\n" or segment.text.isprintable()
            yield segment if plain else Segment(plain_but_blanks(segment.text), segment.style)


def plain_but_blanks(text: str) -> str:
    """Make text in lines plain, except for its no-break spaces."""
    return "\N{NO-BREAK SPACE}".join(map(shown_lines, text.split("\N{NO-BREAK SPACE}")))


class Lasting(io.RawIOBase):
    """A file that accepts everything, even if its reader is gone or its disk is full."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.lost: OSError | None = None
        """The error since which nothing is written."""

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
    """Return what is written for characters that an encoding lacks, and where to go on: a codecs error handler."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(PLAIN.get(c) or escaped(c) for c in error.object[error.start : error.end]), error.end


def lasting(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    """Return a stream like this one that accepts every character and outlasts its reader."""
    codecs.register_error(ENCODED, readable)
    stream.flush()
    raw = io.BufferedWriter(Lasting(stream.fileno()))
    return io.TextIOWrapper(raw, stream.encoding, ENCODED, line_buffering=stream.line_buffering)


def prepare() -> None:
    """Make standard output and error of a command accept every text, and outlast their readers."""
    for name in ("stdout", "stderr"):
        with suppress(io.UnsupportedOperation):  # text that is collected in memory
            if isinstance(stream := getattr(sys, name), io.TextIOWrapper):
                setattr(sys, name, lasting(stream))


def lost() -> OSError | None:
    """Return the error by which standard output is incomplete; None if it is complete, or its reader closed it."""
    if sys.stdout is None:
        return None
    sys.stdout.flush()
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    error = raw.lost if isinstance(raw, Lasting) else None
    return error if error and error.errno != errno.EPIPE else None
