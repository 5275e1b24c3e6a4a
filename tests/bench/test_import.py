"""What importing the package costs, and what a missing framework does."""

import subprocess
import sys
import tomllib

import pytest
from support.copies import ROOT

from drtrl_bench import lookup
from drtrl_bench.case import Case, Plan
from drtrl_bench.measure import runner

HEAVY = ("jax", "torch", "pandas", "matplotlib")


@pytest.mark.parametrize("module", ["drtrl_bench", "drtrl_bench.cli.app", "drtrl_bench.measure.runner"])
def test_import_is_light(module: str) -> None:
    code = f"import sys, {module}; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("ours", "other"), [("jax", "torch"), ("torch", "jax")])
def test_a_child_imports_one_framework(ours: str, other: str) -> None:
    pytest.importorskip(ours)
    modules = f"sys, drtrl_bench.measure.worker, drtrl_bench.measure.backend_{ours}"
    code = f"import {modules}; print({other!r} in sys.modules, {ours!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_missing_framework_is_a_row_with_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr(lookup.importlib.util, "find_spec", lambda name: None)
    plan = Plan("p", "", (Case(framework="torch", dataset="bernoulli"),))
    (line,) = runner.run(plan, tmp_path / "r.jsonl", lambda text, line: None)
    assert line["status"] == "skip"
    assert "pip install -c constraints.txt -e '.[torch]'" in str(line["reason"])


def test_the_installed_package_claims_no_common_name() -> None:
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    assert {name.partition(".")[0] for name in packages} == {"drtrl_bench"}
