"""Make, find and remove the environment of each peer: a venv in the cache folder, with the versions of pins.toml.

The project's own environment is never touched. An environment has a file `ready.json` once it is whole: what it was
made of, its Python, its size. What lacks that file was interrupted, and is made anew.
"""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from drtrl_bench import lookup
from drtrl_bench.case import digest
from drtrl_bench.files import cache_folder

PINS = Path(__file__).with_name("pins.toml")
READY = "ready.json"
OURS = f"{sys.version_info.major}.{sys.version_info.minor}"
"""The minor version of the Python that runs this project."""
LIMIT_S = 3600.0
"""The longest that one step of an installation may take, in seconds."""


class PeerError(OSError):
    """A peer that there is not, or whose environment cannot be made; the message says why and what to do."""


@dataclass(frozen=True)
class Pins:
    """What the environment of a peer holds; pins.toml explains the fields."""

    name: str
    pythons: tuple[str, ...]
    as_ours: bool
    resolved: tuple[str, ...]
    pinned: tuple[str, ...]

    @property
    def version(self) -> str:
        """Return the pinned version of the peer itself."""
        return next(pin.partition("==")[2] for pin in self.pinned if pin.startswith(f"{self.name}=="))

    @property
    def sha(self) -> str:
        """Return the hash of everything that is installed."""
        return digest([self.resolved, self.pinned])


@dataclass(frozen=True)
class State:
    """What there is of a peer's environment."""

    pins: Pins
    folder: Path
    python: str = ""
    """The version of its Python; empty if the environment cannot be used."""
    size: int = 0
    problem: str = ""
    """Why it cannot be used, in words; empty if it can."""
    version: str = ""
    """The version of the peer in it: the pinned one, or the newest at the time, if `newest`."""
    newest: bool = False
    """Whether the peer is the newest release, over the pinned versions of the others."""

    @property
    def command(self) -> str:
        """Return the command that mends the problem."""
        return f"drtrl-bench peers install {self.pins.name}"

    @property
    def reason(self) -> str | None:
        """Return why the peer's rows are skipped, with the command that mends it; None if the peer can run."""
        return f"{self.pins.name} {self.problem}: {self.command}" if self.problem else None

    @property
    def installed(self) -> dict[str, Any] | None:
        """Return the release of the peer and the hash of the pins below it; None if the peer cannot run."""
        return None if self.problem else {"version": self.version, "newest": self.newest, "pins": self.pins.sha}

    @property
    def executable(self) -> Path:
        """Return the Python of the environment."""
        return self.folder / "bin" / "python"


@cache
def all_pins() -> dict[str, Pins]:
    """Read the pins of all peers, by name."""
    tables: dict[str, dict[str, Any]] = tomllib.loads(PINS.read_text(encoding="utf-8"))
    return {
        name: Pins(name, tuple(of["pythons"]), of["as_ours"], tuple(of["resolved"]), tuple(of["pinned"]))
        for name, of in tables.items()
    }


def pins(name: str) -> Pins:
    """Return the pins of a peer. Raises PeerError for an unknown name."""
    if name not in all_pins():
        raise PeerError(f"peer {name!r}: {lookup.nearest(name, all_pins())}")
    return all_pins()[name]


def state(name: str) -> State:
    """Say what there is of a peer's environment. Raises PeerError if no peer has the name."""
    wanted = pins(name)
    folder = cache_folder.folder() / "peers" / name
    if not folder.exists():
        return State(wanted, folder, problem="is not installed")
    try:
        ready = json.loads((folder / READY).read_text(encoding="utf-8"))
        made, python, size = ready["sha"], str(ready["python"]), int(ready["size"])
        version, newest = str(ready["version"]), bool(ready["newest"])
    except (OSError, ValueError, KeyError, TypeError):
        return State(wanted, folder, problem="is installed by half")
    if not State(wanted, folder).executable.exists():
        return State(wanted, folder, size=size, problem=f"has lost its Python {python}")
    if made != wanted.sha:
        return State(wanted, folder, python, size, f"is installed in other versions than {wanted.version} and its pins")
    return State(wanted, folder, python, size, "", version, newest)


def interpreters() -> dict[str, Path]:
    """Find the Pythons of this machine that can make a venv, by minor version: on the search path, and pyenv's."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    minors = sorted({minor for each in all_pins().values() for minor in each.pythons}, reverse=True)
    found: dict[str, Path] = {}
    for minor in minors:
        places = [Path(path)] if (path := shutil.which(f"python{minor}")) else []
        places += sorted(root.glob(f"versions/{minor}.*/bin/python"), reverse=True)
        if minor == OURS:
            places.insert(0, Path(getattr(sys, "_base_executable", sys.executable)))
        if usable := next((place for place in places if can_make_venv(place, minor)), None):
            found[minor] = usable
    return found


def can_make_venv(python: Path, minor: str) -> bool:
    """Tell whether a file is a Python of a minor version that can make a venv, and not pyenv's stand-in for one."""
    ask = "import sys, ensurepip, venv; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-I", "-c", ask], capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and done.stdout.strip() == minor


def choose_python(wanted: Pins, there: dict[str, Path]) -> Path:
    """Return the newest Python that suits, or the one of this project where it should be. Raises PeerError for none."""
    first = (OURS,) if wanted.as_ours and OURS in wanted.pythons else ()
    for minor in (*first, *wanted.pythons):
        if minor in there:
            return there[minor]
    raise PeerError(
        f"{wanted.name} {wanted.version} needs Python {' or '.join(wanted.pythons)}, and there is none here"
    )


def install(name: str, report: Callable[[str], None], newest: bool = False) -> State:
    """Make the environment of a peer, unless it is there in the pinned versions. Raises PeerError where that fails.

    newest: make it anew with the newest release of the peer, and of what that release asks for beyond the pins.
    """
    before = state(name)
    if not (before.problem or before.newest or newest):
        return before
    if cache_folder.configured() != cache_folder.folder():  # a temporary one, with a line that says why
        raise PeerError(f"no folder to keep {name} in; set ${cache_folder.SETTING} to a folder of your own")
    wanted, folder = before.pins, before.folder
    python = choose_python(wanted, interpreters())
    cache_folder.make_folder(folder.parent)
    with cache_folder.locked(folder.parent) as free:
        if not free:
            raise PeerError(f"another process installs or removes a peer in {folder.parent}; wait until that has ended")
        shutil.rmtree(folder, ignore_errors=True)
        report(f"{name} {wanted.version}: {python}")
        step([str(python), "-I", "-m", "venv", str(folder)], name)
        (constraints := folder / "pinned.txt").write_text("\n".join(wanted.pinned) + "\n", encoding="utf-8")
        pip = [str(before.executable), "-I", "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
        if wanted.resolved:
            report(f"{name} {wanted.version}: {', '.join(wanted.resolved)}")
            step([*pip, "-c", str(constraints), *wanted.resolved], name)
        report(f"{name} {wanted.version}: {len(wanted.pinned)} packages")
        step([*pip, "--no-deps", "-r", str(constraints)], name)
        if newest:
            report(f"{name}: the newest release")
            step([*pip, "--upgrade", *(["--no-deps"] if wanted.resolved else []), name], name)
        ask = "import platform, sys; from importlib.metadata import version"
        ask += "; print(platform.python_version(), version(sys.argv[1]))"
        python, version = step([str(before.executable), "-I", "-c", ask, name], name).split()
        ready = {"sha": wanted.sha, "python": python, "size": size_of(folder), "version": version, "newest": newest}
        (folder / READY).write_text(json.dumps(ready), encoding="utf-8")
    return state(name)


def step(command: list[str], name: str) -> str:
    """Run one step of an installation, and return what it prints. Raises PeerError with the last line if it fails."""
    dropped = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX", "PIP_TARGET", "PIP_PREFIX", "PIP_USER")
    env = {key: value for key, value in os.environ.items() if key not in dropped}
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerError(f"{name} cannot be installed: {error}") from None
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("ERROR")]
        last = [*lines, *(done.stderr or done.stdout).strip().splitlines(), "no output"][0 if lines else -1]
        raise PeerError(f"{name} cannot be installed: {last[:300]}; the same command tries again")
    return done.stdout


def remove(name: str) -> bool:
    """Remove the environment of a peer, and return whether there was one.

    Raises PeerError if no peer has the name, or if another process installs or removes a peer.
    """
    folder = state(name).folder
    if not folder.exists():
        return False
    with cache_folder.locked(folder.parent) as free:
        if not free:
            raise PeerError(f"another process installs or removes a peer in {folder.parent}; wait until that has ended")
        (folder / READY).unlink(missing_ok=True)
        shutil.rmtree(folder)
    return True


def size_of(folder: Path) -> int:
    """Return the bytes that the files of a folder take on the disk, links not followed."""
    return sum((Path(place) / name).lstat().st_blocks * 512 for place, _, names in os.walk(folder) for name in names)
