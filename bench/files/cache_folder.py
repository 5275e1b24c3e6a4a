"""Find the folder for files kept between runs: one that nobody else can write, or else a private temporary one.

No cache is needed to measure: where there is no folder for one, a temporary one serves until the process ends. What a
user should know of it is said in one line, once; a child leaves that to its parent.
"""

import atexit
import fcntl
import os
import pwd
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import ClassVar

SETTING = "DRTRL_BENCH_CACHE"
PRIVATE = "drtrl-bench-cache-"
"""How the names of private temporary folders begin."""


def home() -> Path | None:
    """Return the user's home folder, or None where there is none to keep anything in."""
    name = os.environ.get("HOME")
    if name is None:
        try:
            name = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError:  # a number without an entry, as in a container
            return None
    there = Path(name)
    try:
        return there if there.is_absolute() and there != Path("/") and there.is_dir() else None
    except OSError:
        return None


def path_in(variable: str) -> Path | None:
    """Return the path that an environment variable holds, or None.

    Raises NotADirectoryError for a path in the home of an unknown user.
    """
    if not (text := os.environ.get(variable)):
        return None
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise NotADirectoryError(f"${variable} {text}: no such home; write the path in full") from None


def configured() -> Path | None:
    """Return the folder that the user wants: $DRTRL_BENCH_CACHE, else ~/.cache/drtrl-bench; None without a home.

    Raises NotADirectoryError if the setting names the home of an unknown user.
    """
    if setting := path_in(SETTING):
        return setting.absolute()
    base = home()
    return base / ".cache" / "drtrl-bench" if base else None


class Shared:
    """What a process knows from its parent, and which lines it has printed."""

    folder: Path | None = None
    """The parent's folder, which the parent has checked."""
    notes: dict[str, str] | None = None
    """In a child: lines for its parent to print, by subject."""
    said: ClassVar[set[str]] = set()
    """Subjects of the lines printed so far."""


def use(path: Path) -> None:
    """Use the parent's folder from now on, and leave it to the parent to print lines."""
    Shared.folder, Shared.notes = path, {}


def folder() -> Path:
    """Return the folder to keep files in: the configured one, or a temporary one with a note why.

    The configured one may not exist yet; it is made when the first file is written.
    """
    if Shared.folder:
        return Shared.folder
    path = configured()
    if path is None:
        reason = "there is no home folder to keep anything in"
    elif problem := folder_problem(path):
        reason = f"{path} {problem}"
    else:
        return path
    note("folder", f"nothing is kept for later runs: {reason}; set ${SETTING} to a folder of your own")
    return temporary(os.getpid())


def folder_problem(path: Path) -> str | None:
    """Say why files must not be kept in a folder, or believed; None if they may, or if the folder can be made."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        if path.is_symlink():
            return "is a link to nothing"
        above = next(each for each in path.absolute().parents if os.path.lexists(each))
        if not above.is_dir():
            return f"cannot be made: {above} is no folder"
        return None if os.access(above, os.W_OK | os.X_OK) else f"cannot be made: {above} cannot be written"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if not stat.S_ISDIR(status.st_mode):
        return "is no folder"
    if problem := owner_problem(status):
        return problem
    return None if os.access(path, os.R_OK | os.W_OK | os.X_OK) else "cannot be written"


def owner_problem(status: os.stat_result) -> str | None:
    """Say why the content of a file or folder may be another user's, or None."""
    if status.st_uid != os.geteuid():
        return "is another user's"
    return "can be written by others (chmod go-w)" if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) else None


@cache
def temporary(process: int) -> Path:
    """Make a temporary folder for this process, removed when it ends; remove those of processes that were killed."""
    base = Path(tempfile.gettempdir())
    for left in base.glob(f"{PRIVATE}*"):
        with suppress(OSError), locked(left) as free:
            if free and left.lstat().st_uid == os.geteuid():
                shutil.rmtree(left, ignore_errors=True)
    path = Path(tempfile.mkdtemp(prefix=PRIVATE))
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # until this process ends, however it does

    def remove() -> None:
        if os.getpid() == process:  # and not a process that was forked from it
            shutil.rmtree(path, ignore_errors=True)

    atexit.register(remove)
    return path


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Lock a file or folder for the length of a block; yields False if another process has locked it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Make a folder and those above it, for nobody but the user."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)


def note(subject: str, line: str) -> None:
    """Print a line on standard error, once for its subject; in a child, keep it for the parent."""
    if Shared.notes is not None:
        Shared.notes.setdefault(subject, line)
    elif subject not in Shared.said:
        Shared.said.add(subject)
        shown = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)
        with suppress(OSError, ValueError):  # nobody listens
            print(f"drtrl-bench: {shown}".encode("ascii", "backslashreplace").decode(), file=sys.stderr, flush=True)


def pass_on(notes: object) -> None:
    """Print the lines that a child left to its parent."""
    for subject, line in notes.items() if isinstance(notes, dict) else ():
        note(str(subject), str(line))
