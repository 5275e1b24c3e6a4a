"""Records: what a file survives, and that nothing in it is lost or executed."""

import errno
import io
import json
import os
import re
import socket
import warnings
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pytest
from support.lines import environment, line, write

import drtrl_bench
from drtrl_bench.case import Case
from drtrl_bench.records import appending, frames, parsing, reading


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "r.jsonl"
    for entry in (environment(), line(Case()), line(Case(framework="torch"))):
        appending.append(file, entry)
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
        appending.append(file, entry)
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
    appending.append(path, entry)
    found = drtrl_bench.load(path).to_dict("records")[-1]
    assert {name: found[name] for name in numbers} == numbers


def test_a_layer_of_an_older_record_is_empty_unless_it_has_one_weight(path: Path) -> None:
    entry = line(Case(seed=5))
    del entry["fidelity"]["per_layer"]
    appending.append(path, entry)
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


def test_a_torn_last_line_is_named_once_and_repaired(path: Path) -> None:
    with path.open("a") as file:
        file.write('{"kind": "record", "sche')
    with pytest.warns(parsing.CorruptLine, match=r"r\.jsonl, line 4: cut short"):
        assert len(reading.read(path)) == 2
    with pytest.warns(parsing.CorruptLine, match=r"r\.jsonl: the last line was cut short.* 24 bytes"):
        appending.append(path, line(Case(algorithm="bptt")))
    found = reading.read(path)  # without a warning, which would be an error
    assert [r["case"]["algorithm"] for r in found] == ["drtrl", "drtrl", "bptt"]
    assert path.read_bytes().count(b"\n") == 4


@pytest.mark.parametrize("kept", [0, 1, 2, 700, -2, -1])
def test_an_append_broken_at_a_byte_costs_only_itself(path: Path, kept: int) -> None:
    before, whole = path.read_bytes(), appending.encode(line(Case(seed=1)))
    path.write_bytes(before + whole[: len(whole) + kept if kept < 0 else kept])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", parsing.CorruptLine)
        appending.append(path, line(Case(seed=2)))
    seeds = [0, 0, 1, 2] if kept == -1 else [0, 0, 2]  # a line that lacks its end only is whole
    assert [r["case"]["seed"] for r in reading.read(path)] == seeds


def test_nul_bytes_of_a_power_cut_are_removed(path: Path) -> None:
    before = path.read_bytes()
    path.write_bytes(before + b"\0" * 5000)
    with pytest.warns(parsing.CorruptLine, match="5000 bytes"):
        appending.prepare(path)
    assert path.read_bytes() == before


def test_a_warning_that_is_an_error_loses_no_record(path: Path) -> None:
    with path.open("a") as file:
        file.write("{")
    with pytest.raises(parsing.CorruptLine):  # the tests' own filter makes it one
        appending.append(path, line(Case(seed=3)))
    assert [r["case"]["seed"] for r in reading.read(path)] == [0, 0, 3]


def test_a_full_disk_leaves_the_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, write = path.read_bytes(), os.write
    with monkeypatch.context() as patch:

        def full(file: int, data: bytes) -> int:
            if len(data) <= 100:
                raise OSError(errno.ENOSPC, "No space left on device")
            return write(file, data[:100])

        patch.setattr(appending.os, "write", full)
        with pytest.raises(OSError, match="No space left"):
            appending.append(path, line(Case(seed=1)))
    assert path.read_bytes() == before


def test_a_new_file_and_its_folders_are_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    sync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        sync(descriptor)

    monkeypatch.setattr(appending.os, "fsync", noted)
    file = tmp_path / "a" / "b" / "r.jsonl"
    appending.append(file, environment())
    assert {str(place) for place in (file, file.parent, file.parent.parent, tmp_path)} <= set(synced)
    synced.clear()
    appending.append(file, environment())
    assert synced == [str(file)]


def test_somebody_elses_file_is_left_alone(tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("milk\n{not finished")
    with pytest.raises(OSError, match=r"notes\.txt: not a record file"):
        appending.prepare(notes)
    assert notes.read_text() == "milk\n{not finished"
    appending.append(notes, environment())
    assert notes.read_text().startswith("milk\n")


def test_a_file_that_another_program_keeps_locked_is_an_error_and_no_wait_without_end(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appending, "PATIENCE_S", 0.05)
    before = path.read_bytes()
    with appending.locked(path), pytest.raises(OSError, match=r"r\.jsonl: locked by another program for 0\.05 s"):
        appending.append(path, line(Case()))
    assert path.read_bytes() == before


def test_no_line_is_written_that_no_reader_takes(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"time\.samples_s\[1\] is 0.0"):
        appending.append(path, line(Case()) | {"time": {"samples_s": [1.0, 0.0]}})
    with pytest.raises(ValueError, match="not JSON compliant"):
        appending.append(path, line(Case()) | {"duration_s": float("nan")})
    assert path.read_bytes() == before


def test_a_name_that_is_no_text_is_kept_as_far_as_it_is(path: Path) -> None:
    appending.append(path, line(Case(), plan=os.fsdecode(b"caf\xe9"), reason="\N{SNAKE}"))
    last = reading.read(path)[-1]
    assert (last["plan"], last["reason"]) == ("caf?", "\N{SNAKE}")


# ---------------------------------------------------------------- what a line must be


def changed(at: str, value: Any) -> str:
    """A record's line with another value at a place."""
    whole = line(Case())
    *path, last = at.split("/")
    inner = whole
    for key in path:
        inner = inner[key]
    inner[last] = value
    return json.dumps(whole)


def longer(kind: str, old: str, new: str) -> str:
    """A line with a text in it replaced: what `json.dumps` would not write."""
    text = json.dumps(environment() if kind == "environment" else line(Case()))
    assert old in text
    return text.replace(old, new, 1)


BAD = {
    "round is true": changed("round", True),
    "round is -1": changed("round", -1),
    "round is 1.0; it must be a whole number": changed("round", 1.0),
    "round is 100000": changed("round", 10**400),
    "duration_s is 100000": changed("duration_s", 10**400),
    "not JSON": longer("record", '"round": 0', f'"round": {"9" * 5000}'),
    "duration_s is inf": longer("record", '"duration_s": 4.0', '"duration_s": 1e999'),
    r"not JSON \(NaN is not a finite number\)": longer("record", '"duration_s": 4.0', '"duration_s": NaN'),
    r"time\.samples_s\[0\] is 0": changed("time/samples_s", [0, 1.0]),
    r"time\.samples_s\[2\] is true": changed("time/samples_s", [1.0, 1.0, True]),
    r"time\.samples_s\[1\] is '1'": changed("time/samples_s", [1.0, "1"]),
    r"time\.samples_s is a table": changed("time/samples_s", {}),
    r"time\.cpu_samples_s\[0\] is -1": changed("time/cpu_samples_s", [-1]),
    r"time\.median_s is 0; it must be 1e-12 to 1000000000": changed("time/median_s", 0),
    r"time\.forward_s is 1e-320; it must be 1e-12 to": changed("time/forward_s", 1e-320),
    r"time\.samples_s\[1\] is 1e-13; it must be 1e-12 to": changed("time/samples_s", [1.0, 1e-13]),
    r"limit_s is 0; it must be above 0": changed("limit_s", 0),
    r"time\.median_s is -0\.5": changed("time/median_s", -0.5),
    r"time\.unstable is 1; it must be true or false": changed("time/unstable", 1),
    r"time\.phases\.compile_s is 'x'": changed("time/phases", {"compile_s": "x"}),
    r"memory\.working_bytes is 1\.5": changed("memory/working_bytes", 1.5),
    r"memory\.working_bytes is 9223372036854775808": changed("memory/working_bytes", 2**63),
    r"memory\.meter is 1": changed("memory/meter", 1),
    r"fidelity\.overall\.cosine is 1\.1": changed("fidelity/overall/cosine", 1.1),
    r"fidelity\.overall\.error is -1": changed("fidelity/overall/error", -1.0),
    r"fidelity\.overall\.sign_agreement is 2": changed("fidelity/overall/sign_agreement", 2),
    r"fidelity\.per_layer\.layer0\.norm_ratio is false": changed("fidelity/per_layer/layer0", {"norm_ratio": False}),
    r"fidelity\.per_layer: the name of a field is 'layer01'": changed("fidelity/per_layer/layer01", {}),
    r"fidelity\.per_parameter: the name of a field is 'layer0.<b>'": changed("fidelity/per_parameter/layer0.<b>", {}),
    r"activity\.firing_rate\[0\] is 1\.5": changed("activity/firing_rate", [1.5]),
    r"activity\.firing_rate\[0\] is null": changed("activity/firing_rate", [None]),
    r"gate\.steps is 0": changed("gate/steps", 0),
    r"gate\.error is 'nan'": changed("gate/error", "nan"),
    r"case\.layers is 1001": changed("case/layers", 1001),
    r"case\.layers is 0": changed("case/layers", 0),
    r"case\.neurons is 64\.0": changed("case/neurons", 64.0),
    r"case\.seed is 9223372036854775808": changed("case/seed", 2**63),
    r"case\.auto is 0": changed("case/auto", 0),
    r"case\.algorithm is '\[red\]'": changed("case/algorithm", "[red]"),
    r"case\.cell is '\$x\^2\$'": changed("case/cell", "$x^2$"),
    r"case\.dataset is '\\x1b\[2J'": changed("case/dataset", "\x1b[2J"),
    r"case\.dataset is 'a\\u202eb'": changed("case/dataset", "a\u202eb"),
    r"case\.cell has 0 characters": changed("case/cell", ""),
    r"case\.cell is 'a\\n'": changed("case/cell", "a\n"),
    r"data\.label is 'a\$b'": changed("data/label", "a$b"),
    r"data\.label is '\\ud800'": changed("data/label", "\ud800"),
    r"data\.label has 1001 characters": changed("data/label", "a" * 1001),
    r"reason is '\\udfff'": changed("reason", "\udfff"),
    r"plan is 'a\\ud800'": changed("plan", "a\ud800"),
    r"plan is null": changed("plan", None),
    r"case_key is '<b>'": changed("case_key", "<b>"),
    r"env_hash is 5": changed("env_hash", 5),
    r"started is '<script>'": changed("started", "<script>"),
    r"status is 'fine'; it must be one of ok, skip": changed("status", "fine"),
    r"status is true": changed("status", True),
    r"schema_version is true": changed("schema_version", True),
    r"versions\.jax is 5": longer("environment", '"0.10.2"', "5"),
    r"cores is 0": longer("environment", '"cores": 2', '"cores": 0'),
    r"cpu is 'AMD \$": longer("environment", "AMD EPYC", "AMD $\\\\frac{1}{0}$"),
    "not UTF-8": "a",
    "nested too deep": '{"kind": ' + "[" * 100_000,
}


@pytest.mark.parametrize("problem", BAD)
def test_a_bad_line_is_named_by_its_number_and_its_fault(path: Path, problem: str) -> None:
    raw = (
        BAD[problem].encode()
        if problem != "not UTF-8"
        else json.dumps(line(Case(), reason="caf")).encode()[:-1] + b"\xe9}"
    )
    good = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*good[:2], raw, b"\n", *good[2:]]))
    with pytest.warns(parsing.CorruptLine, match=rf"r\.jsonl, line 3: .*{problem}") as warned:
        assert len(reading.read(path)) == 2
    assert len(warned) == 1
    assert str(warned[0].message).isprintable()


def test_many_bad_lines_are_named_in_a_few(path: Path) -> None:
    path.write_text("nonsense\n" * 50 + path.read_text())
    with pytest.warns(parsing.CorruptLine) as warned:
        assert len(reading.read(path)) == 2
    assert len(warned) == 6
    assert "line 5" in str(warned[4].message)
    assert "45 more lines are bad" in str(warned[5].message)


def test_what_is_hardly_a_record_file_is_not_read_to_its_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "HOPELESS", 3)  # for each good line and one more: 12 of 50 are borne
    path.write_text(path.read_text() + "nonsense\n" * 50)
    with pytest.warns(parsing.CorruptLine) as warned:
        assert len(reading.read(path)) == 2
    assert "hardly a record file, not read further" in str(warned[5].message)
    assert "8 more lines are bad" in str(warned[6].message)


def test_only_a_line_feed_ends_a_line(path: Path) -> None:
    odd = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg"
    with path.open("ab") as file:
        file.write(json.dumps(line(Case(), reason=odd), ensure_ascii=False).replace("\\u", "\\u").encode() + b"\r\n")
    assert reading.read(path)[-1]["reason"] == odd


def test_marks_of_byte_order_are_skipped(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes() + b"\xef\xbb\xbf" + path.read_bytes())
    assert len(reading.read(path)) == 4


def test_a_line_without_end_is_passed_over_piece_by_piece(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "LONGEST", 2**14)
    path.write_bytes(b'{"' * 2**15 + b"\n" + path.read_bytes())
    with pytest.warns(parsing.CorruptLine, match="line 1: longer than 0 MiB"):
        assert len(reading.read(path)) == 2


@pytest.mark.parametrize("what", ["/dev/zero", "/dev/full", "pipe", "socket", "folder"])
def test_records_are_read_from_and_written_to_regular_files_only(tmp_path: Path, what: str) -> None:
    place = Path(what) if what.startswith("/") else tmp_path / "r.jsonl"
    if what == "pipe":
        os.mkfifo(place)
    elif what == "socket":
        bound = socket.socket(socket.AF_UNIX)
        bound.bind(str(place))
        bound.close()
    elif what == "folder":
        place.mkdir()
    more: list[Callable[[], Any]] = [] if what == "folder" else [lambda: reading.read(place)]
    for use in (lambda: list(reading.lines(place)), lambda: appending.append(place, environment()), *more):
        with pytest.raises(OSError, match=f"{place}: a [a-z]+; it must be a regular file"):
            use()


def test_what_is_no_file_in_a_folder_is_named_and_the_rest_read(path: Path) -> None:
    os.mkfifo(path.with_name("a.jsonl"))
    path.with_name("b.jsonl").symlink_to("nowhere")
    with pytest.warns(parsing.CorruptLine) as warned:
        assert len(reading.read(path.parent)) == 2
    assert ["a.jsonl: a pipe" in str(warned[0].message), "b.jsonl" in str(warned[1].message)] == [True, True]


def test_records_that_are_committed_are_read_without_a_warning() -> None:
    results = Path(__file__).parents[3] / "results"
    others = (results / "paper", results / "peers")  # of other schemas
    files = sorted(file for file in results.rglob("*.jsonl") if file.parent not in others)
    for file in files:
        assert reading.read(file), file
    assert len(files) >= 7


def test_every_field_of_a_case_has_its_rule_and_its_default() -> None:
    rules = json.loads(parsing.SCHEMA.read_text())["$defs"]
    own = {f.name: f for f in fields(Case)}
    assert list(rules["case"]["properties"]) == list(own)
    kinds = {"integer": "int", "number": "float", "string": "str", "boolean": "bool"}
    for name, rule in rules["case"]["properties"].items():
        kind = rules[rule["$ref"].removeprefix("#/$defs/")]["type"] if "$ref" in rule else rule["type"]
        assert kinds[kind] == getattr(own[name].type, "__name__", own[name].type), name
    later = {name: rule["default"] for name, rule in rules["case"]["properties"].items() if "default" in rule}
    assert later == parsing.DEFAULTS
    assert set(rules["case"]["required"]) == set(own) - set(later)


def test_a_record_of_the_first_version_has_the_fields_of_today(path: Path) -> None:
    entry = line(Case(seed=4))
    for name in (
        "initial",
        "surrogate",
        "reset",
        "detach_reset",
        "decay",
        "decay_x",
        "bias_correction",
        "segments",
        "mode",
        "unroll",
        "precision",
        "trace_dtype",
        "auto",
    ):
        del entry["case"][name]
    appending.append(path, entry)
    assert reading.read(path)[-1]["case"] == asdict(Case(seed=4))


def test_a_file_that_has_nothing_yet_is_no_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of such a file, as /proc/kmsg may be, a read that waits for nobody gives None."""

    class Waiting(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return None  # pyright: ignore[reportReturnType]

    path = write(tmp_path, [line(Case())])
    before = path.read_bytes()
    monkeypatch.setattr(appending.regular, "opened", lambda path: Waiting())
    appending.prepare(path)
    assert path.read_bytes() == before


def test_weights_beyond_what_a_table_holds_are_left_out_and_said() -> None:
    many: list[Any] = [line(Case(seed=i)) | {"environment": None} for i in range(4)]
    parts = sum("." in name for name in frames.frame(many))
    many[3]["fidelity"]["per_parameter"] = {f"layer0.w{i}": {"cosine": 0.5} for i in range(1_024)}
    with pytest.warns(parsing.CorruptLine, match=f"{parts} columns"):
        frame = frames.frame(many)
    assert len(frame) == 4
    assert "layer0.cosine" in frame
    assert "layer0.w5.cosine" in frame
    assert "layer0.w1023.cosine" not in frame
    assert sum("." in name for name in frame) == 4_096


def test_the_newest_records_are_those_that_nothing_replaces(tmp_path: Path) -> None:
    told = (("a", 0, "x"), ("a", 1, "x"), ("b", 0, "x"), ("a", 0, "y"), ("a", 0, "x"))
    entries = [
        line(Case(), case_key=k, round=r, implementation_sha=s, duration_s=float(i)) for i, (k, r, s) in enumerate(told)
    ]
    found = reading.newest(write(tmp_path, entries))
    assert [r["duration_s"] for r in found] == [1.0, 2.0, 3.0, 4.0]
    assert all(r["environment"]["cpu"] == "AMD EPYC" for r in found)


@pytest.mark.parametrize(
    "other",
    [{"plan": "speed"}, {"env_hash": "e2"}, {"data": {"label": "digits (other recordings)", "synthetic": False}}],
)
def test_records_of_another_plan_machine_or_data_replace_nothing(other: dict[str, Any], tmp_path: Path) -> None:
    """Nor does a record of the same case and another of these, in turns; one of the same replaces its own."""
    entries = [line(Case(), duration_s=float(i), **(other if i % 2 else {})) for i in range(4)]
    assert [r["duration_s"] for r in reading.newest(write(tmp_path, entries))] == [2.0, 3.0]


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
    with pytest.warns(parsing.CorruptLine, match="line 3"):
        found = reading.read(path)
    assert len(found) == 2


def test_concatenated_files_are_a_file(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    appending.append(other, environment("e2", cpu="another"))
    appending.append(other, line(Case(), env_hash="e2"))
    joined = tmp_path / "joined.jsonl"
    joined.write_text(path.read_text() + other.read_text())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = reading.read(joined)
    assert [r["environment"]["cpu"] for r in found] == ["AMD EPYC", "AMD EPYC", "another"]


def test_no_records_says_what_makes_some(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="drtrl-bench run"):
        reading.read(tmp_path / "none.jsonl")


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
