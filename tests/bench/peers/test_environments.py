"""Environments of peers: what is said of a missing or broken one, how one is made, and that nothing else is touched."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from support.command_line import command
from support.copies import ROOT

from drtrl_bench.cli import peers as cli
from drtrl_bench.files import cache_folder
from drtrl_bench.peers import agreement, environments, exchange, ways


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv(cache_folder.SETTING, str(tmp_path / "cache"))
    return tmp_path / "cache"


def pretend(cache: Path, name: str, **changed: object) -> Path:
    """An environment that looks installed."""
    folder = cache / "peers" / name
    cache_folder.make_folder(folder / "bin")
    (folder / "bin" / "python").write_text("")
    ready = {
        "sha": environments.pins(name).sha,
        "python": "3.12.1",
        "size": 5 * 2**20,
        "version": environments.pins(name).version,
        "newest": False,
    } | changed
    (folder / "ready.json").write_text(json.dumps(ready))
    return folder


def test_a_whole_environment_has_no_reason_to_be_skipped(cache: Path) -> None:
    pretend(cache, "norse")
    assert environments.state("norse").reason is None


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        ("none", "is not installed"),
        ("half", "is installed by half"),
        ("garbled", "is installed by half"),
        ("python", "has lost its Python 3.12.1"),
        ("other", "is installed in other versions than 1.1.0 and its pins"),
    ],
)
def test_what_is_missing_or_broken_is_said_with_the_command_that_mends_it(cache: Path, harm: str, words: str) -> None:
    folder = pretend(cache, "norse", **({"sha": "another"} if harm == "other" else {}))
    if harm == "none":
        folder.rename(cache / "elsewhere")
    if harm == "half":
        (folder / "ready.json").unlink()
    if harm == "garbled":
        (folder / "ready.json").write_text('{"sha": ')
    if harm == "python":
        (folder / "bin" / "python").unlink()
    assert environments.state("norse").reason == f"norse {words}: drtrl-bench peers install norse"


def test_an_unknown_peer_has_its_nearest_name(cache: Path) -> None:
    done = command("peers", "install", "brain")
    assert done.returncode == 2
    assert "did you mean braintrace?" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_list_has_every_peer_with_version_python_size_or_command(cache: Path) -> None:
    pretend(cache, "spyx")
    lines = command("peers", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["braintrace", "snntorch", "spikingjelly", "norse", "spyx"]
    assert lines[0].split(maxsplit=2)[1:] == ["0.2.8", "is not installed: drtrl-bench peers install braintrace"]
    assert lines[4].split(maxsplit=2)[1:] == ["1.0.0", "installed, Python 3.12.1, 5.00 MiB"]


def test_the_newest_python_is_taken_or_our_own_where_the_build_must_be_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "OURS", "3.11")
    there = {minor: Path(minor) for minor in ("3.13", "3.12", "3.11")}
    pins = environments.all_pins()
    assert environments.choose_python(pins["braintrace"], there) == Path("3.13")
    assert environments.choose_python(pins["braintrace"], {"3.12": Path("3.12")}) == Path("3.12")
    assert environments.choose_python(pins["norse"], there) == Path("3.11")
    with pytest.raises(environments.PeerError, match=r"braintrace 0\.2\.8 needs Python 3\.13 or 3\.12, and there is"):
        environments.choose_python(pins["braintrace"], {"3.11": Path("3.11")})


def test_a_stand_in_for_a_python_is_none(tmp_path: Path) -> None:
    """As pyenv has them on the search path, for versions that are there under another name only."""
    stand_in = tmp_path / "python3.12"
    stand_in.write_text("#!/bin/sh\necho 'pyenv: python3.12: command not found' >&2\nexit 127\n")
    stand_in.chmod(0o755)
    assert not environments.can_make_venv(stand_in, "3.12")
    assert not environments.can_make_venv(tmp_path / "nothing", "3.12")
    assert environments.can_make_venv(Path(sys.executable), environments.OURS)
    assert not environments.can_make_venv(Path(sys.executable), "3.99")


class Steps(list[list[str]]):
    """The steps of an installation, written down and not carried out."""

    def __call__(self, line: list[str], name: str) -> str:
        self.append(line)
        if "venv" in line:
            python = Path(line[-1]) / "bin" / "python"
            python.parent.mkdir(parents=True)
            python.write_text("")
        return "3.12.1 7.7\n"


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    made = Steps()
    monkeypatch.setattr(environments, "step", made)
    monkeypatch.setattr(environments, "interpreters", lambda: {"3.11": Path("/there/python3.11"), "3.12": Path("/py")})
    return made


def test_an_installation_takes_the_pins_into_a_folder_of_its_own(cache: Path, steps: Steps) -> None:
    there = environments.install("braintrace", lambda text: None)
    assert (there.reason, there.python, there.folder) == (None, "3.12.1", cache / "peers" / "braintrace")
    assert steps[0] == ["/py", "-I", "-m", "venv", str(there.folder)]
    assert all(line[0] == str(there.folder / "bin" / "python") for line in steps[1:])
    (pip,) = (line for line in steps if "pip" in line)
    assert pip[-3:] == ["--no-deps", "-r", str(there.folder / "pinned.txt")]
    pinned = (there.folder / "pinned.txt").read_text().splitlines()
    assert {"braintrace==0.2.8", "jax==0.9.2", "jaxlib==0.9.2"} <= set(pinned)
    environments.install("braintrace", lambda text: None)
    assert len(steps) == 3, "what is there is kept"
    assert environments.remove("braintrace")
    assert not environments.remove("braintrace")
    assert environments.state("braintrace").problem == "is not installed"


def test_torch_comes_with_what_it_needs_and_the_rest_as_pinned(cache: Path, steps: Steps) -> None:
    environments.install("norse", lambda text: None)
    torch, rest = (line for line in steps if "pip" in line)
    assert torch[-1] == "torch==2.13.0"
    assert "--no-deps" not in torch
    assert "--no-deps" in rest


def test_the_newest_release_comes_over_the_pins_and_goes_again(cache: Path, steps: Steps) -> None:
    """Without --newest the pinned versions come back: numbers are of these."""
    environments.install("braintrace", lambda text: None)
    there = environments.install("braintrace", lambda text: None, newest=True)
    assert (there.reason, there.version, there.newest) == (None, "7.7", True)
    assert steps[-2][-2:] == ["--upgrade", "braintrace"]
    assert [line for line in steps if "-r" in line][-1] == steps[-3]
    environments.install("norse", lambda text: None, newest=True)
    assert steps[-2][-3:] == ["--upgrade", "--no-deps", "norse"], "PyTorch stays"
    made = len(steps)
    environments.install("braintrace", lambda text: None)
    assert len(steps) == made + 3
    assert not environments.state("braintrace").newest


def test_a_release_that_cannot_be_installed_keeps_no_other_from_it(
    cache: Path, steps: Steps, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is named in the end, with exit code 2, and is a skipped row where the others' gradients are compared."""

    def failing(line: list[str], name: str) -> str:
        if line[-2:] == ["--no-deps", "norse"]:
            raise environments.PeerError("norse cannot be installed: no matching distribution")
        return steps(line, name)

    monkeypatch.setattr(environments, "step", failing)
    with pytest.raises(environments.PeerError, match=r"^norse cannot be installed: no matching distribution$"):
        cli.install(["snntorch", "norse", "spyx"], newest=True)
    said = capsys.readouterr().out
    assert [name for name in ("snntorch", "norse", "spyx") if f"{name} 7.7: installed" in said] == ["snntorch", "spyx"]
    monkeypatch.setattr(agreement, "check", lambda name, *_: agreement.Agreement(name, "", "", "", "agrees"))
    lines = list(agreement.checked(["snntorch", "norse", "spyx"], cache))
    assert {line.peer: (line.outcome, line.reason) for line in lines} == {
        "snntorch": ("agrees", None),
        "norse": ("skip", "norse is installed by half: drtrl-bench peers install norse"),
        "spyx": ("agrees", None),
    }


@pytest.mark.parametrize("failing", ["install", "agree", "faults", "nothing"])
def test_the_weekly_job_does_all_and_fails_in_the_end(tmp_path: Path, failing: str) -> None:
    done, stand_in = tmp_path / "done", tmp_path / "drtrl-bench"
    stand_in.write_text(f'#!/bin/sh\necho "$*" >> {done}\ntest "$2" != {failing}\n')
    stand_in.chmod(0o755)
    env = {key: value for key, value in os.environ.items() if key != "MAKEFLAGS"}
    make = ["make", "--silent", "--no-print-directory", "peers", f"BIN={tmp_path}", "READY="]
    ended = subprocess.run(make, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert (ended.returncode == 0) == (failing == "nothing"), ended.stderr
    every = " ".join(ways.PEERS)
    assert done.read_text().splitlines() == [f"peers install {every} --newest", "peers agree", "peers faults"]


def test_an_interrupted_installation_is_made_anew(cache: Path, steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(line: list[str], name: str) -> str:
        if "--no-deps" in line:
            raise environments.PeerError("norse cannot be installed: no network")
        return steps(line, name)

    monkeypatch.setattr(environments, "step", failing)
    with pytest.raises(environments.PeerError):
        environments.install("norse", lambda text: None)
    assert environments.state("norse").problem == "is installed by half"
    monkeypatch.setattr(environments, "step", steps)
    assert environments.install("norse", lambda text: None).reason is None


def test_without_a_folder_to_keep_it_nothing_is_installed(
    cache: Path, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.mkdir(mode=0o777)
    cache.chmod(0o777)  # whoever writes it could change what is run
    with pytest.raises(
        environments.PeerError, match=r"no folder to keep norse in; set \$DRTRL_BENCH_CACHE to a folder"
    ):
        environments.install("norse", lambda text: None)
    assert steps == []


def test_a_failing_step_says_why_in_one_line() -> None:
    code = "import sys; print('ERROR: no matching version of x', file=sys.stderr); print('more'); sys.exit(1)"
    with pytest.raises(
        environments.PeerError, match=r"^norse cannot be installed: ERROR: no matching version of x; the"
    ):
        environments.step([sys.executable, "-c", code], "norse")


def test_a_step_knows_nothing_of_the_projects_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("PYTHONPATH", "VIRTUAL_ENV", "PIP_TARGET", "PIP_PREFIX", "PIP_USER")
    for name in names:
        monkeypatch.setenv(name, "/project")
    code = f"import os; print([name for name in {names} if name in os.environ])"
    assert environments.step([sys.executable, "-c", code], "norse").strip() == "[]"


def test_every_peer_has_pins_an_adapter_and_ways() -> None:
    assert list(ways.PEERS) == list(environments.all_pins())
    for name, peer in ways.PEERS.items():
        assert exchange.adapter(name).is_file()
        assert peer.ways
    pins = tomllib.loads((ROOT / "bench" / "peers" / "pins.toml").read_text(encoding="utf-8"))
    for name, table in pins.items():
        assert all(pin.count("==") == 1 for pin in (*table["resolved"], *table["pinned"])), name


def test_the_torch_of_peers_is_the_projects() -> None:
    """Or their times would be those of another PyTorch."""
    locked = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    for name, peer in ways.PEERS.items():
        if peer.framework == "torch":
            assert [each for each in environments.pins(name).resolved if each in locked] == ["torch==2.13.0"]


def test_adapters_import_nothing_of_the_project() -> None:
    for path in sorted((ROOT / "implementations" / "peers").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        assert "drtrl_bench" not in text, path.name
    assert not os.path.exists(ROOT / "implementations" / "peers" / "torch.py"), "it would hide the library"
