"""The integrator, and classification over the length: chance, points and jobs by hand; figures and verdicts."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.pictures import raw_mathtext, text_of, touching, unnamed

from drtrl_bench.datasets import integrator as sums
from drtrl_bench.implementations.cells import spec
from drtrl_bench.paper.drawing import length as drawing
from drtrl_bench.paper.learning import training
from drtrl_bench.paper.tasks import integrator, length


def row(module: Any, job: dict[str, Any], test: float, memory: int, **more: Any) -> dict[str, Any]:
    """The row of a job of a module's smaller size, as if it had been trained."""
    points = (job["until"] or job["updates"]) // job["every"]
    found = {"at": [job["every"] * (i + 1) for i in range(points)], "seconds_per_update": 0.5, "solved": False}
    found |= {name: [0.5] * points for name in ("valid_accuracy", "valid_loss", "loss")}
    found |= {
        "test_accuracy": test,
        "tested": 20,
        "rate": job["rates"][2],
        "worth": [0.1, 0.2, 0.3, *[0.1] * (len(job["rates"]) - 3)],
    }
    found |= {"working_bytes": memory * 2**20, "density": 0.9999, "validated": 256, "env_hash": "e", "setup": "A"}
    found |= {"rate_per_step": None, "silent": None, "data": f"{job['dataset']} (synthetic)", "synthetic": True}
    return job | found | {"commits": frozenset()} | more


def framed(module: Any, rows: list[dict[str, Any]], size: str = "cpu") -> Any:
    made = pd.DataFrame(rows)
    name = module.__name__.rpartition(".")[2]
    made.attrs = {"environments": {"e": {}}, "results": "0" * 16, "experiment": name, "size": size}
    made.attrs |= {"jobs": len(rows), "seeds": 2}
    return made


def trained(module: Any) -> Any:
    """All jobs of two seeds: BPTT at 0.7 and 0.8 less 0.001 a step, others 0.1 below in 50 steps, else 0.02.

    Without a trace 0.2 below. BPTT's memory grows. Tests are of very many trials.
    """
    rows = []
    for job in module.jobs(module.SIZES["cpu"]):
        if job["seed"] < 2:
            behind = 0 if job["rule"] == "bptt" else 0.1 if job["steps"] == 50 else 0.02
            behind = 0.2 if job["rule"] == "no_trace" else behind
            memory = job["steps"] if job["rule"] == "bptt" else 3
            test = None if job["until"] else 0.7 + 0.1 * job["seed"] - job["steps"] / 1000 - behind
            rows.append(row(module, job, test, memory, tested=10**6, held=10**6))  # type: ignore[arg-type]
    return framed(module, rows)


@pytest.mark.parametrize("steps", [1, 25, 100])
def test_chance_is_that_of_the_likeliest_range(steps: int) -> None:
    """Of 20,000 trials, by counting: told is for each step the range that most trials are in."""
    _, targets = sums.batch(steps, 20_000, 7)
    counted = np.mean([np.bincount(of_step, minlength=8).max() / 20_000 for of_step in targets])
    assert integrator.guessed(steps) == pytest.approx(counted, abs=0.005)
    assert integrator.guessed(1) == pytest.approx(1 / 8, abs=1e-12)


def test_points_are_of_one_length_and_of_pairs() -> None:
    points = drawing.points(trained(integrator)).set_index(["steps", "rule"])
    assert len(points) == 3 * len(integrator.RULES)
    for steps, behind in ((25, -0.02), (50, -0.1), (100, -0.02)):
        own = points.loc[steps, "drtrl"]
        assert own["difference"] == pytest.approx(behind)
        assert own["difference_low"] == pytest.approx(own["difference_high"])  # the seeds' levels cancel
        assert own["test"] == pytest.approx(0.75 + behind - steps / 1000)
        assert own["low"] == pytest.approx(0.7 + behind - steps / 1000)
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
                "no spikes in this cell; 100 to 100 % of the inputs",
                "random feedback",
            ),
        ),
        (length, ("shd (synthetic)", "LIF-Delta", "tau about 10 steps", "norm of a gradient cut to 1")),
    ],
)
def test_figures_are_complete_and_legible(module: Any, said: tuple[str, ...]) -> None:
    figures = module.figures(trained(module))
    assert len(figures) == 2
    for name, (figure, _) in figures.items():
        assert unnamed(figure) == [], name
        assert touching(figure) == [], name
        assert raw_mathtext(figure) == [], name
        for words in (*said, "2.11", "records 0000", "BPTT", "chance", "tested once"):
            assert words in " ".join(text_of(figure).split()), (name, words)
    shown = text_of(next(figure for name, (figure, _) in figures.items() if name.endswith("length")))
    assert drawing.LIMIT in shown
    assert "peak memory (MiB)" in shown


def test_verdicts_are_at_the_published_and_at_the_longest_length() -> None:
    (sum_,) = integrator.verdicts(trained(integrator))
    assert sum_.outcome == "only at reduced size"
    assert "difference of pairs -0.020 [-0.021, -0.019] (25 steps)" in sum_.measured
    assert sum_.why.endswith("; the sum told in ranges, in place of the sum itself")
    es_drtrl, drtrl = length.verdicts(trained(length))
    assert es_drtrl.outcome == drtrl.outcome == "only at reduced size"
    assert "(shd, 100 steps)" in drtrl.measured
    assert drtrl.data == "shd (synthetic)"


def test_ranges_in_place_of_the_sum_reproduce_nothing() -> None:
    (judged,) = integrator.verdicts(framed(integrator, trained(integrator).to_dict("records"), size="paper"))
    assert judged.outcome == "only at reduced size"


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
    (cut,) = {job["clip"] for job in jobs if job["variant"] == "mean of steps"}
    assert cut == 100
