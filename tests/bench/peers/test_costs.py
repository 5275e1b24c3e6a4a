"""What a gradient costs a peer and this project: by turns, put together by round, and never without a check."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.command_line import command

from drtrl_bench.files import cache_folder
from drtrl_bench.measure import runner
from drtrl_bench.peers import agreement, comparison, costs, environments, exchange, grids, records, ways
from drtrl_bench.peers.agreement import Agreement

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

        def of_peer(pair: costs.Pair, *_: Any) -> dict[str, Any]:
            self.order.append(f"{pair.peer} {pair.way}")
            return {"status": status, "reason": None}

        def of_ours(case: Any, *_: Any) -> dict[str, Any]:
            self.order.append(f"{case.algorithm} {case.framework}")
            return {"status": "ok", "reason": None}

        monkeypatch.setattr(costs, "of_peer", of_peer)
        monkeypatch.setattr(runner, "measure", of_ours)


def test_peers_and_this_project_take_turns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine = Machine(monkeypatch)
    turns = costs.schedule(pairs(["spyx", "snntorch"], "lif_delta"), 2)
    lines = list(costs.measured(turns, 1.0, tmp_path, lambda text: None))
    of_jax = ["bptt jax", "bptt_checkpointed jax", "bptt_native jax"]
    of_torch = ["bptt torch", "bptt_checkpointed torch", "bptt_native torch"]
    one_round = ["spyx bptt", *of_jax, "snntorch bptt", *of_torch, "snntorch bptt_undelayed", *of_torch]
    assert machine.order == 2 * one_round
    assert [kind for kind, _ in lines[:5]] == ["peer", "ours", "ours", "ours", "peer"]
    assert [line["round"] for _, line in lines] == [0] * 12 + [1] * 12
    at = {"peer": "spyx", "way": "bptt", "cell": "lif_delta", "neurons": 5, "steps": 300, "batch": 2, "features": 6}
    assert lines[1][1].items() >= at.items()


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


def test_beside_a_peer_that_cannot_run_nothing_is_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine = Machine(monkeypatch, "skip")
    list(costs.measured(costs.schedule(pairs(["spyx"], "lif_delta"), 1), 1.0, tmp_path, lambda text: None))
    assert machine.order == ["spyx bptt"]


def test_a_wrong_gradient_is_not_timed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(cache_folder.SETTING, str(tmp_path))
    (pair,) = pairs(["spyx"], "lif_delta")
    there = environments.State(environments.pins("spyx"), tmp_path)
    monkeypatch.setattr(environments, "state", lambda name: there)
    asked = []
    monkeypatch.setattr(exchange, "ask", lambda *words, **options: asked.append(words))
    wrong = Agreement("spyx", "bptt", "lif_delta", "linear", "wrong", "off by 1", error=1.0)
    monkeypatch.setattr(agreement, "check", lambda *words: wrong)
    line = costs.of_peer(pair, {}, 1.0, tmp_path)
    assert (line["status"], line["reason"], asked) == ("wrong", "gradient: off by 1", [])
    assert "time" not in line


def peer(number: int, seconds: float, status: str = "ok", **more: Any) -> dict[str, Any]:
    gate = {"outcome": "differs", "reason": "the reset", "error": 0.3, "explained": 1e-15}
    measured = {"time": {"median_s": seconds}, "memory": {"working_bytes": 3 * 2**20}, "gate": gate}
    at = {"kind": "peer", "run": "now", "round": number, "peer": "norse", "way": "bptt", "cell": "lif_delta"}
    at |= {"neurons": 256, "steps": 2048, "batch": 16, "features": 64}
    return at | {"status": status, "reason": None} | (measured if status == "ok" else {}) | more


def own(number: int, algorithm: str, seconds: float, status: str = "ok") -> dict[str, Any]:
    line = peer(number, seconds, status, kind="ours", case={"algorithm": algorithm})
    return line | ({"memory": {"working_bytes": 2**21 if algorithm == "bptt" else 2**22}} if status == "ok" else {})


LINES = [
    *(peer(0, 0.6), own(0, "bptt", 0.2), own(0, "bptt_native", 0.25)),
    *(peer(1, 0.8), own(1, "bptt", 0.4), own(1, "bptt_native", 0.45)),
    *(peer(2, 0.6), own(2, "bptt", 0.2), own(2, "bptt_native", 0.1)),
]


def test_ratios_are_those_of_each_round_over_the_quickest_here() -> None:
    """bptt has medians 0.2, 0.4, 0.2 and bptt_native 0.25, 0.45, 0.1: bptt it is, in every round."""
    (row,) = comparison.rows(LINES)
    assert row.ours == "bptt"
    assert row.ratios == pytest.approx((3.0, 2.0, 3.0))
    assert (row.x_time, row.x_memory) == (pytest.approx(3.0), 1.5)
    assert (row.peer_s, row.ours_s) == (0.6, 0.2)
    printed = (
        "| norse `bptt` | `lif_delta` | 256 | 2,048 | 600 | 3 | bptt | 200 | 2 | 3 (2 to 3) | 1.5 | differs: the reset"
    )
    assert comparison.markdown([row]).splitlines()[2] == f"{printed} |"


def test_each_size_is_a_row_and_what_was_measured_again_counts_once() -> None:
    other = [line | {"steps": 128} for line in (peer(0, 0.9), own(0, "bptt", 0.3))]
    cut_off = [peer(2, 6.0), own(2, "bptt", 6.0)]
    every = comparison.rows([*LINES[:6], *cut_off, *LINES[6:], *other])
    assert [(row.steps, row.ratios) for row in every] == [
        (2048, pytest.approx((3.0, 2.0, 3.0))),
        (128, pytest.approx((3.0,))),
    ]


def test_an_algorithm_that_failed_in_a_round_is_not_compared_with() -> None:
    lines = [own(0, "bptt", 0, "oom") if line is LINES[1] else line for line in LINES]
    (row,) = comparison.rows(lines)
    assert row.ours == "bptt_native"


def test_what_there_is_no_number_of_has_a_reason() -> None:
    (row,) = comparison.rows([*LINES, peer(3, 0, "timeout", reason="stopped")])
    assert row.reason == "timeout: stopped"
    (row,) = comparison.rows([LINES[0], own(0, "bptt", 0, "oom") | {"reason": "too large"}])
    assert row.reason == "here oom: too large"
    (row,) = comparison.rows([LINES[0]])
    assert row.reason == "here error: not measured"


def test_missing_peers_are_rows_with_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(cache_folder.SETTING, str(tmp_path / "cache"))
    path = tmp_path / "lines.jsonl"
    done = command("peers", "compare", "spyx", "norse", "--rounds", "1", "--records", str(path))
    assert done.returncode == 0, done.stderr
    assert "norse is not installed: drtrl-bench peers install norse" in done.stdout
    shown = command("peers", "show", str(path), "--markdown").stdout.splitlines()
    assert shown[-1].startswith("| norse `bptt` | `lif_delta` | 256 | 512 | - | - |")
    assert shown[-1].endswith("| skip: norse is not installed: drtrl-bench peers install norse |")


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


@pytest.mark.slow
@pytest.mark.parametrize("name", ways.PEERS)
def test_a_peer_itself_is_timed_in_float32(name: str, tmp_path: Path) -> None:
    if reason := environments.state(name).reason:
        pytest.skip(reason)
    for pair in pairs([name], "lif_delta", "gru", sizes=replace(SMALL, steps=40)):
        line = costs.of_peer(pair, {}, 0.01, tmp_path)
        assert (line["status"], line["reason"]) == ("ok", None)
        assert line["memory"]["working_bytes"] > 40 * 2 * 5 * 4 or pair.way == "pp_prop"
        assert line["time"]["median_s"] > 0
        assert line["fidelity"]["overall"]["cosine"] > (0.9 if pair.way.startswith("bptt") else 0.5)
