"""Checks parsed JSON against a schema, fast enough for a hundred thousand lines, and says what is wrong with it.

Reads the part of JSON Schema (draft 2020-12) that `record_schema.json` is written in, and refuses any other keyword, so
that no rule is ignored. As there, a limit holds for values of its own kind only, and true is no number.

A schema is used in two ways: `schema_checks` says what is wrong with a value, and `schema_source` writes functions that
are true of valid values in a tenth of the time. Only a value for which they are false is looked at by the former.
"""

import json
from functools import cache
from pathlib import Path

from drtrl_bench.records.schema_checks import Check, Checks
from drtrl_bench.records.schema_source import Source


@cache
def check_of(file: Path, name: str) -> Check:
    """Return the check of a definition in a schema's file."""
    definitions = json.loads(file.read_text(encoding="utf-8"))["$defs"]
    checks = Checks(definitions)
    check, valid = checks.check({"$ref": f"#/$defs/{name}"}), Source(checks).function(name)
    return lambda value: None if valid(value) else check(value)
