"""Files and plans of a size that nobody should wait for: processor time and memory, with twice what was aimed at."""

import json
import os
import random
import resource
import subprocess
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest
from support.bulk import finished_but_one, sixty
from support.lines import line
from support.pace import least, processor_seconds

from drtrl_bench import plan as plans
from drtrl_bench.case import Case, Plan
from drtrl_bench.measure import runner
from drtrl_bench.records import appending, parsing, reading


def test_of_ten_thousand_lines_the_last_of_each_case_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line is parsed once, and what else is done with it takes less time than to parse it."""
    path = sixty(tmp_path / "r.jsonl", 10_000)
    texts = path.read_text().splitlines()
    parsed: list[bytes] = []
    parse = parsing.parse

    def counted(data: bytes) -> Any:
        parsed.append(data)
        return parse(data)

    with monkeypatch.context() as counting:
        counting.setattr(parsing, "parse", counted)
        found = reading.newest(path)
    assert [each["time"]["median_s"] for each in found] == [0.01 + 1e-6 * i for i in range(9_940, 10_000)]
    assert len(parsed) == len(texts) >= 10_000


def test_a_line_is_read_in_some_tens_of_calls(tmp_path: Path) -> None:
    """Calls are counted, which every machine makes as many of; a copy of each line's fields alone takes thousands.

    Each record has a time of its own, as real ones have, which no list of known texts holds.
    """
    path = sixty(tmp_path / "r.jsonl", 1_000)
    reading.newest(path)  # the schema's check is made once
    first, *lines = path.read_text().splitlines()
    for number, text in enumerate(lines):
        at = f"2026-11-27T08:{number // 60:02}:{number % 60:02}+00:00"
        lines[number] = json.dumps(json.loads(text) | {"started": at})
    path.write_text("\n".join([first, *lines, ""]))
    calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        reading.newest(path)
    finally:
        sys.setprofile(None)
    assert 5_000 < calls < 150_000, "each line is read, decoded and checked against the schema"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_commands_on_large_files_reach_their_goals() -> None:
    script = Path(__file__).parents[2] / "campaigns" / "load.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("within ") == 6


def test_an_append_takes_no_longer_for_a_long_file(tmp_path: Path) -> None:
    """A hole of 288 MB stands for as many records: only the end of it is looked at."""
    path = tmp_path / "r.jsonl"
    with path.open("wb") as file:
        file.truncate(288_000_000)
        file.seek(0, os.SEEK_END)
        file.write(b"\n")
    entry = line(Case())
    appending.append(path, entry)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times = [processor_seconds(lambda: appending.append(path, entry)) for _ in range(20)]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 * 1024
    assert path.stat().st_size == 288_000_001 + 21 * len(appending.encode(entry))
    assert min(times) < 0.01, "of 0.2 s that it would take to read the file"


class NextCase(Exception):  # noqa: N818
    """A run has come to a case that it would measure."""


def test_a_plan_of_five_thousand_cases_goes_on_where_it_was(tmp_path: Path) -> None:
    plan_file, path, last = finished_but_one(tmp_path)
    said: list[str] = []

    def report(text: str, entry: Any) -> None:
        said.append(text)
        raise NextCase

    def next_case() -> None:
        with pytest.raises(NextCase):
            runner.run(plans.read(plan_file), path, report)

    took = least(lambda: processor_seconds(next_case), 4)
    assert set(said) == {f"[5000/5000] {last.label}"}
    assert took < 4


def test_the_fields_that_decide_a_hash_of_sources_are_all_that_do(tmp_path: Path) -> None:
    """A finished case is looked for by the hash that another case has, if the two are alike in these fields."""
    other: dict[str, Any] = {
        "algorithm": "rtrl",
        "framework": "torch",
        "cell": "gru",
        "readout": "linear",
        "dataset": "bernoulli",
        "initial": "truncated",
        "surrogate": "atan",
        "reset": "multiply",
        "detach_reset": True,
        "bias_correction": "none",
        "mode": "compile",
        "precision": "default",
        "trace_dtype": "bfloat16",
        "dtype": "float64",
        "device": "gpu",
        "auto": True,
    }
    base = runner.implementation_sha(Case())
    for field in fields(Case):
        value = other.get(field.name, getattr(Case(), field.name) + 1 if field.name not in other else None)
        changed = runner.implementation_sha(replace(Case(), **{field.name: value}))
        assert (changed != base) == (field.name in runner.DECIDING), field.name


def test_what_is_finished_is_found_by_the_sources_of_its_own_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of two kinds of case has other sources than its record says: that one is measured, the other is not."""
    monkeypatch.setattr(runner, "measure", lambda case, plan, folder: {"status": "ok", "reason": None})
    path = tmp_path / "r.jsonl"
    pair = [Case(cell=cell, steps=steps) for cell in ("gru", "lstm") for steps in (8, 16)]
    random.Random(0).shuffle(pair)
    plan = Plan("two", "", tuple(pair))
    runner.run(plan, path, lambda text, entry: None)
    shas = {each["case"]["cell"]: each["implementation_sha"] for each in reading.read(path)}
    assert len(set(shas.values())) == 2
    text = path.read_text().replace(shas["lstm"], "of-other-sources")
    path.write_text(text)
    measured: list[Any] = []
    runner.run(plan, path, lambda text, entry: measured.append(entry) if entry else None)
    assert sorted(each["case"]["steps"] for each in measured) == [8, 16]
    assert {each["case"]["cell"] for each in measured} == {"lstm"}
    assert asdict(pair[0]).keys() == measured[0]["case"].keys()
