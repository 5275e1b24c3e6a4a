"""Reads record files line by line, and passes over what is not a record. Nothing read from a file is ever executed."""

import warnings
from collections.abc import Callable, Hashable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

from drtrl_bench.files import regular
from drtrl_bench.records import parsing
from drtrl_bench.records.parsing import CorruptLine
from drtrl_bench.records.record import Environment, Line, Record
from drtrl_bench.view.escape import shown

MOST = 2 * 2**30
"""Bytes of a file that are read, at most."""
NAMED = 5
"""Bad lines of a file that are named one by one."""
HOPELESS = 100_000
"""After so many bad lines for each good one, a file is something else."""


def files(path: str | Path) -> list[Path]:
    """The record files at `path`: itself, or the *.jsonl files of a folder."""
    path = Path(path)
    if path.is_dir():
        return sorted(path.glob("*.jsonl"))
    if path.exists():
        return [path]
    raise FileNotFoundError(f"no records at {shown(path)}; `drtrl-bench run PLAN` makes some")


def lines(path: Path) -> Iterator[Line]:
    """The valid lines of one file, environments and records; warns `CorruptLine` of those that are not.

    Each bad line is named once, by its number and what is wrong with it; of many, the first few are. Holds one line at
    a time.
    """
    bad = good = 0
    with regular.opened(path) as file:
        for number, raw in enumerate(raws(file), start=1):
            if raw.isspace():
                continue
            line, problem = parsing.parsed(raw)
            if problem is None:
                good += 1
                yield line
                continue
            bad += 1
            if bad <= NAMED:
                if not raw.endswith(b"\n") and len(raw) <= parsing.LONGEST and parsing.torn(raw):
                    problem = "cut short by a crash, which the next run repairs, or being written now"
                said = f"{shown(path)}, line {number}: {problem}; skipped, the rest is kept"
                warnings.warn(said, CorruptLine, stacklevel=2)
            if bad > HOPELESS * (good + 1):
                warnings.warn(f"{shown(path)}: hardly a record file, not read further", CorruptLine, stacklevel=2)
                break
        if file.tell() >= MOST:
            warnings.warn(f"{shown(path)}: only {MOST >> 30} GiB of it were read", CorruptLine, stacklevel=2)
    if bad > NAMED:
        warnings.warn(f"{shown(path)}: {bad - NAMED} more lines are bad and skipped", CorruptLine, stacklevel=2)


def raws(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file as bytes, which a line feed alone ends; of one that is too long, its beginning."""
    left = MOST
    while left > 0 and (raw := file.readline(parsing.LONGEST + 1)):
        left -= len(raw)
        yield raw
        while left > 0 and len(raw) > parsing.LONGEST and not raw.endswith(b"\n"):
            raw = file.readline(parsing.LONGEST + 1)
            left -= len(raw)


def read(path: str | Path) -> list[Record]:
    """Return all records at `path`, each with its environment under "environment" (None if its file lacks it).

    Raises FileNotFoundError if nothing is there. Warns `CorruptLine` of lines that are no records.
    """
    numbers = count()
    return last_of_each(path, lambda record: next(numbers))


def newest(path: str | Path) -> list[Record]:
    """Return the records at `path` without those that a later record of the same measurement replaces.

    The same measurement: case, sources, environment, plan, round and data. Memory does not grow with how often a case
    was measured again. Raises and warns as `read`.
    """

    def measurement(record: Record) -> Hashable:
        key = tuple(record[name] for name in ("case_key", "implementation_sha", "env_hash", "plan", "round"))
        return (*key, record["data"].get("label"))

    return last_of_each(path, measurement)


def last_of_each(path: str | Path, key: Callable[[Record], Hashable]) -> list[Record]:
    """Return the last record for each value of `key`, with its environment and the name of its file.

    In a folder, a file that cannot be read is named in a warning, and the others are read.
    """
    records: dict[Hashable, Record] = {}
    environments: dict[str | None, Environment] = {}
    for file in files(path):
        try:
            for line in lines(file):
                if line["kind"] == "environment":
                    environments[line["env_hash"]] = line
                else:
                    records.pop(measured := key(line), None)  # a later record goes to the end
                    records[measured] = {**line, "source": shown(Path(file.name)), "environment": None}
        except OSError as error:
            if file == Path(path):
                raise
            problem = error if error.errno is None else f"{shown(file)}: {error.strerror}"
            warnings.warn(f"{problem}; skipped, the other files are read", CorruptLine, stacklevel=2)
    for record in records.values():
        record["environment"] = environments.get(record["env_hash"])
    return list(records.values())


def quietly(call: Callable[[], Any]) -> tuple[Any, list[str]]:
    """Call something, and return its value and the corrupt lines that it warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CorruptLine)
        value = call()
    return value, [str(w.message) for w in caught]
