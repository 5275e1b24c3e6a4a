"""The walk-throughs of CONTRIBUTING.md, followed to the letter on a copy of the project."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from copies import copied
from problems import needs

from drtrl_bench import record

ROOT = Path(__file__).resolve().parent.parent
STEP = re.compile(r"^( *)```python (\S+)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
PLAN = """
limit_s = 120
budget_s = 0.01
[defaults]
dataset = "bernoulli"
features = 6
neurons = 5
batch = 2
steps = 9
chunk = 4
threads = 1
framework = ["jax", "torch"]
[[grid]]
cell = "rectified_rnn"
algorithm = ["rtrl", "drtrl_fading"]
"""


def follow(project: Path, edit: tuple[str, str] = ("", "")) -> list[dict]:
    """Appends every block to the file it names, after an edit to the blocks, and measures the new cell and rule."""
    copied(project)
    steps = STEP.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert len(steps) == 9
    for _, path, block in steps:
        file = project / path
        before = file.read_text(encoding="utf-8") + "\n\n" if file.exists() else ""
        file.write_text(before + textwrap.dedent(block).replace(*edit), encoding="utf-8")
    (project / "mine.toml").write_text(PLAN)
    command = [sys.executable, "-m", "drtrl_bench", "run", "mine.toml", "--records", "r.jsonl"]
    env = os.environ | {"DRTRL_BENCH_CACHE": str(project / "cache"), "PYTHONPATH": str(project)}
    done = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, check=False)
    assert (project / "r.jsonl").exists(), done.stdout + done.stderr
    return record.read(project / "r.jsonl")


@needs("jax")
@needs("torch")
@pytest.mark.xdist_group("torch")
def test_a_cell_and_a_rule_are_added_as_it_says(tmp_path: Path) -> None:
    lines = follow(tmp_path)
    assert len(lines) == 4
    assert {line["status"] for line in lines} == {"ok"}, [line["reason"] for line in lines]
    assert {w for line in lines for w in line["fidelity"]["per_parameter"]} >= {"layer0.x", "layer0.p"}


@needs("jax")
@needs("torch")
@pytest.mark.xdist_group("torch")
def test_a_slip_in_one_of_its_files_is_noticed(tmp_path: Path) -> None:
    lines = follow(tmp_path, ("jax.nn.relu(", "jnp.abs("))
    assert {line["status"] for line in lines if line["case"]["framework"] == "jax"} == {"wrong"}
    assert {line["status"] for line in lines if line["case"]["framework"] == "torch"} == {"ok"}
