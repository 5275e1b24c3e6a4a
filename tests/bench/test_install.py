"""The set-up: a lock that resolves on every Python, a wheel that is whole, and commands that say what they lack."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import CHEAP, understood
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support.copies import ROOT, copied

from drtrl_bench import __version__, data, install, lookup, registry
from drtrl_bench.case import Case
from drtrl_bench.cli import app
from drtrl_bench.gate import revisions
from drtrl_bench.measure import environment, memory, refusal, runner

PYTHONS = ("3.11", "3.12", "3.13")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REQUIREMENTS = [
    *PROJECT["dependencies"],
    *(each for extra in PROJECT["optional-dependencies"].values() for each in extra),
]


def pins(python: str) -> dict[str, Requirement]:
    """The versions that constraints.txt names for a Python on Linux, by name."""
    here = {"python_version": python, "python_full_version": f"{python}.1", "sys_platform": "linux", "os_name": "posix"}
    here |= {"platform_system": "Linux", "platform_machine": "x86_64", "implementation_name": "cpython"}
    found: dict[str, Requirement] = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            pin = Requirement(line)
            if pin.marker is None or pin.marker.evaluate(here):
                assert found.setdefault(canonicalize_name(pin.name), pin) is pin, f"{pin.name} is pinned twice"
    return found


def version(pin: Requirement) -> str:
    (exact,) = pin.specifier
    assert exact.operator == "==", pin
    return exact.version


@pytest.mark.parametrize("python", PYTHONS)
def test_every_requirement_has_a_version_that_suits(python: str) -> None:
    locked = pins(python)
    for text in REQUIREMENTS:
        wanted = Requirement(text)
        pin = locked[canonicalize_name(wanted.name)]
        assert not pin.extras, "pip takes no constraint with extras"
        assert wanted.specifier.contains(version(pin)), f"{text}, but {pin}"


@pytest.mark.parametrize(("python", "jax"), [("3.11", "0.10."), ("3.12", "0.12."), ("3.13", "0.12.")])
def test_each_python_has_its_newest_jax(python: str, jax: str) -> None:
    """JAX 0.11 left Python 3.11 behind. All parts of JAX are of one version."""
    locked = pins(python)
    for name in ("jax", "jaxlib", "jax-cuda13-plugin", "jax-cuda13-pjrt"):
        assert version(locked[name]).startswith(jax), locked[name]


@pytest.mark.parametrize("python", PYTHONS)
def test_triton_is_the_one_that_torch_asks_for(python: str) -> None:
    """What the metadata of the index's wheels of PyTorch for Linux say; no other version installs beside them."""
    asked = {"2.11.0": "3.6.0", "2.13.0": "3.7.1"}
    locked = pins(python)
    assert version(locked["triton"]) == asked[version(locked["torch"])]


def test_asv_measures_with_the_versions_of_the_lock() -> None:
    settings = json.loads((ROOT / "asv.conf.json").read_text(encoding="utf-8"))
    (python,) = settings["pythons"]
    locked = pins(python)
    named = {name.removeprefix("pip+"): values for name, values in settings["matrix"]["req"].items()}
    assert {"jax", "jaxlib", "torch", "numpy"} <= named.keys()
    for name, values in named.items():
        if values != [""]:
            assert values == [version(locked[canonicalize_name(name)])], name


def interpreters() -> dict[str, Path]:
    """The Pythons of this machine that the lock is for: on the search path, of pyenv, and the one of the tests."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    places = [Path(found) for python in PYTHONS if (found := shutil.which(f"python{python}"))]
    places += [path for python in PYTHONS for path in sorted(root.glob(f"versions/{python}*/bin/python"))]
    found = {}
    for place in (*places, Path(sys.executable)):
        ask = "import sys, ensurepip, venv; print('%d.%d' % sys.version_info[:2])"
        done = subprocess.run([place, "-c", ask], capture_output=True, text=True, check=False)
        if (
            done.returncode == 0 and done.stdout.strip() in PYTHONS
        ):  # pyenv's stand-ins fail where it has no such version
            found[done.stdout.strip()] = place
    return found


def plain() -> dict[str, str]:
    """Environment variables under which pip knows the plain index alone; certificates and proxies stay."""
    shaping = (
        "FIND_LINKS",
        "INDEX_URL",
        "EXTRA_INDEX_URL",
        "CONSTRAINT",
        "NO_INDEX",
        "PRE",
        "NO_BINARY",
        "ONLY_BINARY",
    )
    dropped = {f"PIP_{name}" for name in shaping} | {"PYTHONPATH", "VIRTUAL_ENV"}
    return {k: v for k, v in os.environ.items() if k not in dropped} | {"PIP_CONFIG_FILE": os.devnull}


@pytest.fixture(scope="module")
def pip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A current pip, which resolves for any interpreter and downloads nothing that is not installed."""
    folder = tmp_path_factory.mktemp("pip")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    command = [folder / "bin" / "pip", "install", "--quiet", "--upgrade", "pip"]
    done = subprocess.run(command, env=plain(), capture_output=True, text=True, check=False)
    offline(done)
    assert done.returncode == 0, done.stderr
    return folder / "bin" / "pip"


def offline(done: subprocess.CompletedProcess[str]) -> None:
    """Skips where the index cannot be reached."""
    if done.returncode and re.search("connection broken|Max retries|NewConnectionError", done.stdout + done.stderr):
        pytest.skip("the package index cannot be reached")


@pytest.mark.slow
@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_resolves_from_the_plain_index(python: str, pip: Path, tmp_path: Path) -> None:
    if not (interpreter := interpreters().get(python)):
        pytest.skip(f"no Python {python} on this machine")
    project = copied(tmp_path)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, project)
    extras = ",".join(PROJECT["optional-dependencies"])
    report = tmp_path / "report.json"
    command = [pip, "--python", interpreter, "install", "--dry-run", "--ignore-installed", "--use-feature=fast-deps"]
    command += ["--quiet", "--report", report, "-c", ROOT / "constraints.txt", f".[{extras}]"]
    done = subprocess.run(command, cwd=project, env=plain(), capture_output=True, text=True, check=False)
    offline(done)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(report.read_text(encoding="utf-8"))["install"]
    installs = {canonicalize_name(each["metadata"]["name"]): each["metadata"]["version"] for each in found}
    locked = pins(python)
    assert installs.pop(canonicalize_name("drtrl-bench")) == PROJECT["version"]
    assert installs == {name: version(locked[name]) for name in installs}, "what is installed is all locked"
    assert {"jax", "jax-cuda13-plugin", "torch", "tonic", "asv", "pytest"} <= installs.keys()


def test_make_knows_two_devices() -> None:
    """What `make` would type: JAX alone, or with its CUDA libraries; nothing hides the progress of pip."""

    def typed(*words: str) -> subprocess.CompletedProcess[str]:
        command = ["make", "--dry-run", "--always-make", "test", "VENV=nowhere", *words]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert "-c constraints.txt -e '.[jax,torch,events,asv,cluster,dev,docs]'\n" in typed().stdout
    assert "-c constraints.txt -e '.[jax,torch,events,asv,cluster,dev,docs,cuda]'\n" in typed("DEVICE=cuda").stdout
    assert "--quiet" not in typed().stdout
    wrong = typed("DEVICE=gpu")
    assert wrong.returncode == 2
    assert 'DEVICE is cpu or cuda, not "gpu"' in wrong.stderr


@pytest.mark.xdist_group("jax")
def test_jax_starts_with_the_flags_of_these_tests() -> None:
    """XLA ends a process at a flag that it does not know, and the names of some that it gave up are still in it."""
    pytest.importorskip("jax")
    flags = understood((*CHEAP, "--xla_no_such_flag=1"))
    assert "--xla_backend_optimization_level=0" in flags
    env = os.environ | {"XLA_FLAGS": " ".join(flags), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", "import jax; jax.devices()"], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# The wheel.


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built from a copy without the network."""
    pytest.importorskip("setuptools", "77")
    project = copied(tmp_path_factory.mktemp("wheel"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, project)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "."]
    subprocess.run(command, cwd=project, check=True)
    (found,) = project.glob("*.whl")
    return found


def packaged(folder: Path) -> set[str]:
    """The files of a checkout that a user needs, as they are called in the installed package."""
    kept = {".py", ".toml", ".html", ".md", ".json"}
    names = {"bench": "drtrl_bench"} | {part: f"drtrl_bench/{part}" for part in ("implementations", "datasets")}
    found = {
        f"{name}/{path.relative_to(folder / part)}"
        for part, name in names.items()
        for path in (folder / part).rglob("*")
        if path.suffix in kept and not {"asv_suite", "__pycache__"} & set(path.parts)
    }
    assert {
        "drtrl_bench/view/report.html",
        "drtrl_bench/plans/quick.toml",
        "drtrl_bench/datasets/cards/shd.md",
        "drtrl_bench/datasets/stand_ins/espeak.py",
        "drtrl_bench/implementations/algorithms/approximate/drtrl_jax.py",
        "drtrl_bench/figures/style.py",
    } <= found
    return found


def test_the_wheel_holds_one_package_and_all_of_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
    about = f"drtrl_bench-{__version__}.dist-info"
    assert {name.partition("/")[0] for name in names} == {"drtrl_bench", about}
    assert {name for name in names if not name.startswith(about)} == packaged(ROOT)


def test_the_source_archive_holds_the_package(tmp_path: Path) -> None:
    pytest.importorskip("setuptools", "77")
    project = copied(tmp_path)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, project)
    code = "from setuptools.build_meta import build_sdist; build_sdist('.')"
    subprocess.run([sys.executable, "-c", code], cwd=project, check=True, capture_output=True)
    (path,) = project.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert packaged(ROOT) <= held
    assert "pyproject.toml" in held


def test_one_version_everywhere() -> None:
    assert PROJECT["version"] == __version__


class Installed(NamedTuple):
    """An environment with the wheel, and an empty folder to run in."""

    python: Path
    folder: Path

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs Python with these words."""
        kept = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        env = kept | {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb", "DRTRL_BENCH_CACHE": str(self.folder / "cache")}
        return subprocess.run(
            [self.python, *words], cwd=self.folder, env=env, capture_output=True, text=True, check=False
        )

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run("-m", "drtrl_bench", *words)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel, unpacked beside the packages that are here."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "venv")
    (packages,) = (folder / "venv").glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    others = [entry for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")]
    (packages / "others.pth").write_text("\n".join(others) + "\n")
    (folder / "empty").mkdir()
    return Installed(folder / "venv" / "bin" / "python", folder / "empty")


@pytest.mark.xdist_group("torch")
def test_an_installed_wheel_measures_and_reports(installed: Installed, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    plan, records = tmp_path / "tiny.toml", tmp_path / "tiny.jsonl"
    sizes = 'dataset = "bernoulli"\ncell = "leaky_rnn"\nfeatures = 5\nneurons = 4\nbatch = 2\nsteps = 6\nthreads = 1'
    plan.write_text(f'budget_s = 0.01\n[[grid]]\nframework = "torch"\n{sizes}\n')
    for words, said in (
        (["--version"], f"drtrl-bench {__version__}\n"),
        (["list"], "digits (event-converted)"),
        (["list", "quick", "-k", "drtrl"], "drtrl jax"),
        (["run", str(plan), "--records", str(records)], "cosine"),
        (["show", str(records)], "bernoulli"),
        (["report", str(records), "--out", str(tmp_path / "out")], "report.html"),
        (["env"], "drtrl-bench    0.1.0"),
        (["data", "list"], "drtrl-bench data make shd"),
        (["compare", str(records), str(records)], "same"),
    ):
        done = installed.command(*words)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        assert said in done.stdout, (words, done.stdout)
        assert done.stderr == "", (words, done.stderr)
    assert json.loads(installed.command("env", "--json").stdout)["commit"] is None


MEASURING = (["check"], ["baseline"], ["compare", "HEAD~1"], ["trend"], ["rehearse"], ["check", "--no-speed"])


@pytest.mark.parametrize("words", MEASURING, ids=" ".join)
def test_an_installed_wheel_says_which_commands_need_a_checkout(words: list[str], installed: Installed) -> None:
    done = installed.command(*words)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "needs a checkout of the project; git clone it, and run drtrl-bench there" in done.stderr


def test_hints_suit_a_checkout_and_a_wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The extras that hints name are there; what a wheel suggests needs no file of the project."""
    assert install.command("jax") == "pip install -c constraints.txt -e '.[jax]'"
    assert registry.FRAMEWORKS["torch"] == "pip install -c constraints.txt -e '.[torch]'"
    assert data.module("events.published").NEEDED == "pip install -c constraints.txt -e '.[events]'"
    assert {"jax", "torch", "events"} <= PROJECT["optional-dependencies"].keys()
    monkeypatch.setattr(install, "ROOT", tmp_path)
    assert install.command("jax") == "pip install 'drtrl-bench[jax]'"
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "another"\n')
    assert install.command("jax") == "pip install 'drtrl-bench[jax]'", "vendored into another project"
    monkeypatch.setattr(revisions, "ROOT", tmp_path)
    with pytest.raises(revisions.RevisionError, match="check needs a checkout of the project; git clone it"):
        revisions.require("check", history=False)


def test_an_installed_wheel_hints_at_itself(installed: Installed) -> None:
    """Without a framework, as `pip install .` leaves it."""
    absent = "None if name in ('jax', 'torch') else find(name, *more)"
    code = (
        "import sys; from importlib import util; find = util.find_spec; "
        f"util.find_spec = lambda name, *more: {absent}; from drtrl_bench.cli import app; "
        "sys.argv = ['drtrl-bench', 'list']; app.main()"
    )
    done = installed.run("-c", code)
    assert done.returncode == 0, done.stderr
    assert "jax is not installed: pip install 'drtrl-bench[jax]'" in " ".join(done.stdout.split())


# git's complaints.


@pytest.fixture
def measures_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(*arguments: object, **options: object) -> None:
        raise AssertionError("measured before it said what is missing")

    monkeypatch.setattr(runner, "run", measured)
    monkeypatch.setattr(revisions, "measure_once", measured)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that passes for the project's, as far as the commands of revisions look at it."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pyproject.toml").write_text('[project]\nname = "drtrl-bench"\n')
    monkeypatch.setattr(revisions, "ROOT", folder)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    return folder


def not_a_repository(folder: Path) -> None:
    """Downloaded without its history."""


def within_another(folder: Path) -> None:
    subprocess.run(["git", "init", "-q", folder.parent], check=True)


def unborn(folder: Path) -> None:
    subprocess.run(["git", "init", "-q", folder], check=True)


def shallow(folder: Path) -> None:
    source = folder.parent / "source"
    who = ["-c", "user.name=n", "-c", "user.email=e"]
    subprocess.run(["git", "init", "-q", "-b", "main", source], check=True)
    for _ in range(2):
        subprocess.run(["git", *who, "commit", "-q", "--allow-empty", "-m", "c"], cwd=source, check=True)
    clone = folder.parent / "clone"
    subprocess.run(["git", "clone", "-q", "--depth", "1", f"file://{source}", clone], check=True)
    shutil.move(clone / ".git", folder / ".git")


def of_another_user(folder: Path) -> None:
    unborn(folder)
    os.environ["GIT_TEST_ASSUME_DIFFERENT_OWNER"] = "1"


SITUATIONS: dict[str, tuple[Callable[[Path], None], str]] = {
    "not a repository": (not_a_repository, "is not a git repository; git clone the project"),
    "within another": (within_another, "lies in another project's repository; git clone this"),
    "unborn HEAD": (unborn, "has none yet; git commit makes one"),
    "of another user": (of_another_user, "git config --global --add safe.directory"),
}


@pytest.mark.parametrize(
    "words", [w for w in MEASURING if w[0] != "baseline" and w != ["check", "--no-speed"]], ids=" ".join
)
@pytest.mark.parametrize("situation", SITUATIONS)
def test_git_speaks_in_one_line_before_anything_is_measured(
    situation: str,
    words: list[str],
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    measures_nothing: None,
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "0")
    make, said = SITUATIONS[situation]
    make(project)
    complained(words, said, monkeypatch, capfd)


def complained(words: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Runs the command in this process: exit code 2, and one line that says so, without git's own "fatal:"."""
    monkeypatch.setattr(sys, "argv", ["drtrl-bench", *words])
    with pytest.raises(SystemExit) as ended:
        app.main()
    printed = capfd.readouterr()
    assert ended.value.code == 2
    assert said in printed.err
    assert "fatal" not in printed.err + printed.out
    assert len(printed.err.splitlines()) == 1, printed.err
    assert words[0] in printed.err


@pytest.mark.parametrize("words", [["check"], ["compare", "HEAD~1"], ["trend", "HEAD~1"]], ids=" ".join)
def test_without_git_a_command_says_so(
    words: list[str],
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    measures_nothing: None,
) -> None:
    unborn(project)
    monkeypatch.setenv("PATH", str(project))
    complained(words, "git is not installed", monkeypatch, capfd)
    assert environment.checkout() == {"commit": None, "dirty": None}


@pytest.mark.parametrize(
    "words", [["compare", "HEAD~1"], ["trend", "HEAD~1"], ["check", "--against", "HEAD~1"]], ids=" ".join
)
def test_a_shallow_clone_is_told_how_to_grow(
    words: list[str],
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    measures_nothing: None,
) -> None:
    shallow(project)
    monkeypatch.setattr(sys, "argv", ["drtrl-bench", *words])
    from drtrl_bench.gate import baseline

    monkeypatch.setattr(baseline, "records", list)
    with pytest.raises(SystemExit) as ended:
        app.main()
    said = capfd.readouterr().err
    assert ended.value.code == 2
    assert said == "drtrl-bench: unknown revision 'HEAD~1'; this clone is shallow: git fetch --unshallow\n"


def test_other_complaints_of_git_keep_their_words_and_lose_their_fatal() -> None:
    said = "warning: something\nfatal: could not create work tree dir '/x': No space left on device\n"
    assert revisions.complaint(said) == "git: could not create work tree dir '/x': No space left on device"
    assert revisions.complaint("") == ""


# The command itself.


@pytest.mark.parametrize(
    "words", [[], ["run"], ["list"], ["show"], ["report"], ["compare"], ["check"], ["env"], ["data"], ["data", "make"]]
)
def test_h_is_help(words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    said = []
    for option in ("-h", "--help"):
        monkeypatch.setattr(sys, "argv", ["drtrl-bench", *words, option])
        with pytest.raises(SystemExit) as ended:
            app.main()
        assert ended.value.code == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert "Usage: drtrl-bench" in said[0]


# Memory.

MEGABYTES = "MemTotal:       16000000 kB\nMemAvailable:     838860 kB\n"


@pytest.fixture
def little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 838,860 kB free, which is 0.80 GiB."""
    (tmp_path / "meminfo").write_text(MEGABYTES)
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "CONTROL_GROUP", tmp_path)
    monkeypatch.delenv(memory.SETTING)


def test_a_refusal_says_what_it_asks_for(little: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusal, "analytic_bytes", lambda *a: 25_270_682)  # 24.1 MiB
    monkeypatch.setattr(lookup, "missing", lambda framework: None)
    case = Case(dataset="bernoulli", threads=1)
    assert runner.refusal(case) == (
        "oom",
        "refused: needs at least 1.02 GiB, 819 MiB available (24.1 MiB of arrays and 1.00 GiB for the framework and "
        "its compiler); end other programs, or try all the same: DRTRL_BENCH_MEMORY_GIB=2",
    )
    monkeypatch.setattr(refusal, "analytic_bytes", lambda *a: 1_003_202_400_000)  # B n J G N, 2 5010 5006 5000 4 bytes
    assert runner.refusal(case) == (
        "oom",
        "refused: needs at least 935 GiB, 819 MiB available (934 GiB of arrays and 1.00 GiB for the framework and its "
        "compiler); choose fewer neurons, a smaller batch or another algorithm",
    )
    monkeypatch.setattr(refusal, "analytic_bytes", lambda *a: 0)
    monkeypatch.setenv(memory.SETTING, "1.0")
    assert runner.refusal(case) is None


def test_what_is_available_is_the_least_of_what_is_said(
    little: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert memory.available_bytes() == 838_860 * 1024
    (tmp_path / "memory.max").write_text("700000000\n")
    (tmp_path / "memory.current").write_text("500000000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 100000000\n")
    assert memory.available_bytes() == 300_000_000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.available_bytes() == 838_860 * 1024
    monkeypatch.setenv(memory.SETTING, "0.5")
    assert memory.available_bytes() == 536_870_912
    for no_size in ("plenty", "-1", "nan", "inf"):
        monkeypatch.setenv(memory.SETTING, no_size)
        with pytest.raises(OSError, match=f"DRTRL_BENCH_MEMORY_GIB is '{no_size}'; it must be a number of GiB"):
            memory.available_bytes()


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (512, "0.50 KiB"),
        (1_048_575, "1024 KiB"),
        (1_048_576, "1.00 MiB"),
        (15_728_640, "15.0 MiB"),
        (838_860_800, "800 MiB"),
        (1_610_612_736, "1.50 GiB"),
        (1_649_267_441_664, "1.50 TiB"),
        (1_125_899_906_842_624_000, "1000 PiB"),
    ],
)
def test_bytes_are_said_to_three_digits(count: int, said: str) -> None:
    assert memory.in_words(count) == said


def test_tests_do_not_depend_on_free_memory() -> None:
    assert memory.available_bytes() == 8 * 2**30
