"""Parses the lines of record files, one by one, and says what keeps a line from being one."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from drtrl_bench.case import Case
from drtrl_bench.records.record import SCHEMA_VERSION
from drtrl_bench.records.schema import check_of
from drtrl_bench.records.schema_checks import json_excerpt

SCHEMA = Path(__file__).parent / "record_schema.json"
"""What a line must be, field by field, as a JSON schema."""
DEFAULTS = {f.name: f.default for f in fields(Case) if f.metadata["later"]}
"""What the fields of a case are in records of versions that did not have them."""

LONGEST = 8 * 2**20
"""Bytes of a line, at most; the longest that a run writes have some thousands."""


class CorruptLine(UserWarning):
    """A line of a record file that is not a record; the others of the file were read."""


def torn(tail: bytes) -> bool:
    """Whether the end of a file is the beginning of a line as runs write them, or what a power cut leaves of one."""
    tail = tail.strip(b"\0")
    if not tail:
        return True
    try:
        json.loads(tail)
    except (ValueError, RecursionError):
        return tail.startswith(b'{"') or tail == b"{"
    return False


def parsed(raw: bytes) -> tuple[Any, str | None]:
    """A line, and what is wrong with it, or None."""
    if len(raw) > LONGEST:
        return None, f"longer than {LONGEST >> 20} MiB"
    try:
        line = upgraded(DECODER.decode(raw.decode("utf-8").removeprefix("\ufeff")))
    except UnicodeDecodeError as error:
        return None, f"not UTF-8 (byte {error.start + 1})"
    except RecursionError:
        return None, "not JSON (nested too deep)"
    except ValueError as error:
        return None, f"not JSON ({error!s:.80})"
    return line, complaint(line)


def no_number(text: str) -> float:
    """Refuses nan and infinity, which JSON does not know and Python's reader does."""
    raise ValueError(f"{text} is not a finite number")


DECODER = json.JSONDecoder(parse_constant=no_number)


def upgraded(line: Any) -> Any:
    """A line of an earlier version: a field that cases did not have was at its default."""
    if isinstance(line, dict) and isinstance(line.get("case"), dict) and not DEFAULTS.keys() <= line["case"].keys():
        line["case"] |= {name: value for name, value in DEFAULTS.items() if name not in line["case"]}
    return line


def complaint(line: Any) -> str | None:
    """What keeps a parsed line from being an environment or a record, or None."""
    kind = line.get("kind") if isinstance(line, dict) else None
    if kind != "environment" and kind != "record":
        return "neither an environment nor a record"
    if (version := line.get("schema_version")) != SCHEMA_VERSION:
        return f"schema version {json_excerpt(version)}, this version reads {SCHEMA_VERSION}"
    return plain(check_of(SCHEMA, kind)(line))


def plain(problem: str | None) -> str | None:
    """What a check found, as a sentence begins."""
    return problem and problem.lstrip(".: ")
