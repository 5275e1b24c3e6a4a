"""Locks that end with their process: one run writes a record file, and one case is measured on a machine at a time.

Both are `flock`'s, which the system gives back however a process ends; so no lock is ever left behind. Where a file
system has none, work goes on without: a shared disk is rarer than a disk that cannot lock.
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
"""One file for all users and whatever their TMPDIR is; empty, and for ever."""


class HeldError(OSError):
    """Another process has the lock; the message says which, and what to do."""


def holder(file: int) -> str:
    """Who holds a lock on an open file, as the system lists it: its process id, command and age."""
    at = os.fstat(file)
    known = f"{os.major(at.st_dev):02x}:{os.minor(at.st_dev):02x}:{at.st_ino}"
    with suppress(OSError, ValueError):
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()
            if words[1] == "FLOCK" and known in words:
                return described(int(words[4]))
    return "another process, perhaps in another container"


def described(process: int) -> str:
    """A process in words: "process 12 (drtrl-bench run quick, since 14:02)"."""
    said = f"process {process}"
    with suppress(OSError):
        folder = Path(f"/proc/{process}")
        words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        while words and (Path(words[0]).name.startswith("python") or words[0] in ("-m", "-P", "-I")):
            words = words[1:]
        words[:1] = [Path(word).name for word in words[:1]]
        plain = "".join(c for c in " ".join(words).strip() if c.isprintable())[:80]
        said += f" ({plain}, since {time.strftime('%H:%M', time.localtime(folder.stat().st_mtime))})"
    return said


def taken(file: int, wait: bool) -> bool:
    """Whether this process has the lock on an open file now; True, too, where the file system has none."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def current(file: int, path: Path) -> bool:
    """Whether an open file is still the one at a path, and was not removed or replaced while it was waited for."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except OSError:
        return False


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Holds a record file, made if it is not there. Raises HeldError if another process writes it.

    One that is made, and nothing written to it, is removed again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        made = not path.exists()
        file = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NONBLOCK, 0o666)
        try:
            if stat.S_ISREG(os.fstat(file).st_mode):
                if not taken(file, wait=False):
                    advice = "wait until that has ended, or name another file: --records"
                    raise HeldError(f"{path} is being written by {holder(file)}; {advice}")
                if not current(file, path):
                    continue
            try:
                yield
            finally:
                if made and not os.fstat(file).st_size and current(file, path):
                    path.unlink()
            return
        finally:
            os.close(file)


@contextmanager
def measuring(report: Callable[[str], None]) -> Iterator[None]:
    """Holds the machine. Waits, after a line that says for whom, while another process measures on it."""
    name = os.environ.get(SETTING) or str(MACHINE)
    while (file := None if name == "none" else opened(Path(name))) is not None:
        try:
            if not taken(file, wait=False):
                report(f"waiting for {holder(file)}, which is measuring on this machine")
                taken(file, wait=True)
            if not current(file, Path(name)):
                continue
            with suppress(OSError):  # so that what clears temporary folders sees that it is in use
                os.utime(file)
            yield
            return
        finally:
            os.close(file)
    yield


def opened(path: Path) -> int | None:
    """The lock of the machine, made if it is not there; None where that cannot be."""
    with suppress(OSError):
        with suppress(FileNotFoundError):
            return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with suppress(FileExistsError):
            made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            try:
                os.fchmod(made, 0o644)  # whatever the umask: a file that others cannot open keeps none of them away
            finally:
                os.close(made)
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    return None
