"""The committed records are those of the plan of their name, case by case."""

import json

import pytest
from support.copies import ROOT

from drtrl_bench import plan as plans

RECORDS = ROOT / "results" / "records"
MEASURED = [name for name in plans.names() if (RECORDS / f"{name}.jsonl").exists()]


def test_the_records_of_the_readme_are_among_them() -> None:
    assert {"quick", "algorithms", "headline", "speed", "compiled", "fidelity"} <= set(MEASURED)


@pytest.mark.parametrize("name", MEASURED)
def test_every_case_of_a_plan_has_records_and_no_other_has(name: str) -> None:
    lines = map(json.loads, (RECORDS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines())
    rounds: dict[str, set[int]] = {}
    for line in lines:
        if line["kind"] == "record":
            assert line["status"] == "ok", line["reason"]
            rounds.setdefault(line["case_key"], set()).add(line.get("round", 0))
    plan = plans.read(name)
    assert rounds == {case.key: set(range(plan.rounds)) for case in plan.cases}
