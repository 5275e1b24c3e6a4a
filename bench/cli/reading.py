"""Reads the records that a command is given, and complains about corrupt lines."""

from pathlib import Path

from drtrl_bench.cli.terminal import UsageError, complaints
from drtrl_bench.records import reading
from drtrl_bench.records.record import Record

LOCAL = Path("results/local")
"""Where a run leaves its records; `results/records` is for evidence that is committed."""


def newest_records(where: Path) -> list[Record]:
    """The records at a place; complains about corrupt lines and missing files in one line each."""
    lines, corrupt = reading.quietly(lambda: reading.newest(where))
    for line in corrupt:
        complaints.print(f"warning: {line}", style="yellow")
    if not lines:
        raise UsageError(f"no records at {where}; `drtrl-bench run PLAN` makes some")
    return lines


def every_record(path: Path) -> list[Record]:
    """The records of a file; complains about corrupt lines."""
    lines, corrupt = reading.quietly(lambda: reading.read(path))
    for line in corrupt:
        complaints.print(f"warning: {line}", style="yellow")
    return lines
