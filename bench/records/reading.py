"""Reading records for somebody who sees them: corrupt lines as texts, and the records of a run as a frame."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drtrl_bench.records import record

if TYPE_CHECKING:
    import pandas as pd


def quietly(call: Callable[[], Any]) -> tuple[Any, list[str]]:
    """Call something, and return its value and the corrupt lines that it warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", record.CorruptLine)
        value = call()
    return value, [str(w.message) for w in caught]


def frame(found: list[dict[str, Any]], path: Path) -> "pd.DataFrame":
    """Make the frame of records that a run returned, with the environments that the file has."""
    lines, _ = quietly(lambda: list(record.lines(path)))
    environments = {line["env_hash"]: line for line in lines if line["kind"] == "environment"}
    complete = [line | {"source": path.name, "environment": environments.get(line["env_hash"])} for line in found]
    return record.frame(complete)
