"""Negative controls outside the implementations: the fast tests must notice planted errors.

Each is one edit to a copy of the project, or the same error in several of its files; the fast test that it names, run
on the copy in a process of its own, must then fail. Without an edit, the same tests must pass. That takes long; that
every edit has its place and its test is seen at once.
"""

import pkgutil
import re
import subprocess
from importlib import import_module
from pathlib import Path

import planted
import pytest
from planted import Planted
from support import forked
from support.copies import ROOT, copied

ALL = [
    pytest.param(each, id=f"{name}: {each.error}")
    for _, name, is_folder in pkgutil.walk_packages(planted.__path__, "planted.")
    if not is_folder
    for each in import_module(name).PLANTED
]


def edited(each: Planted, project: Path) -> dict[str, tuple[str, str]]:
    """Of each file with the error: its source before and after."""
    sources: dict[str, tuple[str, str]] = {}
    for name, old, new in ((each.file, each.old, each.new), *each.also):
        before, now = sources.get(name) or ((project / name).read_text(encoding="utf-8"),) * 2
        assert now.count(old) == 1, f"{name} has this {now.count(old)} times: {old}"
        sources[name] = before, now.replace(old, new)
    return sources


@pytest.mark.parametrize("each", ALL)
def test_an_error_has_its_place_and_its_test(each: Planted) -> None:
    for before, after in edited(each, ROOT).values():
        assert before != after
    file, *function = each.test.split("[")[0].split("::")
    held = (ROOT / file).read_text(encoding="utf-8")
    assert not function or re.search(rf"^def {function[0]}\(", held, re.MULTILINE), each.test


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project as a repository of one commit, without its environment: tests ask git for HEAD."""
    to = copied(tmp_path_factory.mktemp("project"), "docs", "tests", "results")
    for path in ROOT.iterdir():
        if path.is_file() and path.name != ".git":  # a file in a worktree: the commit would go to the project's own
            (to / path.name).write_bytes(path.read_bytes())
    who = ("-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "commit.gpgsign=false")
    for words in (("init", "-q"), ("add", "-A"), (*who, "commit", "-q", "-m", "all")):
        subprocess.run(["git", *words], cwd=to, check=True, capture_output=True)
    return to


def fast_tests(project: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    return forked.tests(project, "-x", "-p", "no:cacheprovider", "-m", "not slow", "-rs", *tests)


@pytest.mark.slow
def test_without_an_error_the_same_tests_pass(project: Path) -> None:
    done = fast_tests(project, *sorted({each.values[0].test for each in ALL}))  # pyright: ignore[reportAttributeAccessIssue]
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("each", ALL)
def test_a_planted_error_is_noticed(each: Planted, project: Path) -> None:
    sources = edited(each, project)
    try:
        for name, (_, after) in sources.items():
            (project / name).write_text(after, encoding="utf-8")
        done = fast_tests(project, each.test)
    finally:
        for name, (before, _) in sources.items():
            (project / name).write_text(before, encoding="utf-8")
    if done.returncode == 0 and re.search(r"^\d+ skipped in", done.stdout, re.MULTILINE):
        pytest.skip(f"its test cannot run here: {done.stdout.partition('SKIPPED ')[2].strip()}")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed" in done.stdout, done.stdout
