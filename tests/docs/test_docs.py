"""The documentation: a short front page, links that lead somewhere, and a site that builds without a warning."""

import importlib.util
import json
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
from support.copies import ROOT, copied
from support.problems import RULES, ZOO

from drtrl_bench import __version__, registry
from drtrl_bench.case import Case

PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/*.md", "results/*.md", "datasets/cards/*.md", "implementations/*.md")
    for path in ROOT.glob(pattern)
)
LINK = re.compile(r"\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]+))?\)")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def anchors(name: str) -> set[str]:
    """The anchors of a page's headings, as a reader of Markdown makes them."""
    titles = re.findall(r"^#+ (.+)$", read(name), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_front_page_is_short() -> None:
    assert len(read("README.md").splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target, anchor in LINK.findall(read(page)):
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), f"{page} links to {target}"
        if anchor:
            assert anchor in anchors(path.resolve().relative_to(ROOT).as_posix()), f"{page}: no heading #{anchor}"


def test_the_front_page_leads_to_every_page() -> None:
    """What is neither linked from it nor in the site's contents, nobody finds."""
    contents = read("docs/index.md")
    for page in ROOT.glob("docs/*.md"):
        if page.stem != "index":
            assert re.search(rf"^{page.stem}$", contents, re.MULTILINE), f"docs/index.md does not list {page.name}"


@pytest.mark.parametrize("page", ["docs/algorithms.md", "docs/cost.md"])
def test_every_algorithm_has_its_row(page: str) -> None:
    first = " ".join(re.findall(r"^\| (`[^|]*) \|", read(page), re.MULTILINE))
    missing = registry.ALGORITHMS.keys() - set(re.findall(r"`(\w+)`", first))
    assert not missing, f"write a row of {missing} into the table of {page}"


def test_the_front_page_can_say_when_to_use_every_algorithm(monkeypatch: pytest.MonkeyPatch) -> None:
    """`docs/front_table.py` leaves out what its records do not have yet."""
    monkeypatch.setattr(sys, "path", [*sys.path])  # the script adds to it
    missing = registry.ALGORITHMS.keys() - runpy.run_path(str(ROOT / "docs" / "front_table.py"))["USES"].keys()
    assert not missing, f"write into USES of docs/front_table.py when to use {missing}"


def test_the_coverage_has_every_algorithm_and_every_cell() -> None:
    lines = [line.strip("| ").split(" | ") for line in read("results/coverage.md").splitlines() if line.startswith("|")]
    header, _, *rows = lines
    assert header == ["cell", *RULES], "make coverage"
    assert [row[0] for row in rows] == list(ZOO), "make coverage"


def test_every_folder_of_the_implementations_is_listed() -> None:
    text = read("implementations/README.md").partition("## Where things are")[2]
    folders = {path.parent.name for path in (ROOT / "implementations").glob("*/__init__.py")}
    assert len(folders) >= 9
    assert [name for name in sorted(folders) if not re.search(rf"^\| `{name}/", text, re.MULTILINE)] == []


def test_every_field_of_a_case_is_described() -> None:
    text = read("docs/plans.md")
    assert [field.name for field in fields(Case) if f"`{field.name}`" not in text] == []


@pytest.mark.parametrize("kind", ["record", "environment"])
def test_every_field_of_a_line_is_described(kind: str) -> None:
    schema = json.loads(read("bench/records/record_schema.json"))["$defs"][kind]["properties"]
    text = read("docs/records.md")
    assert [name for name in schema if f"`{name}`" not in text] == []


def test_make_builds_the_site_with_warnings_as_errors() -> None:
    command = ["make", "--dry-run", "--always-make", "docs", "VENV=nowhere"]
    typed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "nowhere/bin/sphinx-build --fail-on-warning" in typed
    assert "pip install" in typed
    extras = tomllib.loads(read("pyproject.toml"))["project"]["optional-dependencies"]
    assert {re.match(r"[a-z-]+", each)[0] for each in extras["docs"]} == {"furo", "myst-parser", "sphinx"}  # pyright: ignore[reportOptionalSubscript]
    assert ",docs" in re.findall(r"-e '(.*)'", typed)[0]


def test_what_is_cited_is_this_version_and_the_paper() -> None:
    cited = read("CITATION.cff")
    assert re.findall(r"^version: (.+)$", cited, re.MULTILINE) == [__version__]
    paper = cited.partition("references:")[2]
    for said in ("doi: 10.1038/s41467-026-68453-w", "year: 2026", "volume: 17", "start: 1745", "family-names: Wang"):
        assert said in paper


def built(project: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """What happens when the site of a copy of the project is built as `make docs` builds it."""
    if importlib.util.find_spec("sphinx") is None:
        pytest.skip("Sphinx is not installed: pip install -c constraints.txt -e '.[docs]'")
    pytest.importorskip("jax")
    pytest.importorskip("torch")
    options = re.findall(r"sphinx-build (.*) -c docs", read("Makefile"))[0].split()
    command = [sys.executable, "-m", "sphinx", *options, "-c", "docs", ".", site]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project with its documents."""
    copied(tmp_path, "docs", "results")
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    return tmp_path


@pytest.mark.slow
def test_the_site_builds_and_needs_no_network_to_be_read(project: Path) -> None:
    done = built(project, project / "site")
    assert done.returncode == 0, done.stdout + done.stderr
    pages = {path.relative_to(project / "site").as_posix(): path for path in (project / "site").rglob("*.html")}
    assert {"index.html", "search.html", "docs/index.html", "docs/algorithms.html", "results/README.html"} <= set(pages)
    for name, path in pages.items():
        text = path.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img)[^>]* src=\"(https?:[^\"]*)|<link[^>]* href=\"(https?:[^\"]*)", text)
        assert loaded == [], name
    said = {name: path.read_text(encoding="utf-8") for name, path in pages.items()}
    assert said["docs/cost.html"].count("<math") > 30
    assert "drtrl-bench data make" in said["docs/command.html"]
    assert "drtrl_bench.implementations.algorithms" in said["docs/api_algorithms.html"]
    assert "drtrl_bench.run_case" in said["docs/python.html"]
    assert "x BPTT time" in said["docs/index.html"]
    assert "implementation_sha" in said["docs/records.html"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("[something](index.md), $x^2$\n\n<!-- text LICENSE -->", False),
        ("[nothing](no_such_page.md)", True),
        ("$\\nosuchcommand$", True),
        ("<!-- text no_such_file.md -->", True),
    ],
)
def test_a_mistake_in_a_page_ends_the_build(text: str, ends: bool, project: Path) -> None:
    page = project / "docs" / "gate.md"
    page.write_text(f"# The regression gate\n\n{text}\n", encoding="utf-8")
    index = "# Title\n\n```{toctree}\ngate\n```\n"
    for path in project.rglob("*.md"):
        if path != page:
            path.unlink()
    (project / "docs" / "index.md").write_text(index, encoding="utf-8")
    done = built(project, project / "site")
    assert (done.returncode != 0) == ends, done.stderr
