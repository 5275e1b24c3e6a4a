"""Reads and writes the baselines: what is deterministic, committed, and compared with what is measured now.

A baseline is a record file without times, `results/baselines/PYTHON-FRAMEWORKS-MACHINE.jsonl`: what is deterministic
depends on the versions, so each set of versions has its own.
"""

import warnings
from pathlib import Path
from typing import cast

from drtrl_bench.files import textfile
from drtrl_bench.gate import compare, revisions
from drtrl_bench.gate.compare import Change
from drtrl_bench.measure import environment
from drtrl_bench.records import parsing, reading
from drtrl_bench.records.record import Record

BASELINES = revisions.ROOT / "results" / "baselines"
MOST_BYTES = 64 * 2**20
"""Of a baseline; the committed one has 51 kB."""


class NothingMeasured(ValueError):  # noqa: N818
    """There is nothing to compare with; the message says how to get it."""


def baseline_path(folder: Path | None = None) -> Path:
    """The baseline of this environment. One serves every build of a version, such as torch with and without CUDA."""
    found = environment.describe()
    installed = ((name, found["versions"][name]) for name in ("jax", "torch", "numpy"))
    versions = (f"{name}{version.partition('+')[0]}" for name, version in installed if version)
    python = ".".join(found["python"].split(".")[:2])
    parts = (f"python{python}", *versions, found["os"].lower().replace(" ", "-"))
    return (folder or BASELINES) / ("-".join(parts) + ".jsonl")


def records(folder: Path | None = None) -> list[Record]:
    """The records of this environment's baseline. Raises NothingMeasured without one, UnreadableError for damage."""
    path = baseline_path(folder)
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.jsonl") if p.stem.isprintable())) or "none"
        raise NothingMeasured(
            f"no baseline for these versions at {path} (there are: {known}); make it with `drtrl-bench baseline`, "
            "look at it, and commit it on its own"
        )
    textfile.require(path, MOST_BYTES)
    with warnings.catch_warnings():
        warnings.simplefilter("error", parsing.CorruptLine)
        try:
            found = compare.latest(reading.read(path))
        except (parsing.CorruptLine, ValueError) as error:
            said = str(error).removeprefix(str(path)).lstrip(",: ")
            raise damaged(path, said) from None
    if not found:
        raise damaged(path, "no record in it")
    return found


def damaged(path: Path, reason: str) -> textfile.UnreadableError:
    """What to raise for a baseline that cannot be read, with the way to get it back."""
    said = f"{textfile.shown(path)}: {reason}; git checkout brings the baseline back that was committed"
    return textfile.UnreadableError(said)


def of_now(line: Record) -> Record:
    """A record of now as a baseline has it: without times, and with the environment variables that were set."""
    tuned = environment.describe().get("variables")
    return {**without_times(line), "variables": tuned} if tuned else without_times(line)


def set_otherwise(expected: list[Record]) -> list[str]:
    """The environment variables that are not set as they were for a baseline."""
    return compare.variables_differ(expected, [environment.describe()])


def renewed(base: str, expected: list[Record]) -> list[Change]:
    """What a baseline lets pass that a commit's baseline for these versions did not."""
    try:
        with revisions.file_at(base, str(baseline_path().relative_to(revisions.ROOT))) as file:
            before = compare.latest(reading.read(file))
    except ValueError:  # none, as RevisionError says, or one of cases that are not known here
        return []
    return [change for change in compare.changes(before, expected) if change.regression]


def without_times(line: Record) -> Record:
    """A record reduced to what is the same on every run."""
    memory = {k: v for k, v in line["memory"].items() if k != "rss_peak_bytes"}
    kept = {k: v for k, v in line.items() if k not in ("environment", "source", "started", "duration_s")}
    return cast(Record, kept | {"time": {}, "memory": memory})
