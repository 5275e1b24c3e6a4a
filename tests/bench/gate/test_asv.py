"""The suite for asv: its settings, its list of benchmarks, its points of a GPU, and what asv leaves of a commit."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from importlib import import_module
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from support.command_line import command
from support.lines import line, write

from drtrl_bench import plan as plans
from drtrl_bench.case import Case
from drtrl_bench.gate import trend

ROOT = Path(__file__).resolve().parents[3]
needs_asv = pytest.mark.skipif(find_spec("asv") is None, reason="needs asv: pip install -e '.[asv]'")


@pytest.fixture
def suite(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Imports a module of the suite as asv does: from the folder it is in, under its base name."""
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    before = set(sys.modules)

    def load(name: str) -> ModuleType:
        return import_module(f"asv_suite.{name}")

    yield load
    for name in set(sys.modules) - before:
        if name.startswith("asv_suite"):
            del sys.modules[name]


@needs_asv
def test_asv_knows_every_setting() -> None:
    """asv reads over a key that it does not know."""
    settings = json.loads((ROOT / "asv.conf.json").read_text(encoding="utf-8"))
    assert settings.pop("version") == 1
    known = vars(import_module("asv.config").Config())
    assert set(settings) <= set(known)


def test_benchmarks_are_the_same_whatever_is_installed(suite: Any) -> None:
    loaded = [suite(name) for name in ("gradient", "gpu", "startup")]
    assert not {"jax", "torch"} & {name for module in loaded for name in vars(module)}
    speed = loaded[0].Speed
    assert speed.param_names == ("algorithm", "framework", "cell", "size")
    assert speed.params[1] == ["jax", "torch"]
    assert len({kind.unit for kind in (speed, loaded[0].Memory, loaded[0].Fidelity)}) == 3
    assert all(kind.version == "1" for kind in (speed, loaded[1].Speed, loaded[2].Startup)), "or history is lost"


def test_suite_calls_the_harness_of_the_commit_under_test(suite: Any) -> None:
    """By its command, so that commits with another inside can be measured; an unknown rule is skipped."""
    case = {"dataset": "bernoulli", "features": 4, "neurons": 4, "batch": 2, "steps": 8, "chunk": 4, "threads": 1}
    known = {"algorithm": "bptt", "framework": "torch", "cell": "gru", **case}
    found = suite("harness").measure([known, {**known, "algorithm": "not_yet"}], budget_s=0.01)
    assert [record["status"] for record in found] == ["ok" if find_spec("torch") else "skip", "unknown"]
    with pytest.raises(NotImplementedError, match="not_yet"):
        suite("harness").usable(found[1])


def test_start_up_is_timed_of_the_commit_under_test(
    suite: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not of a package of its name in the folder in which asv was started."""
    startup = suite("startup")
    (tmp_path / startup.harness.PACKAGE).mkdir()
    (tmp_path / startup.harness.PACKAGE / "__init__.py").write_text("raise SystemExit('foreign')\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert startup.Startup().track_seconds("import bench") > 0


def test_a_harness_is_set_as_every_other(suite: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XLA_FLAGS", "OMP_PROC_BIND", "KMP_AFFINITY", "GIT_DIR", "GIT_INDEX_FILE"):
        monkeypatch.setenv(name, "mine")
    found = suite("harness").environment()
    assert not {"XLA_FLAGS", "OMP_PROC_BIND", "KMP_AFFINITY", "GIT_DIR", "GIT_INDEX_FILE"} & set(found)
    assert (found["PATH"], found["PYTHONSAFEPATH"]) == (os.environ["PATH"], "1")


def test_the_commit_is_that_of_the_suite(suite: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not that of a repository whose hook runs asv."""
    harness, heads = suite("harness"), []
    who = ("-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "commit.gpgsign=false")
    for name in ("own", "hook"):
        subprocess.run(["git", "init", "-q", str(tmp_path / name)], check=True)
        subprocess.run(["git", *who, "commit", "-q", "--allow-empty", "-m", name], cwd=tmp_path / name, check=True)
        ask = ["git", "rev-parse", "HEAD"]
        heads.append(
            subprocess.run(ask, cwd=tmp_path / name, capture_output=True, text=True, check=True).stdout.strip()
        )
    (tmp_path / "own" / "bench").symlink_to(ROOT / "bench")
    monkeypatch.setattr(harness, "ROOT", tmp_path / "own")
    monkeypatch.delenv("ASV_COMMIT", raising=False)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "hook" / ".git"))
    assert harness.commit() == heads[0] != heads[1]


@pytest.mark.parametrize(("status", "error"), [("skip", NotImplementedError), ("wrong", RuntimeError)])
def test_what_has_no_numbers(suite: Any, status: str, error: type[Exception]) -> None:
    with pytest.raises(error, match="because"):
        suite("harness").usable(line(Case(), status=status, reason="because"))


def test_rounding_errors_are_alike(suite: Any) -> None:
    fidelity = suite("gradient").Fidelity()
    fidelity.record = line(Case(), error=3e-7)
    assert fidelity.track_error({}) == 1e-6


GPU = Case(
    algorithm="drtrl",
    framework="torch",
    device="gpu",
    dataset="bernoulli",
    features=64,
    neurons=512,
    batch=32,
    steps=1024,
    chunk=64,
    mode="triton",
)


def test_gpu_points_are_cases_of_the_plan(suite: Any) -> None:
    gpu = suite("gpu")
    planned = [case for name in ("gpu", "gpu_short", "gpu_long", "gpu_wide") for case in plans.read(name).cases]
    for key in product(*gpu.OnGPU.params):
        assert any(gpu.belongs(asdict(case), *key) for case in planned), key


@pytest.mark.parametrize(
    "other",
    [
        {"mode": "cuda_graph"},
        {"precision": "default"},
        {"trace_dtype": "bfloat16"},
        {"layers": 3},
        {"features": 32768},
        {"dataset": "digits"},
        {"device": "cpu"},
    ],
)
def test_another_precision_trace_or_mode_is_another_curve(suite: Any, other: dict[str, Any]) -> None:
    key = ("drtrl", "torch", "lif_delta", "N=512 B=32 T=1024")
    assert suite("gpu").belongs(asdict(GPU), *key)
    assert not suite("gpu").belongs(asdict(replace(GPU, **other)), *key)


@pytest.mark.parametrize("algorithm", ["bptt", "bptt_native"])
def test_a_truncated_bptt_is_on_no_curve(suite: Any, algorithm: str) -> None:
    key, gpu = (algorithm, "torch", "lif_delta", "N=512 B=32 T=1024"), suite("gpu")
    assert algorithm in gpu.OnGPU.params[0]
    assert gpu.belongs(asdict(replace(GPU, algorithm=algorithm, chunk=1024)), *key)
    assert not gpu.belongs(asdict(replace(GPU, algorithm=algorithm)), *key)


def test_gpu_points_are_the_commits_records(suite: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, commit = suite("gpu"), "c0ffee" * 6
    monkeypatch.setattr(gpu, "RECORDS", tmp_path)
    monkeypatch.setenv("ASV_COMMIT", commit)
    mine = [
        line(GPU, time_s=0.5, commit=commit),
        line(replace(GPU, chunk=128), time_s=0.2, commit=commit),
        line(GPU, time_s=0.01, commit="another"),
        line(GPU, time_s=0.01, commit=commit, dirty=True),
        line(replace(GPU, device="cpu"), time_s=0.01, commit=commit),
        line(replace(GPU, trace_dtype="bfloat16"), time_s=0.01, commit=commit),
        line(GPU, time_s=0.01, commit=commit, status="oom", reason="too large"),
    ]
    write(tmp_path, mine)
    key = ("drtrl", "torch", "lif_delta", "N=512 B=32 T=1024")
    speed, memory = gpu.Speed(), gpu.Memory()
    speed.setup(*key)
    memory.setup(*key)
    assert speed.track_gradient(*key) == 0.2, "the fastest chunk length"
    assert memory.track_working_bytes(*key) == mine[1]["memory"]["working_bytes"]
    with pytest.raises(NotImplementedError, match="no record of a GPU for commit c0ffeec0f"):
        speed.setup("bptt", *key[1:])


def left(folder: Path, **changes: Any) -> Path:
    """A result file of HEAD, as asv writes it."""
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    path = folder / "machine" / f"{head[:8]}-virtualenv-py3.11.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    results = {"gradient.Speed": [[0.1, None, float("nan")], [["a", "b", "c"]], "1"], "startup": [[0.2], [], "1"]}
    columns = ["result", "params", "version"]
    path.write_text(json.dumps({"version": 2, "result_columns": columns, "results": results} | changes))
    (path.parent / "machine.json").write_text("{}")
    return path


def test_what_asv_measured_is_counted(tmp_path: Path) -> None:
    path = left(tmp_path)
    assert trend.counts(path) == [trend.Count("gradient.Speed", 1, 1, 1), trend.Count("startup", 1, 0, 0)]
    done = command("trend", "--folder", str(tmp_path), cwd=ROOT)
    assert done.returncode == 3
    assert "1 failed" in done.stdout


def test_nothing_measured_is_no_success(tmp_path: Path) -> None:
    left(tmp_path, results={"gradient.Speed": [[float("nan")], [["a"]], "1"]})
    for folder in (tmp_path, tmp_path / "empty"):
        done = command("trend", "--folder", str(folder), cwd=ROOT)
        assert done.returncode == 4
        assert "asv measured nothing of" in done.stderr


@pytest.mark.parametrize(("missing", "code"), [("gradient.Speed.track_gradient", 4), ("gpu.Speed.track_gradient", 0)])
def test_every_benchmark_of_a_cpu_must_have_a_value(tmp_path: Path, missing: str, code: int) -> None:
    left(tmp_path, results={missing: [[float("nan")], [["a"]], "1"], "startup.Startup": [[0.2], [], "1"]})
    done = command("trend", "--folder", str(tmp_path), cwd=ROOT)
    assert done.returncode == code, done.stderr
    assert (missing in done.stderr) == bool(code)


def test_a_benchmark_that_left_the_results_is_missed(tmp_path: Path) -> None:
    left(tmp_path, results={"startup.Startup": [[0.2], [], "1"]})
    suite = {"version": 2, "startup.Startup": {}, "gradient.Speed.track_gradient": {}, "gpu.Speed.track_gradient": {}}
    (tmp_path / "benchmarks.json").write_text(json.dumps(suite))
    done = command("trend", "--folder", str(tmp_path), cwd=ROOT)
    assert done.returncode == 4
    assert "gradient.Speed.track_gradient" in done.stderr
    assert "gpu" not in done.stderr


def test_a_benchmark_measured_on_any_machine_is_measured() -> None:
    """Of several result files of a commit: the numbers of parameter sets with a value, added up."""
    found = [
        trend.Count("here", 2, 0, 0),
        trend.Count("nowhere", 0, 1, 0),
        trend.Count("here", 0, 2, 0),
        trend.Count("nowhere", 0, 0, 1),
    ]
    assert trend.unmeasured(found, ["here", "never", "gpu.Speed"]) == ["never", "nowhere"]


def test_new_points_lie_on_the_committed_curves() -> None:
    """asv tells curves apart by these facts of the machine, which make gives to asv."""
    facts = json.loads((ROOT / "results" / "asv" / "bench-2core" / "machine.json").read_text(encoding="utf-8"))
    make = ["make", "--dry-run", "--always-make", "--no-print-directory", ".venv/.asv-machine-bench-2core"]
    env = {k: v for k, v in os.environ.items() if k != "MAKEFLAGS"}
    said = subprocess.run([*make, "VENV=.venv"], cwd=ROOT, env=env, capture_output=True, text=True, check=True).stdout
    (line,) = (line for line in said.splitlines() if "asv machine" in line)
    for name in ("machine", "os", "ram"):
        assert shlex.split(line)[shlex.split(line).index(f"--{name}") + 1] == facts[name]
    for path in (ROOT / "results" / "asv" / "bench-2core").glob("*-*.json"):
        params = json.loads(path.read_text(encoding="utf-8"))["params"]
        assert {name: params.get(name) for name in facts if name != "version"} == {
            name: fact for name, fact in facts.items() if name != "version"
        }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"version": 3}, "version 3"),
        ({"result_columns": ["value"]}, "columns"),
        ({"results": []}, "columns"),
        ({"results": {"startup": 5}}, "startup"),
        ({"results": {"startup": {"result": [1.0]}}}, "startup"),
        ({"results": {"startup": [["x"]]}}, "startup"),
        ({"results": {"startup": [[True]]}}, "startup has no list of numbers"),
        ({"results": {"startup": [[float("inf")]]}}, "startup has no list of numbers"),
        ({"results": {"startup": [[10**400]]}}, "startup has no list of numbers"),
        ({"results": {"startup": [[[1.0]]]}}, "startup has no list of numbers"),
        ({"results": {"\x1b[31mstartup": [[1.0]]}}, r"'\\x1b\[31mstartup' is no name of a benchmark"),
        ({"results": {"[red]x": [[1.0]]}}, "is no name of a benchmark"),
        ({"results": {"x" * 300: [[1.0]]}}, r"\(300 characters\) is no name of a benchmark"),
        ({"result_columns": 3}, "columns"),
        ({"result_columns": {"result": 1}}, "columns"),
        ({"version": 10**400}, "version a number of some 400 digits"),
        ({"version": "\x1b[31m"}, r"version '\\x1b\[31m'"),
    ],
)
def test_an_asv_that_writes_something_else_is_named(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    path = left(tmp_path, **changes)
    with pytest.raises(trend.TrendError, match=said):
        trend.counts(path)
    done = command("trend", "--folder", str(tmp_path), cwd=ROOT)
    assert done.returncode == 2
    assert "asv changed its result files" in done.stderr
    assert len(done.stderr.splitlines()) == 1


TEXTS = {
    "nothing": (b"", "not JSON"),
    "garbage": (b"\x00\xff" * 99, "not UTF-8 text"),
    "nested": (b"[" * 200_000, "not JSON"),
    "many digits": (b'{"version": ' + b"1" * 5_000 + b"}", "not JSON"),
    "a list": (b"[2]", "version None"),
    "a byte-order mark alone": (b"\xef\xbb\xbf", "not JSON"),
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("which", ["a result file", "the list of benchmarks"])
def test_a_damaged_file_of_asv_is_one_line(name: str, which: str, tmp_path: Path) -> None:
    path, (text, said) = left(tmp_path), TEXTS[name]
    if which == "the list of benchmarks":
        path, said = tmp_path / "benchmarks.json", said.replace("version None", "no table of benchmarks")
    path.write_bytes(text)
    with pytest.raises(trend.TrendError) as raised:
        trend.counts(path) if which == "a result file" else trend.known(tmp_path)
    assert str(raised.value).startswith(f"{path}: {said}")
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("kind", ["a pipe", "a folder", "a device", "a terabyte"])
def test_a_file_of_asv_is_a_regular_file_of_some_size(kind: str, tmp_path: Path) -> None:
    result = left(tmp_path)
    for path, read in ((result, trend.counts), (tmp_path / "benchmarks.json", lambda path: trend.known(path.parent))):
        path.unlink(missing_ok=True)
        if kind == "a pipe":
            os.mkfifo(path)
        elif kind == "a folder":
            path.mkdir()
        elif kind == "a device":
            path.symlink_to("/dev/zero")
        else:
            with path.open("wb") as file:
                file.truncate(2**40)
        with pytest.raises(trend.TrendError, match=r"it must be a regular file|it may have 16,777,216 at most"):
            read(path)


def test_a_file_of_no_commit_is_of_no_commit(tmp_path: Path) -> None:
    head = "0a1b2c3d"
    path = tmp_path / "machine" / f"{head}-env.json"
    path.parent.mkdir()
    for name in (path.name, "-env.json", "0-env.json", f"{head[:3]}-env.json", f"{head[:-1]}g-env.json", ".json"):
        (path.parent / name).write_text("{}")
    assert trend.files(head + "0" * 32, tmp_path) == [path]


def test_an_unknown_revision_has_no_trend(tmp_path: Path) -> None:
    done = command("trend", "no-such", "--folder", str(tmp_path), cwd=ROOT)
    assert done.returncode == 2
    assert "unknown revision 'no-such'" in done.stderr


@pytest.mark.parametrize(("cores", "machine", "code"), [(2, None, 0), (8, None, 2), (8, "mine", 0)])
def test_only_two_cores_are_on_the_curve_of_two_cores(
    tmp_path: Path, cores: int, machine: str | None, code: int
) -> None:
    nproc = tmp_path / "nproc"
    nproc.write_text(f"#!/bin/sh\necho {cores}\n")
    nproc.chmod(0o755)
    named = [f"MACHINE={machine}"] if machine else []
    env = {k: v for k, v in os.environ.items() if k != "MAKEFLAGS"} | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    make = ["make", "--silent", "--no-print-directory", "cores", *named]
    done = subprocess.run(make, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert ("make asv MACHINE=NAME" in done.stderr) == bool(code)
