"""Declares the arguments and options that several commands share, and chooses cases by the words of `-k`."""

import itertools
import os
import re
from pathlib import Path
from typing import Annotated

import typer

from drtrl_bench import data as sets
from drtrl_bench import lookup
from drtrl_bench import plan as plans
from drtrl_bench.case import Case, Plan
from drtrl_bench.case import words as words_of
from drtrl_bench.cli.terminal import UsageError


def plan_names(incomplete: str) -> list[str]:
    return [name for name in plans.names() if name.startswith(incomplete)]


Words = Annotated[
    list[str] | None,
    typer.Option(
        "-k", "--only", help="Only cases with this word in their line; repeat to narrow down.", metavar="WORD"
    ),
]
Records = Annotated[
    Path | None,
    typer.Argument(
        help="A record file or a folder of them; results/local if left out.", show_default=False, readable=False
    ),
]


def point(folder: Path | None) -> Path | None:
    """Tells this process and its children where genuine files are. Raises NotADirectoryError for no folder."""
    if folder is not None:
        if not folder.is_dir():
            raise NotADirectoryError(f"--data {folder}: no such folder")
        os.environ["DRTRL_BENCH_DATA"] = str(folder.resolve())
    sets.module("events.folders").data_folder()
    return folder


Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Folder with genuine data sets; $DRTRL_BENCH_DATA if left out.",
        metavar="DIR",
        callback=point,
        show_default=False,
    ),
]
Plugins = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin",
        help="A file or module with algorithms, cells or data sets of your own; repeat for more. Those of installed "
        "packages are there without it.",
        metavar="FILE|MODULE",
        show_default=False,
    ),
]


def matching(words: list[set[str]], only: list[str] | None, what: str) -> list[bool]:
    """For each case, by its words, whether it has every word of the filter. Raises UsageError if none has."""
    lower = [{word.lower() for word in own} for own in words]
    found = [all(word.lower() in own for word in only or []) for own in lower]
    if not any(found):
        if unknown := next((word for word in only or [] if not any(word.lower() in own for own in lower)), None):
            known = {word for own in words for word in own if not re.fullmatch(r"[0-9a-f]{16}", word)}  # no case_key
            raise UsageError(f"no {what} matches -k {unknown}: {lookup.nearest(unknown, known)}")
        raise UsageError(f"no {what} matches {' '.join(f'-k {word}' for word in only or [])} together")
    return found


def chosen(plan: Plan, only: list[str] | None) -> list[Case]:
    """The plan's cases that have every word of the filter."""
    kept = matching([words_of(case) for case in plan.cases], only, f"case of plan {plan.name!r}")
    return list(itertools.compress(plan.cases, kept))
