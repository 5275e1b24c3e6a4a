"""Reads the records that a command names, and complains about corrupt lines."""

from pathlib import Path

from drtrl_bench.cli.terminal import UsageError, complaints
from drtrl_bench.records import reading
from drtrl_bench.records.record import Record

LOCAL = Path("results/local")
"""The folder of a run's records; `results/records` is for evidence that is committed."""


def newest_records(path: Path) -> list[Record]:
    """Read the newest records of a file or folder, and print a line for each corrupt line.

    Raises FileNotFoundError if nothing is there, UsageError if there is no record.
    """
    records, corrupt = reading.quietly(lambda: reading.newest(path))
    for line in corrupt:
        complaints.print(f"warning: {line}", style="yellow")
    if not records:
        raise UsageError(f"no records at {path}; `drtrl-bench run PLAN` makes some")
    return records


def every_record(path: Path) -> list[Record]:
    """Read all records of a file or folder, and print a line for each corrupt line."""
    records, corrupt = reading.quietly(lambda: reading.read(path))
    for line in corrupt:
        complaints.print(f"warning: {line}", style="yellow")
    return records
