"""Measuring two revisions of the project on the same cases, interleaved: A B B A for every case.

Each revision is checked out into a throw-away worktree and measured by its own harness, in the environment that runs
this; a side may also be the checkout as it is, "." .
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
from drtrl_bench.process import locks, repository, scratch, supervised, variables
from drtrl_bench.records import reading
from drtrl_bench.records.record import Record

ROOT = install.ROOT
Report = Callable[[str], None]


class RevisionError(ValueError):
    """A revision that cannot be measured; the message says why and what to do."""


def require(command: str, history: bool = True) -> None:
    """Raises RevisionError where a command lacks what it measures: the project's folder, or also its commits."""
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
    """What a git command prints. Raises RevisionError with its complaint, in one line and in words for a user."""
    try:
        done = repository.ask(ROOT, *words)
    except FileNotFoundError:
        raise RevisionError("git is not installed; install it with the system's packages") from None
    if done.returncode:
        raise RevisionError(complaint(done.stderr) or f"git {words[0]} failed")
    return done.stdout.strip()


def complaint(said: str) -> str:
    """The line of git's complaint that says what is wrong, with the next step where git's own does not suit."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    found = next((line for line in lines if re.match("fatal: |error: ", line)), lines[-1] if lines else "")
    if "not a git repository" in found:
        return f"{ROOT} is not a git repository; git clone the project, and run drtrl-bench there"
    if "dubious ownership" in found:
        return f"{ROOT} belongs to another user; to allow it: git config --global --add safe.directory {ROOT}"
    return re.sub("^(fatal|error): ", "git: ", found)


def resolved(revision: str) -> str:
    """The commit of a revision. Raises RevisionError for one that is not there, and says if the clone is shallow."""
    try:
        return git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    except RevisionError:
        shallow = git("rev-parse", "--is-shallow-repository") == "true"
        hint = "this clone is shallow: git fetch --unshallow" if shallow else "git log --oneline shows what there is"
        raise RevisionError(f"unknown revision {revision!r}; {hint}") from None


def base() -> str:
    """What a change is compared with: where it left the main branch, or the commit before on the main branch itself.

    Raises RevisionError if that cannot be told: another commit would pass for it in silence.
    """
    head, on_main = resolved("HEAD"), False
    for main in ("origin/main", "main"):
        try:
            found = git("merge-base", "HEAD", main)
        except RevisionError:
            continue
        if found != head:
            return found
        on_main = True
    if on_main:
        return resolved("HEAD~1")
    raise RevisionError("HEAD has no commit in common with main that is here: git fetch --unshallow, or --against REV")


@contextmanager
def file_at(commit: str, path: str) -> Iterator[Path]:
    """A file as it is in a commit, under its own name. Raises RevisionError if there is none at this path."""
    content = git("show", f"{commit}:{path}")
    with scratch.folder() as folder:
        file = folder / Path(path).name
        file.write_text(content + "\n", encoding="utf-8")
        yield file


@contextmanager
def checkout(revision: str) -> Iterator[Path]:
    """The folder of a revision; "." is the checkout itself."""
    if revision == ".":
        yield ROOT
        return
    commit = resolved(revision)
    with scratch.folder() as folder:
        forget()
        tree = folder / folder.name  # the name by which git knows the worktree says whose it is
        try:
            add(tree, commit)
            yield tree
        finally:
            with suppress(RevisionError):  # it may not be there, or not whole
                git("worktree", "remove", "--force", "--force", str(tree))
            scratch.remove(known() / tree.name)  # what git did not know enough of to remove


def add(tree: Path, commit: str) -> None:
    """Checks a commit out into a worktree. What does so ends with this process, too: it may take a while."""
    command = ["git", "worktree", "add", "--detach", "--force", str(tree), commit]
    settings = repository.SETTINGS | repository.unfiltered(ROOT)
    how = supervised.run(command, repository.environment(settings), folder=ROOT)
    if how.code:
        raise RevisionError(complaint(how.log) or "git worktree add failed")


def forget() -> None:
    """Removes what git knows of worktrees whose owner is gone.

    `git worktree prune` would forget the user's own, too, that lie on a disk that is not here today.
    """
    for entry in known().iterdir() if known().is_dir() else ():
        if scratch.abandoned(entry.name) and not standing(entry):
            scratch.remove(entry)


def known() -> Path:
    """The folder in which git keeps what it knows of worktrees."""
    return ROOT / git("rev-parse", "--git-common-dir") / "worktrees"


def standing(entry: Path) -> bool:
    """Whether the worktree that an entry of git's is of is still there."""
    try:
        return (entry / (entry / "gitdir").read_text(encoding="utf-8", errors="surrogateescape").strip()).exists()
    except (OSError, ValueError):
        return False


def measure_once(tree: Path, case: Case, plan: Plan, folder: Path, report: Report) -> list[Record]:
    """One record of a case by the harness in `tree`; none if that harness does not know the case."""
    file, out = folder / "one.toml", folder / "one.jsonl"
    out.unlink(missing_ok=True)
    settings = [f"limit_s = {plan.limit_s}", f"budget_s = {plan.budget_s}", "[[grid]]"]
    unusual = {f.name: v for f in fields(Case) if (v := getattr(case, f.name)) != f.default}
    file.write_text("\n".join([*settings, *(f"{k} = {json.dumps(v)}" for k, v in unusual.items())]) + "\n")
    words = ["run", str(file), "--records", str(out)]
    # What that harness leaves behind, if it is killed, is in this one's folder; this one holds the machine for it.
    own = environment(tree) | {"TMPDIR": str(folder), locks.SETTING: "none"}
    with locks.measuring(report):
        how = supervised.run(harness(tree, *words), own, folder=tree, errors_only=True)
        if how.outside:
            how = supervised.run(harness(tree, *words), own, folder=tree, errors_only=True)
    if out.exists():
        found = reading.read(out)
        return [{**line, "case_key": case.key, "case": asdict(case), "plan": plan.name} for line in found]
    if how.code == 2:
        return []
    last = (how.log.strip().splitlines() or [how.outside or "no output"])[-1]
    raise RevisionError(f"the harness of {tree.name} failed: {last}")


def harness(tree: Path, *words: str) -> list[str]:
    """The command `drtrl-bench` of the revision in `tree`: its files are imported, and none that lie in between."""
    return start.command(start.PACKAGE, *words) if tree == ROOT else [sys.executable, "-P", "-m", "bench", *words]


def environment(tree: Path) -> dict[str, str]:
    """Environment variables of the harness in `tree`, the same for every revision.

    Earlier ones hand all of it on to the process that measures, look for the package in PYTHONPATH, and ask git as it
    is set here.
    """
    found = variables.to_revisions(os.environ)
    for name in ("DRTRL_BENCH_CACHE", "DRTRL_BENCH_DATA"):
        if told := found.get(name):  # as seen from here: the harness is in another folder
            found[name] = os.path.abspath(os.path.expanduser(told))
    if tree != ROOT:  # in the checkout itself there may be more than the project
        found["PYTHONPATH"] = os.pathsep.join([str(tree), *filter(None, [found.get("PYTHONPATH")])])
    return found | repository.handed_on(ROOT) | {"PYTHONSAFEPATH": "1", plugins.SWITCH: "none"}


def interleaved(
    sides: tuple[str, str],
    plan: Plan,
    report: Report,
    again: Callable[[list[Any], list[Any]], bool] | None = None,
    edit: Callable[[Path], None] | None = None,
) -> tuple[list[Record], list[Record]]:
    """Records of both sides, A B B A per case; a case for which `again` is true of its records gets another A B B A.

    `edit` is done to the new side's folder, which must be a throw-away one, before anything is measured.
    """
    for note in variables.notes(os.environ, variables.to_revisions(os.environ)):
        report(note)
    found: tuple[list[Record], list[Record]] = ([], [])
    with ExitStack() as stack:
        trees = [stack.enter_context(checkout(side)) for side in sides]
        if edit:
            edit(trees[1])
        folder = stack.enter_context(scratch.folder())
        for number, case in enumerate(plan.cases, start=1):
            report(f"[{number}/{len(plan.cases)}] {case.label}")
            own: tuple[list[Any], list[Any]] = ([], [])
            for attempt in range(2):
                for index, side in enumerate((0, 1, 1, 0)):
                    lines = measure_once(trees[side], case, plan, folder, report)
                    own[side].extend(line | {"round": 4 * attempt + index} for line in lines)
                if not again or not again(*own):
                    break
                report("    slower; measured once more")
            for side in (0, 1):
                found[side].extend(own[side])
    return found
