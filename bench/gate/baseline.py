"""Read and write the baselines: what is deterministic, committed, and compared with what is measured now.

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
"""Size of a baseline at most; the committed one has 51 kB."""


class NothingMeasured(ValueError):  # noqa: N818
    """There is nothing to compare with; the message says how to get it."""


def baseline_path(folder: Path | None = None) -> Path:
    """Return the path of this environment's baseline; builds of one version, such as torch with CUDA, share it."""
    described = environment.describe()
    installed = ((name, described["versions"][name]) for name in ("jax", "torch", "numpy"))
    versions = (f"{name}{version.partition('+')[0]}" for name, version in installed if version)
    python = ".".join(described["python"].split(".")[:2])
    parts = (f"python{python}", *versions, described["os"].lower().replace(" ", "-"))
    return (folder or BASELINES) / ("-".join(parts) + ".jsonl")


def records(folder: Path | None = None) -> list[Record]:
    """Read this environment's baseline. Raises NothingMeasured if there is none, UnreadableError for a damaged one."""
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
            expected = compare.latest(reading.read(path))
        except (parsing.CorruptLine, ValueError) as error:
            reason = str(error).removeprefix(str(path)).lstrip(",: ")
            raise damage(path, reason) from None
    if not expected:
        raise damage(path, "no record in it")
    return expected


def damage(path: Path, reason: str) -> textfile.UnreadableError:
    """Return the error for a baseline that cannot be read, which says how to get it back."""
    text = f"{textfile.shown(path)}: {reason}; git checkout brings the baseline back that was committed"
    return textfile.UnreadableError(text)


def baseline_record(line: Record) -> Record:
    """Reduce a record measured now to what a baseline holds: no times, and the environment variables that are set."""
    tuned = environment.describe().get("variables")
    return {**without_times(line), "variables": tuned} if tuned else without_times(line)


def variables_changed(expected: list[Record]) -> list[str]:
    """Name the environment variables that are not set as they were for a baseline."""
    return compare.variables_differ(expected, [environment.describe()])


def accepted_regressions(base: str, expected: list[Record]) -> list[Change]:
    """List the regressions that a baseline accepts, and that the commit `base`'s for these versions did not."""
    try:
        with revisions.file_at(base, str(baseline_path().relative_to(revisions.ROOT))) as file:
            before = compare.latest(reading.read(file))
    except ValueError:  # the commit has no baseline (RevisionError), or one with cases that are not known here
        return []
    return [change for change in compare.changes(before, expected) if change.regression]


def without_times(line: Record) -> Record:
    """Reduce a record to what is the same on every run."""
    memory = {k: v for k, v in line["memory"].items() if k != "rss_peak_bytes"}
    same = {k: v for k, v in line.items() if k not in ("environment", "source", "started", "duration_s")}
    return cast(Record, same | {"time": {}, "memory": memory})
