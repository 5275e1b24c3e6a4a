"""Scripts that show faults of libraries: each is there, gone, or failed; the command's exit code says so."""

import sys
from pathlib import Path

import pytest
import typer

from drtrl_bench.cli import peers as cli
from drtrl_bench.peers import environments, faults

SCRIPTS = {
    "braintrace_one.py": "print('off by 2'); raise SystemExit(1)",
    "norse_other.py": "raise SystemExit(0)",
    "snntorch_renamed.py": "import snntorch_of_another_name",
    "snntorch_other_code.py": "raise SystemExit(3)",
    "spyx_missing.py": "raise SystemExit(0)",
}
OUTCOMES = ["there", "gone", "error", "error", "skip"]


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Scripts that the Python of this test runs, in place of the peers'; spyx is not installed."""

    def state(name: str) -> environments.State:
        (python := tmp_path / name / "bin" / "python").parent.mkdir(parents=True, exist_ok=True)
        if not python.exists():
            python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
            python.chmod(0o755)
        problem = "is not installed" if name == "spyx" else ""
        return environments.State(environments.pins(name), tmp_path / name, problem=problem)

    monkeypatch.setattr(environments, "state", state)
    monkeypatch.setattr(faults, "SCRIPTS", tmp_path)
    for name, text in SCRIPTS.items():
        (tmp_path / name).write_text(f"{text}\n")
    return tmp_path


def test_a_fault_is_there_or_gone_and_a_script_that_failed_is_neither(scripts: Path) -> None:
    """Python exits with 1 after an error of the script, too."""
    names = sorted({name.partition("_")[0] for name in SCRIPTS})
    found = {fault.script: fault for fault in faults.looked_for(names)}
    assert {name: fault.outcome for name, fault in found.items()} == dict(zip(sorted(SCRIPTS), OUTCOMES, strict=True))
    assert "No module named 'snntorch_of_another_name'" in str(found["snntorch_renamed.py"].reason)
    assert found["spyx_missing.py"].reason == "spyx is not installed: drtrl-bench peers install spyx"


def test_only_the_scripts_of_the_named_peers_run(scripts: Path) -> None:
    assert [fault.script for fault in faults.looked_for(["norse"])] == ["norse_other.py"]


@pytest.mark.parametrize(("name", "changed"), [("braintrace", 0), ("norse", 1), ("snntorch", 1), ("spyx", 0)])
def test_whoever_runs_them_sees_what_changed(
    scripts: Path, name: str, changed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    if changed:
        with pytest.raises(typer.Exit) as caught:
            cli.faults([name])
        assert caught.value.exit_code == 1
    else:
        cli.faults([name])
    assert capsys.readouterr().out.startswith(f"{name}_")


def test_without_a_checkout_there_are_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(faults, "SCRIPTS", tmp_path / "results" / "peers")
    with pytest.raises(environments.PeerError, match=r"no scripts of faults in .* part of a checkout"):
        list(faults.looked_for(["norse"]))
