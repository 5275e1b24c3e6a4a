"""Measure two revisions of the project on the same cases, interleaved: A B B A for every case.

Each revision is checked out into a throw-away worktree and measured by its own harness, with the Python and the
packages of this process. A side may also be the checkout as it is, ".".
"""

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from drtrl_bench import install, plugins, start
from drtrl_bench.case import Case, Plan
from drtrl_bench.gate import slowdown
from drtrl_bench.process import locks, repository, scratch, supervised, variables
from drtrl_bench.records import reading
from drtrl_bench.records.record import Record

ROOT = install.ROOT
Report = Callable[[str], None]


class RevisionError(ValueError):
    """A revision that cannot be measured; the message says why and what to do."""


def require(command: str, history: bool = True) -> None:
    """Raise RevisionError if a command cannot run here: it needs the project's folder, and with history its commits."""
    if not install.in_checkout(ROOT):
        raise RevisionError(f"{command} needs a checkout of the project; git clone it, and run drtrl-bench there")
    if not history:
        return
    try:
        inside = git("rev-parse", "--show-prefix")
    except RevisionError as error:
        raise RevisionError(f"{command} compares commits: {error}") from None
    if inside:
        raise RevisionError(f"{command} compares commits: {ROOT} lies in another project's repository; git clone this")
    try:
        git("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    except RevisionError:
        raise RevisionError(f"{command} compares commits, and {ROOT} has none yet; git commit makes one") from None


def git(*words: str) -> str:
    """Run git and return what it prints. Raises RevisionError with git's complaint, in one line for the user."""
    try:
        done = repository.ask(ROOT, *words)
    except FileNotFoundError:
        raise RevisionError("git is not installed; install it with the system's packages") from None
    if done.returncode:
        raise RevisionError(complaint(done.stderr) or f"git {words[0]} failed")
    return done.stdout.strip()


def complaint(log: str) -> str:
    """Return the line of git's errors that says what is wrong, with a next step where git's own does not suit."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    line = next((line for line in lines if re.match("fatal: |error: ", line)), lines[-1] if lines else "")
    if "not a git repository" in line:
        return f"{ROOT} is not a git repository; git clone the project, and run drtrl-bench there"
    if "dubious ownership" in line:
        return f"{ROOT} belongs to another user; to allow it: git config --global --add safe.directory {ROOT}"
    return re.sub("^(fatal|error): ", "git: ", line)


def resolve(revision: str) -> str:
    """Return the commit of a revision. Raises RevisionError for an unknown one, and says if the clone is shallow."""
    try:
        return git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    except RevisionError:
        shallow = git("rev-parse", "--is-shallow-repository") == "true"
        hint = "this clone is shallow: git fetch --unshallow" if shallow else "git log --oneline shows what there is"
        raise RevisionError(f"unknown revision {revision!r}; {hint}") from None


def base() -> str:
    """Return the commit to compare a change with: where it left main, or on main itself the commit before.

    Raises RevisionError if that is unknown here, rather than compare with another commit unnoticed.
    """
    head, on_main = resolve("HEAD"), False
    for main in ("origin/main", "main"):
        try:
            commit = git("merge-base", "HEAD", main)
        except RevisionError:
            continue
        if commit != head:
            return commit
        on_main = True
    if on_main:
        return resolve("HEAD~1")
    raise RevisionError("HEAD has no commit in common with main that is here: git fetch --unshallow, or --against REV")


@contextmanager
def file_at(commit: str, path: str) -> Iterator[Path]:
    """Write a file of a commit into a scratch folder, under its own name. Raises RevisionError if there is none."""
    content = git("show", f"{commit}:{path}")
    with scratch.folder() as folder:
        file = folder / Path(path).name
        file.write_text(content + "\n", encoding="utf-8")
        yield file


@contextmanager
def checkout(revision: str) -> Iterator[Path]:
    """Check a revision out into a scratch folder, and remove that at the end; "." is the checkout itself."""
    if revision == ".":
        yield ROOT
        return
    commit = resolve(revision)
    with scratch.folder() as folder:
        forget()
        tree = folder / folder.name  # the name by which git knows the worktree says whose it is
        try:
            add(tree, commit)
            yield tree
        finally:
            with suppress(RevisionError):  # the worktree may be missing, or incomplete
                git("worktree", "remove", "--force", "--force", str(tree))
            scratch.remove(worktree_entries() / tree.name)  # left if git could not remove an incomplete worktree


def add(tree: Path, commit: str) -> None:
    """Check a commit out into a worktree, which may take a while; git ends with this process."""
    command = ["git", "worktree", "add", "--detach", "--force", str(tree), commit]
    settings = repository.SETTINGS | repository.unfiltered(ROOT)
    end = supervised.run(command, repository.environment(settings), folder=ROOT)
    if end.code:
        raise RevisionError(complaint(end.log) or "git worktree add failed")


def forget() -> None:
    """Remove git's entries of scratch worktrees whose process has ended.

    `git worktree prune` is not used: it would also remove the entries of the user's worktrees on a disk that is not
    mounted now.
    """
    for entry in worktree_entries().iterdir() if worktree_entries().is_dir() else ():
        if scratch.abandoned(entry.name) and not has_worktree(entry):
            scratch.remove(entry)


def worktree_entries() -> Path:
    """Return the folder in which git has an entry for each worktree."""
    return ROOT / git("rev-parse", "--git-common-dir") / "worktrees"


def has_worktree(entry: Path) -> bool:
    """Return whether the worktree of an entry still exists."""
    try:
        return (entry / (entry / "gitdir").read_text(encoding="utf-8", errors="surrogateescape").strip()).exists()
    except (OSError, ValueError):
        return False


def measure_once(tree: Path, case: Case, plan: Plan, folder: Path, report: Report) -> list[Record]:
    """Measure a case by the harness in `tree`, and return its record; none if that harness does not know the case."""
    file, out = folder / "one.toml", folder / "one.jsonl"
    out.unlink(missing_ok=True)
    settings = [f"limit_s = {plan.limit_s}", f"budget_s = {plan.budget_s}", "[[grid]]"]
    unusual = {f.name: v for f in fields(Case) if (v := getattr(case, f.name)) != f.default}
    file.write_text("\n".join([*settings, *(f"{k} = {json.dumps(v)}" for k, v in unusual.items())]) + "\n")
    words = ["run", str(file), "--records", str(out)]
    # That harness writes scratch files into this one's folder, in case it is killed, and leaves the lock to this one.
    variables_of_child = environment(tree) | {"TMPDIR": str(folder), locks.SETTING: "none"}
    with locks.measuring(report):
        end = supervised.run(harness(tree, *words), variables_of_child, folder=tree, errors_only=True)
        if end.outside:
            end = supervised.run(harness(tree, *words), variables_of_child, folder=tree, errors_only=True)
    if out.exists():
        lines = reading.read(out)
        return [{**line, "case_key": case.key, "case": asdict(case), "plan": plan.name} for line in lines]
    if end.code == 2:
        return []
    last = (end.log.strip().splitlines() or [end.outside or "no output"])[-1]
    raise RevisionError(f"the harness of {tree.name} failed: {last}")


def harness(tree: Path, *words: str) -> list[str]:
    """Build the command `drtrl-bench` of the revision in `tree`, which imports that revision's files and no others."""
    return start.command(start.PACKAGE, *words) if tree == ROOT else [sys.executable, "-P", "-m", "bench", *words]


def environment(tree: Path) -> dict[str, str]:
    """Return the environment variables of the harness in `tree`, the same for every revision.

    Earlier revisions pass all of them on to the process that measures, look for the package in PYTHONPATH, and call git
    with the settings found here.
    """
    passed = variables.for_revisions(os.environ)
    for name in ("DRTRL_BENCH_CACHE", "DRTRL_BENCH_DATA"):
        if path := passed.get(name):  # made absolute, because the harness runs in another folder
            passed[name] = os.path.abspath(os.path.expanduser(path))
    if tree != ROOT:  # in the checkout itself there may be more than the project
        passed["PYTHONPATH"] = os.pathsep.join([str(tree), *filter(None, [passed.get("PYTHONPATH")])])
    return passed | repository.git_variables(ROOT) | {"PYTHONSAFEPATH": "1", plugins.SWITCH: "none"}


def measure_interleaved(
    sides: tuple[str, str],
    plan: Plan,
    report: Report,
    again: Callable[[list[Any], list[Any]], bool] | None = None,
    edit: Callable[[Path], None] | None = None,
) -> tuple[list[Record], list[Record]]:
    """Measure both sides, A B B A for each case, and return the records of each side.

    again: says of the records of a case on both sides whether to measure another A B B A, of `slowdown.LOOKS` at most.
    edit: changes the folder of the new side, which must be a throw-away one, before anything is measured.
    """
    for note in variables.notes(os.environ, variables.for_revisions(os.environ)):
        report(note)
    records: tuple[list[Record], list[Record]] = ([], [])
    with ExitStack() as stack:
        trees = [stack.enter_context(checkout(side)) for side in sides]
        if edit:
            edit(trees[1])
        folder = stack.enter_context(scratch.folder())
        for number, case in enumerate(plan.cases, start=1):
            report(f"[{number}/{len(plan.cases)}] {case.label}")
            of_case: tuple[list[Any], list[Any]] = ([], [])
            for attempt in range(slowdown.LOOKS):
                for index, side in enumerate((0, 1, 1, 0)):
                    lines = measure_once(trees[side], case, plan, folder, report)
                    of_case[side].extend(line | {"round": 4 * attempt + index} for line in lines)
                if not again or attempt + 1 == slowdown.LOOKS or not again(*of_case):
                    break
                report("    slower; measured once more")
            for side in (0, 1):
                records[side].extend(of_case[side])
    return records
