"""The walk-throughs of docs/own.md, followed to the letter: outside the project, and on a copy of it."""

import ast
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from support.copies import copied
from support.problems import needs

from drtrl_bench.records import reading

ROOT = Path(__file__).resolve().parents[3]
STEP = re.compile(r"^( *)```python (\S+)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
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
MOVES = {
    "implementations/reference/algorithms.py": ("fading.py", ("faded", "fading"), ("reference.", "")),
    "implementations/cells/spec.py": ("rectified.py", ("RectifiedRNN",), ("cells.Cell", "Cell")),
    "implementations/reference/cells.py": ("rectified.py", ("rectified_rnn",), ("", "")),
    "implementations/cells/cells_jax.py": ("rectified_jax.py", ("RectifiedRNN",), ("rectified.", "cells.")),
    "implementations/cells/cells_torch.py": ("rectified_torch.py", ("RectifiedRNN",), ("rectified.", "cells.")),
}
"""File of the project: the plugin's file, what of it goes there, and what its names are there."""


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


def inside(project: Path) -> list[Any]:
    """The records of the same code, moved into a copy of the project as the second part says."""
    own = written(project / "plugins")
    copied(project)

    def append(path: str, text: str) -> None:
        with (project / path).open("a", encoding="utf-8") as file:
            file.write("\n\n" + text)

    for path, (source, names, edit) in MOVES.items():
        append(path, definitions(own / source, names).replace(*edit))
    for name in ("fading_jax.py", "fading_torch.py"):
        (own / name).rename(project / "implementations" / "algorithms" / "approximate" / name)
    (own / "majority.py").rename(project / "datasets" / "majority.py")
    for path, block in steps():
        if path not in FILES:
            append(path, block)
    return run(project, PYTHONPATH=str(project))


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
@pytest.mark.slow
def test_a_slip_in_one_of_its_files_is_noticed(tmp_path: Path) -> None:
    lines = outside(tmp_path / "mine", ("jax.nn.relu(", "jnp.abs("))
    assert {line["status"] for line in lines if line["case"]["framework"] == "jax"} == {"wrong"}
    assert {line["status"] for line in lines if line["case"]["framework"] == "torch"} == {"ok"}
