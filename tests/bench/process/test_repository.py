"""Git is asked about one repository, whatever a hook has set, and runs nothing that the repository's settings name."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from drtrl_bench.gate import revisions
from drtrl_bench.measure import environment
from drtrl_bench.process import repository

WHO = ("-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "commit.gpgsign=false")


def git(*words: str, cwd: Path) -> str:
    """Git as these tests call it themselves: with the variables that it has outside of any hook."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(["git", *WHO, *words], cwd=cwd, env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of two commits that passes for the project's; its file is of the second."""
    root = tmp_path / "project"
    (root / "bench" / "measure").mkdir(parents=True)
    git("init", "-q", "-b", "main", ".", cwd=root)
    (root / "bench" / "measure" / "environment.py").write_text("", encoding="utf-8")
    for word in ("first", "second"):
        (root / "a.txt").write_text(f"{word}\n", encoding="utf-8")
        git("add", "-A", cwd=root)
        git("commit", "-q", "-m", word, cwd=root)
    monkeypatch.setattr(revisions, "ROOT", root)
    monkeypatch.setattr(environment, "__file__", str(root / "bench" / "measure" / "environment.py"))
    return root


def hook(project: Path, name: str, script: str) -> None:
    path = project / ".git" / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def measuring(project: Path) -> str:
    """A command that checks out another revision of a project, as `compare` does, and says what it asks git."""
    code = (
        "import json; from pathlib import Path\n"
        "from drtrl_bench.measure import environment; from drtrl_bench.gate import revisions\n"
        f"revisions.ROOT = Path({str(project)!r})\n"
        f"environment.__file__ = {str(project / 'bench/measure/environment.py')!r}\n"
        "with revisions.checkout('HEAD~1') as tree:\n"
        f"    Path({str(project.parent / 'said')!r}).write_text(json.dumps(["
        "(tree / 'a.txt').read_text(), environment.checkout(), revisions.git('rev-parse', 'HEAD'), "
        "revisions.base()]))"
    )
    script = project.parent / "measuring.py"
    script.write_text(code, encoding="utf-8")
    root = Path(__file__).resolve().parents[3]
    return f"exec env PYTHONPATH={root} {sys.executable} -P {script}"


def said(project: Path) -> Any:
    return json.loads((project.parent / "said").read_text(encoding="utf-8"))


def test_all_that_git_calls_local_is_left_out() -> None:
    named = subprocess.run(["git", "rev-parse", "--local-env-vars"], capture_output=True, text=True, check=True).stdout
    assert set(named.split()) <= set(repository.LOCAL)


@pytest.mark.parametrize("words", [("-a",), ("-i", "a.txt"), ("-o", "a.txt")], ids=lambda words: words[0])
def test_a_commit_whose_hook_compares_is_the_users(words: tuple[str, ...], project: Path) -> None:
    """Git gives such a hook an index of its own, and what is checked out with it would be committed."""
    head = git("rev-parse", "HEAD", cwd=project)
    hook(project, "pre-commit", measuring(project))
    (project / "a.txt").write_text("third\n", encoding="utf-8")
    git("commit", "-q", "-m", "third", *words, cwd=project)
    assert said(project) == ["first\n", {"commit": head, "dirty": True}, head, git("rev-parse", "HEAD~2", cwd=project)]
    assert git("show", "HEAD:a.txt", cwd=project) == "third"
    assert git("ls-tree", "-r", "--name-only", "HEAD", cwd=project).split() == ["a.txt", "bench/measure/environment.py"]
    assert git("status", "--porcelain", cwd=project) == ""
    assert len(git("worktree", "list", cwd=project).splitlines()) == 1


@pytest.mark.parametrize("linked", [False, True], ids=["clone", "worktree"])
def test_a_hook_of_a_push_knows_commit_and_dirty(linked: bool, project: Path, tmp_path: Path) -> None:
    """Of the project's repository, although the hook is another's; in a linked worktree it has an absolute GIT_DIR."""
    other, bare = tmp_path / "other", tmp_path / "bare"
    git("init", "-q", "--bare", str(bare), cwd=tmp_path)
    git("clone", "-q", str(project), str(other), cwd=tmp_path)
    git("commit", "-q", "--allow-empty", "-m", "another's", cwd=other)
    hook(other, "pre-push", measuring(project))
    here = other
    if linked:
        git("worktree", "add", "-q", "-b", "side", str(tmp_path / "linked"), cwd=other)
        here = tmp_path / "linked"
    git("push", "-q", str(bare), "HEAD:refs/heads/x", cwd=here)
    head = git("rev-parse", "HEAD", cwd=project)
    assert said(project) == ["first\n", {"commit": head, "dirty": False}, head, git("rev-parse", "HEAD~1", cwd=project)]


VARIABLES = {
    "GIT_DIR": "/elsewhere/.git",
    "GIT_WORK_TREE": "/elsewhere",
    "GIT_INDEX_FILE": "/elsewhere/index",
    "GIT_OBJECT_DIRECTORY": "/elsewhere/objects",
    "GIT_COMMON_DIR": "/elsewhere",
    "GIT_NAMESPACE": "elsewhere",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_CONFIG_PARAMETERS": "'core.bare'='true'",
}


@pytest.mark.parametrize("name", VARIABLES)
def test_no_variable_leads_elsewhere(name: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = git("rev-parse", "HEAD", cwd=project)
    monkeypatch.setenv(name, VARIABLES[name])
    assert environment.checkout() == {"commit": head, "dirty": False}
    (project / "a.txt").write_text("changed\n", encoding="utf-8")
    assert environment.checkout() == {"commit": head, "dirty": True}
    assert revisions.resolve("main") == head
    with revisions.checkout("main") as tree:
        assert (tree / "a.txt").read_text(encoding="utf-8") == "second\n"


@pytest.fixture
def booby_trapped(project: Path) -> Path:
    """The project with all that a repository's settings can have run, each of which leaves its name in a folder."""
    sprung = project.parent / "sprung"
    sprung.mkdir()
    for name in ("post-checkout", "reference-transaction", "post-index-change", "fsmonitor-watchman"):
        hook(project, name, f"touch {sprung}/{name}")
    git("config", "core.fsmonitor", str(project / ".git/hooks/fsmonitor-watchman"), cwd=project)
    for name in ("plain", "a.b=c"):
        for kind in ("clean", "smudge", "process"):
            if kind != "process" or name == "plain":
                git("config", f"filter.{name}.{kind}", f"touch {sprung}/{kind}; cat", cwd=project)
        git("config", f"filter.{name}.required", "true", cwd=project)
    (project / ".git" / "info").mkdir(exist_ok=True)
    (project / ".git" / "info" / "attributes").write_text("*.txt filter=plain\n*.py filter=a.b=c\n", encoding="utf-8")
    return sprung


def touched(path: Path) -> None:
    """Git must look into the file to know whether it changed."""
    os.utime(path, (1, 1))


def test_nothing_runs_that_the_repositorys_settings_name(
    booby_trapped: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = git("rev-parse", "HEAD", cwd=project)
    shutil.rmtree(booby_trapped)
    booby_trapped.mkdir()
    touched(project / "a.txt")
    assert environment.checkout() == {"commit": head, "dirty": False}
    with revisions.checkout("HEAD~1") as tree:
        assert (tree / "a.txt").read_text(encoding="utf-8") == "first\n"
        monkeypatch.setattr(environment, "__file__", str(tree / "bench" / "measure" / "environment.py"))
        assert environment.checkout()["dirty"] is False
    assert revisions.base() == git("rev-parse", "HEAD~1", cwd=project)
    assert not list(booby_trapped.iterdir())


def test_nor_is_it_run_by_the_harness_of_an_earlier_revision(booby_trapped: Path, project: Path) -> None:
    """Which asks git itself, with the variables that it is given."""
    shutil.rmtree(booby_trapped)
    booby_trapped.mkdir()
    touched(project / "a.txt")
    env = revisions.environment(project.parent)
    words = ["git", "status", "--porcelain"]
    done = subprocess.run(words, cwd=project, env=env, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert not list(booby_trapped.iterdir())


def test_without_that_the_trap_springs(booby_trapped: Path, project: Path) -> None:
    """What the tests above are worth."""
    touched(project / "a.txt")
    subprocess.run(["git", "status"], cwd=project, capture_output=True, check=False)
    subprocess.run(["git", "worktree", "add", "../tree", "HEAD~1"], cwd=project, capture_output=True, check=False)
    assert {"fsmonitor-watchman", "process", "reference-transaction"} <= {path.name for path in booby_trapped.iterdir()}


def test_before_the_first_commit_there_is_none(project: Path) -> None:
    git("checkout", "-q", "--orphan", "unborn", cwd=project)
    assert environment.checkout() == {"commit": None, "dirty": True}


def test_a_question_leaves_the_index_alone(project: Path) -> None:
    """Another git may be at work on it, as in a hook."""
    touched(project / "a.txt")
    before = (project / ".git" / "index").read_bytes()
    assert environment.checkout()["dirty"] is False
    assert (project / ".git" / "index").read_bytes() == before


def test_a_file_that_git_was_never_told_of_is_a_change(project: Path) -> None:
    git("config", "status.showUntrackedFiles", "no", cwd=project)
    (project / "bench" / "more.py").write_text("", encoding="utf-8")
    assert environment.checkout()["dirty"] is True
    (project / "bench" / "more.py").unlink()
    (project / "results").mkdir()
    (project / "results" / "r.jsonl").write_text("", encoding="utf-8")
    assert environment.checkout()["dirty"] is False, "where records go"
