"""What a gradient costs a peer and this project: by turns, put together by round, and never without a check."""

from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from support.command_line import command

from drtrl_bench.case import Plan
from drtrl_bench.cli import peers_compare as cli
from drtrl_bench.files import cache_folder
from drtrl_bench.measure import runner
from drtrl_bench.peers import comparison, costs, environments, grids, records
from drtrl_bench.process import signals

SMALL = grids.Sizes(batch=2, features=6, neurons=5, steps=300)


def pairs(names: list[str], *cells: str, sizes: grids.Sizes = SMALL) -> list[costs.Pair]:
    return costs.pairs(names, [(cell, sizes) for cell in cells])


def test_every_way_has_what_computes_the_same_here() -> None:
    (pair,) = (each for each in pairs(["braintrace"], "gru") if each.way == "d_rtrl_vmap")
    (case,) = pair.ours
    assert (case.algorithm, case.framework, case.cell, case.readout) == ("drtrl", "jax", "gru", "linear")
    assert (case.batch, case.features, case.neurons, case.steps, case.chunk) == (2, 6, 5, 300, 128)
    (pair,) = pairs(["norse"], "gru", "lif_delta")
    assert [(case.algorithm, case.framework, case.chunk) for case in pair.ours] == [
        ("bptt", "torch", 300),
        ("bptt_checkpointed", "torch", 300),
        ("bptt_native", "torch", 300),
    ]
    assert pairs(["spyx"], "gru") == []
    assert {case.threads for case in pair.ours} == {1}
    (pair,) = costs.pairs(["norse"], [("lif_delta", SMALL)], threads=3)
    assert {case.threads for case in pair.ours} == {3}
    points = [("lif_delta", SMALL), ("gru", SMALL)]
    every = costs.pairs(["snntorch", "braintrace"], points, ["pp_prop", "bptt_undelayed"])
    ways_of = [(pair.peer, pair.way, pair.cell) for pair in every]
    assert ways_of == [
        ("snntorch", "bptt_undelayed", "lif_delta"),
        ("braintrace", "pp_prop", "lif_delta"),
        ("braintrace", "pp_prop", "gru"),
    ]


class Machine:
    """A machine on which nothing is measured: what would be is written down."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, status: str = "ok") -> None:
        self.order: list[str] = []
        self.plans: list[Plan] = []
        self.failing: dict[str, str] = {}
        """The statuses of what does not go well, by what it is."""

        def of_peer(pair: costs.Pair, gates: Any, plan: Plan, folder: Path) -> dict[str, Any]:
            self.order.append(f"{pair.peer} {pair.way}")
            self.plans.append(plan)
            return {"status": self.failing.get(self.order[-1], status), "reason": None}

        def of_ours(case: Any, plan: Plan, folder: Path) -> dict[str, Any]:
            self.order.append(f"{case.algorithm} {case.framework}")
            self.plans.append(plan)
            return {"status": self.failing.get(self.order[-1], "ok"), "reason": None}

        monkeypatch.setattr(costs, "of_peer", of_peer)
        monkeypatch.setattr(runner, "measure", of_ours)

    def run(self, path: Path, todo: list[costs.Pair], most: int | None = None) -> None:
        """Measure what is left of two rounds, at most this many lines."""
        run = {"run": "now", "env_hash": "0", "commit": "c0ffee", "dirty": False, "comparison": "this"}
        turns = costs.schedule(todo, 2, records.interrupted(path, run))
        self.order.clear()
        with records.writing(path, run) as write:
            for kind, line in islice(costs.measured(turns, 1.0, path.parent, lambda text: None), most):
                write(kind, line)


def test_peers_and_this_project_take_turns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine = Machine(monkeypatch)
    turns = costs.schedule(pairs(["spyx", "snntorch"], "lif_delta"), 2)
    lines = list(costs.measured(turns, 7.0, tmp_path, lambda text: None))
    of_jax = ["bptt jax", "bptt_checkpointed jax", "bptt_native jax"]
    of_torch = ["bptt torch", "bptt_checkpointed torch", "bptt_native torch"]
    one_round = ["spyx bptt", *of_jax, "snntorch bptt", *of_torch, "snntorch bptt_undelayed", *of_torch]
    assert machine.order == 2 * one_round
    assert [plan.budget_s for plan in machine.plans] == len(machine.order) * [7.0], "both sides have the same time"
    assert [kind for kind, _ in lines[:5]] == ["peer", "ours", "ours", "ours", "peer"]
    assert [line["round"] for _, line in lines] == [0] * 12 + [1] * 12
    at = {"peer": "spyx", "way": "bptt", "cell": "lif_delta", "neurons": 5, "steps": 300, "batch": 2, "features": 6}
    assert lines[1][1].items() >= at.items()


@pytest.mark.parametrize(("status", "tried"), [("timeout", 1), ("oom", 1), ("error", 3)])
def test_what_is_too_large_is_tried_in_one_round(
    status: str, tried: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine = Machine(monkeypatch)
    machine.failing = {"spyx bptt": status}
    turns = costs.schedule(pairs(["spyx", "norse"], "lif_delta"), 3)
    lines = [line for _, line in costs.measured(turns, 1.0, tmp_path, lambda text: None) if line["peer"] == "spyx"]
    assert machine.order.count("spyx bptt") == tried
    assert machine.order.count("norse bptt") == 3
    assert [(line["round"], line["status"]) for line in lines] == [(0, status), (1, status), (2, status)]


def test_an_interrupted_run_goes_on_with_what_it_lacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two rounds of three ways, cut off when the second way lacks what is measured beside it."""
    machine, path = Machine(monkeypatch), tmp_path / "lines.jsonl"
    todo = pairs(["spyx", "snntorch"], "lif_delta")
    run = records.this_run() | {"comparison": costs.identity(todo, 2, 1.0), "commit": "c0ffee", "dirty": False}
    with records.writing(path, run) as write:
        for kind, line in list(costs.measured(costs.schedule(todo, 2), 1.0, tmp_path, lambda text: None))[:6]:
            write(kind, line)
    left = costs.schedule(todo, 2, records.interrupted(path, run))
    assert [(number, pair.way) for number, pair in left] == [
        *((0, "bptt"), (0, "bptt_undelayed")),
        *((1, "bptt"), (1, "bptt"), (1, "bptt_undelayed")),
    ], "spyx has its first round"
    machine.order.clear()
    with records.writing(path, run) as write:
        for kind, line in costs.measured(left, 1.0, tmp_path, lambda text: None):
            write(kind, line)
    assert machine.order[0] == "snntorch bptt"
    assert len(records.last_run(path, "peer", "ours")) == 6 + 5 * 4
    assert costs.schedule(todo, 2, records.interrupted(path, run)) == costs.schedule(todo, 2), "a whole one begins anew"
    for other in ({"comparison": "of another plan"}, {"commit": "decaf"}, {"env_hash": "0"}, {"dirty": True}):
        assert records.interrupted(path, run | other) == []
    assert records.interrupted(tmp_path / "none.jsonl", run) == []


JAX, TORCH = (
    [f"{name} {framework}" for name in ("bptt", "bptt_checkpointed", "bptt_native")] for framework in ("jax", "torch")
)


@pytest.mark.parametrize("status", ["error", "wrong", "oom", "timeout", "skip"])
def test_a_peer_that_failed_is_tried_again_after_an_error(
    status: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Cut off after spyx, norse, spyx: the second round of norse is missing in any case."""
    machine, path, todo = Machine(monkeypatch), tmp_path / "lines.jsonl", pairs(["spyx", "norse"], "lif_delta")
    machine.failing = {"spyx bptt": status}
    machine.run(path, todo, 6)
    machine.failing.clear()
    machine.run(path, todo)
    assert machine.order == [*(2 * ["spyx bptt", *JAX] if status == "error" else []), "norse bptt", *TORCH]


@pytest.mark.parametrize(("status", "left"), [("error", 2), ("oom", 0), ("timeout", 0)])
def test_so_is_what_failed_beside_it(status: str, left: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine, path, todo = Machine(monkeypatch), tmp_path / "lines.jsonl", pairs(["norse"], "lif_delta")
    machine.failing = {"bptt_native torch": status}
    machine.run(path, todo)
    assert len(costs.whole(todo, records.read(path, "peer", "ours"))) == 2 - left


def test_what_was_beside_an_earlier_attempt_does_not_count() -> None:
    (pair,) = todo = pairs(["braintrace"], "gru")[:1]
    at = {"round": 0, "status": "ok", **pair.label, "installed": environments.state("braintrace").installed}
    theirs, own = at | {"kind": "peer"}, at | {"kind": "ours", "case": {"algorithm": "drtrl"}}
    assert costs.whole(todo, [theirs, own]) == {(0, pair)}
    assert costs.whole(todo, [theirs, own, theirs]) == set()
    assert costs.whole(todo, [own]) == set()


@pytest.mark.parametrize("before", ["1.0.0", "not installed"])
def test_another_release_is_measured_in_every_round(
    before: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """So that no median is one over two releases; what else was measured is kept."""
    machine, path, todo = Machine(monkeypatch), tmp_path / "lines.jsonl", pairs(["norse", "spyx"], "lif_delta")
    versions = {"norse": "1.1.0", "spyx": before}

    def state(name: str) -> environments.State:
        problem = "is not installed" if versions[name] == "not installed" else ""
        return environments.State(environments.pins(name), tmp_path, problem=problem, version=versions[name])

    monkeypatch.setattr(environments, "state", state)
    machine.failing = {"spyx bptt": "skip"} if before == "not installed" else {}
    machine.run(path, todo)
    machine.failing.clear()
    versions["spyx"] = "1.0.1"
    machine.run(path, todo)
    assert machine.order == 2 * ["spyx bptt", *JAX]
    theirs = [line for line in records.read(path, "peer") if line["peer"] == "spyx"]
    assert [line["installed"]["version"] for line in theirs[-2:]] == ["1.0.1", "1.0.1"]
    assert costs.schedule(todo, 2, records.read(path, "peer", "ours")) == costs.schedule(todo, 2), "nothing is left"


def test_other_rounds_or_another_budget_are_another_comparison() -> None:
    todo = pairs(["spyx", "norse"], "lif_delta")
    runs = [(todo, 2, 1.0), (todo, 3, 1.0), (todo, 2, 2.0), (todo[:1], 2, 1.0)]
    assert len({costs.identity(*run) for run in runs}) == 4
    assert costs.identity(pairs(["spyx", "norse"], "lif_delta"), 2, 1.0) == costs.identity(*runs[0])


@pytest.mark.parametrize("dirty", [False, True, None])
def test_a_command_that_is_stopped_says_whether_it_would_go_on(
    dirty: bool | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = {"run": "now", "env_hash": "0", "commit": "c0ffee", "dirty": dirty}
    monkeypatch.setattr(records, "this_run", lambda: run)

    def stopped(*_: Any) -> None:
        raise signals.Stopped(2)

    monkeypatch.setattr(costs, "measured", stopped)
    with pytest.raises(signals.Stopped) as caught:
        cli.compare(["spyx"], records=tmp_path / "lines.jsonl")
    anew = "measures all anew, as only a checkout without changes goes on"
    again = "goes on" if dirty is False else anew
    assert f"; what was measured is kept, and the same command {again}: {tmp_path}" in str(caught.value)


def test_beside_a_peer_that_cannot_run_nothing_is_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine = Machine(monkeypatch, "skip")
    list(costs.measured(costs.schedule(pairs(["spyx"], "lif_delta"), 1), 1.0, tmp_path, lambda text: None))
    assert machine.order == ["spyx bptt"]


def test_missing_peers_are_rows_with_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(cache_folder.SETTING, str(tmp_path / "cache"))
    path = tmp_path / "lines.jsonl"
    done = command("peers", "compare", "spyx", "norse", "--rounds", "1", "--records", str(path))
    assert done.returncode == 0, done.stderr
    assert "norse is not installed: drtrl-bench peers install norse" in done.stdout
    shown = command("peers", "show", str(path), "--markdown").stdout.splitlines()
    assert shown[-1].startswith("| norse `bptt` | `lif_delta` | 256 | 512 | 16 | 64 | - | - |")
    assert shown[-1].endswith("| skip: norse is not installed: drtrl-bench peers install norse |")


def test_a_sweep_has_a_row_for_each_way_and_a_column_for_each_network() -> None:
    theirs, ours = comparison.Cost(3.0, 100, doubtful=True), comparison.Cost(1.0, 200)
    at: dict[str, Any] = {
        "neurons": 256,
        "batch": 16,
        "features": 64,
        "version": environments.pins("braintrace").version,
    }
    measured: dict[str, Any] = {"reason": None, "theirs": theirs, "ours": ours, "ratios": (2.0, 3.0, 10.0)}
    alike: dict[str, Any] = at | measured | {"theirs": ours}
    every = [
        comparison.Row("braintrace", "d_rtrl", "gru", steps=128, **at, **measured),
        comparison.Row("braintrace", "d_rtrl", "gru", steps=2048, **at, reason="timeout: stopped after 300 s"),
        comparison.Row("braintrace", "bptt", "gru", steps=2048, **alike),
    ]
    header, _, *lines = comparison.sweep(every).splitlines()
    assert header == "| x ours: time, memory | `gru`, T = 128 | `gru`, T = 2,048 |"
    assert lines == ["| braintrace `d_rtrl` | 3~, 0.5 | timeout |", "| braintrace `bptt` | - | 3, 1 |"]


def test_a_file_keeps_its_runs_and_shows_the_last(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    for run in ("one", "two"):
        with records.writing(path) as write:
            write("peer", {"run": run, "round": 0, **dict.fromkeys(costs.LABEL)})
            write("agreement", {"run": run})
    assert [line["run"] for line in comparison.last_run(path)] == ["two"]
    assert [line["kind"] for line in records.read(path, "environment", "agreement")] == 2 * ["environment", "agreement"]


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["compare", "--cell", "gru", "norse", "--way", "bptt"], "no way bptt of norse has the cell gru"),
        (["compare", "--cell", "gruu"], "did you mean gru?"),
        (["compare", "--plan", "peers", "--steps", "9"], "--plan has its own cells and sizes: leave out --steps"),
        (["compare", "--plan", "nowhere.toml"], "nowhere.toml"),
        (["compare", "--plan", "mine.toml"], "mine.toml: step: unknown; did you mean steps?"),
        (["show", "nowhere.jsonl"], "nowhere.jsonl"),
        (["show", "damaged.jsonl"], "damaged.jsonl has no run of drtrl-bench peers compare"),
        (["show", "old.jsonl"], "old.jsonl: its last run is of an earlier version, which wrote no sizes; compare anew"),
        (["show", "/dev/null"], "/dev/null: a device; it must be a regular file"),
    ],
)
def test_bad_input_is_one_line(words: list[str], advice: str, tmp_path: Path) -> None:
    (tmp_path / "old.jsonl").write_text('{"kind": "peer", "run": "one", "env_hash": "0", "commit": "c0ffee"}\n')
    (tmp_path / "mine.toml").write_text("[[grid]]\nstep = 3\n")
    (tmp_path / "damaged.jsonl").write_bytes(b'\xd0\x00\n{"kind": "peer"}\n{"kind": "peer", "run"')
    done = command("peers", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert advice in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
