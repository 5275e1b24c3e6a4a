"""Experiment 2.3: the cosine of outer products, the formula, and what is said of them."""

import math
from typing import Any

import numpy as np
import pytest

from drtrl_bench.paper import records
from drtrl_bench.paper.studies import rank1_theory
from drtrl_bench.paper.studies.rank1_theory import Size

TINY = Size(R=50, m=3, n=2, cells_p=3, cells_sigma=2, seeds=2)


def rows_of(size: Size) -> Any:
    """The frame of a size, as a run makes it."""
    lines = [
        {
            "experiment": "rank1_theory",
            "size": "cpu",
            "job": job,
            "job_key": str(number),
            "implementation_sha": "",
            "env_hash": "e",
            "data": {"label": "drawn numbers (synthetic)", "synthetic": True},
            "rows": rank1_theory.compute(job),
        }
        for number, job in enumerate(rank1_theory.jobs(size))
    ]
    return records.frame(lines, {}, "cpu")


def test_the_cosine_of_two_rows_by_hand() -> None:
    """x = (2, 0), (1, 1) and f = (1), (3): the sum is (5, 3), the mean (1.5, 0.5) times 4 is (6, 2)."""
    x, f = np.array([[2.0, 0.0], [1.0, 1.0]]), np.array([[1.0], [3.0]])
    assert rank1_theory.cosine(x, f) == pytest.approx((30 + 6) / (math.sqrt(34) * math.sqrt(40)))


def test_a_cosine_with_nothing_is_undefined() -> None:
    assert rank1_theory.cosine(np.zeros((3, 2)), np.ones((3, 2))) is None


@pytest.mark.parametrize(
    ("R", "p", "sigma", "value"), [(1, 0.5, 1.0, math.sqrt(3 / 4)), (9, 0.5, 2.0, math.sqrt(14 / 18))]
)
def test_the_formula_by_hand(R: int, p: float, sigma: float, value: float) -> None:
    """p = 1/2 has r_a = 1; 1 + 1 + 1 + 1 = 4, and 9/4 + 1 + 1/4 + 1 = 18/4."""
    assert rank1_theory.formula(R, p, sigma) == pytest.approx(value)


def test_the_formula_is_the_ratio_of_expectations_up_to_one_over_rows() -> None:
    """E |sum x f|^2 and E |mean x sum f|^2 of an entry, by the moments of independent rows."""
    R, p, sigma = 1000, 0.05, 3.0
    mean_x, var_x, mean_f, var_f = p, p * (1 - p), 1.0, sigma**2
    rank1 = (var_x + R * mean_x**2) * (var_f + R * mean_f**2)
    exact = R * (mean_x**2 + var_x) * (mean_f**2 + var_f) + R * (R - 1) * mean_x**2 * mean_f**2
    assert rank1_theory.formula(R, p, sigma) == pytest.approx(math.sqrt(rank1 / exact), rel=1e-3)
    assert rank1_theory.formula(R, p, sigma) != pytest.approx(math.sqrt(rank1 / exact), rel=1e-6)


def test_draws_follow_the_formula_and_those_as_published_do_not() -> None:
    job = rank1_theory.jobs(Size(R=4000, m=40, n=40, most_p=0.5, cells_p=2, least_sigma=30, cells_sigma=2))
    one, *_ = [each for each in job if each["drawn"] == "bernoulli"]
    two, *_ = [each for each in job if each["drawn"] == "binomial"]
    theory = float(rank1_theory.formula(4000, 0.5, 30.0))
    drawn, published = (rank1_theory.compute(each)[2]["cosine"] for each in (one, two))
    assert drawn == pytest.approx(theory, abs=0.02)
    assert published > theory + 0.04
    assert [row["cosine"] for row in rank1_theory.compute(one)[:2]] == [None, None]  # p = 0


def test_jobs_and_rows_of_a_size() -> None:
    jobs = rank1_theory.jobs(TINY)
    assert [(job["drawn"], job["seed"]) for job in jobs] == [
        ("bernoulli", 0), ("bernoulli", 1), ("binomial", 0), ("binomial", 1), *[("bernoulli", 0), ("bernoulli", 1)] * 2
    ]  # fmt: skip
    assert [job.get("study") for job in jobs] == [None] * 4 + ["corners"] * 4
    assert {(job["m"], job["n"]) for job in jobs[4:]} == {(100, 100)}
    first = rank1_theory.compute(jobs[0])
    assert [(row["p"], row["sigma"]) for row in first] == [
        (0, 0.1), (0, 100), (0.05, 0.1), (0.05, 100), (0.1, 0.1), (0.1, 100)
    ]  # fmt: skip
    assert first == rank1_theory.compute(jobs[0]) != rank1_theory.compute(jobs[1])


def test_verdict_and_points_of_rows() -> None:
    frame = rows_of(TINY)
    cells = rank1_theory.points(frame)
    assert len(cells) == 12
    own = frame[(frame["drawn"] == "binomial") & (frame["p"] == 0.1) & (frame["sigma"] == 100)]["cosine"]
    assert cells["cosine"].iloc[-1] == pytest.approx(own.mean())  # the median of two
    assert cells["difference"].iloc[-1] == pytest.approx(own.mean() - math.sqrt(1 - 1 / (50 / 9e4 + 1 / 9 + 1e-4 + 1)))
    assert len(cells[cells["p"] == 0.9]) == 0  # the corners are not of the published grid


@pytest.fixture(scope="module")
def drawn() -> Any:
    """The corners as they are, and a coarse grid of the published numbers; drawn once."""
    return rows_of(Size(cells_p=4, cells_sigma=4))


def test_the_formula_is_judged_in_bands_and_corners(drawn: Any) -> None:
    found = rank1_theory.deviations(drawn)
    corners = {name: each for name, each in found.items() if name.startswith("p = ")}
    assert list(corners) == [
        "p = 0.0001, sigma_f = 1", "p = 0.0001, sigma_f = 2", "p = 0.45, sigma_f = 1000", "p = 0.9, sigma_f = 1000"
    ]  # fmt: skip
    assert all(name in corners or name.startswith("formula ") for name in found)
    assert all(abs(each.median) < 0.04 for each in corners.values())
    exact = drawn.assign(cosine=rank1_theory.formula(10_000, drawn["p"], drawn["sigma"]))
    (verdict,) = rank1_theory.verdicts(exact)
    assert verdict.outcome == "only at reduced size"
    assert f"{len(found)} of {len(found)} parts within 0.05" in verdict.measured


@pytest.mark.parametrize("term", ["a", "b", "both"])
def test_a_formula_without_a_term_is_seen(drawn: Any, term: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def without(R: int, p: Any, sigma: Any) -> Any:
        r_a, r_b = p / (1 - p), 1 / np.asarray(sigma) ** 2
        return np.sqrt(1 - 1 / (R * r_a * r_b + (term == "b") * r_a + (term == "a") * r_b + 1))

    whole = drawn.assign(cosine=rank1_theory.formula(10_000, drawn["p"], drawn["sigma"]))
    monkeypatch.setattr(rank1_theory, "formula", without)
    (verdict,) = rank1_theory.verdicts(whole)
    assert verdict.outcome == "not at reduced size"
    assert rank1_theory.verdicts(drawn)[0].outcome == "not at reduced size"


def test_an_offset_of_all_cells_is_seen(drawn: Any) -> None:
    """The luck of seeds has both signs, and an offset has one."""
    exact = rank1_theory.formula(10_000, drawn["p"], drawn["sigma"])
    assert rank1_theory.verdicts(drawn.assign(cosine=exact - 0.06))[0].outcome == "not at reduced size"
    noise = np.where(drawn["seed"] % 2, 0.06, -0.06)
    assert rank1_theory.verdicts(drawn.assign(cosine=exact + noise))[0].outcome == "cannot be judged here"
