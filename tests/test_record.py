"""Records: what a file survives, and that nothing in it is lost or executed."""

import json
import re
import warnings
from dataclasses import asdict
from pathlib import Path

import pytest
from lines import environment, line, write

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


def test_the_frame_says_what_a_number_depends_on(tmp_path: Path) -> None:
    file = tmp_path / "r.jsonl"
    versions = {"jax": "0.10.2", "jaxlib": "0.10.1", "torch": "2.13.0+cpu", "numpy": "2.4.6"}
    for entry in (environment(versions=versions), line(Case()), line(Case(seed=1), env_hash="unknown")):
        record.append(file, entry)
    known, unknown = drtrl_bench.load(file).to_dict("records")
    expected = {
        "python_version": "3.11.7",
        "jax_version": "0.10.2",
        "jaxlib_version": "0.10.1",
        "torch_version": "2.13.0+cpu",
        "numpy_version": "2.4.6",
        "processor": "AMD EPYC",
        "cores": 2,
    }
    assert {name: known[name] for name in expected} == expected
    assert all(unknown[name] != unknown[name] or unknown[name] is None for name in expected)
    assert known["data_fingerprint"] == "beef"
    assert known["run"] == "2026-03-01T12:00:00+00:00"


def test_every_column_is_of_its_own_field(tmp_path: Path) -> None:
    """A record in which no two numbers are the same, field by field."""
    entry = line(Case(seed=7), status="ok", reason="a reason", plan="own", round=3)
    entry |= {"commit": "c0ffee", "dirty": True, "implementation_sha": "5ha", "case_key": "a key", "run": "at noon"}
    entry |= {"started": "at one", "plugins": {"mine.py": "1", "yours": "2"}}
    entry["time"] = {
        "median_s": 2.0,
        "low_s": 1.9,
        "high_s": 2.2,
        "iqr_s": 0.5,
        "forward_s": 0.7,
        "samples_s": [1.8, 2.0, 2.1, 2.3, 2.4],
        "cpu_samples_s": [1.0, 1.1, 1.3, 9.0],
        "unstable": True,
        "busy": False,
        "phases": {"lower_s": 0.1, "compile_s": 0.2, "first_call_s": 0.3},
    }
    entry["floor"] = {"forward_flops": 101, "flops": 102, "moved_bytes": 103}
    entry["memory"] = {"working_bytes": 11, "analytic_bytes": 12, "rss_peak_bytes": 13}
    overall = {"cosine": 0.91, "error": 0.92, "norm_ratio": 0.93, "sign_agreement": 0.94}
    entry["fidelity"]["overall"] = overall
    entry["activity"] = {"firing_rate": [0.1, 0.4], "silent": [0.5, 0.75]}
    entry["data"] = {"label": "a label", "synthetic": True, "fingerprint": "f1"}
    versions = {"jax": "1.1", "jaxlib": "1.2", "torch": "1.3", "numpy": "1.4"}
    described = environment(python="1.5", versions=versions, cpu="a processor", cores=6, gpu="an accelerator")
    (found,) = drtrl_bench.load(write(tmp_path, [entry], [described])).to_dict("records")
    expected = {
        "status": "ok",
        "reason": "a reason",
        "plan": "own",
        "round": 3,
        "run": "at noon",
        "started": "at one",
        "time_s": 2.0,
        "low_s": 1.9,
        "high_s": 2.2,
        "samples": 5,
        "samples_s": [1.8, 2.0, 2.1, 2.3, 2.4],
        "cpu_s": pytest.approx(1.2),
        "cpu_samples_s": [1.0, 1.1, 1.3, 9.0],
        "forward_s": 0.7,
        "compile_s": 0.2,
        "unstable": True,
        "busy": False,
        "forward_flops": 101,
        "flops": 102,
        "moved_bytes": 103,
        "working_bytes": 11,
        "analytic_bytes": 12,
        "rss_peak_bytes": 13,
        **overall,
        "firing_rate": 0.25,
        "silent": 0.625,
        "data": "a label",
        "synthetic": True,
        "data_fingerprint": "f1",
        "source": "records.jsonl",
        "case_key": "a key",
        "env_hash": "e1",
        "implementation_sha": "5ha",
        "commit": "c0ffee",
        "dirty": True,
        "plugins": "mine.py, yours",
        "processor": "a processor",
        "cores": 6,
        "gpu": "an accelerator",
        "python_version": "1.5",
        "jax_version": "1.1",
        "jaxlib_version": "1.2",
        "torch_version": "1.3",
        "numpy_version": "1.4",
        "seed": 7,
        "per_layer": entry["fidelity"]["per_layer"],
        "per_parameter": entry["fidelity"]["per_parameter"],
    }
    assert {name: found[name] for name in expected} == expected
    others = {name for name in found if "." not in name} - expected.keys()
    assert others == {name for name in asdict(Case()) if name != "seed"}, "every column is looked at"


def test_the_frame_has_every_layer_and_every_weight(path: Path) -> None:
    entry = line(Case(seed=5))
    measures = ("cosine", "error", "norm_ratio", "sign_agreement")
    parts = ("layer0", "readout", "layer0.x", "layer0.r", "readout.x")
    numbers = {f"{p}.{m}": 0.1 * i + 0.01 * j for i, p in enumerate(parts) for j, m in enumerate(measures)}
    for kind, own in (("per_layer", parts[:2]), ("per_parameter", parts[2:])):
        entry["fidelity"][kind] = {p: {m: numbers[f"{p}.{m}"] for m in measures} for p in own}
    record.append(path, entry)
    found = drtrl_bench.load(path).to_dict("records")[-1]
    assert {name: found[name] for name in numbers} == numbers


def test_a_layer_of_an_older_record_is_empty_unless_it_has_one_weight(path: Path) -> None:
    entry = line(Case(seed=5))
    del entry["fidelity"]["per_layer"]
    record.append(path, entry)
    found = drtrl_bench.load(path).to_dict("records")[-1]
    assert found["layer0.cosine"] != found["layer0.cosine"]
    assert found["layer0.x.cosine"] == 1 - 3e-7**2
    assert found["readout.error"] == 3e-7


def test_every_column_of_the_frame_is_described(path: Path) -> None:
    described = set(re.findall(r"\w+", drtrl_bench.load.__doc__ or ""))
    apart = {"torch_version", "jaxlib_version", "numpy_version", "jax_version"}
    fields = set(asdict(Case()))
    columns = {name for name in drtrl_bench.load(path) if "." not in name}
    assert columns - fields - apart <= described


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
        json.dumps(line(Case()) | {"fidelity": {"per_layer": {"layer0": 1.0}}}),
        json.dumps(line(Case()) | {"fidelity": {"per_layer": {"layer0": {"cosine": "1"}}}}),
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


def test_a_frame_of_older_records_has_the_columns_of_all_their_layers(tmp_path: Path) -> None:
    older = line(Case(layers=2))
    del older["fidelity"]["per_layer"]
    failed = line(Case(layers=2, seed=1), status="oom", reason="because")
    for lines in ([older, failed], [failed]):
        frame = drtrl_bench.load(write(tmp_path, lines))
        for name in ("layer0.cosine", "layer0.error", "layer1.norm_ratio", "layer1.sign_agreement"):
            assert all(frame[name].isna()), name
        assert "readout.cosine" in frame
        assert "layer2.cosine" not in frame
