"""What asv measured of a commit, read from asv's own result files: whether there is anything to draw or to gate on.

asv's exit codes do not say: `asv run` returns 0 where every benchmark was skipped, `asv compare` where all got worse.
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
"""Of one of asv's files, the committed ones having 4 kB, and how many of one commit are read."""
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
    """The result files of a commit on any machine; asv names them by the first digits of its hash."""
    found = [p for p in sorted(folder.glob("*/*.json")) if p.name not in ("machine.json", "benchmarks.json")]
    named = [(path, path.name.partition("-")[0]) for path in found]
    mine = [path for path, digits in named if len(digits) >= SHORTEST and commit.startswith(digits)]
    if len(mine) > MOST_FILES:
        said = f"{len(mine):,} files of {commit[:9]}; {MOST_FILES:,} are read at most"
        raise TrendError(f"{textfile.shown(folder)}: {said}")
    return mine


def content(path: Path) -> Any:
    """What is in one of asv's files. Raises TrendError for one that is no file, too large or no JSON."""
    try:
        return json.loads(textfile.read(path, MOST_BYTES))
    except textfile.UnreadableError as error:
        raise TrendError(f"{error}; delete it and run asv again") from None
    except (ValueError, RecursionError) as error:
        said = str(error).partition("\n")[0]
        raise TrendError(f"{textfile.shown(path)}: not JSON ({said}); delete it and run asv again") from None


def counts(path: Path) -> list[Count]:
    """What a result file holds. Raises TrendError if it is not written as expected."""
    found, where = content(path), textfile.shown(path)
    if not isinstance(found, dict) or found.get("version") != FORMAT:
        version = found.get("version") if isinstance(found, dict) else None
        raise TrendError(f"{where}: version {cases.excerpt(version)} of asv's format, this reads {FORMAT}; {HINT}")
    columns, results = found.get("result_columns"), found.get("results")
    if not isinstance(columns, list) or columns[:2] != COLUMNS or not isinstance(results, dict):
        raise TrendError(f"{where}: other columns than {COLUMNS}, or no results; {HINT}")
    if odd := next((name for name in results if not NAME.fullmatch(name)), None):
        raise TrendError(f"{where}: {cases.excerpt(odd)} is no name of a benchmark; {HINT}")
    rows = sorted(results.items())
    if odd := [name for name, row in rows if not isinstance(row or [], list) or not numbers((row or [None])[0])]:
        raise TrendError(f"{where}: {odd[0]} has no list of numbers; {HINT}")
    return [count(name, (row or [None])[0]) for name, row in rows]


def known(folder: Path = RESULTS) -> list[str]:
    """The benchmarks of the suite, as asv listed them when it last ran; none if it did not."""
    path = folder / "benchmarks.json"
    if not path.exists():
        return []
    found = content(path)
    if not isinstance(found, dict):
        raise TrendError(f"{textfile.shown(path)}: no table of benchmarks; {HINT}")
    return [name for name in found if "." in name and NAME.fullmatch(name)]


def unmeasured(found: list[Count], suite: list[str]) -> list[str]:
    """The benchmarks, of the suite too, without a single value. Those of a GPU may have none: their records come
    later."""
    measured: dict[str, int] = dict.fromkeys(suite, 0)
    for each in found:
        measured[each.benchmark] = measured.get(each.benchmark, 0) + each.measured
    return [name for name, number in measured.items() if not number and not name.startswith("gpu.")]


def numbers(values: Any) -> bool:
    """Whether a benchmark's values are as asv writes them."""
    each = values if isinstance(values, list) else [values]
    return all(value is None or is_number(value) for value in each)


def is_number(value: Any) -> bool:
    """Whether a value is a number that a float holds, or nan."""
    return type(value) in (int, float) and (value != value or abs(value) <= sys.float_info.max)


def count(name: str, values: Any) -> Count:
    """A benchmark's values: asv writes nan for what was skipped, null for what failed."""
    each = values if isinstance(values, list) else [values]
    failed = sum(value is None for value in each)
    skipped = sum(isinstance(value, float) and math.isnan(value) for value in each)
    return Count(name, len(each) - failed - skipped, skipped, failed)
