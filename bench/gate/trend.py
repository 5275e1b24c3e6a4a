"""Read asv's result files of a commit, to tell whether asv measured anything that can be drawn or gated on.

asv's exit codes do not tell: `asv run` returns 0 if every benchmark was skipped, `asv compare` if all got worse.
"""

import json
import math
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drtrl_bench import case as cases
from drtrl_bench.files import textfile
from drtrl_bench.gate import revisions

RESULTS = revisions.ROOT / "results" / "asv"
FORMAT, COLUMNS = 2, ["result", "params"]
"""Version of asv's result files that is read here, and the columns that every benchmark has in it."""
MOST_BYTES, MOST_FILES = 16 * 2**20, 1_000
"""Size of one of asv's files at most (the committed ones have 4 kB), and files of one commit that are read at most."""
SHORTEST = 4
"""Digits of a commit in the name of a result file; asv writes eight."""
NAME = re.compile(r"[A-Za-z_][\w.]{0,199}", re.ASCII)
"""A benchmark, as asv writes it: module, class and function."""
HINT = "asv changed its result files: install the version that constraints.txt names, or teach bench/gate/trend.py"


class TrendError(ValueError):
    """Result files that cannot be read; the message says which, and what to do."""


@dataclass(frozen=True)
class Count:
    """Parameter sets of one benchmark: with a number, skipped, and failed."""

    benchmark: str
    measured: int
    skipped: int
    failed: int


def files(commit: str, folder: Path = RESULTS) -> list[Path]:
    """List the result files of a commit on any machine; asv names them by the first digits of its hash.

    Raises TrendError if there are more than `MOST_FILES`.
    """
    results = [p for p in sorted(folder.glob("*/*.json")) if p.name not in ("machine.json", "benchmarks.json")]
    named = [(path, path.name.partition("-")[0]) for path in results]
    of_commit = [path for path, digits in named if len(digits) >= SHORTEST and commit.startswith(digits)]
    if len(of_commit) > MOST_FILES:
        reason = f"{len(of_commit):,} files of {commit[:9]}; {MOST_FILES:,} are read at most"
        raise TrendError(f"{textfile.shown(folder)}: {reason}")
    return of_commit


def content(path: Path) -> Any:
    """Read one of asv's files. Raises TrendError for one that is no file, too large or no JSON."""
    try:
        return json.loads(textfile.read(path, MOST_BYTES))
    except textfile.UnreadableError as error:
        raise TrendError(f"{error}; delete it and run asv again") from None
    except (ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0]
        raise TrendError(f"{textfile.shown(path)}: not JSON ({reason}); delete it and run asv again") from None


def counts(path: Path) -> list[Count]:
    """Count the values of each benchmark in a result file. Raises TrendError if its format is unexpected."""
    file, where = content(path), textfile.shown(path)
    if not isinstance(file, dict) or file.get("version") != FORMAT:
        version = file.get("version") if isinstance(file, dict) else None
        raise TrendError(f"{where}: version {cases.excerpt(version)} of asv's format, this reads {FORMAT}; {HINT}")
    columns, results = file.get("result_columns"), file.get("results")
    if not isinstance(columns, list) or columns[:2] != COLUMNS or not isinstance(results, dict):
        raise TrendError(f"{where}: other columns than {COLUMNS}, or no results; {HINT}")
    if odd := next((name for name in results if not NAME.fullmatch(name)), None):
        raise TrendError(f"{where}: {cases.excerpt(odd)} is no name of a benchmark; {HINT}")
    rows = sorted(results.items())
    if odd := [name for name, row in rows if not isinstance(row or [], list) or not numbers((row or [None])[0])]:
        raise TrendError(f"{where}: {odd[0]} has no list of numbers; {HINT}")
    return [count_values(name, (row or [None])[0]) for name, row in rows]


def known(folder: Path = RESULTS) -> list[str]:
    """List the benchmarks of the suite, as asv wrote them when it last ran; none if it did not.

    Raises TrendError if asv's file of them is no table that can be read.
    """
    path = folder / "benchmarks.json"
    if not path.exists():
        return []
    table = content(path)
    if not isinstance(table, dict):
        raise TrendError(f"{textfile.shown(path)}: no table of benchmarks; {HINT}")
    return [name for name in table if "." in name and NAME.fullmatch(name)]


def unmeasured(counted: list[Count], suite: list[str]) -> list[str]:
    """List the benchmarks, counted or in the suite, without any value; not those of a GPU, whose records come later."""
    measured: dict[str, int] = dict.fromkeys(suite, 0)
    for count in counted:
        measured[count.benchmark] = measured.get(count.benchmark, 0) + count.measured
    return [name for name, number in measured.items() if not number and not name.startswith("gpu.")]


def numbers(values: Any) -> bool:
    """Return whether a benchmark's values are as asv writes them."""
    listed = values if isinstance(values, list) else [values]
    return all(value is None or is_number(value) for value in listed)


def is_number(value: Any) -> bool:
    """Return whether a value is a number that a float can hold, or nan."""
    return type(value) in (int, float) and (value != value or abs(value) <= sys.float_info.max)


def count_values(name: str, values: Any) -> Count:
    """Count a benchmark's values: asv writes nan for a skipped parameter set, null for a failed one."""
    listed = values if isinstance(values, list) else [values]
    failed = sum(value is None for value in listed)
    skipped = sum(isinstance(value, float) and math.isnan(value) for value in listed)
    return Count(name, len(listed) - failed - skipped, skipped, failed)
