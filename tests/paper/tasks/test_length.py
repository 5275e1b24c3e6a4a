"""The integrator, and classification over the length: chance, points and jobs by hand; figures and verdicts."""

from typing import Any

import numpy as np
import pytest
from support.pictures import raw_mathtext, text_of, touching, unnamed
from support.trained import framed, trained

from drtrl_bench.datasets import integrator as sums
from drtrl_bench.implementations.cells import spec
from drtrl_bench.paper.drawing import length as drawing
from drtrl_bench.paper.drawing import marks, names
from drtrl_bench.paper.learning import training, trainings
from drtrl_bench.paper.tasks import integrator, length

CONTROLS = ("no_trace", "random_feedback")


def accuracy(job: dict[str, Any]) -> float:
    """BPTT at 0.75 less 0.001 a step; the rules 0.1 below in 50 steps, else 0.02; the controls 0.5."""
    behind = 0.5 if job["rule"] in CONTROLS else 0 if job["rule"] == "bptt" else 0.1 if job["steps"] == 50 else 0.02
    return 0.75 - job["steps"] / 1000 - behind


@pytest.mark.parametrize("steps", [1, 25, 100])
def test_chance_is_that_of_the_likeliest_range(steps: int) -> None:
    """Of 20,000 trials, by counting: told is for each step the range that most trials are in."""
    _, targets = sums.batch(steps, 20_000, 7)
    counted = np.mean([np.bincount(of_step, minlength=8).max() / 20_000 for of_step in targets])
    assert integrator.guessed(steps) == pytest.approx(counted, abs=0.005)
    assert integrator.guessed(1) == pytest.approx(1 / 8, abs=1e-12)


def test_points_are_of_one_length_and_of_pairs() -> None:
    points = drawing.points(trainings.of_chosen_decays(trained(integrator, accuracy))).set_index(["steps", "rule"])
    assert len(points) == 3 * len(integrator.RULES)
    for steps, behind in ((25, -0.02), (50, -0.1), (100, -0.02)):
        own = points.loc[steps, "drtrl"]
        assert own["difference"] == pytest.approx(behind)
        # the seeds' levels cancel
        assert own["difference_low"] == pytest.approx(own["difference_high"], abs=0.004)
        assert own["test"] == pytest.approx(0.755 + behind - steps / 1000)
        assert own["low"] == pytest.approx(0.75 + behind - steps / 1000, abs=0.002)
        assert points.loc[steps, "bptt"]["working_bytes"] == steps * 2**20
        assert own["working_bytes"] == 3 * 2**20
    assert (points["seeds"] == 2).all()


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (
            integrator,
            (
                "integrator (synthetic)",
                "told in eight ranges",
                "no spikes in this cell; 100 % of the inputs",
                "random feedback",
            ),
        ),
        (length, ("shd (synthetic)", "LIF-Delta", "tau about 10 steps", "norm of a gradient cut to 1")),
    ],
)
def test_figures_are_complete_and_legible(module: Any, said: tuple[str, ...]) -> None:
    rows = trained(module, accuracy)
    figures = module.figures(rows)
    assert list(figures) == names.names(module.__name__.rpartition(".")[2], rows)
    assert len(figures) == 2
    for name, (figure, _) in figures.items():
        assert unnamed(figure) == [], name
        assert touching(figure) == [], name
        assert raw_mathtext(figure) == [], name
        for words in (*said, "2.11", "records 0000", "BPTT", "chance", "tested once"):
            assert words in " ".join(text_of(figure).split()), (name, words)
    shown = text_of(next(figure for name, (figure, _) in figures.items() if name.endswith("length")))
    assert marks.LIMIT in shown
    assert "peak memory (MiB)" in shown


def test_verdicts_are_at_the_published_and_at_the_longest_length() -> None:
    sum_, _ = integrator.verdicts(trained(integrator, accuracy))
    assert sum_.outcome == "only at reduced size"
    assert "(25 steps)" in sum_.measured
    assert "the sum told in ranges, in place of the sum itself" in sum_.why
    es_drtrl, drtrl = length.verdicts(trained(length, accuracy))
    assert es_drtrl.outcome == drtrl.outcome == "only at reduced size"
    assert "(shd, 100 steps)" in drtrl.measured
    assert drtrl.data == "shd (synthetic)"


def test_ranges_in_place_of_the_sum_reproduce_nothing() -> None:
    judged = integrator.verdicts(framed(integrator, trained(integrator, accuracy).to_dict("records"), size="paper"))
    assert {each.outcome for each in judged} == {"only at reduced size"}


def test_the_published_numbers() -> None:
    job = integrator.jobs(integrator.SIZES["paper"])[0]
    assert [job[name] for name in ("steps", "neurons", "batch", "updates", "cell")] == [25, 100, 512, 2500, "mgu"]
    assert {0.025, 0.005} <= set(job["rates"])
    jobs = length.jobs(length.SIZES["paper"])
    job = next(job for job in jobs if job["rule"] == "es_drtrl")
    names = ("steps", "neurons", "layers", "batch", "clip", "enough")
    assert [job[name] for name in names] == [100, 512, 3, 128, 1.0, None]
    assert job["rule_options"]["decay"] == 0.9
    cell, *_, readout = training.network(job)
    assert cell == spec.LIF(states=("V",), reset="soft", scale_x=4.0, scale_r=0.5, trainable=("tau",))
    assert readout.tau == 10
    low, high = job["uniform"]["tau"]
    assert ((low + high) / 2, (high - low) ** 2 / 12) == (pytest.approx(10), pytest.approx(1))
    gesture = {job["steps"] for job in jobs if job["dataset"] == "dvs_gesture"}
    assert sorted(gesture) == [50, 100, 200, 300, 400, 600, 800, 1000]
    assert {job["steps"] for job in jobs if job["dataset"] == "nmnist"} == {400}
    mean = [job for job in jobs if job["variant"] == "mean of steps"]
    assert all(job["clip"] == job["steps"] for job in mean)
    assert {job["condition"] for job in mean} == {job["condition"] for job in jobs}
