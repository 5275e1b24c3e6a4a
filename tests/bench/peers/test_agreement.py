"""What is said of a peer's gradient: agrees, differs for a cause that explains it, or wrong. Slow: the peers."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import typer
from support.command_line import command
from support.copies import ROOT

from drtrl_bench.cli import peers as cli
from drtrl_bench.files import cache_folder
from drtrl_bench.measure import problem
from drtrl_bench.peers import agreement, emulation, environments, exchange, ways
from drtrl_bench.peers.agreement import Agreement
from drtrl_bench.peers.emulation import Definition

SNN = ways.PEERS["snntorch"].ways["bptt"]


def judged(definition: Definition, scale: float = 1.0) -> Agreement:
    """What is said of snnTorch, had it this neuron, and its gradient this scale."""
    case = agreement.case_of(SNN, "lif_delta", "leaky")
    params, inputs, targets = problem.draw(case)
    loss, gradient = emulation.bptt(definition, problem.network(case), params, inputs.astype(float), targets)
    gradient[0]["r"] *= scale
    drawn = problem.Problem(params, inputs, targets, [], [])
    blank = Agreement("snntorch", "bptt", "lif_delta", "leaky", "wrong")
    return agreement.judged(blank, SNN, case, drawn, exchange.Answer("ok", None, gradient, {"loss": loss}))


def test_a_named_cause_that_explains_all_is_a_difference() -> None:
    line = judged(Definition(reset_after_decay=True, detached=True))
    assert line.outcome == "differs"
    assert line.reason == "the reset subtracts the whole threshold after the decay, and its spike is detached"
    assert line.error is not None
    assert line.explained is not None
    assert line.explained < 1e-10 < line.error


def test_a_named_cause_that_leaves_anything_is_no_excuse() -> None:
    line = judged(Definition(reset_after_decay=True, detached=True), scale=1 + 1e-6)
    assert (line.outcome, line.explained) == ("wrong", pytest.approx(1e-6, rel=1e-3))
    assert "is off by 1.0e-06 even so" in str(line.reason)


def test_a_release_that_no_longer_differs_is_told() -> None:
    line = judged(Definition())
    assert line.outcome == "wrong"
    assert "it no longer differs" in str(line.reason)


def test_a_gradient_that_is_not_finite_is_wrong_and_can_be_written() -> None:
    line = judged(Definition(reset_after_decay=True, detached=True), scale=float("nan")).line()
    assert (line["outcome"], line["reason"]) == ("wrong", "layer0.r is not finite")
    assert (line["parameter"], line["error"], line["explained"]) == ("layer0.r", None, None)
    assert "NaN" not in json.dumps(line)


def test_a_loss_counts_as_well() -> None:
    assert agreement.off(2.0, [{"x": problem.np.ones(3)}], 1.0, [{"x": problem.np.ones(3)}]) == ("loss", 1.0)
    assert agreement.off(float("nan"), [{"x": problem.np.ones(3)}], 1.0, [{"x": problem.np.ones(3)}])[0] == "loss"


@pytest.mark.parametrize("outcome", ["wrong", "error", "timeout", "oom", "agrees", "differs", "skip"])
def test_whoever_runs_the_check_sees_what_failed(outcome: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the exit code, as the help says: a peer that gave no gradient has not agreed."""
    line = Agreement("norse", "bptt", "lif_delta", "leaky", outcome)
    monkeypatch.setattr(agreement, "checked", lambda names, folder: iter([line]))
    if outcome in ("agrees", "differs", "skip"):
        cli.agree(["norse"])
    else:
        with pytest.raises(typer.Exit) as caught:
            cli.agree(["norse"])
        assert caught.value.exit_code == 1
    assert "if a peer that is installed gave none" in " ".join(str(cli.agree.__doc__).split())


def test_missing_peers_are_one_line_each(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(cache_folder.SETTING, str(tmp_path))
    done = command("peers", "agree", "spyx", "norse", "--records", str(tmp_path / "lines.jsonl"))
    assert done.returncode == 0
    assert [line.split(maxsplit=2)[::2] for line in done.stdout.splitlines()] == [
        ["spyx", "spyx is not installed: drtrl-bench peers install spyx"],
        ["norse", "norse is not installed: drtrl-bench peers install norse"],
    ]
    assert len((tmp_path / "lines.jsonl").read_text().splitlines()) == 3


@pytest.mark.slow
@pytest.mark.parametrize("name", ways.PEERS)
def test_the_peer_itself(name: str, tmp_path: Path) -> None:
    """Installed in the user's cache folder, where it stays."""
    try:
        environments.install(name, print)
    except environments.PeerError as error:
        if re.search("needs Python|No matching distribution|could not find a version", str(error), re.IGNORECASE):
            pytest.skip(str(error))
        raise
    lines = list(agreement.checked([name], tmp_path))
    assert lines
    assert [line for line in lines if not line.sound] == []
    for line in lines:
        difference = ways.PEERS[name].ways[line.way].difference(line.cell, line.readout)
        assert line.outcome == ("differs" if difference else "agrees")


SCRIPTS = sorted((ROOT / "results" / "peers").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_the_script_of_a_fault_is_named_in_the_documents(script: Path) -> None:
    assert script.stem.partition("_")[0] in ways.PEERS
    assert f"../results/peers/{script.name})" in (ROOT / "docs" / "peers.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_the_fault_is_still_there(script: Path) -> None:
    there = environments.state(script.stem.partition("_")[0])
    if there.reason:
        pytest.skip(there.reason)
    command = [there.executable, script.name]
    done = subprocess.run(command, cwd=script.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    assert f"{there.pins.name} {there.pins.version}" in done.stdout
