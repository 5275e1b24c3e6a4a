"""Keeps what was compared with peers: one JSON line each, after a line of its machine."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from drtrl_bench.measure import environment
from drtrl_bench.process import locks
from drtrl_bench.records import parsing, record

KINDS = ("agreement", "peer", "ours")
"""Kinds of line besides `environment`: a gradient compared, a peer's cost, the cost of the project's own beside it."""


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
    with locks.writing(path), path.open("a", encoding="utf-8") as file:

        def append(line: dict[str, Any]) -> None:
            file.write(json.dumps(line, allow_nan=False) + "\n")
            file.flush()

        append({"kind": "environment", **version, **described})
        yield lambda kind, line: append({"kind": kind, **version, **run, **line})


def read(path: Path, *kinds: str) -> list[dict[str, Any]]:
    """Return the lines of some kinds; a line that a crash cut short is left out."""
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            line = parsing.DECODER.decode(text)
        except ValueError:
            continue
        if isinstance(line, dict) and line.get("kind") in kinds:
            lines.append(line)
    return lines
