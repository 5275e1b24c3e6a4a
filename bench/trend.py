"""What asv measured of a commit, read from asv's own result files: whether there is anything to draw or to gate on.

asv's exit codes do not say: `asv run` returns 0 where every benchmark was skipped, `asv compare` where all got worse.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drtrl_bench import revisions

RESULTS = revisions.ROOT / "results" / "asv"
FORMAT, COLUMNS = 2, ["result", "params"]
"""Version of asv's result files that is read here, and the columns that every benchmark has in it."""


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
    return [path for path in found if commit.startswith(path.name.partition("-")[0])]


def counts(path: Path) -> list[Count]:
    """What a result file holds. Raises TrendError if it is not written as expected."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise TrendError(f"{path}: not JSON ({error}); delete it and run asv again") from None
    hint = "asv changed its result files: install the version that constraints.txt names, or teach bench/trend.py"
    if not isinstance(found, dict) or found.get("version") != FORMAT:
        version = found.get("version") if isinstance(found, dict) else None
        raise TrendError(f"{path}: version {version!r} of asv's format, this reads {FORMAT}; {hint}")
    if (columns := found.get("result_columns") or [])[:2] != COLUMNS or not isinstance(found.get("results"), dict):
        raise TrendError(f"{path}: columns {columns!r:.60} instead of {COLUMNS}; {hint}")
    rows = sorted(found["results"].items())
    if odd := [name for name, row in rows if not isinstance(row or [], list) or not numbers((row or [None])[0])]:
        raise TrendError(f"{path}: {odd[0]} has no list of numbers; {hint}")
    return [count(name, (row or [None])[0]) for name, row in rows]


def known(folder: Path = RESULTS) -> list[str]:
    """The benchmarks of the suite, as asv listed them when it last ran; none if it did not."""
    try:
        return [name for name in json.loads((folder / "benchmarks.json").read_text(encoding="utf-8")) if "." in name]
    except FileNotFoundError:
        return []
    except ValueError as error:
        raise TrendError(f"{folder / 'benchmarks.json'}: not JSON ({error}); delete it and run asv again") from None


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
    return all(value is None or isinstance(value, float | int) for value in each)


def count(name: str, values: Any) -> Count:
    """A benchmark's values: asv writes nan for what was skipped, null for what failed."""
    each = values if isinstance(values, list) else [values]
    failed = sum(value is None for value in each)
    skipped = sum(isinstance(value, float) and math.isnan(value) for value in each)
    return Count(name, len(each) - failed - skipped, skipped, failed)
