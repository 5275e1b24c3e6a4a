"""The walk-throughs of docs/own.md, followed to the letter: outside the project, and on a copy of it."""

import ast
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from support import forked
from support.copies import copied
from support.problems import needs

from drtrl_bench.peers import page
from drtrl_bench.records import reading

ROOT = Path(__file__).resolve().parents[3]
STEP = re.compile(r"^( *)```(?:python|markdown) (\S+)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
SIZES = """
limit_s = 120
budget_s = 0.01
[defaults]
neurons = 5
batch = 2
steps = 9
chunk = 4
threads = 1
framework = ["jax", "torch"]
[[grid]]
cell = "rectified_rnn"
algorithm = ["rtrl", "fading"]
dataset = "majority"
"""
FILES = (
    *("fading.py", "fading_jax.py", "fading_torch.py"),
    *("rectified.py", "rectified_jax.py", "rectified_torch.py", "majority.py"),
)
IMPORTED = "from drtrl_bench.implementations.reference import algorithms as reference\n\n\n"
MOVES = {
    "implementations/reference/online.py": ("fading.py", ("faded", "fading"), ("def faded", f"{IMPORTED}def faded")),
    "implementations/cells/spec.py": ("rectified.py", ("RectifiedRNN",), ("cells.Cell", "Cell")),
    "implementations/reference/cells.py": ("rectified.py", ("rectified_rnn",), ("", "")),
    "implementations/cells/cells_jax.py": ("rectified_jax.py", ("RectifiedRNN",), ("rectified.", "cells.")),
    "implementations/cells/cells_torch.py": ("rectified_torch.py", ("RectifiedRNN",), ("rectified.", "cells.")),
}
"""File of the project: the plugin's file, what of it goes there, and what its names are there."""
CODE = ("bench/registry.py", "implementations/reference/cells.py")
"""Files of the project whose added lines are code, and not what tests and documents say of it."""
HAND = "tests/implementations/by_hand/test_paper_options.py"
ROW, PEERS, DOCS = "tests/bench/measure/test_row.py", "tests/bench/peers/test_page.py", "tests/docs/test_docs.py"
STRUCTURE, ZOO = "tests/bench/test_structure.py", "tests/implementations/test_zoo.py"
OWN_TESTS = (
    f"{HAND}::test_algorithms",
    f"{HAND}::test_nothing_is_left_out",
    "tests/implementations/test_rows.py",
    f"{PEERS}::test_every_algorithm_and_every_peer_has_its_place",
    f"{PEERS}::test_the_page_has_what_the_command_prints[rules]",
    f"{DOCS}::test_every_algorithm_has_its_row",
    f"{DOCS}::test_the_front_page_can_say_when_to_use_every_algorithm",
    "tests/bench/view/test_figures.py::test_every_algorithm_has_a_name_a_colour_and_a_marker",
    f"{ROW}::test_the_equations_are_alive",
    f"{ROW}::test_what_is_written_by_hand_is_whole",
    f"{ROW}::test_the_least_work_by_hand[fading]",
    f"{ROW}::test_the_check_compares_with_the_equations[fading]",
    f"{ROW}::test_fidelity_and_activity_of_a_row[torch-fading]",
    f"{STRUCTURE}::test_a_module_of_the_science_is_short[implementations/reference/online.py]",
    f"{STRUCTURE}::test_a_folder_can_be_surveyed[implementations/algorithms/further]",
)
"""Tests of the project that see what was added."""
ADDED = (
    f"{ZOO}::test_network_is_alive[rectified_rnn-2]",
    f"{ZOO}::test_gradient[torch-fading-rectified_rnn-2layers]",
)
"""Tests that are there once it is added."""


def steps() -> list[tuple[str, str]]:
    """The files that docs/own.md names, each with its block."""
    text = (ROOT / "docs" / "own.md").read_text(encoding="utf-8")
    return [(path, textwrap.dedent(block)) for _, path, block in STEP.findall(text)]


def written(folder: Path, edit: tuple[str, str] = ("", "")) -> Path:
    """A folder with the plugins, after an edit."""
    folder.mkdir()
    for path, block in steps():
        if path in FILES:
            (folder / path).write_text(block.replace(*edit), encoding="utf-8")
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    return folder


def run(folder: Path, *options: str, **env: str) -> list[Any]:
    """The records of the plan, measured from a folder."""
    (folder / "mine.toml").write_text(SIZES)
    command = [sys.executable, "-m", "drtrl_bench", "run", "mine.toml", "--records", "r.jsonl", *options]
    env = os.environ | {"DRTRL_BENCH_CACHE": str(folder / "cache"), **env}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert (folder / "r.jsonl").exists(), done.stdout + done.stderr
    return reading.read(folder / "r.jsonl")


def outside(folder: Path, edit: tuple[str, str] = ("", "")) -> list[Any]:
    """The records of the plugins, in a folder outside the project."""
    written(folder, edit)
    return run(folder, "--plugin", "fading.py", "--plugin", "rectified.py", "--plugin", "majority.py")


def definitions(file: Path, names: tuple[str, ...]) -> str:
    """The source of functions and classes of a file, with their decorators."""
    text = file.read_text(encoding="utf-8")
    found = []
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in names:
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            found.append("\n".join(text.splitlines()[first - 1 : node.end_lineno]))
    assert len(found) == len(names)
    return "\n\n\n".join(found) + "\n"


def moved(project: Path, *paths: str) -> Path:
    """A copy of the project with the same code, moved as the second part says, and with what it adds to these files."""
    own = written(project / "plugins")
    copied(project, "docs", "tests")
    shutil.copy(ROOT / "pyproject.toml", project)

    def append(path: str, text: str) -> None:
        with (project / path).open("a", encoding="utf-8") as file:
            file.write("\n\n" + text)

    for path, (source, names, edit) in MOVES.items():
        append(path, definitions(own / source, names).replace(*edit))
    for name in ("fading_jax.py", "fading_torch.py"):
        (own / name).rename(project / "implementations" / "algorithms" / "further" / name)
    (own / "majority.py").rename(project / "datasets" / "majority.py")
    for path, block in steps():
        if path in paths:
            append(path, block)
    return project


def inside(project: Path) -> list[Any]:
    """The records of the same code inside a copy of the project."""
    return run(moved(project, *CODE), PYTHONPATH=str(project))


def print_again(project: Path) -> None:
    """The table of rules in docs/peers.md, replaced by what the command prints."""
    command = [sys.executable, "-m", "drtrl_bench", "peers", "map", "rules"]
    env = os.environ | {"PYTHONPATH": str(project)}
    done = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, check=True)
    file = project / "docs" / "peers.md"
    text, old = file.read_text(encoding="utf-8"), page.markdown("rules")
    assert text.count(old) == 1
    file.write_text(text.replace(old, done.stdout.strip()), encoding="utf-8")


@needs("jax")
@needs("torch")
@pytest.mark.xdist_group("torch")
@pytest.mark.parametrize("follow", [outside, inside])
def test_a_rule_a_cell_and_a_data_set_are_added_as_it_says(follow, tmp_path: Path) -> None:
    lines = follow(tmp_path / "mine" if follow is outside else tmp_path)
    assert len(lines) == 4
    assert {line["status"] for line in lines} == {"ok"}, [line["reason"] for line in lines]
    assert {w for line in lines for w in line["fidelity"]["per_parameter"]} >= {"layer0.x", "layer0.p"}
    assert {line["data"]["label"] for line in lines} == {"majority (synthetic)"}
    fading = [line for line in lines if line["case"]["algorithm"] == "fading"]
    named = {"fading.py", "rectified.py", "majority.py"} if follow is outside else set()
    assert {name for line in fading for name in line.get("plugins", ())} == named


@needs("jax")
@needs("torch")
@pytest.mark.xdist_group("torch")
def test_the_tests_of_the_project_pass_with_what_was_added(tmp_path: Path) -> None:
    added = [path for path, _ in steps() if path not in FILES]
    assert len(added) >= 13
    print_again(moved(tmp_path, *added))
    done = forked.tests(tmp_path, "-p", "no:cacheprovider", *OWN_TESTS, *ADDED)
    assert done.returncode == 0, done.stdout
    assert " skipped" not in done.stdout


LEFT_OUT = (
    "spell its facts out in ALGORITHMS",
    "spell its options out in EXPECTED",
    "write {'fading'} into ROWS",
    "write this row into implementations/README.md",
    "what other libraries call {'fading'}",
    "write a row of {'fading'} into the table of docs/algorithms.md",
    "write a row of {'fading'} into the table of docs/cost.md",
    "into USES of docs/front_table.py when to use {'fading'}",
    "write {'fading'} into ALGORITHMS of bench/figures/selection.py",
    "write the equations of fading into EQUATIONS",
    "write the least work of fading into FLOOR",
)


@needs("jax")
@needs("torch")
@pytest.mark.xdist_group("torch")
@pytest.mark.slow
def test_a_step_that_is_left_out_is_named(tmp_path: Path) -> None:
    done = forked.tests(moved(tmp_path, *CODE), "-p", "no:cacheprovider", "-rs", *OWN_TESTS)
    assert done.returncode == 1, done.stdout
    plain = " ".join(done.stdout.split())
    assert [said for said in LEFT_OUT if said not in plain] == []


@needs("jax")
@needs("torch")
@pytest.mark.xdist_group("torch")
@pytest.mark.slow
def test_a_slip_in_one_of_its_files_is_noticed(tmp_path: Path) -> None:
    lines = outside(tmp_path / "mine", ("jax.nn.relu(", "jnp.abs("))
    assert {line["status"] for line in lines if line["case"]["framework"] == "jax"} == {"wrong"}
    assert {line["status"] for line in lines if line["case"]["framework"] == "torch"} == {"ok"}
