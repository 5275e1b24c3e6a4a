"""Many records: real ones, their case varied. What they say is synthetic; it loads a command as real records would."""

import json
from pathlib import Path
from typing import Any

from drtrl_bench.case import Case
from drtrl_bench.records import reading

RECORDS = Path(__file__).parents[2] / "results" / "records"


def real(*names: str) -> list[dict[str, Any]]:
    """The last record of each case of committed record files."""
    lines = [line for name in names for line in reading.lines(RECORDS / f"{name}.jsonl")]
    found = {(line["case_key"], line["env_hash"]): line for line in lines if line["kind"] == "record"}
    return list(found.values())


def many(path: Path, number: int, rounds: int = 1) -> Path:
    """A file with records of so many cases, each with so many rounds: those of `real`, each of many seeds."""
    own = ("headline", "speed")
    environments = [line for name in own for line in reading.lines(RECORDS / f"{name}.jsonl") if "case" not in line]
    base = real(*own)
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in environments)
        for place in range(number):
            line = base[place % len(base)]
            case = line["case"] | {"seed": place // len(base)}
            line = line | {"case": case, "case_key": Case(**case).key}
            file.writelines(json.dumps(line | {"round": round_}) + "\n" for round_ in range(rounds))
    return path
