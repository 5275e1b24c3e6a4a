"""How the harness is built: no circle of imports, files of a length to be read, and no algorithm known by its name."""

import ast
import re
from pathlib import Path

import pytest
from support.copies import ROOT

from drtrl_bench import provenance

HARNESS = sorted(path for path in (ROOT / "bench").rglob("*.py") if not path.is_symlink())
"""The modules of bench/, without those that lie in implementations/ and datasets/, to which it has links."""
SCIENCE = sorted(path for folder in ("datasets", "implementations") for path in (ROOT / folder).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
FOLDERS = sorted({path.parent for path in (*HARNESS, *SCIENCE, *TESTS)})
MOST_LINES = 250
"""Of a module of the science; one of the harness stays below."""
MOST_MODULES = 15
"""In a folder."""
LONGER = {
    "implementations/reference/algorithms.py": 381,
    "implementations/reference/cells.py": 294,
}
"""The modules that are not held to `MOST_LINES` yet, and their lines: they may shrink, and none may join them."""


def imports() -> dict[str, set[str]]:
    """What each module of the package imports of the package: in its text, or by a name that stands there as text."""
    files = {**{path.relative_to(ROOT / "bench"): path for path in HARNESS}}
    for folder in ("implementations", "datasets"):
        files |= {path.relative_to(ROOT): path for path in (ROOT / folder).rglob("*.py")}
    modules = {".".join(("drtrl_bench", *named(path))): file for path, file in files.items()}
    graph = {}
    for module, file in modules.items():
        package = module if file.name == "__init__.py" else module.rpartition(".")[0]
        taken = provenance.imported(file.read_text(encoding="utf-8"), package)
        taken = {*taken, *texts(file)}
        graph[module] = {name for name in taken if name in modules and name not in (module, "drtrl_bench")}
        for folder in [name for name in graph[module] if module.startswith(f"{name}.")]:
            if all(name in modules for name in taken if name.rpartition(".")[0] == folder):
                graph[module].remove(folder)  # Python imports it before its modules; nothing of its own is taken
    return graph


def texts(file: Path) -> set[str]:
    """The text constants of a module: `importlib` may be given one, as the name of an experiment's module is."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def named(path: Path) -> tuple[str, ...]:
    """The parts of a module's name."""
    parts = path.with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def circle(graph: dict[str, set[str]]) -> list[str]:
    """A circle in a graph, from a node back to itself; empty if there is none."""
    left = dict(graph)
    while free := [node for node, to in left.items() if not to & left.keys()]:
        for node in free:
            del left[node]
    if not left:
        return []
    way = [min(left)]
    while way[-1] not in way[:-1]:
        way.append(min(left[way[-1]] & left.keys()))
    return way[way.index(way[-1]) :]


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Inside functions, too, where Python would not mind."""
    graph = imports()
    assert len(graph) > 100
    assert graph["drtrl_bench.plan"] >= {"drtrl_bench.case", "drtrl_bench.cost.chunk"}
    assert "drtrl_bench.paper.studies.jacobian" in graph["drtrl_bench.paper.listing"]
    assert not circle(graph)


def test_a_circle_is_seen() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


@pytest.mark.parametrize("path", HARNESS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_short_and_knows_no_algorithm(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) < MOST_LINES
    assert not re.search(r"algorithm (==|!=|in \()", source), "what it costs and does are facts of the registry"


@pytest.mark.parametrize("path", SCIENCE, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_of_the_science_is_short(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGER.get(path.relative_to(ROOT).as_posix(), MOST_LINES)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_folder_can_be_surveyed(folder: Path) -> None:
    assert len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) <= MOST_MODULES


def test_no_two_files_of_tests_have_one_name() -> None:
    """In one run pytest imports them by their names alone, and stops at the second of a name."""
    names = [path.name for path in TESTS if path.name.startswith("test_")]
    assert sorted(names) == sorted(set(names))


def test_the_harness_asks_data_sets_and_not_modules() -> None:
    """What a data set can do, its object says: see `protocols.Dataset`."""
    asked = [path for path in HARNESS if re.search(r"hasattr\((module|dataset)", path.read_text(encoding="utf-8"))]
    assert not asked
