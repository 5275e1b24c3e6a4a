"""Fills in what a page takes from elsewhere when the site is built, where the page has a line `<!-- WHAT NAME -->`.

<!-- text FILE -->          a Markdown file of the repository, its links made to suit the page
<!-- source FILE -->        a file of the repository as it is
<!-- modules PACKAGE -->    the docstrings of a package's modules
<!-- help -->               what --help prints of every command
"""

import os
import pkgutil
import posixpath
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[1]
MARK = re.compile(r"^<!-- (text|source|modules|help)(?: (\S+))? -->$", re.MULTILINE)
LINK = re.compile(r"(\]\()(?![a-z]+:|#)([^)\s]+)(\))")
LANGUAGES = {".json": "json", ".toml": "toml", ".py": "python"}


def text(name: str) -> str:
    """Return a Markdown file of the repository without its title, its links as seen from docs/."""
    found = (ROOT / name).read_text(encoding="utf-8")
    folder = posixpath.dirname(name)

    def moved(link: re.Match[str]) -> str:
        return link[1] + posixpath.relpath(posixpath.join(folder, link[2]), "docs") + link[3]

    return LINK.sub(moved, found.partition("\n")[2] if found.startswith("# ") else found)


def source(name: str) -> str:
    """Return a file of the repository as a block of code."""
    path = ROOT / name
    return f"```{LANGUAGES[path.suffix]}\n{path.read_text(encoding='utf-8').rstrip()}\n```\n"


def walked(package: str) -> Iterator[str]:
    """Yield the names of a package's modules, those of packages within it too."""
    for each in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
        if not each.ispkg:
            yield each.name


def modules(package: str) -> str:
    """Return a section for each module of a package: its docstring and those of its public functions and classes."""
    sections = []
    for name in walked(package):
        options = "   :members:\n   :undoc-members:\n"
        title = name.removeprefix("drtrl_bench.implementations.")
        sections.append(f"## {title}\n\n```{{eval-rst}}\n.. automodule:: {name}\n{options}```\n")
    return "\n".join(sections)


def printed(*words: str) -> str:
    """Return what --help prints of a command."""
    env = os.environ | {"COLUMNS": "80", "TYPER_USE_RICH": "0", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "drtrl_bench", *words, "--help"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    return "\n".join(each.rstrip() for each in done.stdout.strip().splitlines())


def commands(*words: str) -> Iterator[str]:
    """Yield a section for a command, and then for each command within it."""
    said = printed(*words)
    yield f"## {' '.join(('drtrl-bench', *words))}\n\n```text\n{said}\n```\n"
    listed = re.search(r"^Commands:\n((?:  .*\n?)+)", said, re.MULTILINE)
    for name in re.findall(r"^  (\S+)", listed[1], re.MULTILINE) if listed else ():
        yield from commands(*words, name)


def help_of_all(_: str) -> str:
    """Return what --help prints of every command, a section for each."""
    return "\n".join(commands())


KINDS: dict[str, Callable[[str], str]] = {"text": text, "source": source, "modules": modules, "help": help_of_all}


def fill(app: Sphinx, page: str, content: list[str]) -> None:
    content[0] = MARK.sub(lambda mark: KINDS[mark[1]](mark[2]), content[0])


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
