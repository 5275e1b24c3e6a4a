"""Reads record files line by line, and skips lines that are not records. Nothing read from a file is ever executed."""

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
"""Most bytes of a file that are read."""
NAMED = 5
"""Bad lines of a file that are named one by one."""
HOPELESS = 100_000
"""Bad lines for each good one beyond which a file is no record file."""


def files(path: str | Path) -> list[Path]:
    """List the record files at `path`: the file itself, or the *.jsonl files of a folder.

    Raises FileNotFoundError if nothing is there.
    """
    path = Path(path)
    if path.is_dir():
        return sorted(path.glob("*.jsonl"))
    if path.exists():
        return [path]
    raise FileNotFoundError(f"no records at {shown(path)}; `drtrl-bench run PLAN` makes some")


def lines(path: Path) -> Iterator[Line]:
    """Read the valid lines of a file, environments and records, one at a time; warn `CorruptLine` of the others.

    The warnings name the number and the fault of each bad line, or of the first few of many.
    """
    bad = good = 0
    with regular.opened(path) as file:
        for number, data in enumerate(split_lines(file), start=1):
            if data.isspace():
                continue
            line, problem = parsing.parse(data)
            if problem is None:
                good += 1
                yield line
                continue
            bad += 1
            if bad <= NAMED:
                if not data.endswith(b"\n") and len(data) <= parsing.LONGEST and parsing.torn(data):
                    problem = "cut short by a crash, which the next run repairs, or being written now"
                message = f"{shown(path)}, line {number}: {problem}; skipped, the rest is kept"
                warnings.warn(message, CorruptLine, stacklevel=2)
            if bad > HOPELESS * (good + 1):
                warnings.warn(f"{shown(path)}: hardly a record file, not read further", CorruptLine, stacklevel=2)
                break
        if file.tell() >= MOST:
            warnings.warn(f"{shown(path)}: only {MOST >> 30} GiB of it were read", CorruptLine, stacklevel=2)
    if bad > NAMED:
        warnings.warn(f"{shown(path)}: {bad - NAMED} more lines are bad and skipped", CorruptLine, stacklevel=2)


def split_lines(file: BinaryIO) -> Iterator[bytes]:
    """Read the lines of a file as bytes, each ended by a line feed alone; of a line that is too long, its beginning."""
    left = MOST
    while left > 0 and (data := file.readline(parsing.LONGEST + 1)):
        left -= len(data)
        yield data
        while left > 0 and len(data) > parsing.LONGEST and not data.endswith(b"\n"):
            data = file.readline(parsing.LONGEST + 1)
            left -= len(data)


def objects(path: Path) -> Iterator[dict[str, Any]]:
    """Read the JSON objects of a file of another schema, a line each; leave out all other lines.

    A crash may have cut one short. Raises OSError, in one line, for what is no regular file.
    """
    with regular.opened(path) as file:
        for data in split_lines(file):
            try:
                line = parsing.DECODER.decode(data.decode("utf-8"))
            except (ValueError, RecursionError):
                continue
            if isinstance(line, dict):
                yield line


def read(path: str | Path) -> list[Record]:
    """Return all records at `path`, each with its environment under "environment" (None if its file lacks it).

    Raises FileNotFoundError if nothing is there. Warns `CorruptLine` of lines that are not records.
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
        source = shown(Path(file.name))
        try:
            for line in lines(file):
                if line["kind"] == "environment":
                    environments[line["env_hash"]] = line
                else:
                    records.pop(value := key(line), None)  # a later record goes to the end
                    records[value] = {**line, "source": source, "environment": None}
        except OSError as error:
            if file == Path(path):
                raise
            problem = error if error.errno is None else f"{shown(file)}: {error.strerror}"
            warnings.warn(f"{problem}; skipped, the other files are read", CorruptLine, stacklevel=2)
    for record in records.values():
        record["environment"] = environments.get(record["env_hash"])
    return list(records.values())


def quietly(call: Callable[[], Any]) -> tuple[Any, list[str]]:
    """Call a function, and return its value and the text of its `CorruptLine` warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", CorruptLine)
        value = call()
    return value, [str(w.message) for w in caught]
