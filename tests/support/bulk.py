"""Many records: real ones, their case varied. What they say is synthetic; it loads a command as real records would."""

import json
from pathlib import Path
from typing import Any

from support.lines import environment, line

from drtrl_bench import plan as plans
from drtrl_bench.case import Case
from drtrl_bench.measure import environment as machine
from drtrl_bench.measure import runner
from drtrl_bench.records import reading

SIXTY = [
    Case(algorithm=algorithm, framework=framework, steps=steps, neurons=neurons)
    for algorithm in ("bptt", "drtrl", "rtrl", "es_drtrl", "snap1")
    for framework in ("jax", "torch")
    for steps in (64, 256, 512)
    for neurons in (16, 64)
]
RECORDS = Path(__file__).parents[2] / "results" / "records"


def real(*names: str) -> list[Any]:
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


def sixty(path: Path, number: int) -> Path:
    """A file with so many records of sixty cases, each of 2.6 kB as those of a run are; the later ones are slower."""
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(environment()) + "\n")
        for i in range(number):
            entry = line(SIXTY[i % 60], time_s=0.01 + 1e-6 * i)
            entry["time"] |= {f"{kind}samples_s": [0.01 + 1e-7 * i * j for j in range(1, 21)] for kind in ("", "cpu_")}
            file.write(json.dumps(entry) + "\n")
    return path


def finished_but_one(folder: Path) -> tuple[str, Path, Case]:
    """A plan file of 5,000 cases, the file with the records of all but the last of them, and that last case."""
    path, plan_file = folder / "r.jsonl", folder / "many.toml"
    grid: dict[str, list[Any]] = {
        "algorithm": ["drtrl", "bptt", "rtrl", "es_drtrl", "snap1"],
        "framework": ["jax", "torch"],
        "neurons": [16 * i for i in range(1, 11)],
        "batch": [1, 2, 4, 8, 16],
        "steps": [64 * i for i in range(1, 11)],
    }
    plan_file.write_text("[[grid]]\n" + "".join(f"{key} = {json.dumps(values)}\n" for key, values in grid.items()))
    *finished, (_, last) = runner.schedule(plans.read(str(plan_file)))
    described = machine.describe()
    shas = {
        (a, f): runner.implementation_sha(Case(algorithm=a, framework=f))
        for a in grid["algorithm"]
        for f in grid["framework"]
    }
    with path.open("w") as file:
        file.write(json.dumps({"kind": "environment", "schema_version": 1} | described) + "\n")
        for _, case in finished:
            known = {"env_hash": described["env_hash"], "implementation_sha": shas[case.algorithm, case.framework]}
            file.write(json.dumps(line(case, **known)) + "\n")
    return str(plan_file), path, last
