"""Records: what a file survives, and that nothing in it is lost or executed."""

import json
import warnings
from pathlib import Path

import pytest
from lines import environment, line

import drtrl_bench
from drtrl_bench import record
from drtrl_bench.case import Case


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "r.jsonl"
    for entry in (environment(), line(Case()), line(Case(framework="torch"))):
        record.append(file, entry)
    return file


def test_round_trip_and_frame(path: Path) -> None:
    frame = drtrl_bench.load(path)
    assert list(frame["framework"]) == ["jax", "torch"]
    assert {"time_s", "working_bytes", "cosine", "firing_rate", "source", "synthetic"} <= set(frame.columns)
    assert min(frame["time_s"]) > 0


def test_torn_line_costs_only_itself(path: Path) -> None:
    with path.open("a") as file:
        file.write('{"kind": "record", "sche')
    record.append(path, line(Case(algorithm="bptt")))
    with pytest.warns(record.CorruptLine, match=r"r\.jsonl, line 4"):
        found = record.read(path)
    assert [r["case"]["algorithm"] for r in found] == ["drtrl", "drtrl", "bptt"]


@pytest.mark.parametrize(
    "text",
    [
        "\x00\x93garbage",
        "[1, 2]",
        "null",
        '{"kind": "record"}',
        json.dumps(line(Case()) | {"schema_version": 99}),
        json.dumps(line(Case()) | {"status": "fine"}),
        json.dumps(line(Case()) | {"case": [1]}),
        json.dumps(line(Case()) | {"time": {"median_s": "__import__('os').abort()"}}),
        json.dumps(line(Case()) | {"time": {"median_s": float("nan")}}),
        json.dumps({k: v for k, v in line(Case()).items() if k != "env_hash"}),
        "[" * 100_000,
    ],
)
def test_corrupt_line_is_named_and_the_rest_kept(path: Path, text: str) -> None:
    good = path.read_text().splitlines()
    path.write_text("\n".join([*good[:2], text, *good[2:]]) + "\n")
    with pytest.warns(record.CorruptLine, match="line 3"):
        found = record.read(path)
    assert len(found) == 2


def test_concatenated_files_are_a_file(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    record.append(other, environment("e2", cpu="another"))
    record.append(other, line(Case(), env_hash="e2"))
    joined = tmp_path / "joined.jsonl"
    joined.write_text(path.read_text() + other.read_text())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = record.read(joined)
    assert [r["environment"]["cpu"] for r in found] == ["AMD EPYC", "AMD EPYC", "another"]


def test_no_records_says_what_makes_some(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="drtrl-bench run"):
        record.read(tmp_path / "none.jsonl")
