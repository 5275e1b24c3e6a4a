"""Read the TOML of a plan as a table, in bounded time and memory whoever wrote it.

Python's parser takes the square of the depth of keys, gives up on nested brackets, and gives up on numbers of more
digits than it may convert. So size, depth and the length of numbers and names are looked at in the text first, outside
of strings and comments.
"""

import re
import tomllib
from pathlib import Path
from typing import Any

from drtrl_bench.files import textfile

MOST_BYTES, MOST_DEPTH, MOST_DIGITS = 1_000_000, 8, 256
"""Of a plan: its size, the depth of brackets or dotted keys, the digits or letters of a number or a bare name."""
STRING = re.compile(
    r'"""(?:\\.|[^\\])*?(?:"""|\Z)' + r"|'''.*?(?:'''|\Z)" + r'|"(?:\\.|[^"\\\n])*+"?' + r"|'[^'\n]*+'?" + r"|#[^\n]*+",
    re.DOTALL,
)
"""A string or a comment, up to the end of the text if it is not closed: that is an error of its own."""
WORD, DOTTED = re.compile(r"[\w+-]+"), re.compile(r"[\w-]+(?:[ \t]*\.[ \t]*[\w-]+)+")


class TableError(ValueError):
    """A file that is no TOML, or more than a plan may hold; the message names the file and the reason, in one line."""


def read(path: Path) -> dict[str, Any]:
    """Read the table of a plan's file. Raises textfile.UnreadableError and TableError."""
    text = textfile.read(path, MOST_BYTES)
    if reason := excess(text):
        raise TableError(f"{textfile.shown(path)}: {reason}")
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise TableError(f"{textfile.shown(path)}: not TOML: {error}") from None


def excess(text: str) -> str | None:
    """Say what a text of TOML has more of than a plan may hold; None if nothing."""
    bare = STRING.sub("_", text)
    if any(word.end() - word.start() > MOST_DIGITS for word in WORD.finditer(bare)):
        return f"a number or a name of more than {MOST_DIGITS} characters"
    if any(key[0].count(".") > MOST_DEPTH for key in DOTTED.finditer(bare)):
        return f"a key of more than {MOST_DEPTH} parts; a plan has [defaults] and [[grid]]"
    depth = 0
    for bracket in re.findall(r"[\[\]{}]", bare):
        depth += 1 if bracket in "[{" else -1
        if depth > MOST_DEPTH:
            return f"brackets nested deeper than {MOST_DEPTH}; a plan has [defaults] and [[grid]]"
    return None
