"""Ask git about the repository of a folder, and about no other; every git command of the project runs through here.

Within a hook, git's variables name the repository and the index that git itself is at work on: a command would answer
for that repository, and a checkout would be written into the commit that is being made. These variables are left out.
Nor does a command run what the repository's configuration names: a monitor of the file system, hooks, filters.
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
"""The configuration of each command, whatever the repository's or the user's own configuration says."""
CONVERTING = ("status", "worktree")
"""Commands that pass the contents of files through filters."""


def ask(folder: Path, *words: str, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    """Run a git command in a folder and return its output.

    Raises FileNotFoundError if git is missing, TimeoutExpired after `timeout` seconds.
    """
    settings = SETTINGS | (unfiltered(folder, timeout) if words[0] in CONVERTING else {})
    return run(folder, words, settings, timeout)


def unfiltered(folder: Path, timeout: float | None = None) -> dict[str, str]:
    """Return settings under which no filter runs: one for each filter, since git has no switch for all of them."""
    keys = run(folder, ("config", "-z", "--name-only", "--get-regexp", r"^filter\."), SETTINGS, timeout).stdout
    names = {match[1] for key in keys.split("\0") if (match := re.fullmatch(r"(?s)filter\.(.+)\.[^.]+", key))}
    disabled = {"clean": "", "smudge": "", "process": "", "required": "false"}
    return {f"filter.{name}.{key}": value for name in sorted(names) for key, value in disabled.items()}


def run(
    folder: Path, words: tuple[str, ...], settings: Mapping[str, str], timeout: float | None
) -> subprocess.CompletedProcess[str]:
    """Run git in a folder, with settings above all configuration."""
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


def git_variables(folder: Path) -> dict[str, str]:
    """Return git's variables for a process that runs git itself, as the harness of an earlier revision does."""
    variables = environment(SETTINGS | unfiltered(folder))
    return {name: value for name, value in variables.items() if name.startswith("GIT_")}


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the variables for git: those of this process, bound to no repository, and the settings."""
    return {k: v for k, v in os.environ.items() if k not in LOCAL} | {"LC_ALL": "C"} | setting_variables(settings)


def setting_variables(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that give git its settings, and keep git from refreshing another git's index."""
    variables = {"GIT_OPTIONAL_LOCKS": "0", "GIT_CONFIG_COUNT": str(len(settings))}
    for number, (name, value) in enumerate(settings.items()):
        variables |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return variables
