"""Experiment 2.2: the cosine between a trace and an outer product, by hand and against a trace that is laid out."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.pictures import text_of, touching, unnamed

from drtrl_bench import figures
from drtrl_bench.implementations.reference import cells as reference
from drtrl_bench.paper import records
from drtrl_bench.paper.drawing import names
from drtrl_bench.paper.measures import intervals, networks
from drtrl_bench.paper.studies import rank1_time

JOB: dict[str, Any] = {
    "cell": "alif_stp",
    "constants": {"tau_syn": 5.0, "tau_a": 100.0, "tau_f": 10.0, "tau_d": 100.0, "tau": 5.0},
    "rec": 40.0,
    "ff": 300.0,
    "neurons": 4,
    "dataset": "bernoulli",
    "reading": {"features": 6, "rate": 0.3},
    "steps": 7,
    "samples": 2,
    "seed": 1,
    "framework": "jax",
}
NAN = float("nan")


def test_two_steps_by_hand() -> None:
    """D = 1/2, D_f = 1, x = (1, 0), (0, 1): the trace is (1/2, 1), the outer product 1.5 (1/2, 1/2)."""
    jnp = pytest.importorskip("jax.numpy")
    from drtrl_bench.paper.measures import traces_jax

    found = traces_jax.cosines(jnp.full((2, 1, 1, 1), 0.5), jnp.ones((2, 1, 1)), jnp.eye(2))
    assert float(found[0, 0]) == pytest.approx(1)
    assert float(found[1, 0]) == pytest.approx(1.5 / math.sqrt(2.5))


def test_a_trace_of_nothing_is_undefined() -> None:
    jnp = pytest.importorskip("jax.numpy")
    from drtrl_bench.paper.measures import traces_jax

    found = traces_jax.cosines(jnp.ones((2, 1, 1, 1)), jnp.ones((2, 1, 1)), jnp.array([[0.0, 0.0], [0.0, 9.0]]))
    assert math.isnan(float(found[0, 0]))
    assert float(found[1, 0]) == pytest.approx(1)


def test_cosines_are_those_of_a_trace_that_is_laid_out() -> None:
    """D-RTRL's recursion, weight by weight, from the NumPy reference's equations."""
    pytest.importorskip("jax")
    from drtrl_bench import data
    from drtrl_bench.paper.measures import traces_jax

    layer, cell = networks.draw(JOB, products=True), networks.layer_cell(JOB)
    found = traces_jax.measures(JOB, layer)
    inputs, _ = data.dataset("bernoulli").batch(7, 2, 1, features=6, rate=0.3)
    W, low = layer.weights["r"][:, 0], 1.0
    s = np.broadcast_to(cell.rest(4), (2, cell.S, 4))
    trace, total, summed = np.zeros((2, 10, cell.S, 4)), np.zeros((2, cell.S, 4)), np.zeros((2, 10))
    for t, (x, u) in enumerate(zip(inputs, layer.currents, strict=True)):
        z = np.concatenate([x, reference.emit(cell, s)], axis=1)
        y = (u + z[:, 6:] @ W)[:, None]
        D, F = reference.jacobians(cell, s, y)
        trace = np.einsum("bsun,bjun->bjsn", D, trace) + z[:, :, None, None] * F[:, None, :, 0]
        total = np.einsum("bsun,bun->bsn", D, total) + F[:, :, 0]
        summed = summed + z
        for b in range(2):
            for k in range(cell.S):
                exact, outer = trace[b, :, k], np.outer(summed[b] / (t + 1), total[b, k])
                norms = np.linalg.norm(exact) * np.linalg.norm(outer)
                value = float((exact * outer).sum() / norms) if norms else NAN
                assert found["cosine"][b, t, k] == pytest.approx(value, abs=1e-9, nan_ok=True)
                low = low if math.isnan(value) else min(low, value)
        s = reference.dynamics(cell, s, y)
    assert found["rate"].min() > 0
    assert low < 0.97


def frame(cosines: dict[int, list[list[float]]]) -> pd.DataFrame:
    """Rows of one state, by seed and sample."""
    rows = [{"seed": seed, "sample": i, "cosine": c} for seed, of in cosines.items() for i, c in enumerate(of)]
    return pd.DataFrame(rows)


def test_the_second_half_leaves_out_what_is_undefined() -> None:
    rows = frame({0: [[0, 0, 0.8, NAN], [0, 0, NAN, NAN]], 1: [[1, 1, 0.4, 0.6], [1, 1, 1, 1]]})
    found = rank1_time.second_half(rows)
    assert found.median == pytest.approx(0.8)  # of 0.8, 0.5 and 1
    assert (found.undefined, found.values) == (1, 4)


def test_as_published_and_corrected_by_hand() -> None:
    from drtrl_bench.paper.drawing import rank1_time as drawing

    values = intervals.by_seed(frame({0: [[1, NAN], [1, 0.6]], 1: [[0.2, 0.8], [0.4, 0.9]]}), "cosine")
    assert values.shape == (2, 2, 2)
    published, corrected = drawing.published(values), drawing.corrected(values)
    assert published is not None
    assert corrected is not None
    assert published[0].tolist() == pytest.approx([1, 0.3])  # of the first seed, undefined as 0
    half = 12.706 * math.sqrt(2 * 0.3**2) / math.sqrt(2)  # Student's t with one degree of freedom
    assert published[2][1] - published[0][1] == pytest.approx(half, rel=1e-4)
    assert corrected[0].tolist() == pytest.approx([0.7, 0.8])
    assert drawing.published(np.zeros((1, 2, 4))) is None
    assert drawing.corrected(np.full((1, 2, 4), NAN)) is None


def test_jobs_of_the_sizes() -> None:
    jobs = rank1_time.jobs(rank1_time.SIZES["cpu"])
    assert len(jobs) == 3 * 8 * 5
    one = next(job for job in jobs if (job["cell"], job["dataset"], job["seed"]) == ("lif_std", "nmnist", 3))
    assert (one["rec"], one["ff"], one["reading"]) == (40, 100, {"first_saccade": True})
    assert {job["steps"] for job in rank1_time.jobs(rank1_time.SIZES["paper"])} == {100, 200, 300, 400}


def test_figures_are_complete_and_the_same_each_time(tmp_path: Path) -> None:
    size, rng, lines = (
        rank1_time.Size(lengths={"shd": (6,)}, neurons=4, samples=3, seeds=2),
        np.random.default_rng(0),
        [],
    )
    for number, job in enumerate(rank1_time.jobs(size)):
        rows = []
        for sample in range(3):
            for state in networks.layer_cell(job).states:
                cosine = [None, *rng.uniform(0.5, 1, 5)] if state != "x" else [None] * 6
                rows.append({"sample": sample, "state": state, "cosine": cosine, "rate": 9.0, "density": 0.02})
        data = {"label": "SHD (synthetic speech)", "synthetic": True}
        lines.append({
            "experiment": "rank1_time", "size": "cpu", "job": job, "job_key": str(number), "implementation_sha": "",
            "env_hash": "e", "data": data, "rows": rows,
        })  # fmt: skip
    rows = records.frame(lines, {}, "cpu")
    ((name, (figure, points)),) = rank1_time.figures(rows).items()
    assert name == "rank1_time_shd_6"
    assert names.names("rank1_time", rows) == [name]
    assert unnamed(figure) == []
    assert touching(figure) == []
    text = text_of(figure)
    for said in ("as published", "corrected", "SHD (synthetic speech)", "records", "throughout: LIF-STD x, LIF-STP x"):
        assert said in text
    for folder in ("one", "two"):
        ((_, drawn),) = rank1_time.figures(rows).items()
        figures.save(*drawn, tmp_path / folder, name)
    for ending in ("png", "pdf", "csv"):
        one, two = (tmp_path / folder / f"{name}.{ending}" for folder in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()
    first = points[(points["protocol"] == "corrected") & (points["cell"] == "lif_delta") & (points["step"] == 3)]
    own = rows[(rows["cell"] == "lif_delta") & (rows["state"] == "V")]["cosine"]
    assert first["cosine"].item() == pytest.approx(np.median([each[3] for each in own]))
    assert points[(points["protocol"] == "as published") & (points["step"] == 0)]["cosine"].eq(0).all()
    (verdict,) = rank1_time.verdicts(rows)
    assert verdict.outcome == "not at reduced size"
    assert verdict.measured.startswith("0 of 24 states above 0.9, ")
    assert " below, 4 undefined throughout; from " in verdict.measured
    rows["cosine"] = [[0.95] * 6 if state != "x" else [None] * 6 for state in rows["state"]]
    (verdict,) = rank1_time.verdicts(rows)
    assert verdict.outcome == "cannot be judged here"  # of x nothing is known
    rows["cosine"] = [[0.95] * 6 for _ in rows["state"]]
    assert rank1_time.verdicts(rows)[0].outcome == "only at reduced size"
