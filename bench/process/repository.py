"""Asks git about a folder's repository, and about no other; every question of the project's to git goes this way.

Within a hook, git's variables name the repository and the index that git itself is at work on: a question would be
answered of them, and a checkout would be written into the commit that is being made. They are left out. Nor does a
question run what the repository's configuration names: a monitor of the file system, hooks, filters of contents.
"""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

LOCAL = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_IMPLICIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_PREFIX"),
    *("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH", "GIT_SHALLOW_FILE"),
    *("GIT_GRAFT_FILE", "GIT_REPLACE_REF_BASE", "GIT_NO_REPLACE_OBJECTS", "GIT_NAMESPACE", "GIT_ATTR_SOURCE"),
    *("GIT_CONFIG", "GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT", "GIT_INTERNAL_SUPER_PREFIX"),
    *("GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS"),
)
"""Variables that bind git to one repository (`git rev-parse --local-env-vars` and its kin), or give paths another
meaning."""
SETTINGS = {"core.fsmonitor": "false", "core.hooksPath": os.devnull, "status.showUntrackedFiles": "normal"}
"""How git is set for a question, whatever the repository's or the user's own configuration says."""
CONVERTING = ("status", "worktree")
"""Commands that pass the contents of files through filters."""


def ask(folder: Path, *words: str, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    """What a git command says in a folder. Raises FileNotFoundError without git, TimeoutExpired after `timeout`."""
    settings = SETTINGS | (unfiltered(folder, timeout) if words[0] in CONVERTING else {})
    return run(folder, words, settings, timeout)


def unfiltered(folder: Path, timeout: float | None = None) -> dict[str, str]:
    """Settings under which no filter runs: git has no word for all, so each that is configured is called nothing."""
    listed = run(folder, ("config", "-z", "--name-only", "--get-regexp", r"^filter\."), SETTINGS, timeout).stdout
    names = {found[1] for name in listed.split("\0") if (found := re.fullmatch(r"(?s)filter\.(.+)\.[^.]+", name))}
    nothing = {"clean": "", "smudge": "", "process": "", "required": "false"}
    return {f"filter.{name}.{key}": value for name in sorted(names) for key, value in nothing.items()}


def run(
    folder: Path, words: tuple[str, ...], settings: Mapping[str, str], timeout: float | None
) -> subprocess.CompletedProcess[str]:
    """Runs git in a folder, set as it must be."""
    return subprocess.run(
        ["git", *words],
        cwd=folder,
        env=environment(settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        timeout=timeout,
    )


def handed_on(folder: Path) -> dict[str, str]:
    """Git's variables for a process that asks git itself, as the harness of an earlier revision does."""
    found = environment(SETTINGS | unfiltered(folder))
    return {name: value for name, value in found.items() if name.startswith("GIT_")}


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The variables of this process for git: bound to no repository, and with settings above all configuration."""
    return {k: v for k, v in os.environ.items() if k not in LOCAL} | {"LC_ALL": "C"} | quiet(settings)


def quiet(settings: Mapping[str, str]) -> dict[str, str]:
    """The variables that give settings to git, and keep it from refreshing an index that another git is at work on."""
    found = {"GIT_OPTIONAL_LOCKS": "0", "GIT_CONFIG_COUNT": str(len(settings))}
    for number, (name, value) in enumerate(settings.items()):
        found |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return found
