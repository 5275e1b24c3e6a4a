"""The tasks of the paper: jobs and published numbers, literally; which rows a verdict is of; what replaces what."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from support.pictures import alike, raw_mathtext, text_of, touching, unnamed
from support.trained import Job, trained

from drtrl_bench.implementations.cells import spec
from drtrl_bench.paper import experiment
from drtrl_bench.paper.drawing import training as drawing
from drtrl_bench.paper.learning import training
from drtrl_bench.paper.tasks import copying, dms, evidence, gesture, integrator, length, shd

TASKS = [dms, shd, gesture, evidence, copying, integrator, length]
YES, NO = "only at reduced size", "not at reduced size"
CONTROLS = ("no_trace", "random_feedback")


def outcomes(module: Any, accuracy: Callable[[Job], float], size: str = "cpu", **more: Any) -> dict[str, str]:
    """By claim, what the module says of trainings with these accuracies; what is as published is at 0.1."""
    rows = trained(module, lambda job: 0.1 if job["variant"] else accuracy(job), size, **more)
    keys = {claim: key for key, claim in module.CLAIMS.items()}
    return {keys[each.claim]: each.outcome for each in module.verdicts(rows)}


def of_rules(**by_rule: float) -> Callable[[Job], float]:
    """The accuracy of each rule, whatever its condition; the controls are at 0.15."""
    return lambda job: by_rule.get(job["rule"], 0.15)


def at(column: str, **by_rule: dict[int, float]) -> Callable[[Job], float]:
    """The accuracy of each rule by a number of its condition; the controls are at 0.15."""
    return lambda job: by_rule.get(job["rule"], {}).get(job[column], 0.15)


@pytest.mark.parametrize("module", TASKS)
@pytest.mark.parametrize("size", experiment.SIZES)
def test_every_rule_is_trained_with_the_same_care(module: Any, size: str) -> None:
    jobs = module.jobs(module.SIZES[size])
    names = ("updates", "every", "held_out", "batch", "tunings", "enough", "neurons", "rates")
    (budget,) = {tuple(str(job[name]) for name in names) for job in jobs}
    assert budget[names.index("tunings")] == "2"
    assert int(budget[0]) % int(budget[1]) == 0
    assert len(jobs[0]["rates"]) >= 4
    seeds: dict[tuple[str, ...], list[int]] = {}
    for job in jobs:
        if job["framework"] == "jax":
            decay = str(job["rule_options"]["decay"])
            seeds.setdefault((job["rule"], job["condition"], job["variant"], decay), []).append(job["seed"])
            assert job["until"] is None
    assert all(found == [0, 1, 2, 3, 4] for found in seeds.values())
    corrected = {(rule, condition) for rule, condition, variant, _ in seeds if not variant}
    assert corrected == {(rule, condition) for rule in module.RULES for condition in {job["condition"] for job in jobs}}
    twins = [job for job in jobs if job["framework"] == "torch"]
    decays = 5 if module in (copying, integrator) else 1
    assert sorted(job["rule"] for job in twins) == sorted([*module.RULES, *["es_drtrl"] * (decays - 1)])
    assert {(job["seed"], job["until"]) for job in twins} == {(0, module.SIZES[size].twin)}
    assert all(job["chunk"] == job["steps"] for job in jobs if job["rule"] == "bptt")


@pytest.mark.parametrize(
    ("module", "reduced", "published"),
    [(dms, 50, 500), (evidence, 15, 150), (copying, 10, 10), (length, 25, 100)],
)
def test_the_mean_of_steps_is_cut_to_as_many_times_the_norm(module: Any, reduced: int, published: int) -> None:
    """The gradient of the sum of n steps is n times that of the mean, whose norm is cut to 1."""
    for size, steps in (("cpu", reduced), ("paper", published)):
        jobs = module.jobs(module.SIZES[size])
        mean = [job for job in jobs if job["variant"] == "mean of steps"]
        for condition in {job["condition"] for job in jobs}:
            own = [job for job in mean if job["condition"] == condition]
            assert [(job["rule"], job["seed"]) for job in own] == [("bptt", seed) for seed in range(5)]
        labelled = {job["steps"] for job in jobs} if module is length else {steps}  # every step has a loss there
        assert {job["clip"] for job in mean} == labelled
        assert steps in labelled
        assert module is not length or all(job["clip"] == job["steps"] for job in mean)
        assert {job["clip"] for job in jobs if job["variant"] != "mean of steps"} == {1}


def test_where_no_norm_is_cut() -> None:
    for module in (shd, gesture, integrator):
        for size in experiment.SIZES:
            assert {job["clip"] for job in module.jobs(module.SIZES[size])} == {1e9}


def test_the_published_numbers_of_delayed_match() -> None:
    jobs = dms.jobs(dms.SIZES["paper"])
    job = next(job for job in jobs if job["rule"] == "es_drtrl")
    assert (job["steps"], job["batch"], job["neurons"], job["rule_options"]["decay"]) == (2010, 128, 200, 0.99)
    gif, readout = training.network(job)
    assert isinstance(gif, spec.GIF)
    assert (gif.tau, gif.tau_syn, gif.A, gif.scale_x, gif.scale_r, readout.tau) == (100, 100, 1, 6, 2, 5)
    assert training.draw(job)[0]["p"].shape == (1, 1, 200)
    assert job["uniform"] == {"tau_slow": [100, 2250]}
    (weak,) = {tuple(j["options"].values())[2:] for j in jobs if j["variant"] == "ff = rec = 1"}
    assert weak == (1, 1)
    assert {j["rule"] for j in jobs if j["variant"] == "ff = rec = 1"} == {"es_drtrl"}
    reduced = dms.jobs(dms.SIZES["cpu"])[0]
    assert (reduced["ms"], reduced["steps"], reduced["options"]["tau"]) == (10, 111, 10)


def test_the_published_numbers_of_evidence() -> None:
    job = next(job for job in evidence.jobs(evidence.SIZES["paper"]) if job["rule"] == "es_drtrl")
    assert (job["steps"], job["neurons"], job["rule_options"]["decay"]) == (2200, 800, 0.9)
    cell, readout = training.network(job)
    assert isinstance(cell, spec.EIGIF)
    assert cell == spec.EIGIF(scale_x=4.0, scale_r=2.0)  # whose times are those of steps of 1 ms
    assert readout.tau == 10
    assert (job["batch"], job["updates"], job["enough"]) == (128, 300, 0.9)


def test_the_published_numbers_of_copying() -> None:
    jobs = copying.jobs(copying.SIZES["paper"])
    assert {job["lag"]: job["steps"] for job in jobs} == {50: 70, 500: 520}  # 500 is published
    job = jobs[0]
    assert (job["cell"], job["readout"], job["neurons"], job["batch"]) == ("gru", "linear", 200, 128)
    assert job["reading"] == {"length": 10}
    assert job["per_step"] is True


def test_the_published_numbers_of_spoken_digits() -> None:
    jobs = shd.jobs(shd.SIZES["paper"])
    job = next(job for job in jobs if job["rule"] == "es_drtrl")
    assert (job["steps"], job["batch"], job["reading"], job["held_out"]) == (100, 128, {"features": 700}, 2264)
    assert job["updates"] // (8156 // 128) == 101  # epochs, the last of them begun
    assert sorted(job["rates"]) == [0.001, 0.002, 0.005, 0.01, 0.02]
    assert job["rule_options"] == {"decay": 0.93, "bias_correction": "corrected"}
    first, second, readout = training.network(job)
    assert first == second
    assert isinstance(first, spec.LIF)
    assert (job["neurons"], first.surrogate, first.trainable) == (1024, "boxcar", ("tau",))
    assert readout.tau == 11.2
    assert {(j["rule"], j["summed"]) for j in jobs if j["variant"]} == {("bptt", True)}
    assert not any(j["summed"] for j in jobs if not j["variant"])


def test_the_published_numbers_of_gestures() -> None:
    job = next(job for job in gesture.jobs(gesture.SIZES["paper"]) if job["rule"] == "es_drtrl")
    assert (job["steps"], job["batch"], job["neurons"], job["layers"], job["held_out"]) == (68, 64, 1024, 1, 264)
    assert (job["reading"]["slices"], job["rule_options"]["decay"]) == (1.7, 0.2)
    assert job["updates"] == pytest.approx(500 * 1077 / 64, rel=0.01)
    assert 0.001 in job["rates"]
    cell, _ = training.network(job)
    # Xavier: variances 2 / (512 + 1024) of the input weights and 2 / (1024 + 1024) of the others; here scale / inputs
    assert cell.scale_x / 512 == pytest.approx(2 / (512 + 1024))
    assert cell.scale_r / 1024 == pytest.approx(2 / (1024 + 1024))


def test_verdicts_of_delayed_match_are_of_the_longest_delay() -> None:
    solved, not_ = {100: 0.6, 1000: 0.98}, {100: 0.98, 1000: 0.6}
    found = outcomes(dms, at("delay", es_drtrl=solved, drtrl=not_, bptt=solved))
    assert found == {"es_drtrl": YES, "drtrl": NO, "bptt": YES}


def test_verdicts_of_evidence_are_of_each_rule() -> None:
    found = outcomes(evidence, of_rules(es_drtrl=0.6, drtrl=0.96, bptt=0.97))
    assert found == {"es_drtrl": NO, "drtrl": YES, "bptt": YES}


@pytest.mark.parametrize("module", [shd, gesture, integrator])
def test_verdicts_are_of_a_rule_behind_bptt(module: Any) -> None:
    assert outcomes(module, of_rules(es_drtrl=0.8, drtrl=0.5, bptt=0.8)) == {"es_drtrl": YES, "drtrl": NO}
    assert outcomes(module, of_rules(es_drtrl=0.5, drtrl=0.9, bptt=0.8)) == {"es_drtrl": NO, "drtrl": YES}


def test_verdicts_of_copying_are_of_the_shortest_and_the_longest_lag() -> None:
    bptt = {5: 0.8, 50: 0.8}
    high_low, low_high = {5: 0.8, 50: 0.5}, {5: 0.5, 50: 0.8}
    found = outcomes(copying, at("lag", drtrl=high_low, es_drtrl=low_high, bptt=bptt))
    assert found == {"short": YES, "long": NO, "es_short": NO, "es_long": YES}
    found = outcomes(copying, at("lag", drtrl=low_high, es_drtrl=high_low, bptt=bptt))
    assert found == {"short": NO, "long": YES, "es_short": YES, "es_long": NO}


@pytest.mark.parametrize("module", [task for task in TASKS if task is not dms])
def test_what_replaces_something_published_is_said_and_reproduces_nothing(module: Any) -> None:
    """Of the published size, on the published data."""
    assert module.ABOUT.instead
    rows = trained(module, of_rules(es_drtrl=0.96, drtrl=0.96, bptt=0.96), "paper", synthetic=False)
    judged = module.verdicts(rows)
    assert {each.outcome for each in judged} == {YES}
    assert all(module.ABOUT.instead in each.why for each in judged)


def test_delayed_match_replaces_nothing() -> None:
    assert not dms.ABOUT.instead
    assert set(outcomes(dms, of_rules(es_drtrl=0.98, drtrl=0.98, bptt=0.98), "paper").values()) == {"reproduced"}


def complete(module: Any) -> list[Any]:
    """The figures of trainings of one accuracy, after a look at each."""
    drawn = []
    for name, (figure, _) in module.figures(trained(module, of_rules(es_drtrl=0.5, drtrl=0.5, bptt=0.5))).items():
        assert unnamed(figure) == [], name
        assert alike(figure) == [], name
        assert touching(figure) == [], name
        assert raw_mathtext(figure) == [], name
        drawn.append(figure)
    return drawn


@pytest.mark.parametrize("module", [evidence, shd, gesture])
def test_the_learning_signal_is_named(module: Any) -> None:
    """Of tasks whose published online rules have the multi-step one."""
    assert "multi-step" in module.__doc__
    assert "single-step VJP, not multi-step" in module.ABOUT.instead
    assert all("single-step VJP" in " ".join(text_of(figure).split()) for figure in complete(module))


@pytest.mark.parametrize("module", [dms, copying])
def test_marks_at_the_same_memory_are_beside_each_other(module: Any) -> None:
    (figure,) = complete(module)
    at_memory = [axes for axes in figure.axes if axes.get_xlabel() == "peak memory (MiB)"]
    assert len(at_memory) == 4  # accuracy and loss, of two conditions
    for axes in at_memory:
        marks = [line.get_xdata()[0] for line in axes.lines if line.get_marker() in tuple("o^vpX")]
        places = sorted(axes.transData.transform([(x, 1) for x in marks])[:, 0])
        assert len(places) >= len(module.RULES)
        assert min(b - a for a, b in pairwise(places)) > 4  # pixels


def test_values_are_moved_aside_around_their_mean() -> None:
    moved = drawing.beside([3.0, 3.0, 30.0])
    assert moved[2] == pytest.approx(30)
    assert moved[0] * moved[1] == pytest.approx(9)
    assert moved[1] / moved[0] == pytest.approx((2.25 * 10) ** drawing.ASIDE)
    assert drawing.beside([5.0]) == pytest.approx([5.0])
