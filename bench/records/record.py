"""Records: one JSON line per measured case, append-only, each traceable to its code, its data and its machine.

A file holds two kinds of lines. An `environment` line describes machine, versions and, if there were any, the
environment variables that were set and can change a number (`variables`, by name) once; every `record` line
after it names it by `env_hash`. Files may be concatenated. Nothing read from a file is ever executed.

A record has the fields: schema_version, plan, run (when the run that measured it began, the same for all that it
measured), round, limit_s, case_key, case, status, reason, refused, env_hash, implementation_sha, commit and dirty,
plugins (a hash of each whose names the case uses), data (label, synthetic, fingerprint of its files; null where it is
computed), gate (reference, steps, batch, error, limit), time (phases, samples_s and what `stats.summary` makes of them,
cpu_samples_s, forward_s, busy), floor (`Floor`), memory (bytes per meter; working_bytes is the one to compare),
fidelity (overall, per_layer and per_parameter, against float64 BPTT), activity (firing_rate, silent and spike_mismatch
per layer), started, duration_s. Times are in seconds, memory in bytes; cpu_samples_s are of all threads together.
Records of earlier versions lack run, data.fingerprint and fidelity.per_layer.
"""

import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drtrl_bench.case import Case
from drtrl_bench.records import schema

if TYPE_CHECKING:
    pass

SCHEMA_VERSION = 1

STATUSES = ("ok", "skip", "wrong", "oom", "timeout", "error")
"""ok: measured. skip: cannot run here. wrong: gate failed, so no time or memory. The rest: how it ended."""

SCHEMA = Path(__file__).parent / "record_schema.json"
"""What a line must be, field by field, as a JSON schema."""
DEFAULTS = {f.name: f.default for f in fields(Case) if f.metadata["later"]}
"""What the fields of a case are in records of versions that did not have them."""

LONGEST = 8 * 2**20
"""Bytes of a line, at most; the longest that a run writes have some thousands."""

TABLES = ("versions", "variables")
"""What an environment may have; `variables` are those that were set, if there were any. Of those, the records of a
baseline, which have no environment, have them themselves."""


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
    if (found := line.get("schema_version")) != SCHEMA_VERSION:
        return f"schema version {schema.shown(found)}, this version reads {SCHEMA_VERSION}"
    return plain(schema.of(SCHEMA, kind)(line))


def plain(problem: str | None) -> str | None:
    """What a check found, as a sentence begins."""
    return problem and problem.lstrip(".: ")
