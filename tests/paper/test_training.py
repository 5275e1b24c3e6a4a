"""Trainings of the paper's tasks: what is drawn, chosen and counted, by hand; gradients are tested elsewhere."""

import json
import math
from typing import Any

import numpy as np
import pytest

from drtrl_bench.datasets import dms
from drtrl_bench.paper.learning import training

JOB: dict[str, Any] = {
    "cell": "gif",
    "options": {"tau": 4.0, "tau_syn": 3.0, "scale_x": 6.0, "scale_r": 2.0},
    "uniform": {"tau_slow": [5.0, 9.0]},
    "layers": 1,
    "neurons": 6,
    "readout": "leaky",
    "readout_options": {"tau": 2.0},
    "dataset": "dms",
    "reading": {"features": 8, "periods": [10, 40, 50, 50]},
    "steps": 15,
    "batch": 4,
    "per_step": False,
    "rule": "drtrl",
    "rule_options": {},
    "chunk": 4,
    "clip": 1.0,
    "rates": [0.01],
    "updates": 6,
    "every": 2,
    "enough": None,
    "held_out": 8,
    "seed": 3,
    "framework": "jax",
    "tunings": 2,
}
PARTS = (("train", 0), ("train", 1), ("valid", 0), ("test", 0))


def test_fixed_constants_differ_and_are_not_trained(framework: str) -> None:
    pytest.importorskip(framework)
    job = JOB | {"framework": framework}
    before = training.draw(job)
    constants = np.exp(before[0]["p"][0, 0])
    assert 5 <= constants.min() < constants.max() <= 9
    assert len(set(constants)) == 6
    after = training.train(job, 0.01).params
    for layer, kinds in enumerate(before):
        for kind, weights in kinds.items():
            moved = np.abs(np.asarray(after[layer][kind]) - weights).max()
            assert (moved > 1e-3) == ((layer, kind) != (0, "p")), (layer, kind)


def test_frameworks_train_alike() -> None:
    for name in ("jax", "torch"):
        pytest.importorskip(name)
    ours, theirs = (training.train(JOB | {"framework": name}, 0.01) for name in ("jax", "torch"))
    assert ours.at == theirs.at == [2, 4, 6]
    np.testing.assert_allclose(np.array(ours.loss), np.array(theirs.loss), rtol=1e-4)
    np.testing.assert_allclose(np.array(ours.valid_loss), np.array(theirs.valid_loss), rtol=1e-4)
    assert ours.valid_accuracy == theirs.valid_accuracy


def test_parts_are_drawn_apart_and_by_seed() -> None:
    drawn = {(part, number, seed): training.batch(JOB | {"seed": seed}, part, number)[0].tobytes()
             for seed in (0, 1) for part, number in PARTS}  # fmt: skip
    assert len(set(drawn.values())) == 8
    inputs, targets = training.batch(JOB, "valid")
    assert inputs.shape == (15, 8, 8)
    np.testing.assert_array_equal(inputs, dms.batch(15, 8, 7, 8, (10, 40, 50, 50))[0])
    assert (targets[:9] < 0).all()


class Recordings:
    """A data set of events whose recordings are numbers: the batch holds those that were drawn, in their order."""

    FEATURES, CLASSES = 8, 2
    number = {"train": 40, "valid": 12, "test": 20}  # noqa: RUF012

    @property
    def events(self) -> Any:
        return self

    def recordings(self, split: str) -> tuple[None, Any]:
        return None, np.arange(self.number[split])

    def batch(self, steps: int, size: int, seed: int, split: str, features: int = 8) -> tuple[Any, Any]:
        chosen = np.random.default_rng(seed).choice(self.number[split], size, replace=False)
        inputs = np.broadcast_to(chosen[None, :, None], (steps, size, features)).astype(float)
        return inputs, np.tile(chosen % 2, (steps, 1)).astype(np.int32)


def test_all_seeds_are_tested_on_the_same_recordings_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jax")
    (generated,) = training.rows(JOB)
    assert generated["right"] is None  # each seed has trials of its own
    monkeypatch.setattr(training.data, "dataset", lambda name: Recordings())
    job = JOB | {"reading": {}, "held_out": 256}
    first, second = (training.batch(job | {"seed": seed}, "test")[0][0, :, 0].tolist() for seed in (0, 1))
    assert first == second
    assert sorted(first) == list(range(20))
    drawn = [training.batch(job | {"seed": seed}, "train", 1)[0] for seed in (0, 1)]
    assert not np.array_equal(drawn[0], drawn[1])
    (row,) = training.rows(job)
    assert (row["tested"], row["validated"]) == (20, 12)
    assert len(row["right"]) == 20
    assert set(row["right"]) <= {0, 1}
    assert np.mean(row["right"]) == pytest.approx(row["test_accuracy"])


def test_hits_by_hand() -> None:
    logits = np.array([[[9, 0], [9, 0]], [[1, 2], [0, 1]], [[3, 1], [0, 3]]], float)  # [T, B, C]
    targets = np.array([[-1, -1], [0, 1], [0, 1]])
    assert training.hits(logits, targets, per_step=False).tolist() == [
        True,
        True,
    ]  # 4 : 3, 0 : 4, without the first step
    assert training.hits(logits, targets, per_step=True).tolist() == [False, True, True, True]
    assert training.hits(logits, np.where(targets < 0, -1, 1 - targets), per_step=False).tolist() == [False, False]


def test_cross_entropy_by_hand() -> None:
    logits = np.array([[[5.0, 7.0]], [[0.0, math.log(3)]], [[math.log(3), 0.0]]])
    targets = np.array([[-1], [1], [1]])
    assert training.cross_entropy(logits, targets) == pytest.approx(-(math.log(3 / 4) + math.log(1 / 4)) / 2)


def test_the_loss_of_the_sum_is_that_of_all_steps() -> None:
    pytest.importorskip("jax")
    from drtrl_bench.paper.learning import training_jax

    job = JOB | {"summed": True, "rule": "bptt", "chunk": 15, "rule_options": {}}
    plain = dict(JOB)
    inputs, targets = training.batch(job, "valid")
    assert (targets[:-1] < 0).all()
    params = training_jax.on_device(training.draw(job))
    summed, _ = training_jax.outputs(training.network(job, "jax"), params, inputs)
    every, _ = training_jax.outputs(training.network(plain, "jax"), params[:2], inputs)
    np.testing.assert_allclose(summed[-1], every.sum(axis=0), rtol=1e-4, atol=1e-5)
    after = training.train(job, 0.01).params
    np.testing.assert_array_equal(after[2]["x"][:, 0], np.eye(2))


@pytest.mark.parametrize(
    ("cell", "quickest"), [("gif", "bptt_native"), ("egru_traced", "bptt_native"), ("gru", "bptt")]
)
def test_bptt_in_jax_is_its_quickest_program(cell: str, quickest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """JAX's own differentiation where neurons have several states: results/records/states.jsonl."""
    pytest.importorskip("jax")
    from drtrl_bench.paper.learning import training_jax

    monkeypatch.setattr(training_jax, "compiled", lambda name, *shapes: name)
    for rule, name in (("bptt", quickest), ("drtrl", "drtrl")):
        job = JOB | {"cell": cell, "options": {}, "uniform": {}, "rule": rule}
        params = training_jax.on_device(training.draw(job))
        assert training_jax.prepared(job, training.network(job, "jax"), params) == name


def curve(accuracies: list[float]) -> training.Curve:
    return training.Curve([2, 4, 6][: len(accuracies)], [], accuracies, [], 0.0, 0, 8, None)


def test_merit_by_hand() -> None:
    assert training.merit(curve([0.5, 0.6, 1.0]), JOB) == pytest.approx(0.7)
    assert training.merit(curve([0.5, 1.0]), JOB) == pytest.approx(2.5 / 3)  # ended at 4 of 6 updates


def test_the_best_rate_is_chosen_on_seeds_of_its_own_for_both_frameworks(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, str, int, float]] = []
    updates: list[int] = []
    # Of each seed: the first alone would choose 0.1; 0.3 is not tried on the second, and its 0.7 is no mean of both.
    worth = {0.1: (0.9, 0.1), 0.2: (0.8, 0.4), 0.3: (0.7, 1.0)}

    def train(job: dict[str, Any], rate: float) -> training.Curve:
        seen.append((job["seed"], job["framework"], job["steps"], rate))
        updates.append(job["updates"])
        return curve([worth[rate][job["seed"] - training.TUNING]] * 3)

    monkeypatch.setattr(training, "train", train)
    training.merits.cache_clear()
    job = JOB | {"rates": [0.1, 0.2, 0.3]}
    rate, found, final = training.tuned(job)
    assert rate == 0.2
    assert found == pytest.approx([0.9, 0.8, 0.7])
    assert final == [pytest.approx(0.1), pytest.approx(0.4), None]
    assert updates == [3, 3, 3, 6, 6]
    assert training.tuned(job | {"seed": 4, "framework": "torch", "until": 2})[0] == 0.2
    once = [(1024, "jax", 15, rate) for rate in (0.1, 0.2, 0.3)] + [(1025, "jax", 15, rate) for rate in (0.1, 0.2)]
    assert seen == once
    training.tuned(job | {"steps": 30})  # another task, as a longer delay, has rates of its own
    assert seen == once + [(seed, "jax", 30, rate) for seed, _, _, rate in once]
    training.merits.cache_clear()


@pytest.mark.parametrize(
    ("on_first", "on_second", "best"),
    [((0.9, 0.5, 0.1), (0.3, 0.4, 1.0), 0.1), ((0.5, 0.6, 0.1), (0.9, 0.4, 1.0), 0.1)],
    ids=["the-second-alone-would-choose-another", "the-first-alone-would-choose-another"],
)
def test_merits_on_all_seeds_of_tuning_count_alike(
    on_first: tuple[float, ...], on_second: tuple[float, ...], best: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = [0.1, 0.2, 0.3]
    worth = dict(zip(rates, zip(on_first, on_second, strict=True), strict=True))
    monkeypatch.setattr(training, "train", lambda job, rate: curve([worth[rate][job["seed"] - training.TUNING]] * 3))
    training.merits.cache_clear()
    assert training.tuned(JOB | {"rates": rates})[0] == best
    training.merits.cache_clear()


def test_training_ends_where_it_is_enough_and_tests_once(framework: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(framework)
    parts: list[str] = []
    batch = training.batch
    monkeypatch.setattr(training, "batch", lambda job, part, number=0: parts.append(part) or batch(job, part, number))
    (row,) = training.rows(JOB | {"enough": 0.0, "framework": framework})
    assert row["at"] == [2]
    assert row["solved"] is True
    assert parts.count("test") == 1
    assert parts.count("train") == 2
    assert row["tested"] == 8
    assert row["working_bytes"] > 4 * 4 * 8 * 6  # a trace alone
    json.dumps(row, allow_nan=False)
    (row,) = training.rows(JOB | {"until": 4, "framework": framework})
    assert (row["at"], row["test_accuracy"], row["solved"]) == ([2, 4], None, False)
