"""The samples of the documents: plans that are read, code whose names exist, commands that the command line knows."""

import ast
import importlib.util
import inspect
import re
import shlex
import textwrap
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer
from support.copies import ROOT

import drtrl_bench
from drtrl_bench import plan, plugins
from drtrl_bench.case import Case, Plan
from drtrl_bench.cli.app import app

PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "README.md", *ROOT.glob("docs/*.md")))
BLOCK = re.compile(r"^( *)```(\w+)(?: (\S+))?\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def blocks(page: str, language: str) -> list[tuple[str, str]]:
    """The blocks of a page in a language, each with the file that it is, if the page names one."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [(file, textwrap.dedent(block)) for _, kind, file, block in BLOCK.findall(text) if kind == language]


def test_the_sample_plan_of_your_own_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, block in blocks("docs/own.md", "python"):
        if name.startswith("fading"):
            (tmp_path / name).write_text(block, encoding="utf-8")
    (sample,) = [block for _, block in blocks("docs/own.md", "toml") if "[[grid]]" in block]
    (tmp_path / "mine.toml").write_text(sample, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with plugins.scope():
        plugins.load(["fading.py"])
        cases = plan.read("mine.toml").cases
    assert [(case.algorithm, case.framework) for case in cases] == [
        ("fading", "jax"),
        ("fading", "torch"),
        ("bptt", "jax"),
        ("bptt", "torch"),
    ]
    assert {(case.neurons, case.batch, case.steps, case.chunk) for case in cases} == {(8, 2, 64, 16)}


def test_the_sample_plan_has_the_cases_that_the_page_counts(tmp_path: Path) -> None:
    ((_, sample),) = blocks("docs/plans.md", "toml")
    (tmp_path / "sample.toml").write_text(sample, encoding="utf-8")
    cases = plan.read(str(tmp_path / "sample.toml")).cases
    assert "2 x 3 cases of D-RTRL and as many\nof BPTT" in (ROOT / "docs" / "plans.md").read_text(encoding="utf-8")
    assert [case.algorithm for case in cases] == ["drtrl"] * 6 + ["bptt"] * 6
    assert {(case.steps, case.chunk) for case in cases if case.algorithm == "bptt"} == {
        (64, 64),
        (256, 256),
        (1024, 1024),
    }


def described_defaults() -> list[tuple[str, Any]]:
    """The fields of the two tables of docs/plans.md, each with the default that the table gives."""
    rows = re.findall(
        r"^\| (`\w+`(?:, `\w+`)*) \| ([^|]*) \|", (ROOT / "docs/plans.md").read_text("utf-8"), re.MULTILINE
    )
    pairs = []
    for names, defaults in rows:
        plain = defaults.replace("`", "")
        values = tomllib.loads(f"values = [{plain}]")["values"]
        pairs += zip(re.findall(r"\w+", names), values or [None] * names.count(","), strict=False)
    return pairs


def test_the_defaults_of_plans_are_those_of_the_code() -> None:
    code = {field.name: field.default for kind in (Case, Plan) for field in fields(kind)}
    described = described_defaults()
    assert len(described) > 25
    for name, default in described:
        assert default is None or code[name] == default, name


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")])
def test_the_names_of_sample_code_exist(page: str) -> None:
    for file, block in blocks(page, "python"):
        ours = [] if file else [*imported(block)]
        for module, name in ours:
            source = importlib.util.find_spec(module)
            assert source, f"{page}: no module {module}"
            within = importlib.util.find_spec(f"{module}.{name}") if source.submodule_search_locations else None
            assert within or re.search(rf"\b{name}\b", Path(str(source.origin)).read_text("utf-8")), f"{page}: {name}"
        for call in (node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Call)):
            check_call(page, call)


def imported(block: str) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("drtrl_bench"):
            yield from ((str(node.module), alias.name) for alias in node.names)


def check_call(page: str, call: ast.Call) -> None:
    """A call of a function of drtrl_bench has arguments that the function takes."""
    match call.func:
        case ast.Attribute(value=ast.Name(id="drtrl_bench"), attr=name):
            taken = set(inspect.signature(getattr(drtrl_bench, name)).parameters)
        case ast.Attribute(value=ast.Name(id="fit_torch"), attr="fit"):
            source = (ROOT / "implementations" / "training" / "fit_torch.py").read_text(encoding="utf-8")
            (function,) = [n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef) and n.name == "fit"]
            taken = {argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)}
        case _:
            return
    if "fields" in taken:
        taken |= {field.name for field in fields(Case)}
    given = {str(keyword.arg) for keyword in call.keywords}
    assert given <= taken, f"{page}: {given - taken}"


COMMANDS = [
    (page, line.partition("#")[0].strip())
    for page in PAGES
    for _, block in blocks(page, "sh")
    for line in block.splitlines()
    if line.startswith("drtrl-bench ")
]


@pytest.mark.parametrize(("page", "line"), COMMANDS, ids=[line for _, line in COMMANDS])
def test_a_command_of_a_page_is_one(page: str, line: str) -> None:
    command, _, *words = [typer.main.get_command(app), *shlex.split(line)]
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]  # pyright: ignore[reportAttributeAccessIssue]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("-")} <= known
    assert not hasattr(command, "commands") or not words or words[0].startswith("-"), f"{page}: {line}"


def test_targets_of_make_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        for target in re.findall(r"(?:^|`)make ([a-z][a-z-]*)", text, re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{page}: make {target}"
