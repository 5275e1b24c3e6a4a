"""Paths within a step: both gradients against equations by hand, and what is drawn of them."""

from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from support.pictures import raw_mathtext, text_of, touching, unnamed

from drtrl_bench import data
from drtrl_bench.implementations.cells import spec
from drtrl_bench.implementations.reference import algorithms as reference
from drtrl_bench.measure import fidelity
from drtrl_bench.paper import listing, records
from drtrl_bench.paper.drawing import names
from drtrl_bench.paper.studies import in_step
from drtrl_bench.peers import emulation

TINY = replace(in_step.SIZES["cpu"], steps=12, neurons=4, samples=2, samples_of_twins=1, seeds=2)
ROUNDED = 6e-5  # of five digits


def job_of(cell: str, framework: str = "jax", **changed: Any) -> dict[str, Any]:
    """A job on drawn spikes, on six lines, so that no file is read: strong weights, for activity in few steps."""
    strong = {"ff": 300.0, "rec": 60.0} if cell != "lstm" else {"ff": 30.0, "rec": 4.0}
    listed = [job for job in in_step.jobs(TINY) if (job["cell"], job["framework"]) == (cell, framework)]
    drawn = {"dataset": "bernoulli", "reading": {"features": 6, "rate": 0.3}}
    return listed[-1] | drawn | strong | {"computed": 1, "seed": 1} | changed


def computing(framework: str) -> ModuleType:
    pytest.importorskip(framework)
    if framework == "jax":
        from drtrl_bench.paper.measures import in_step_jax as measured
    else:
        from drtrl_bench.paper.measures import in_step_torch as measured
    return measured


def test_in_one_step_the_gates_of_an_lstm_count_exactly_twice(framework: str) -> None:
    """By hand, of one step from rest: i and g act through c' and h' alone, o on h' alone; f has c = 0 before it."""
    job = job_of("lstm", framework, steps=1, ff=2.0)
    measured, (params, inputs, targets) = computing(framework), in_step.draw(job)
    of = (params, inputs[:, :1] + 0.1, targets[:, :1])
    x, w, W_out = of[1][0, 0], params[0], params[1]["x"][:, 0]
    I_i, I_g, _, I_o = np.einsum("j,jgn->gn", x, w["x"]) + w["b"][0]
    i, g, o = 1 / (1 + np.exp(-I_i)), np.tanh(I_g), 1 / (1 + np.exp(-I_o))
    h, slope = o * np.tanh(i * g), o * (1 - np.tanh(i * g) ** 2)
    p = np.exp(h @ W_out) / np.exp(h @ W_out).sum()
    l = W_out @ (p - np.eye(len(p))[of[2][0, 0]])
    once = np.stack([l * slope * i * (1 - i) * g, l * slope * i * (1 - g**2), 0 * l, l * h * (1 - o)])
    assert np.abs(once[[0, 1, 3]]).min() > 1e-6
    corrected = measured.gradients(in_step.network(job, measured.cells), *of, job["rank"])
    net = in_step.network(job, spec)
    published = {
        "drtrl": emulation.in_step_twice(reference.local_jacobians, net, *of)[1],
        "es_drtrl": emulation.filtered_in_step_twice(net, *of, job["rank"])[1],
    }
    factors = np.array([2, 2, 1, 1])[:, None]
    for rule in ("drtrl", "es_drtrl"):
        for gradient, expected in ((corrected[rule], once), (published[rule], factors * once)):
            np.testing.assert_allclose(gradient[0]["x"], x[:, None, None] * expected, rtol=1e-12, atol=1e-15)
            np.testing.assert_allclose(gradient[0]["b"], expected[None], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("cell", ["alif_stp", "lstm"])
def test_rows_compare_both_with_bptt(cell: str, framework: str) -> None:
    """Against a comparison that is written out, of the reference's gradients and of the signals counted twice."""
    computing(framework)
    job = job_of(cell, framework)
    rows = {(row["rule"], row["part"]): row for row in in_step.compute(job)}
    assert list(rows) == [(rule, part) for rule in ("drtrl", "es_drtrl") for part in ("layer0", "readout", "all")]
    (params, inputs, targets), net = in_step.draw(job), in_step.network(job, spec)
    of = (net, params, inputs[:, :1], targets[:, :1])
    exact = reference.bptt(*of)[1]
    own = {
        ("drtrl", ""): reference.drtrl(*of)[1],
        ("es_drtrl", ""): reference.es_drtrl(*of, 20)[1],
        ("drtrl", "published_"): emulation.in_step_twice(reference.local_jacobians, *of)[1],
        ("es_drtrl", "published_"): emulation.filtered_in_step_twice(*of, 20)[1],
    }
    for (rule, prefix), gradient in own.items():
        for part, layers in (("layer0", [0]), ("readout", [1]), ("all", [0, 1])):
            g, true = (
                np.concatenate([each[i][kind].ravel() for i in layers for kind in each[i]])
                for each in (gradient, exact)
            )
            assert np.linalg.norm(true) > 1e-6
            row, lengths = rows[rule, part], [float(np.linalg.norm(each)) for each in (g, true)]
            assert row[f"{prefix}cosine"] == pytest.approx(float(g @ true) / np.prod(lengths), abs=ROUNDED)
            assert row[f"{prefix}norm_ratio"] == pytest.approx(lengths[0] / lengths[1], rel=ROUNDED)
            assert row["error"] < 1e-10
    hidden, spikes = rows["drtrl", "layer0"], reference.forward(*of[:3])[0].outputs
    assert abs(hidden["published_norm_ratio"] / hidden["norm_ratio"] - 1) > 0.05
    readout = rows["drtrl", "readout"]
    assert readout["cosine"] == pytest.approx(readout["published_cosine"], abs=ROUNDED)
    active = (pytest.approx(1000 * spikes.mean(), rel=ROUNDED), (spikes.sum((0, 1)) == 0).mean())
    assert (hidden["rate"], hidden["silent"]) == ((None, None) if cell == "lstm" else active)
    if cell != "lstm":
        assert 10 < hidden["rate"] < 900


def test_another_forward_pass_would_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of a row is of the corrected gradient against the reference, whatever the emulation does."""
    measured = computing("jax")
    right = measured.gradients

    def wrong(*of: Any) -> Any:
        found = right(*of)
        found["drtrl"][0]["r"] = found["drtrl"][0]["r"] * 1.001
        return found

    monkeypatch.setattr(measured, "gradients", wrong)
    for row in in_step.compute(job_of("lif_expcu")):
        assert row["error"] == pytest.approx(1e-3, rel=1e-3) if row["rule"] == "drtrl" else row["error"] < 1e-12


def test_weights_and_recordings_are_those_of_the_other_study_of_gradients() -> None:
    from drtrl_bench.paper.measures import gradients

    job = job_of("alif_expcu") | {"layers": 1}
    problem, (params, inputs, targets) = gradients.draw(job), in_step.draw(job)
    np.testing.assert_allclose(np.einsum("tbi,ign->tbn", inputs, params[0]["x"]), problem.currents, atol=1e-12)
    for layer, kind in ((0, "r"), (0, "b"), (1, "x")):
        np.testing.assert_array_equal(params[layer][kind], problem.params[layer][kind])
    np.testing.assert_array_equal(targets, problem.targets)


def test_jobs_are_the_networks_of_2_4_that_have_such_paths() -> None:
    listed = in_step.jobs(in_step.SIZES["cpu"])
    assert len(listed) == 7 * 6
    of = {job["cell"]: job for job in listed}
    assert list(of) == list(in_step.CELLS)
    assert (of["alif_expcu"]["rec"], of["alif_expcu"]["ff"]) == (10, 20)
    assert of["alif_expcu"]["constants"] == {"tau_syn": 10.0, "tau_a": 100.0, "tau": 10.0}
    assert data.dataset("shd").CLASSES == 20
    assert {(job["framework"], job["seed"]) for job in listed} == {("jax", i) for i in range(5)} | {("torch", 0)}


def lines_of(size: in_step.Size) -> list[dict[str, Any]]:
    """Records of every job, with rows that are made up."""
    lines = []
    for number, job in enumerate(in_step.jobs(size)):
        rows = []
        for sample in range(job["computed"]):
            spiking = {"rate": None, "silent": None} if job["cell"] == "lstm" else {"rate": 12.0, "silent": 0.25}
            for rule in ("drtrl", "es_drtrl"):
                for part in ("layer0", "readout", "all"):
                    values = {"published_cosine": 0.5, "cosine": 0.75, "published_norm_ratio": 2.0, "norm_ratio": 0.9}
                    if sample == 1:
                        values |= {"cosine": None, "published_cosine": None}
                    common = {"sample": sample, "density": 0.02, "rule": rule, "error": 2e-15, "part": part}
                    rows.append(common | spiking | values)
        lines.append({
            "experiment": "in_step", "size": "cpu", "job": job, "job_key": str(number), "implementation_sha": "",
            "env_hash": "e", "data": {"label": "SHD (synthetic speech)", "synthetic": True}, "rows": rows,
        })  # fmt: skip
    return lines


def test_figures_are_complete() -> None:
    rows = records.frame(lines_of(TINY), {}, "cpu")
    drawn = in_step.figures(rows)
    assert list(drawn) == names.names("in_step", rows) == ["in_step"]
    figure, points = drawn["in_step"]
    assert figure.get_figwidth() <= 11
    assert figure.get_figheight() <= 11.2  # inches of a page
    assert unnamed(figure) == []
    assert touching(figure) == []
    assert raw_mathtext(figure) == []
    text = " ".join(text_of(figure).split())
    for said in (
        *("as published", "corrected", "records", "SHD (synthetic speech)", "hidden layer", "D-RTRL", "LSTM"),
        *("ES-D-RTRL, k = 20", "all weights", "LIF-ExpCu 12 Hz, 0.25", "JAX and PyTorch, which differ from NumPy"),
        "undefined: 112 of 224 cosines",
    ):
        assert said in text
    by = points.set_index(["cell", "rule", "part", "measure", "protocol"])
    for protocol, cosine, ratio in (("corrected", 0.75, 0.9), ("as published", 0.5, 2.0)):
        assert by.loc[("alif_std", "drtrl", "all", "cosine", protocol), "median"] == cosine
        assert by.loc[("lstm", "es_drtrl", "layer0", "norm_ratio", protocol), "median"] == ratio
    assert by.loc[("lstm", "es_drtrl", "layer0", "cosine", "corrected"), "undefined"] == 2
    assert in_step.verdicts(rows) == []
    assert not listing.module("in_step").ABOUT.claims


def test_a_comparison_of_vectors_by_hand() -> None:
    exact = [{"x": np.array([3.0, 0.0])}, {"x": np.array([4.0])}]
    corrected, published = [{"x": np.array([3.0, 3.0])}, {"x": np.array([4.0])}], [{"x": np.zeros(2)}, exact[1]]
    found = in_step.compared(published, corrected, exact)
    assert found["layer0"]["cosine"] == pytest.approx(0.5**0.5)
    assert found["layer0"]["norm_ratio"] == pytest.approx(2**0.5)
    assert (found["layer0"]["published_cosine"], found["layer0"]["published_norm_ratio"]) == (None, 0)
    assert found["all"]["published_cosine"] == pytest.approx(0.8)
    assert found["all"]["cosine"] == pytest.approx(25 / 5 / 34**0.5)
    assert fidelity.agreement(np.array([1.0]), np.array([1.0]))["cosine"] == 1
