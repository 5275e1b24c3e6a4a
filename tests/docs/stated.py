"""Numbers that a page states, and the committed records that they are of."""

import json
import math
import re
from statistics import median
from typing import Any

from support.copies import ROOT

Records = list[dict[str, Any]]
NUMBER = r"(\d*\.?\d+)"


def page(name: str) -> str:
    """The text of a page without its tables of records, in one line."""
    text = re.sub(r"^```\n.*?^```$", "", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return " ".join(text.split())


def records(name: str, algorithm: str, framework: str, **case: Any) -> Records:
    """The records of a case in a file, as json reads them, in the order of rounds."""
    lines = (ROOT / "results" / "records" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    wanted = {"algorithm": algorithm, "framework": framework, **case}
    defaults = {"mode": "plain"}  # which the first records lack
    chosen = [
        r for r in map(json.loads, lines) if r["kind"] == "record" and wanted.items() <= (defaults | r["case"]).items()
    ]
    assert chosen, wanted
    assert {r["status"] for r in chosen} == {"ok"}
    return sorted(chosen, key=lambda r: (r.get("run", ""), r["round"]))


def milliseconds(chosen: Records) -> float:
    return 1e3 * median(median(r["time"]["samples_s"]) for r in chosen)


def mebibytes(chosen: Records) -> float:
    (working,) = {r["memory"]["working_bytes"] for r in chosen}
    return working / 2**20


def assert_stated(text: str, pattern: str, *values: float) -> None:
    """The numbers that a pattern finds in a text are these values, to the last digit that is written."""
    written = re.search(pattern, text)
    assert written, pattern
    for number, value in zip(written.groups(), values, strict=True):
        digits = len(number.partition(".")[2])
        # a printed number may have been rounded twice, from the table's digits
        assert math.isclose(float(number), value, rel_tol=0, abs_tol=0.55 * 10**-digits), (pattern, number, value)
