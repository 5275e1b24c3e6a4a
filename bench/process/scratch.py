"""Temporary folders that name their owner, so that what a dead one left behind is found, and removed at the next start.

An owner is a process id and when that process started, because ids are used again. It also holds a lock on the folder
while it lives: in another container its id says nothing.
"""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "drtrl-bench-"
OWNED = re.compile(rf"{PREFIX}(\d+)-(\d+)-\w+")
"""The name of such a folder: of its owner the process id, and when it started."""


def started(process: int) -> int | None:
    """When a process started, in a unit of the system's; None if there is no such process."""
    if Path("/proc/self/stat").exists():
        try:
            return int(Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()[19])
        except OSError:
            return None
    said = subprocess.run(["ps", "-o", "lstart=", "-p", str(process)], capture_output=True, text=True, check=False)
    return int.from_bytes(said.stdout.strip().encode()[-8:]) if said.stdout.strip() else None


def owner() -> str:
    """This process, as names begin with."""
    return f"{PREFIX}{os.getpid()}-{started(os.getpid()) or 0}-"


def abandoned(name: str) -> bool:
    """Whether a name is of a folder, and its owner is gone."""
    found = OWNED.fullmatch(name)
    return found is not None and started(int(found[1])) != int(found[2])


@contextmanager
def folder(within: Path | None = None) -> Iterator[Path]:
    """A temporary folder of this process, in the system's or another. What dead ones left there is removed first."""
    sweep(within)
    path = Path(tempfile.mkdtemp(prefix=owner(), dir=within))
    held = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield path
    finally:
        os.close(held)
        remove(path)


def sweep(within: Path | None = None) -> None:
    """Removes this user's temporary folders whose owner is gone."""
    for path in (within or Path(tempfile.gettempdir())).glob(f"{PREFIX}*"):
        if not abandoned(path.name):
            continue
        with suppress(OSError):  # another process sweeps, too
            if path.stat(follow_symlinks=False).st_uid != os.getuid():
                continue
            held = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if unlocked(held):
                    remove(path)
            finally:
                os.close(held)


def unlocked(held: int) -> bool:
    """Whether nobody holds the lock on an open folder, as its owner in another container would."""
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def remove(path: Path) -> None:
    """Removes a folder, also one that was left without the right to."""
    shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        for each, _, _ in os.walk(path):
            with suppress(OSError):
                os.chmod(each, 0o700)
        shutil.rmtree(path, ignore_errors=True)
