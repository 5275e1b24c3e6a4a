"""Fidelity along training: against the float64 reference on the same weights and batch, and what is left out of it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.pictures import alike, raw_mathtext, text_of, touching, unnamed

from drtrl_bench.implementations.reference import algorithms as reference
from drtrl_bench.paper import records
from drtrl_bench.paper.learning import training
from drtrl_bench.paper.studies import along

TINY = replace(
    along.SIZES["cpu"],
    lag=1,
    ms=50.0,
    neurons={"copying": 5, "dms": 8},
    updates={"copying": 2, "dms": 2},
    batch=3,
    held_out=4,
    seeds=1,
    points=2,
)
TASKS = {"copying": ("bptt", "drtrl", "es_drtrl"), "dms": ("bptt", "no_trace", "random_feedback")}
BY_REFERENCE: dict[str, Any] = {
    "drtrl": reference.drtrl,
    "es_drtrl": reference.es_drtrl,
    "no_trace": reference.no_trace,
    "random_feedback": reference.random_feedback,
}


def described(task: str, rule: str) -> dict[str, Any]:
    """The job of a rule on a task, at the size of these tests."""
    (found,) = [job for job in along.jobs(TINY) if (job["task"], job["rule"]) == (task, rule)]
    return found


def by_hand(job: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Cosine and ratio of norms, by layer, of the reference's gradients at the first weights; no time constants."""
    net = training.network(job)
    params = [{k: v.astype(np.float32).astype(float) for k, v in w.items()} for w in training.draw(job)]
    inputs, targets = training.batch(job | {"held_out": job["batch"]}, "valid")
    options = job["rule_options"] if job["rule"] == "es_drtrl" else {}
    _, own = BY_REFERENCE[job["rule"]](net, params, inputs, targets, **options)
    _, true = reference.bptt(net, params, inputs, targets)
    found = {}
    for layer, kinds in (("layer0", ("x", "r", "b")), ("readout", ("x", "b"))):
        index = 0 if layer == "layer0" else 1
        g, exact = (np.concatenate([each[index][k].ravel() for k in kinds if k in each[index]]) for each in (own, true))
        norm, exact_norm = float(np.sqrt((g**2).sum())), float(np.sqrt((exact**2).sum()))
        assert min(norm, exact_norm) > 1e-4
        found[layer] = (float((g * exact).sum()) / norm / exact_norm, norm / exact_norm)
    return found


@pytest.mark.parametrize("task", TASKS)
def test_fidelity_at_the_first_weights_is_that_of_the_reference(task: str) -> None:
    pytest.importorskip("jax")
    for rule in TASKS[task]:
        job = described(task, rule)
        rows = along.compute(job)
        assert [(row["update"], row["layer"]) for row in rows] == [
            (update, layer) for update in (0, 1, 2) for layer in ("layer0", "readout")
        ]
        assert {row["tested"] for row in rows} == ({40} if task == "copying" else {4})
        assert all((row["rate_per_step"] is None) == (task == "copying") for row in rows)
        assert len({row["loss"] for row in rows}) == 3  # it is trained
        if rule == "bptt":
            assert all(abs(row["cosine"] - 1) < 1e-5 and abs(row["norm_ratio"] - 1) < 1e-5 for row in rows)
            continue
        expected = by_hand(job)
        for row in rows[:2]:
            cosine, ratio = expected[row["layer"]]
            assert row["cosine"] == pytest.approx(cosine, abs=2e-4)
            assert row["norm_ratio"] == pytest.approx(ratio, rel=2e-4)
        assert abs(expected["layer0"][0]) < 0.999  # no rule that would be BPTT


def test_layers_are_compared_without_what_is_not_trained() -> None:
    own = [{"x": np.array([3.0, 4.0]), "p": np.array([9.0])}, {"x": np.array([0.0])}]
    true = [{"x": np.array([0.0, 10.0]), "p": np.array([-9.0])}, {"x": np.array([2.0])}]
    found = along.compared(own, true, frozenset({(0, "p")}))
    assert found == {"layer0": {"cosine": 0.8, "norm_ratio": 0.5}, "readout": {"cosine": None, "norm_ratio": 0.0}}
    found = along.compared(true, own, frozenset({(0, "p")}))
    assert found["readout"] == {"cosine": None, "norm_ratio": None}


def test_all_rules_of_a_seed_have_the_same_task_and_rate() -> None:
    for task in TASKS:
        listed = [job for job in along.jobs(along.SIZES["cpu"]) if job["task"] == task]
        assert len(listed) == 25
        assert len({job["rate"] for job in listed}) == 1
        first = {k: v for k, v in listed[0].items() if k not in ("rule", "chunk", "seed")}
        assert all({k: v for k, v in job.items() if k not in ("rule", "chunk", "seed")} == first for job in listed)


def test_figures_are_complete() -> None:
    lines = []
    for number, job in enumerate(along.jobs(replace(TINY, seeds=2))):
        rows = []
        for update in (0, 1, 2):
            for layer in ("layer0", "readout"):
                exact = job["rule"] == "bptt" or layer == "readout"
                cosine = 1.0 if exact else None if update == 1 else 0.5 + 0.1 * update + 0.02 * job["seed"]
                fired = (None, None) if job["task"] == "copying" else (0.05, 0.2)
                own = {"update": update, "layer": layer, "loss": 1.0, "cosine": cosine}
                own |= {"norm_ratio": 1.0 if exact else 0.25, "test_accuracy": 0.75, "tested": 4, "density": 0.1}
                rows.append(own | dict(zip(("rate_per_step", "silent"), fired, strict=True)))
        lines.append({
            "experiment": "along", "size": "cpu", "job": job, "job_key": str(number), "implementation_sha": "",
            "env_hash": "e", "data": {"label": job["dataset"], "synthetic": True}, "rows": rows,
        })  # fmt: skip
    rows = records.frame(lines, {}, "cpu")
    drawn = along.figures(rows)
    assert list(drawn) == ["along_training", "along_accuracy"]
    for figure, _ in drawn.values():
        assert unnamed(figure) == []
        assert alike(figure) == []
        assert touching(figure) == []
        assert raw_mathtext(figure) == []
        text = text_of(figure)
        for said in ("records", "ES-D-RTRL", "no trace", "not tuned", "undefined", "silent", "JAX", "rate 0.01"):
            assert said in text
    points = drawn["along_training"][1].set_index(["task", "rule", "layer", "update", "measure"])
    assert points.loc[("dms", "drtrl", "layer0", 2, "cosine"), "median"] == pytest.approx(0.71)
    assert points.loc[("dms", "drtrl", "layer0", 1, "cosine"), "undefined"] == 2
    assert "bptt" not in points.index.get_level_values("rule")
    ends = drawn["along_accuracy"][1].set_index(["task", "rule", "seed"])
    assert ends.loc[("copying", "no_trace", 0), "cosine"] == pytest.approx(0.6)  # of 0.5, 0.7
    assert ends.loc[("copying", "no_trace", 0), "norm_ratio"] == 0.25
    assert ends.loc[("copying", "bptt", 1), "cosine"] == 1
    assert along.verdicts(rows) == []
