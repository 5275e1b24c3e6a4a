"""What makes two measurements the same: the case, the files that compute, and what the data set's files hold."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, fields, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from support.copies import ROOT, copied
from support.genuine import nmnist
from support.problems import FRAMEWORKS, needs

from drtrl_bench import data, provenance, registry
from drtrl_bench.case import Case, Plan
from drtrl_bench.files import diskcache
from drtrl_bench.measure import problem, runner

fingerprint, availability = data.module("events.fingerprint"), data.module("events.availability")
SMALL = Case(dataset="bernoulli", features=5, cell="leaky_rnn", neurons=4, batch=2, steps=7, chunk=3, threads=1)

OTHERS: dict[str, Any] = {
    "algorithm": "bptt",
    "framework": "torch",
    "cell": "gru",
    "readout": "linear",
    "dataset": "bernoulli",
    "features": 65,
    "layers": 2,
    "neurons": 65,
    "batch": 9,
    "steps": 129,
    "chunk": 33,
    "scale_x": 1.5,
    "scale_r": 1.5,
    "initial": "truncated",
    "surrogate": "atan",
    "reset": "multiply",
    "detach_reset": True,
    "decay": 0.8,
    "decay_x": 0.5,
    "bias_correction": "none",
    "segments": 3,
    "mode": "compile",
    "unroll": 2,
    "precision": "default",
    "trace_dtype": "bfloat16",
    "auto": True,
    "limit_mib": 2.0,
    "dtype": "float64",
    "device": "gpu",
    "threads": 1,
    "seed": 1,
}
"""Of every field a value that is not its default."""
SAME_PROBLEM = {
    *("algorithm", "chunk", "decay", "decay_x", "bias_correction", "segments"),  # another rule for the same gradient
    *("auto", "limit_mib"),  # who chose the chunk
    *("framework", "device", "threads", "dtype", "precision", "mode", "unroll", "trace_dtype"),  # another way to run it
}
"""The fields that change neither weights, data nor the exact gradient."""


def test_the_table_above_has_every_field() -> None:
    assert set(OTHERS) == {f.name for f in fields(Case)}
    assert all(OTHERS[f.name] != f.default for f in fields(Case))


@pytest.mark.parametrize("name", OTHERS)
def test_every_field_makes_another_case(name: str) -> None:
    one, other = Case(), replace(Case(), **{name: OTHERS[name]})
    assert other.key != one.key
    assert (other.problem_key == one.problem_key) == (name in SAME_PROBLEM)


def test_no_two_changes_make_the_same_case() -> None:
    changed = [{name: value} for name, value in OTHERS.items()]
    changed += [a | b for a, b in combinations(changed, 2)]
    keys = {replace(Case(), **change).key for change in changed}
    assert len(keys) == len(changed)


def test_keys_are_those_of_the_records_that_are_there() -> None:
    """Written down: a key that changed would orphan every committed record."""
    assert Case().key == "44136fa355b3678a"
    recorded = Case(algorithm="bptt", neurons=32, steps=64, chunk=64, scale_x=30.0, threads=1)
    assert recorded.key == "247fab378e92e333", "of results/records/quick.jsonl"
    assert replace(Case(), neurons=32, seed=3).problem_key == "3acd46ca8829a922"


# The files that compute


SOURCE = '''"""A module."""

import os  # a comment

TABLE = {"#": """kept,  # as it is
  "quoted"
"""}
"""What the table holds."""


class Cell:
    """A cell
    of two lines."""

    # why
    rate: float = 0.1  # 1/s
    """A rate."""

    def step(self, v):
        """Step."""

        text = f"{v!r:#>4}"  # a format
        "é"; text += "#"
        return text
'''
CODE = '''import os
TABLE = {"#": """kept,  # as it is
  "quoted"
"""}
class Cell:
    rate: float = 0.1
    def step(self, v):
        text = f"{v!r:#>4}"
        "é"; text += "#"
        return text'''


def test_the_code_of_a_source_has_neither_comments_nor_docstrings() -> None:
    assert provenance.code(SOURCE) == CODE
    assert provenance.code("def broken(:  # no\n") == "def broken(:  # no\n"
    assert provenance.code("") == ""


def test_imports_are_found_wherever_they_stand() -> None:
    source = """
import os, drtrl_bench.a
from drtrl_bench import b as c
from drtrl_bench.d import e
from . import f
from .g import h
from ..i import j

def late():
    if True:
        from drtrl_bench.k import l
        import numpy
"""
    assert set(provenance.imported(source, "drtrl_bench.m.n")) == {
        *("os", "drtrl_bench.a", "drtrl_bench", "drtrl_bench.b", "drtrl_bench.d", "drtrl_bench.d.e", "numpy"),
        *("drtrl_bench.m.n", "drtrl_bench.m.n.f", "drtrl_bench.m.n.g", "drtrl_bench.m.n.g.h"),
        *("drtrl_bench.m.i", "drtrl_bench.m.i.j", "drtrl_bench.k", "drtrl_bench.k.l"),
    }


CHILD = """
import json, sys
from pathlib import Path
from drtrl_bench.measure import problem, worker
from drtrl_bench.case import Case
case = Case(**json.loads(sys.argv[1]))
result = worker.measure(case, problem.solve(case), 0.0)
assert result["status"] == "ok", result["reason"]
own = [m for n, m in sys.modules.items() if n.startswith("drtrl_bench.") and m.__file__]
files = {Path(m.__file__).resolve() for m in own}
print(json.dumps(sorted(str(path) for path in files)))
"""


@pytest.mark.parametrize("child", [pytest.param(f, marks=needs(f)) for f in FRAMEWORKS])
def test_all_that_a_measurement_imports_is_among_its_sources(child: str) -> None:
    """Random feedback has most to import: a control built on D-RTRL, with weights of its own."""
    case = replace(SMALL, framework=child, algorithm="random_feedback", steps=4)
    command = [sys.executable, "-c", CHILD, json.dumps(asdict(case))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    imported = {Path(path) for path in json.loads(done.stdout.splitlines()[-1])}
    named = {path.resolve() for path in provenance.sources(case.algorithm, child, case.dataset).values()}
    unnamed = {path for path in imported - named if path.name != "__init__.py"}
    offered = {"frames.py", "parsing.py", "reading.py", "record.py", "regular.py"}
    offered |= {"schema.py", "schema_checks.py", "schema_source.py"}
    assert {path.name for path in unnamed} <= offered, "what the package's __init__ offers to users"
    assert len(imported & named) > 20


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package whose files are the ones that are hashed."""
    copied(tmp_path)
    monkeypatch.setattr(provenance, "HERE", tmp_path / "drtrl_bench")
    return tmp_path


@pytest.mark.parametrize(
    ("framework_name", "algorithm"), [("torch", "bptt"), ("jax", "es_drtrl"), ("torch", "random_feedback")]
)
def test_an_edit_of_any_source_is_another_measurement(framework_name: str, algorithm: str, project: Path) -> None:
    case = replace(SMALL, framework=framework_name, algorithm=algorithm)
    sources = provenance.sources(algorithm, framework_name, case.dataset)
    before = runner.implementation_sha(case)
    for path in project.rglob("*.py"):
        if path.is_symlink() or "asv_suite" in path.parts:
            continue
        text = path.read_text(encoding="utf-8")
        path.write_text(text + "\nEDIT = 1\n", encoding="utf-8")
        changed = runner.implementation_sha(case) != before
        path.write_text(text, encoding="utf-8")
        assert changed == (path.resolve() in {p.resolve() for p in sources.values()}), path
    assert runner.implementation_sha(case) == before


def test_an_installed_package_has_the_sources_of_its_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without links, as a wheel is unpacked; and by either name of the folder."""
    shutil.copytree(ROOT / "bench", tmp_path / "site" / "drtrl_bench", symlinks=False)
    found = set()
    for here in (ROOT / "bench", ROOT / "drtrl_bench", tmp_path / "site" / "drtrl_bench"):
        monkeypatch.setattr(provenance, "HERE", here)
        found.add(runner.implementation_sha(replace(SMALL, dataset="digits")))
    assert len(found) == 1


RULES = "drtrl_bench.implementations.algorithms."
WANTED = {
    "drtrl_bench.": {"registry"},
    "drtrl_bench.cost.": {"flops"},
    "drtrl_bench.measure.": {"clock", "environment", "fidelity", "memory", "problem", "stats", "worker"},
    "drtrl_bench.implementations.": {
        "cells.cell",
        "cells.spec",
        "reference.algorithms",
        "reference.cells",
        "reference.dual",
    },
    f"{RULES}approximate.": {"feedback", "filtering"},
    "drtrl_bench.datasets.": {"digits", "events.folders"},
}
UNWANTED = {
    "drtrl_bench.": {"cli.run", "records.frames", "records.reading", "view.report", "measure.runner", "view.table"},
    RULES: {"exact.rtrl", "approximate.snap1", "approximate.es_drtrl", "approximate.no_trace"},
    "drtrl_bench.implementations.training.": {"fit", "stream"},
    "drtrl_bench.datasets.": {"bernoulli", "events.binning"},
}


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_rule_is_measured_again_when_its_reference_changes(name: str) -> None:
    online = "drtrl_bench.implementations.reference.online"
    assert online in provenance.sources("eprop", name, "digits")
    assert online not in provenance.sources("drtrl", name, "digits")


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_rule_is_measured_again_for_what_it_imports_only(name: str) -> None:
    other = next(f for f in FRAMEWORKS if f != name)

    def parts(algorithm: str, dataset: str = "digits") -> set[str]:
        return set(provenance.sources(algorithm, name, dataset))

    for algorithm in registry.ALGORITHMS:
        found = parts(algorithm)
        assert {prefix + module for prefix, modules in WANTED.items() for module in modules} <= found
        engine = {f"implementations.{part}_{name}" for part in ("cells.cells", "engine.network", "engine.adjoint")}
        needed = {f"measure.backend_{name}", registry.module_name(algorithm, name), *engine}
        assert {f"drtrl_bench.{part}" for part in needed} <= found
        assert not {module for module in found if module.endswith(f"_{other}")}
    bptt = parts("bptt")
    drtrl = f"{RULES}approximate.drtrl_{name}"
    assert drtrl not in bptt | parts("rtrl") | parts("es_drtrl") | parts("no_trace")
    assert drtrl in parts("snap1") & parts("drtrl_window")
    unwanted = {prefix + m for prefix, modules in UNWANTED.items() for m in modules}
    assert not bptt & (unwanted | {f"{module}_{name}" for module in unwanted})
    published = {f"drtrl_bench.datasets.{part}" for part in ("shd", "events.speech", "events.binning", "events.splits")}
    assert published <= parts("bptt", "shd")
    problems = set(provenance.problem_sources("digits"))
    wanted = ("measure.problem", "implementations.reference.cells", "datasets.digits")
    assert {f"drtrl_bench.{module}" for module in wanted} <= problems
    assert not {module for module in problems if module.endswith(("_jax", "_torch", ".worker", ".clock"))}


def test_a_changed_source_is_measured_again(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    def measure(case: Case, plan: Plan, folder: Path) -> dict[str, Any]:
        started.append(case.algorithm)
        return {"status": "wrong", "reason": "made up"}

    monkeypatch.setattr(runner, "measure", measure)
    plan = Plan("p", "", (replace(SMALL, algorithm="bptt"), replace(SMALL, algorithm="snap1")))

    def run() -> list[str]:
        started.clear()
        runner.run(plan, tmp_path / "r.jsonl", lambda text, line: None)
        return sorted(started)

    assert run() == ["bptt", "snap1"]
    assert run() == []
    with (project / "bench/measure/stats.py").open("a") as file:
        file.write('\n# a comment\n"""A docstring."""\n')
    assert run() == [], "words compute nothing"
    with (project / "implementations/algorithms/approximate/drtrl_jax.py").open("a") as file:
        file.write("EDIT = 1\n")
    assert run() == ["snap1"], "bptt does not import it"
    with (project / "bench/measure/stats.py").open("a") as file:
        file.write("EDIT = 1\n")
    assert run() == ["bptt", "snap1"]


def test_an_edit_of_the_reference_makes_the_problem_again(project: Path, tmp_path: Path) -> None:
    before = problem.prepared(SMALL, tmp_path / "cache")
    with (project / "implementations/reference/algorithms.py").open("a") as file:
        file.write("EDIT = 1\n")
    after = problem.prepared(SMALL, tmp_path / "cache")
    assert after != before
    with (project / "bench/measure/clock.py").open("a") as file:
        file.write("EDIT = 1\n")
    assert problem.prepared(SMALL, tmp_path / "cache") == after


# What the files hold


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two files, one in a folder; times far in the past, so that they are believed."""
    monkeypatch.setenv("DRTRL_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fingerprint, "SETTLED_NS", -(10**18))
    (tmp_path / "set" / "Train").mkdir(parents=True)
    (tmp_path / "set" / "a.bin").write_bytes(b"one")
    (tmp_path / "set" / "Train" / "b.bin").write_bytes(b"two")
    return tmp_path / "set"


def test_other_content_of_the_same_size_and_date_is_another_data_set(folder: Path) -> None:
    file, before = folder / "Train" / "b.bin", fingerprint.folder_hash(folder)
    date = file.stat()
    file.write_bytes(b"owt")
    os.utime(file, ns=(date.st_atime_ns, date.st_mtime_ns))
    assert fingerprint.folder_hash(folder) != before
    file.write_bytes(b"two")
    assert fingerprint.folder_hash(folder) == before, "the content counts, and not when it was written"


def test_files_in_a_linked_folder_count(folder: Path, tmp_path: Path) -> None:
    before = fingerprint.folder_hash(folder)
    (folder / "Train").rename(tmp_path / "disk")
    (folder / "Train").symlink_to(tmp_path / "disk")
    assert fingerprint.folder_hash(folder) == before, "the same names and contents"
    (tmp_path / "disk" / "b.bin").write_bytes(b"2")
    assert fingerprint.folder_hash(folder) != before
    (tmp_path / "disk" / "round").symlink_to(folder)
    assert len(list(fingerprint.files(folder))) == 2, "a link back ends"


def test_names_and_the_marker_count_and_hidden_files_do_not(folder: Path) -> None:
    before = fingerprint.folder_hash(folder)
    (folder / ".DS_Store").write_bytes(b"what a desktop leaves")
    assert fingerprint.folder_hash(folder) == before
    (folder / "a.bin").rename(folder / "c.bin")
    renamed = fingerprint.folder_hash(folder)
    assert renamed != before
    (folder / availability.MARKER).write_text('{"of": "N-MNIST", "stand_in": "a toy", "synthetic": true}')
    assert fingerprint.folder_hash(folder) != renamed


def test_files_are_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, content = [], fingerprint.content_hash
    monkeypatch.setattr(fingerprint, "content_hash", lambda path: read.append(path.name) or content(path))
    before = fingerprint.folder_hash(folder)
    assert fingerprint.folder_hash(folder) == before
    assert sorted(read) == ["a.bin", "b.bin"]
    (folder / "a.bin").write_bytes(b"changed")
    fingerprint.folder_hash(folder)
    assert sorted(read) == ["a.bin", "a.bin", "b.bin"]


def test_a_file_that_has_just_changed_is_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two changes within a tick of the system's clock look the same."""
    monkeypatch.setattr(fingerprint, "SETTLED_NS", 10**12)
    read, content = [], fingerprint.content_hash
    monkeypatch.setattr(fingerprint, "content_hash", lambda path: read.append(path.name) or content(path))
    fingerprint.folder_hash(folder)
    fingerprint.folder_hash(folder)
    assert sorted(read) == ["a.bin", "a.bin", "b.bin", "b.bin"]


@pytest.mark.parametrize("entry", [5, None, {}, [], "text", [3, 1, 1, 1, 7]], ids=repr)
def test_a_memory_of_another_form_is_forgotten(entry: object, folder: Path) -> None:
    before = fingerprint.folder_hash(folder)
    (memory,) = (folder.parent / "cache" / "fingerprints").iterdir()
    whole = memory.read_bytes()
    diskcache.save_content(memory, [json.dumps({"a.bin": entry, "gone.bin": entry}).encode()])
    assert memory.read_bytes() != whole
    assert fingerprint.folder_hash(folder) == before
    assert memory.read_bytes() == whole


def test_a_file_with_an_old_date_that_was_just_written_is_read_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As unpacking writes it: its date is the archive's, and only its change of state is new."""
    monkeypatch.setattr(fingerprint, "SETTLED_NS", 10**12)
    read, content = [], fingerprint.content_hash
    monkeypatch.setattr(fingerprint, "content_hash", lambda path: read.append(path.name) or content(path))
    os.utime(folder / "a.bin", (10**9, 10**9))
    for _ in range(2):
        fingerprint.folder_hash(folder)
    assert sorted(read) == ["a.bin", "a.bin", "b.bin", "b.bin"]


def test_other_recordings_are_another_measurement_and_another_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRTRL_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path / "data"))
    nmnist(tmp_path / "data")
    case = replace(SMALL, dataset="nmnist", features=162)
    sha, path = runner.implementation_sha(case), problem.prepared(case, tmp_path / "cache")
    for file in (tmp_path / "data").rglob("*.bin"):
        events = file.read_bytes()
        file.write_bytes(bytes((events[0] ^ 1,)) + events[1:])  # a column further
    assert runner.implementation_sha(case) != sha
    assert problem.prepared(case, tmp_path / "cache") != path
