"""Turns the project's docstrings, which are plain text, into reStructuredText for autodoc.

In them `x` is code, a paragraph that is indented stays as it is, and no other character has a meaning.
"""

import inspect
import re
import textwrap
from typing import Any

from sphinx.application import Sphinx

CODE = re.compile(r"`([^`\n]+)`")
SPECIAL = re.compile(r"([\\*_|`])")


def line(text: str) -> str:
    """Return a line of prose with its code marked and everything else escaped."""
    parts = CODE.split(text)
    return "".join(f"``{part}``" if i % 2 else SPECIAL.sub(r"\\\1", part) for i, part in enumerate(parts))


def translated(text: str) -> str:
    """Return a docstring as reStructuredText."""
    out = []
    for paragraph in re.split(r"\n[ \t]*\n", text.strip("\n")):
        prose, indented = parted(paragraph.splitlines())
        if listed(prose):
            out.append("\n".join(f"| {line(each)}" for each in prose))
        elif prose:
            out.append("\n".join(line(each) for each in prose))
        if indented:
            language = "python" if prose and prose[-1].startswith("Example") else "text"
            block = textwrap.indent(textwrap.dedent("\n".join(indented)), "    ")
            out.append(f".. code-block:: {language}\n\n{block}")
    return "\n\n".join(out)


def parted(lines: list[str]) -> tuple[list[str], list[str]]:
    """Return a paragraph's prose and what is indented after it; the lines of a list "- ..." are prose."""
    start = next((i for i, each in enumerate(lines) if each.startswith("- ")), len(lines))
    end = next((i for i, each in enumerate(lines[:start]) if each.startswith((" ", "\t"))), start)
    if end == start < len(lines):
        return [*lines[:start], *([""] if start else []), *lines[start:]], []
    return lines[:end], lines[end:]


def listed(prose: list[str]) -> bool:
    """Whether every line of a paragraph explains a name, as "limit_s: seconds that a case may take"."""
    return len(prose) > 1 and all(re.match(r"\w[\w, ]*: ", each) for each in prose)


def process(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    if what == "class" and not any(lines) and obj.__base__.__module__.startswith("drtrl_bench."):
        lines[:] = (inspect.getdoc(obj) or "").splitlines()  # of a cell in a framework the equations of `spec.py`
    lines[:] = [*translated("\n".join(lines)).splitlines(), ""]


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", process)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
