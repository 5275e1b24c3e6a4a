"""Keep what was compared with peers: one JSON line each, after a line of its machine.

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


def this_run() -> dict[str, Any]:
    """Return the fields of a run that starts now: its name, the hash of the machine, and the checkout."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {"run": now, "env_hash": environment.describe()["env_hash"], **environment.checkout()}


def last_run(path: Path, *kinds: str) -> list[dict[str, Any]]:
    """Return the lines of the last run in a file that have one of some kinds."""
    lines = read(path, *kinds)
    return [line for line in lines if line["run"] == lines[-1]["run"]]


def known(run: dict[str, Any]) -> bool:
    """Tell whether it is known what code a run measures, that of its commit: only such a run goes on."""
    return run["dirty"] is False


def interrupted(path: Path, run: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the lines of the last run in a file if it compares what `run` does, with the same code and machine."""
    lines = last_run(path, "peer", "ours") if path.exists() and known(run) else []
    names = ("comparison", "env_hash", "commit", "dirty")
    return lines if lines and [lines[-1].get(name) for name in names] == [run[name] for name in names] else []


@contextmanager
def writing(path: Path | None, run: dict[str, Any] | None = None) -> Iterator[Callable[[str, dict[str, Any]], None]]:
    """Yield a function that appends a line of a kind, with the run, the checkout and the machine; or does nothing.

    run: fields of an earlier run that goes on, `this_run` by default.
    """
    if path is None:
        yield lambda kind, line: None
        return
    described = environment.describe()
    version = {"schema_version": record.SCHEMA_VERSION}
    run = run or this_run()
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
