"""Lock a record file for the run that writes it, and the machine for the case that is measured on it.

Both locks are `flock`'s, which the system releases however a process ends, so no lock is ever left behind. Where a file
system has no locks, work goes on without: a shared disk is rarer than a disk that cannot lock.
"""

import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SETTING = "DRTRL_BENCH_LOCK"
"""The environment variable that names another lock of the machine, or "none"."""
MACHINE = Path("/tmp/drtrl-bench.lock")
"""The lock file of the machine, the same for all users and every TMPDIR; it stays empty and is never removed."""


class HeldError(OSError):
    """Another process has the lock; the message names the process and says what to do."""


def holder(file: int) -> str:
    """Return who holds the lock on an open file, as the system lists it: process id, command and start."""
    status = os.fstat(file)
    inode = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    with suppress(OSError, ValueError):
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()
            if words[1] == "FLOCK" and inode in words:
                return describe(int(words[4]))
    return "another process, perhaps in another container"


def describe(process: int) -> str:
    """Return a process in words: "process 12 (drtrl-bench run quick, since 14:02)"."""
    text = f"process {process}"
    with suppress(OSError):
        folder = Path(f"/proc/{process}")
        words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        while words and (Path(words[0]).name.startswith("python") or words[0] in ("-m", "-P", "-I")):
            words = words[1:]
        words[:1] = [Path(word).name for word in words[:1]]
        command = "".join(c for c in " ".join(words).strip() if c.isprintable())[:80]
        text += f" ({command}, since {time.strftime('%H:%M', time.localtime(folder.stat().st_mtime))})"
    return text


def acquire(file: int, wait: bool) -> bool:
    """Lock an open file, and return whether that succeeded; True, too, where the file system has no locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def is_current(file: int, path: Path) -> bool:
    """Return whether an open file is still the file at a path, neither removed nor replaced in the meantime."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except OSError:
        return False


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Lock a record file, and create the file if it is missing. Raises HeldError if another process writes the file.

    A file that was created and has stayed empty is removed again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        is_new = not path.exists()
        file = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NONBLOCK, 0o666)
        try:
            if stat.S_ISREG(os.fstat(file).st_mode):
                if not acquire(file, wait=False):
                    advice = "wait until that has ended, or name another file: --records"
                    raise HeldError(f"{path} is being written by {holder(file)}; {advice}")
                if not is_current(file, path):
                    continue
            try:
                yield
            finally:
                if is_new and not os.fstat(file).st_size and is_current(file, path):
                    path.unlink()
            return
        finally:
            os.close(file)


@contextmanager
def measuring(report: Callable[[str], None]) -> Iterator[None]:
    """Lock the machine. While another process measures on it, wait, after a line that names the process."""
    name = os.environ.get(SETTING) or str(MACHINE)
    while (file := None if name == "none" else open_machine_lock(Path(name))) is not None:
        try:
            if not acquire(file, wait=False):
                report(f"waiting for {holder(file)}, which is measuring on this machine")
                acquire(file, wait=True)
            if not is_current(file, Path(name)):
                continue
            with suppress(OSError):  # so that what clears temporary folders sees that the lock file is in use
                os.utime(file)
            yield
            return
        finally:
            os.close(file)
    yield


def open_machine_lock(path: Path) -> int | None:
    """Open the lock file of the machine, created if it is missing; return None where neither is possible."""
    with suppress(OSError):
        with suppress(FileNotFoundError):
            return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with suppress(FileExistsError):
            created = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            try:
                os.fchmod(created, 0o644)  # whatever the umask: a file that others cannot open keeps none of them away
            finally:
                os.close(created)
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    return None
