"""Parses the lines of record files one by one, and says what is wrong with a line that is not a record."""

import json
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from drtrl_bench.case import Case
from drtrl_bench.records.record import SCHEMA_VERSION, Record
from drtrl_bench.records.schema import check_of
from drtrl_bench.records.schema_checks import json_excerpt

SCHEMA = Path(__file__).parent / "record_schema.json"
"""The JSON schema of a line, field by field."""
DEFAULTS = {f.name: f.default for f in fields(Case) if f.metadata["later"]}
"""The values that fields of a case have in records of versions without those fields."""

LONGEST = 8 * 2**20
"""Most bytes of a line; the longest that a run writes have some thousands."""


class CorruptLine(UserWarning):
    """A line of a record file that is not a record; the other lines of the file were read."""


def torn(tail: bytes) -> bool:
    """Tell whether the end of a file is the beginning of a line that a run wrote, or the zero bytes of a power cut."""
    tail = tail.strip(b"\0")
    if not tail:
        return True
    try:
        json.loads(tail)
    except (ValueError, RecursionError):
        return tail.startswith(b'{"') or tail == b"{"
    return False


def parse(data: bytes) -> tuple[Any, str | None]:
    """Parse a line; return it, and what is wrong with it or None."""
    if len(data) > LONGEST:
        return None, f"longer than {LONGEST >> 20} MiB"
    try:
        line = upgrade(DECODER.decode(data.decode("utf-8").removeprefix("\ufeff")))
    except UnicodeDecodeError as error:
        return None, f"not UTF-8 (byte {error.start + 1})"
    except RecursionError:
        return None, "not JSON (nested too deep)"
    except ValueError as error:
        return None, f"not JSON ({error!s:.80})"
    return line, complaint(line)


def refuse_constant(text: str) -> float:
    """Refuse nan and infinity, which Python's parser reads and JSON does not have. Raises ValueError."""
    raise ValueError(f"{text} is not a finite number")


DECODER = json.JSONDecoder(parse_constant=refuse_constant)


def upgrade(line: Any) -> Any:
    """Add the fields of a case that an earlier version lacked to its line, at the values that the version used."""
    if isinstance(line, dict) and isinstance(line.get("case"), dict) and not DEFAULTS.keys() <= line["case"].keys():
        line["case"] |= {name: value for name, value in DEFAULTS.items() if name not in line["case"]}
    return line


def complaint(line: Any) -> str | None:
    """Say why a parsed line is neither an environment nor a record; None if it is one."""
    kind = line.get("kind") if isinstance(line, dict) else None
    if kind != "environment" and kind != "record":
        return "neither an environment nor a record"
    if (version := line.get("schema_version")) != SCHEMA_VERSION:
        return f"schema version {json_excerpt(version)}, this version reads {SCHEMA_VERSION}"
    return without_prefix(check_of(SCHEMA, kind)(line))


def without_prefix(problem: str | None) -> str | None:
    """Return a problem that a check found without the dot or colon that it begins with."""
    return problem and problem.lstrip(".: ")


def require_known_fields(records: Iterable[Record]) -> None:
    """Raise ValueError for a case with a field that is not known here: what the field decides is not known either."""
    known = {f.name for f in fields(Case)}
    for record in records:
        if odd := sorted(set(record["case"]) - known):
            raise ValueError(f"a case has the field {odd[0]!r}, which this version does not know; a newer one may")
