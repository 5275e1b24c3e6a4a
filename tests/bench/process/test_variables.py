"""Which environment variables reach the process that measures, what a record says of them, and who is told."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.command_line import command
from support.lines import line, write
from support.problems import needs

from drtrl_bench.case import Case, Plan, digest
from drtrl_bench.gate import baseline, compare, revisions
from drtrl_bench.measure import environment, runner
from drtrl_bench.process import repository, variables
from drtrl_bench.records import parsing, reading
from drtrl_bench.view import caption

SMALL = Case(dataset="bernoulli", features=5, cell="leaky_rnn", neurons=4, batch=2, steps=7, chunk=3, threads=1)
FOREIGN = {
    "JAX_ENABLE_X64": "1",
    "JAX_PLATFORMS": "tpu",
    "XLA_PYTHON_CLIENT_ALLOCATOR": "platform",
    "TORCHINDUCTOR_MAX_AUTOTUNE": "1",
    "TORCH_LOGS": "all",
    "NVIDIA_TF32_OVERRIDE": "0",
    "OMP_NUM_THREADS": "7",
    "OMP_PROC_BIND": "true",
    "KMP_AFFINITY": "compact",
    "MKL_NUM_THREADS": "7",
    "PYTHONMALLOC": "debug",
    "PYTHONHASHSEED": "3",
    "PYTHONWARNINGS": "error",
    "MPLBACKEND": "module://nothing",
    "GIT_DIR": "/elsewhere/.git",
    "MY_TOKEN": "secret",
}
"""What must not reach a measurement: it contradicts the case, or is nobody's business."""
NEEDED = {
    "PATH": "/usr/bin",
    "HOME": "/home/alice",
    "LANG": "de_DE.UTF-8",
    "LC_CTYPE": "C.UTF-8",
    "TMPDIR": "/scratch",
    "XDG_CACHE_HOME": "/scratch/cache",
    "DRTRL_BENCH_CACHE": "/scratch/bench",
    "VIRTUAL_ENV": "/venv",
    "TRITON_CACHE_DIR": "/scratch/triton",
}
TUNING = {"ATEN_CPU_CAPABILITY": "default", "MALLOC_ARENA_MAX": "1", "XLA_FLAGS": "--xla_cpu_enable_fast_math=true"}
SET = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "JAX_PLATFORMS": "cpu",
    "JAX_ENABLE_COMPILATION_CACHE": "false",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "PYTHONHASHSEED": "0",
    "PYTHONSAFEPATH": "1",
    "CUDA_VISIBLE_DEVICES": "",
}


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No variable of these tests' own that could have a part in a measurement."""
    for name in list(os.environ):
        if variables.matches(name, (*variables.TUNING, *variables.WITHHELD)) or name == variables.PASS:
            monkeypatch.delenv(name)
    return monkeypatch


def set_all(monkeypatch: pytest.MonkeyPatch, *tables: dict[str, str]) -> None:
    for table in tables:
        for name, value in table.items():
            monkeypatch.setenv(name, value)


# Which


def test_the_environment_of_a_child_is_a_whitelist(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        monkeypatch.delenv(name)
    set_all(monkeypatch, FOREIGN, NEEDED, TUNING)
    assert environment.child(SMALL) == NEEDED | TUNING | SET


def test_a_gpu_is_the_one_that_the_user_chose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    assert environment.child(replace(SMALL, device="gpu"))["CUDA_VISIBLE_DEVICES"] == "3"
    assert environment.child(SMALL)["CUDA_VISIBLE_DEVICES"] == ""


def test_what_the_harness_sets_is_known_as_such() -> None:
    """Or a record would say of the user's value that it was measured with."""
    assert set(variables.SET) == set(SET) - {"CUDA_VISIBLE_DEVICES"}


def test_the_current_folder_is_not_looked_into_for_an_empty_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", ":/somewhere::")
    assert environment.child(SMALL)["PYTHONPATH"] == "/somewhere"
    monkeypatch.setenv("PYTHONPATH", ":")
    assert "PYTHONPATH" not in environment.child(SMALL)
    monkeypatch.setenv("PYTHONPATH", "mine")
    assert environment.child(SMALL)["PYTHONPATH"] == str(Path.cwd() / "mine")


def test_a_user_lets_a_variable_through_by_its_name(bare: pytest.MonkeyPatch) -> None:
    set_all(bare, FOREIGN, {"DRTRL_BENCH_PASS": "MY_TOKEN, NOT_SET,TORCHINDUCTOR_MAX_AUTOTUNE OMP_NUM_THREADS"})
    child = environment.child(SMALL)
    assert (child["MY_TOKEN"], child["TORCHINDUCTOR_MAX_AUTOTUNE"]) == ("secret", "1")
    assert "NOT_SET" not in child
    assert child["OMP_NUM_THREADS"] == "1", "the case's threads"
    said = environment.describe()["variables"]
    assert said == {"MY_TOKEN": "(2bb80d53)", "TORCHINDUCTOR_MAX_AUTOTUNE": "1"}, "sha256 of secret; no word of it"


# What a record says


def test_without_such_variables_a_machine_is_described_as_ever(bare: pytest.MonkeyPatch) -> None:
    """Or all that was measured before would be measured again."""
    set_all(bare, FOREIGN, NEEDED | {"PATH": os.environ["PATH"]})
    found = environment.describe()
    facts = ("python", "versions", "os", "cpu", "cores", "memory_gib", "gpu")
    assert set(found) == {*facts, "env_hash"}
    assert found["env_hash"] == digest({fact: found[fact] for fact in facts})


@pytest.mark.parametrize("name", [*TUNING, "LD_PRELOAD", "ONEDNN_MAX_CPU_ISA", "PYTORCH_CUDA_ALLOC_CONF", "CUDNN_X"])
def test_a_variable_that_is_set_makes_another_environment(name: str, bare: pytest.MonkeyPatch) -> None:
    before = environment.describe()["env_hash"]
    bare.setenv(name, "1")
    found = environment.describe()
    assert found["variables"] == {name: "1"}
    assert found["env_hash"] != before
    bare.setenv(name, "2")
    assert environment.describe()["env_hash"] not in (before, found["env_hash"])
    bare.setenv(name, "")
    assert environment.describe()["env_hash"] == before


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ATEN_CPU_CAPABILITY", "avx2", "avx2"),
        ("LD_PRELOAD", "/home/alice/libjemalloc.so.2:/opt/b.so", "libjemalloc.so.2:b.so (da701c83)"),
        ("LD_LIBRARY_PATH", "/home/alice/lib", "(c45e7abb)"),
        ("XLA_FLAGS", "--xla_dump_to=/home/alice --xla_a=1", "--xla_dump_to=... --xla_a=1 (f0e2e8f7)"),
        ("ATEN_CPU_CAPABILITY", "\x1b[2J\udcff", "?[2J? (40148b91)"),
        ("MALLOC_CONF", "a" * 300, "a" * 200 + " (9835fa6b)"),
    ],
)
def test_what_is_said_of_a_value(name: str, value: str, said: str) -> None:
    """No folder, no user, nothing that a terminal obeys; and the first digits of what `sha256sum` prints."""
    found = variables.for_record({name: value})
    assert found == {name: said}
    json.dumps(found, ensure_ascii=False).encode("utf-8")


def test_a_case_is_measured_again_with_another_variable(
    tmp_path: Path, bare: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started: list[str | None] = []

    def measure(*_: Any) -> dict[str, Any]:
        started.append(os.environ.get("ATEN_CPU_CAPABILITY"))
        return {"status": "wrong", "reason": "made up"}

    bare.setattr(runner, "measure", measure)
    told: list[str] = []
    for value in ("", "default", "default", "avx2", ""):
        bare.setenv("ATEN_CPU_CAPABILITY", value)
        runner.run(Plan("p", "", (SMALL,)), tmp_path / "r.jsonl", lambda text, line: told.append(text))
    assert started == ["", "default", "avx2"]
    noted = [text for text in told if "ATEN" in text]
    assert noted == [f"set here, let through and recorded: ATEN_CPU_CAPABILITY={v}" for v in ("default", "avx2")]
    found = [each["environment"].get("variables") for each in reading.read(tmp_path / "r.jsonl")]
    assert found == [None, {"ATEN_CPU_CAPABILITY": "default"}, {"ATEN_CPU_CAPABILITY": "avx2"}]


def test_what_is_kept_out_is_told(bare: pytest.MonkeyPatch) -> None:
    set_all(bare, {k: v for k, v in FOREIGN.items() if k not in ("TORCH_LOGS",)})
    (told,) = variables.notes(os.environ, variables.for_child(os.environ))
    names = told.partition(": ")[2].partition(" (")[0].split(", ")
    assert set(names) == {
        *("JAX_ENABLE_X64", "XLA_PYTHON_CLIENT_ALLOCATOR", "TORCHINDUCTOR_MAX_AUTOTUNE", "NVIDIA_TF32_OVERRIDE"),
        *("OMP_PROC_BIND", "KMP_AFFINITY", "PYTHONMALLOC"),
    }, "not what the harness sets itself, nor what has no part in any measurement"


# A process as it sees itself

REPORTING = """
import os, sys
from drtrl_bench.measure import worker

def measure(case, whole, budget_s):
    import torch
    names = ("ATEN_CPU_CAPABILITY", "KMP_AFFINITY", "MY_TOKEN")
    said = {name: os.environ.get(name) for name in names}
    said |= {"capability": torch.backends.cpu.get_cpu_capability(), "safe": sys.flags.safe_path}
    return {"status": "ok", "reason": None, "time": said}

worker.measure = measure
worker.main()
"""


def test_what_an_import_sets_is_not_told() -> None:
    """scikit-learn sets these two in the process that imports it, so that a user who set nothing would be told."""
    assert variables.notes({"KMP_DUPLICATE_LIB_OK": "True", "KMP_INIT_AT_FORK": "FALSE"}, {}) == []
    assert "kept from what is measured: KMP_AFFINITY " in variables.notes({"KMP_AFFINITY": "none"}, {})[0]


@needs("torch")
def test_a_record_tells_what_the_process_was_told(tmp_path: Path, bare: pytest.MonkeyPatch) -> None:
    real = runner.command

    def other(module: str) -> list[str]:
        return [sys.executable, "-P", "-c", REPORTING] if module == "drtrl_bench.measure.worker" else real(module)

    bare.setattr(runner, "command", other)
    bare.setenv("DRTRL_BENCH_CACHE", str(tmp_path / "cache"))
    set_all(bare, FOREIGN, {"ATEN_CPU_CAPABILITY": "default"})
    plan = Plan("p", "", (replace(SMALL, framework="torch"),))
    (found,) = runner.run(plan, tmp_path / "r.jsonl", lambda *_: None)
    assert found["status"] == "ok", found["reason"]
    said = {"ATEN_CPU_CAPABILITY": "default", "KMP_AFFINITY": None, "MY_TOKEN": None, "capability": "DEFAULT"}
    assert found["time"] == said | {"safe": True}
    (read,) = reading.read(tmp_path / "r.jsonl")
    assert read["environment"]["variables"] == {"ATEN_CPU_CAPABILITY": "default"}


# Two sides


def environments(*tables: dict[str, str] | None) -> list[list[Any]]:
    """A side of one record each, measured with such variables; None stands for an earlier record."""
    plain: dict[str, Any] = {"cpu": "one", "cores": 2, "versions": {"torch": "2.13.0"}}
    found = []
    for table in tables:
        described = plain | ({} if table is None else {"variables": table})
        found.append([{"env_hash": digest(described), "environment": described}])
    return found


def test_sides_that_were_not_set_alike_differ() -> None:
    one, other, none = environments({"ATEN_CPU_CAPABILITY": "default"}, {"ATEN_CPU_CAPABILITY": "avx2"}, None)
    assert compare.environments_differ(one, other) == ["ATEN_CPU_CAPABILITY (default; avx2)"]
    assert compare.environments_differ(none, one) == ["ATEN_CPU_CAPABILITY (not set; default)"]
    assert compare.environments_differ([*none, *one], none) == ["ATEN_CPU_CAPABILITY (default or not set; not set)"]
    assert compare.environments_differ(one, one) == []


def test_the_command_names_what_was_not_set_alike(tmp_path: Path) -> None:
    files = []
    for name, table in (("old", None), ("new", {"MALLOC_ARENA_MAX": "1"})):
        ((side,),) = environments(table)
        described = side["environment"] | {"kind": "environment", "schema_version": 1, "env_hash": side["env_hash"]}
        (tmp_path / name).mkdir()
        file = write(tmp_path / name, [line(SMALL) | {"env_hash": side["env_hash"]}])
        file.write_text(json.dumps(described) + "\n" + file.read_text(encoding="utf-8"), encoding="utf-8")
        files.append(str(file))
    done = command("compare", *files)
    assert done.returncode == 0, done.stderr
    assert "MALLOC_ARENA_MAX (not set; 1) differ" in " ".join(done.stderr.split())


def test_a_baseline_says_what_was_set(bare: pytest.MonkeyPatch) -> None:
    assert "variables" not in baseline.baseline_record(line(SMALL))
    bare.setenv("ATEN_CPU_CAPABILITY", "default")
    kept = baseline.baseline_record(line(SMALL))
    assert kept["variables"] == {"ATEN_CPU_CAPABILITY": "default"}
    assert baseline.variables_changed([kept]) == []
    assert baseline.variables_changed([line(SMALL)]) == ["ATEN_CPU_CAPABILITY (not set; default)"]
    bare.delenv("ATEN_CPU_CAPABILITY")
    assert baseline.variables_changed([kept]) == ["ATEN_CPU_CAPABILITY (default; not set)"]
    assert parsing.complaint(parsing.upgrade(json.loads(json.dumps(kept)))) is None


def test_setups_are_told_apart_by_what_was_set() -> None:
    known = {name: side[0]["environment"] for name, side in zip("abc", environments(None, {"X": "1"}, {}), strict=True)}
    assert caption.setups(known, "abc") == {"a": "A", "b": "B", "c": "A"}
    assert caption.machine([known["b"]]).endswith(" · X=1")


def test_an_environment_whose_variables_are_no_table_is_corrupt() -> None:
    described = {"kind": "environment", "schema_version": 1, "env_hash": "e"}
    assert parsing.complaint(described) is None
    assert parsing.complaint(described | {"variables": {"X": "1"}}) is None
    assert parsing.complaint(described | {"variables": ["X"]}) == "variables is a list; it must be a table or null"


def test_revisions_are_set_alike(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Earlier ones hand on all that they get but for a few kinds, which therefore nobody gets."""
    set_all(bare, FOREIGN, TUNING, {"DRTRL_BENCH_CACHE": "cache", "PYTHONPATH": "/mine", "GIT_INDEX_FILE": "x"})
    bare.setattr(repository, "git_variables", lambda folder: {"GIT_OPTIONAL_LOCKS": "0"})
    found = revisions.environment(tmp_path)
    assert not set(found) & (set(FOREIGN) | {"XLA_FLAGS", "GIT_INDEX_FILE"})
    assert found["ATEN_CPU_CAPABILITY"] == "default"
    assert found["DRTRL_BENCH_CACHE"] == str(Path.cwd() / "cache")
    assert found["PYTHONPATH"] == f"{tmp_path}:/mine"
    assert found["PYTHONSAFEPATH"] == "1"
    assert revisions.environment(revisions.ROOT) == found | {"PYTHONPATH": "/mine"}
