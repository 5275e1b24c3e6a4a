"""What one way of a peer costs: checked in float64 first, its problem solved apart, asked as this project is."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drtrl_bench.case import Plan
from drtrl_bench.measure import problem, runner
from drtrl_bench.peers import agreement, costs, environments, exchange, grids, ways
from drtrl_bench.peers.agreement import Agreement
from drtrl_bench.peers.exchange import Answer

PLAN = Plan("peers", "", (), budget_s=7.0, limit_s=99.0)
SAID = {
    "loss": 1.5,
    "samples_s": [5.0, 1.0, 3.0, 2.0, 4.0],
    "cpu_samples_s": [1.0] * 5,
    "first_call_s": 9.0,
    "memory": {"working_bytes": 3},
    "versions": {"spyx": "1.0.0"},
}


class Way:
    """A way of spyx of which nothing is run: what would be is written down."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        (pair,) = costs.pairs(["spyx"], [("lif_delta", grids.Sizes(batch=2, features=6, neurons=5, steps=9))])
        self.pair = replace(pair, ours=tuple(replace(case, threads=1) for case in pair.ours))
        self.case = self.pair.ours[0]
        self.path = problem.prepared(self.case, folder)
        self.folder = folder
        self.check = Agreement("spyx", "bptt", "lif_delta", "linear", "agrees", error=1e-15)
        self.refusal: tuple[str, str] | None = None
        self.solved: dict[str, Any] = {"problem": str(self.path), "notes": {}}
        gradient = [{kind: 2 * g for kind, g in layer.items()} for layer in problem.read(self.path).gradient]
        self.answer = Answer("ok", None, gradient, SAID)
        self.done: list[Any] = []

        def noted(value: str) -> Any:
            def call(*words: Any, **options: Any) -> Any:
                self.done.append((value, *words, *options.items()))
                return getattr(self, value)

            return call

        there = environments.State(environments.pins("spyx"), folder)
        monkeypatch.setattr(environments, "state", lambda name: there)
        monkeypatch.setattr(runner, "refusal", noted("refusal"))
        monkeypatch.setattr(agreement, "check", noted("check"))
        monkeypatch.setattr(runner, "child", noted("solved"))
        monkeypatch.setattr(exchange, "ask", noted("answer"))
        monkeypatch.setattr(problem, "solve", lambda case: pytest.fail("solved in the process of the command"))

    def line(self, gates: dict[Any, Any] | None = None) -> dict[str, Any]:
        """The line of a record, of which JSON can be made."""
        line = costs.of_peer(self.pair, {} if gates is None else gates, PLAN, self.folder)
        json.dumps(line, allow_nan=False)
        return line


@pytest.fixture
def way(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Way:
    return Way(monkeypatch, tmp_path)


def test_a_peer_is_asked_for_the_case_of_this_project(way: Way) -> None:
    line = way.line()
    assert [what for what, *_ in way.done] == ["refusal", "check", "solved", "answer"]
    _, _, solved, asked = way.done
    assert (solved[1], solved[3], solved[4]) == ("drtrl_bench.measure.problem", way.case, 99.0)
    assert asked[1:] == ("spyx", "bptt", way.case, way.path, ("budget_s", 7.0), ("limit_s", 99.0))
    assert (line["status"], line["reason"], line["case"]["threads"]) == ("ok", None, 1)
    assert line["gate"] == {"outcome": "agrees", "reason": None, "error": 1e-15, "explained": None}
    times = {"samples_s": [5.0, 1.0, 3.0, 2.0, 4.0], "median_s": 3.0, "first_call_s": 9.0}
    assert line["time"].items() >= times.items()
    exact = line["fidelity"]["overall"]
    assert [exact[name] for name in ("cosine", "error", "norm_ratio")] == pytest.approx([1.0, 1.0, 2.0])
    assert (line["memory"], line["versions"]) == ({"working_bytes": 3}, {"spyx": "1.0.0"})


@pytest.mark.parametrize(("load", "busy"), [(1.4, False), (1.6, True)])
def test_a_machine_is_busy_above_the_cores_of_the_case(
    load: float, busy: bool, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for this project's side, which is held to these cores: not above all that the machine has."""
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)))
    assert way.line()["time"]["busy"] is busy


def test_a_wrong_gradient_is_not_timed(way: Way) -> None:
    way.check = replace(way.check, outcome="wrong", reason="off by 1", error=1.0)
    line = way.line()
    assert (line["status"], line["reason"]) == ("wrong", "gradient: off by 1")
    assert [what for what, *_ in way.done] == ["refusal", "check"]
    assert "time" not in line


@pytest.mark.parametrize(("outcome", "checks"), [("error", 2), ("timeout", 1), ("oom", 1), ("skip", 1), ("wrong", 1)])
def test_a_check_that_failed_is_called_what_it_is_and_repeated_after_an_error(
    outcome: str, checks: int, way: Way
) -> None:
    way.check = replace(way.check, outcome=outcome, reason="why", error=None)
    gates: dict[Any, Any] = {}
    for _ in range(2):
        line = way.line(gates)
        assert (line["status"], line["reason"]) == (outcome, "gradient: why")
    assert [what for what, *_ in way.done].count("check") == checks


def test_what_this_machine_cannot_hold_is_not_begun(way: Way) -> None:
    way.refusal = "oom", "refused: needs at least 80 GiB"
    assert way.line() == {"status": "oom", "reason": "refused: needs at least 80 GiB"}
    assert [what for what, *_ in way.done] == ["refusal"]


@pytest.mark.parametrize(
    ("solved", "status", "reason"),
    [
        ({"status": "oom", "reason": "killed by the system for memory"}, "oom", "killed by the system for memory"),
        ({"status": "timeout", "reason": "stopped after 99 s"}, "timeout", "stopped after 99 s"),
        ({"notes": {}}, "error", "it left no problem"),
    ],
)
def test_a_problem_that_its_child_does_not_solve_is_a_line(
    solved: dict[str, Any], status: str, reason: str, way: Way
) -> None:
    way.solved = solved
    line = way.line()
    assert (line["status"], line["reason"]) == (status, f"its float64 reference: {reason}")
    assert [what for what, *_ in way.done] == ["refusal", "check", "solved"]


def test_a_gradient_that_is_not_finite_is_wrong(way: Way) -> None:
    way.answer = Answer("wrong", "the gradient is not finite")
    line = way.line()
    assert (line["status"], line["reason"]) == ("wrong", "the gradient is not finite")


def test_beside_an_exact_gradient_without_end_nothing_can_be_said(way: Way) -> None:
    """That of BPTT, where an approximation does not explode."""
    drawn = problem.read(way.path)
    way.path.unlink()
    endless = [{kind: np.full_like(g, np.inf) for kind, g in layer.items()} for layer in drawn.gradient]
    problem.write(way.path, replace(drawn, gradient=endless))
    line = way.line()
    assert line["status"] == "ok"
    assert line["fidelity"]["overall"]["error"] is None


@pytest.mark.slow
@pytest.mark.parametrize("name", ways.PEERS)
def test_a_peer_itself_is_timed_in_float32(name: str, tmp_path: Path) -> None:
    if reason := environments.state(name).reason:
        pytest.skip(reason)
    sizes = grids.Sizes(batch=2, features=6, neurons=5, steps=40)
    for pair in costs.pairs([name], [("lif_delta", sizes), ("gru", sizes)]):
        line = costs.of_peer(pair, {}, replace(PLAN, budget_s=0.01), tmp_path)
        assert (line["status"], line["reason"]) == ("ok", None)
        assert line["memory"]["working_bytes"] > 40 * 2 * 5 * 4 or pair.way in ("pp_prop", "uoro")
        assert line["time"]["median_s"] > 0
        if pair.way != "uoro":  # one draw of it is far from its mean
            assert line["fidelity"]["overall"]["cosine"] > (0.9 if pair.way.startswith("bptt") else 0.5)
