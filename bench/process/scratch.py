"""Make temporary folders that name their owner, so that the folders of a dead process are removed at the next start.

An owner is a process id and the start time of that process, because ids are used again. The owner also holds a lock on
the folder while it lives: in another container a process id says nothing.
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
"""The name of such a folder: the process id of its owner, and the start time."""


def start_time(process: int) -> int | None:
    """Return when a process started, in a unit of the system's; None if there is no such process."""
    if Path("/proc/self/stat").exists():
        try:
            return int(Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()[19])
        except OSError:
            return None
    listing = subprocess.run(["ps", "-o", "lstart=", "-p", str(process)], capture_output=True, text=True, check=False)
    return int.from_bytes(listing.stdout.strip().encode()[-8:]) if listing.stdout.strip() else None


def owner() -> str:
    """Return the beginning of the names of this process's folders."""
    return f"{PREFIX}{os.getpid()}-{start_time(os.getpid()) or 0}-"


def abandoned(name: str) -> bool:
    """Return whether a name is that of a temporary folder whose owner is gone."""
    match = OWNED.fullmatch(name)
    return match is not None and start_time(int(match[1])) != int(match[2])


@contextmanager
def folder(within: Path | None = None) -> Iterator[Path]:
    """Make a temporary folder in `within` or the system's folder, after removing the abandoned ones there."""
    sweep(within)
    path = Path(tempfile.mkdtemp(prefix=owner(), dir=within))
    handle = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield path
    finally:
        os.close(handle)
        remove(path)


def sweep(within: Path | None = None) -> None:
    """Remove this user's temporary folders whose owner is gone."""
    for path in (within or Path(tempfile.gettempdir())).glob(f"{PREFIX}*"):
        if not abandoned(path.name):
            continue
        with suppress(OSError):  # another process sweeps, too
            if path.stat(follow_symlinks=False).st_uid != os.getuid():
                continue
            handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if is_unlocked(handle):
                    remove(path)
            finally:
                os.close(handle)


def is_unlocked(handle: int) -> bool:
    """Return whether nobody holds the lock on an open folder, as its owner in another container would."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def remove(path: Path) -> None:
    """Remove a folder, even if its permissions forbid that."""
    shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        for directory, _, _ in os.walk(path):
            with suppress(OSError):
                os.chmod(directory, 0o700)
        shutil.rmtree(path, ignore_errors=True)
