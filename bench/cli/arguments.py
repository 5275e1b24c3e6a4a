"""Declares the arguments and options that several commands share, and chooses cases by the words of `-k`."""

import itertools
import os
import re
from pathlib import Path
from typing import Annotated

import typer

from drtrl_bench import data, lookup
from drtrl_bench import plan as plans
from drtrl_bench.case import Case, Plan
from drtrl_bench.case import words as words_of
from drtrl_bench.cli.terminal import UsageError


def plan_names(incomplete: str) -> list[str]:
    """List the plans that complete a name, for the shell."""
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


def set_data_folder(folder: Path | None) -> Path | None:
    """Set the folder of genuine data sets, also for child processes. Raises NotADirectoryError if it is no folder."""
    if folder is not None:
        if not folder.is_dir():
            raise NotADirectoryError(f"--data {folder}: no such folder")
        os.environ["DRTRL_BENCH_DATA"] = str(folder.resolve())
    data.module("events.folders").data_folder()
    return folder


Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Folder with genuine data sets; $DRTRL_BENCH_DATA if left out.",
        metavar="DIR",
        callback=set_data_folder,
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


def match(word_sets: list[set[str]], only: list[str] | None, what: str) -> list[bool]:
    """Tell for each set of words, one per case, whether it has every word of the filter.

    Raises UsageError if no set has; `what` names the cases in its message.
    """
    lower = [{word.lower() for word in words} for words in word_sets]
    matches = [all(word.lower() in words for word in only or []) for words in lower]
    if not any(matches):
        if unknown := next((word for word in only or [] if not any(word.lower() in words for words in lower)), None):
            # without the case_keys, which nobody mistypes
            known = {word for words in word_sets for word in words if not re.fullmatch(r"[0-9a-f]{16}", word)}
            raise UsageError(f"no {what} matches -k {unknown}: {lookup.nearest(unknown, known)}")
        raise UsageError(f"no {what} matches {' '.join(f'-k {word}' for word in only or [])} together")
    return matches


def choose(plan: Plan, only: list[str] | None) -> list[Case]:
    """Return the cases of a plan whose words include every word of the filter. Raises UsageError if there are none."""
    matches = match([words_of(case) for case in plan.cases], only, f"case of plan {plan.name!r}")
    return list(itertools.compress(plan.cases, matches))
