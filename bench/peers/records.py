"""Keeps what was compared with peers: one JSON line each, after a line of its machine.

Kinds of line besides `environment`: agreement, a gradient compared; peer, what a peer costs; ours, what the project
costs beside it.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from drtrl_bench.measure import environment
from drtrl_bench.process import locks
from drtrl_bench.records import appending, reading, record

FIELDS = {"run", "env_hash", "commit"}
"""Fields of every line but that of a machine."""


@contextmanager
def writing(path: Path | None) -> Iterator[Callable[[str, dict[str, Any]], None]]:
    """Yield a function that appends a line of a kind, with the run, the checkout and the machine; or does nothing."""
    if path is None:
        yield lambda kind, line: None
        return
    described = environment.describe()
    version = {"schema_version": record.SCHEMA_VERSION}
    run = {"run": datetime.now(UTC).isoformat(timespec="seconds"), "env_hash": described["env_hash"]}
    run |= environment.checkout()
    with locks.writing(path):

        def append(line: dict[str, Any]) -> None:
            appending.append_data(path, json.dumps(line, allow_nan=False).encode() + b"\n")

        append({"kind": "environment", **version, **described})
        yield lambda kind, line: append({"kind": kind, **version, **run, **line})


def read(path: Path, *kinds: str) -> list[dict[str, Any]]:
    """Return the lines of some kinds that have the fields of every line."""
    return [
        line
        for line in reading.objects(path)
        if line.get("kind") in kinds and (line["kind"] == "environment" or line.keys() >= FIELDS)
    ]
