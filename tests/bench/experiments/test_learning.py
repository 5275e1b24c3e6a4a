"""Training on a data set: what the table says of it, and that accuracy is counted as it is called."""

import csv
import itertools
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.problems import needs

from drtrl_bench.experiments import learning

ROOT = Path(__file__).resolve().parents[3]


@needs("jax")
@pytest.mark.xdist_group("jax")
def test_a_row_says_what_was_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(learning.SETTINGS["integrator"], steps=6, neurons=8, batch=16, test=100, updates=40, rate=0.02)
    monkeypatch.setitem(learning.SETTINGS, "integrator", small)
    for seed in (0, 1):
        learning.main(["integrator"], tmp_path / "l.csv", seed=seed)
    with (tmp_path / "l.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["seed"] for row in rows] == ["0", "1"]
    for row in rows:
        assert row["data"] == "integrator (synthetic, sum in 8 ranges)"
        assert row["tested"] == "100"  # trials: their steps, of which each has a target, are not independent
        assert float(row["last_loss"]) < float(row["first_loss"])
        assert float(row["low"]) < float(row["test_accuracy"]) < float(row["high"])
    assert rows[0]["test_accuracy"] != rows[1]["test_accuracy"]


@needs("jax")
@pytest.mark.xdist_group("jax")
def test_weights_are_of_32_bits_in_a_process_that_knows_64(monkeypatch: pytest.MonkeyPatch) -> None:
    import jax

    from drtrl_bench.implementations.training import fit_jax

    given: list[Any] = []

    def fit(algorithm: Any, net: Any, params: Any, *_: Any, rate: float) -> Any:
        given.append(params)
        raise InterruptedError

    monkeypatch.setattr(fit_jax, "fit", fit)
    with jax.enable_x64(True), pytest.raises(InterruptedError):
        learning.train("integrator", learning.SETTINGS["integrator"], 0)
    assert {str(w.dtype) for layer in given[0] for w in layer.values()} == {"float32"}


@needs("jax")
@pytest.mark.xdist_group("jax")
def test_accuracy_is_of_the_steps_that_have_a_target(monkeypatch: pytest.MonkeyPatch) -> None:
    """A readout without dynamics that says class 1 where the input is positive."""
    from drtrl_bench.implementations.cells import cells_jax

    inputs = np.array([[[9.0], [-9.0]], [[1.0], [-1.0]], [[1.0], [2.0]]], np.float32)  # [T=3, B=2, 1]
    targets = np.array([[-1, -1], [1, 0], [1, 1]], np.int32)
    monkeypatch.setattr(learning, "batch", lambda *_: (inputs, targets))
    net = (cells_jax.LinearReadout(),)
    params: Any = [{"x": np.array([[[0.0, 1.0]]], np.float32), "b": np.zeros((1, 1, 2), np.float32)}]
    per_step = learning.Setting(steps=3, test=2, batch=1, per_step=True)
    assert learning.correct("dms", per_step, "test", net, params).tolist() == [1.0, 1.0]
    targets[1, 0] = 0
    assert learning.correct("dms", per_step, "test", net, params).tolist() == [0.5, 1.0], "of two steps in each trial"
    whole = replace(per_step, per_step=False)
    # The second trial's mean is 0.5, above 0: class 1, as its last target.
    assert learning.correct("dms", whole, "test", net, params).tolist() == [True, True]
    flipped: Any = [{"x": -params[0]["x"], "b": params[0]["b"]}]
    assert learning.correct("dms", whole, "test", net, flipped).tolist() == [False, False]


def test_each_part_of_what_is_generated_is_drawn_anew() -> None:
    setting = learning.SETTINGS["dms"]
    drawn = {split: learning.batch("dms", setting, split, seed, 8)[0] for split, seed in learning.SEEDS.items()}
    assert set(drawn) == {"train", "valid", "test"}
    for one, other in itertools.combinations(drawn.values(), 2):
        assert not np.array_equal(one, other)


@needs("jax")
@pytest.mark.xdist_group("jax")
def test_accuracy_of_each_part_is_of_its_own_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    from drtrl_bench.implementations.cells import cells_jax

    seeds: dict[str, int] = {}

    def batch(name: str, setting: Any, split: str, seed: int, size: int) -> tuple[Any, Any]:
        seeds[split] = seed
        return np.ones((3, size, 1), np.float32), np.ones((3, size), np.int32)

    monkeypatch.setattr(learning, "batch", batch)
    net = (cells_jax.LinearReadout(),)
    params: Any = [{"x": np.array([[[0.0, 1.0]]], np.float32), "b": np.zeros((1, 1, 2), np.float32)}]
    for split in ("train", "valid", "test"):
        learning.correct("dms", learning.Setting(steps=3, test=2), split, net, params)
    assert len(set(seeds.values())) == 3


def test_interval_is_wilson_s() -> None:
    low, high = learning.wilson(50, 100)
    assert (low, high) == pytest.approx((0.4038, 0.5962), abs=1e-4)
    assert learning.wilson(100, 100)[1] == pytest.approx(1)
    assert learning.wilson(0, 10)[0] == pytest.approx(0)


@needs("jax")
@pytest.mark.xdist_group("jax")
def test_the_interval_is_over_trials_and_not_over_their_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four trials of which half the targets are right: Wilson's of 2 in 4, however many targets a trial has."""
    from drtrl_bench.implementations.training import fit_jax

    right = np.array([[1, 1, 0, 0]] * 3 + [[1, 0, 1, 0]] * 3)  # [T=6, B=4]
    drawn = np.ones((6, 4, 1), np.float32), np.where(right, 0, 1).astype(np.int32)

    def fit(rule: Any, net: Any, params: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
        return [{k: 0 * v for k, v in w.items()} for w in params], np.zeros(10)  # without weights it says 0

    monkeypatch.setattr(fit_jax, "fit", fit)
    monkeypatch.setattr(learning, "batch", lambda *_: drawn)
    setting = learning.Setting(steps=6, neurons=3, batch=4, updates=10, test=4, per_step=True)
    row = learning.train("integrator", setting, 0)
    assert (row["test_accuracy"], row["tested"]) == (0.5, 4)
    assert (row["low"], row["high"]) == (0.15, 0.85)


def test_every_set_that_can_be_learned_has_a_setting() -> None:
    from drtrl_bench import data

    assert set(learning.SETTINGS) == set(data.datasets()) - {"bernoulli", "digits"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["learning", "nmnits"], "nmnist"),
        (["learning", "bernoulli"], "bernoulli"),
        (["learning", "shd"], "drtrl-bench data make shd"),
        (["loading", "--out", "nowhere"], "no such folder"),
    ],
)
def test_bad_input_is_one_line(words: list[str], said: str, tmp_path: Path) -> None:
    env = os.environ | {"DRTRL_BENCH_CACHE": str(tmp_path)}
    env.pop("DRTRL_BENCH_DATA", None)
    if words[0] == "loading":
        env["DRTRL_BENCH_DATA"] = str(tmp_path / "missing")
    command = [sys.executable, "-m", f"drtrl_bench.experiments.{words[0]}", *words[1:]]
    done = subprocess.run(command, cwd=tmp_path, env=env | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 2, done.stdout + done.stderr
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


@needs("jax")
@pytest.mark.xdist_group("jax")
def test_each_accuracy_is_of_its_own_split(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without weights a network says 0; and 0 is right in training, half the time in validation, never in the test."""
    from drtrl_bench import data
    from drtrl_bench.implementations.training import fit_jax

    answers, asked = {"train": [0, 0], "valid": [0, 1], "test": [1, 1]}, []

    def batch(steps: int, size: int, seed: int, features: int = 3, split: str = "train", **_: Any) -> tuple[Any, Any]:
        asked.append(split)
        return np.ones((steps, size, features), np.float32), np.tile(np.resize(answers[split], size), (steps, 1))

    def fit(rule: Any, net: Any, params: Any, drawn: Any, updates: int, *_: Any, **__: Any) -> tuple[Any, Any]:
        asked.clear()
        for number in range(updates):
            drawn(number)
        assert asked == ["train"] * updates
        return [{k: 0 * v for k, v in w.items()} for w in params], np.zeros(updates)

    fake = SimpleNamespace(LABEL="made up (synthetic)", FEATURES=3, CLASSES=2, batch=batch)
    fake.events, real = SimpleNamespace(recordings=lambda split: (None, range(4))), data.dataset
    monkeypatch.setattr(data, "dataset", lambda name: fake if name == "nmnist" else real(name))
    monkeypatch.setattr(data, "fingerprint", lambda name: "f")
    monkeypatch.setattr(fit_jax, "fit", fit)
    row = learning.train("nmnist", learning.Setting(steps=4, neurons=3, batch=2, updates=2, test=10), 0)
    assert [row[f"{split}_accuracy"] for split in ("train", "valid", "test")] == [1.0, 0.5, 0.0]
    assert row["tested"] == 4
    assert (row["low"], row["high"]) == (0.0, 0.4899)  # Wilson's, of 0 in 4


@needs("jax")
@pytest.mark.xdist_group("jax")
def test_a_row_is_of_the_setting_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the setting and the seed say reaches the problem and the training; losses that are told, 1 to 25."""
    from drtrl_bench.implementations.training import fit_jax

    cases: list[Any] = []
    draw, commits = learning.problem.draw, ["before"]

    def fit(rule: Any, net: Any, params: Any, drawn: Any, updates: int, chunk: int, *, rate: float) -> Any:
        assert (rule.__name__.rpartition(".")[2], updates, chunk, rate) == ("bptt_jax", 25, 6, 0.02)
        commits.append("made during the training")
        return params, np.arange(1.0, 26.0)

    monkeypatch.setattr(learning.problem, "draw", lambda case: cases.append(case) or draw(case))
    monkeypatch.setattr(fit_jax, "fit", fit)
    monkeypatch.setattr(learning.environment, "checkout", lambda: {"commit": commits[-1], "dirty": False})
    setting = learning.Setting(
        steps=6, neurons=5, batch=4, updates=25, rate=0.02, scale_x=7.0, cell="lif_delta", test=3, per_step=True
    )
    row = learning.train("integrator", setting, 11)
    (case,) = cases
    found = (case.dataset, case.cell, case.steps, case.neurons, case.batch, case.scale_x, case.seed)
    assert found == ("integrator", "lif_delta", 6, 5, 4, 7.0, 11)
    assert (row["first_loss"], row["last_loss"]) == (5.5, 20.5)  # of the first ten and of the last ten
    assert [row[name] for name in ("rate", "scale_x", "updates", "seed")] == [0.02, 7.0, 25, 11]
    assert row["commit"] == "before"
    assert (row["tested"], row["chance"]) == (3, 0.125)  # three trials, eight classes


@needs("jax")
@pytest.mark.xdist_group("jax")
@pytest.mark.parametrize(("seed", "first"), [(0, 1_048_576), (2, 3_145_728)])
def test_the_seed_draws_the_batches_of_training(seed: int, first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from drtrl_bench.implementations.training import fit_jax

    class EnoughError(Exception):
        pass

    def fit(rule: Any, net: Any, params: Any, drawn: Any, *_: Any, **__: Any) -> None:
        raise EnoughError([drawn(number) for number in range(3)])

    monkeypatch.setattr(fit_jax, "fit", fit)
    monkeypatch.setattr(learning, "batch", lambda name, setting, split, seed, size: (split, seed, size))
    with pytest.raises(EnoughError) as caught:
        learning.train("integrator", learning.Setting(steps=4, neurons=3, batch=2), seed)
    assert caught.value.args == ([("train", first + number, 2) for number in range(3)],)
