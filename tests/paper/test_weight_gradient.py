"""Experiment 2.4: cosines and norms of gradients against gradients that are laid out, and what is drawn of them."""

import math
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.pictures import raw_mathtext, text_of, touching, unnamed

from drtrl_bench import data
from drtrl_bench.cli import reproduce
from drtrl_bench.implementations.cells import spec
from drtrl_bench.implementations.reference import algorithms as reference
from drtrl_bench.implementations.reference import cells as cells_of_reference
from drtrl_bench.paper import experiment, records
from drtrl_bench.paper.drawing import marks, names
from drtrl_bench.paper.drawing import weight_gradient as drawing
from drtrl_bench.paper.measures import gradients
from drtrl_bench.paper.studies import connectome, jacobian, rank1_time, weight_gradient
from drtrl_bench.paper.studies.weight_gradient_judged import LIMIT

RULES = gradients.rules([4, 40])
JOB: dict[str, Any] = {
    "study": "models",
    "cell": "alif_stp",
    "constants": {"tau_syn": 5.0, "tau_a": 100.0, "tau_f": 10.0, "tau_d": 100.0, "tau": 5.0},
    "rec": 40.0,
    "ff": 300.0,
    "neurons": 4,
    "layers": 1,
    "dataset": "bernoulli",
    "reading": {"features": 6, "rate": 0.3},
    "steps": 12,
    "samples": 2,
    "computed": 2,
    "seed": 1,
    "rules": RULES,
    "kinds": True,
    "warm_ups": [0.0],
    "framework": "jax",
}
ADAPTIVE = JOB | {"cell": "alif_expcu", "constants": {"tau": 10.0, "tau_syn": 5.0, "tau_a": 100.0}, "ff": 200.0}
DEEP = JOB | {"cell": "lif_expcu", "constants": {"tau": 10.0, "tau_syn": 10.0}, "layers": 2}


JOBS = {"one layer": JOB, "adaptive": ADAPTIVE, "deep": DEEP}


def computing(framework: str) -> ModuleType:
    pytest.importorskip(framework)
    if framework == "jax":
        from drtrl_bench.paper.measures import gradients_jax as measured
    else:
        from drtrl_bench.paper.measures import gradients_torch as measured
    return measured


@cache
def laid_out(name: str) -> tuple[Any, list[dict[str, Any]], np.ndarray, np.ndarray]:
    """Network, weights, inputs and targets of a job, with the input weights that its currents come from."""
    job = JOBS[name]
    inputs, targets = data.dataset("bernoulli").batch(12, 2, 1, features=6, rate=0.3)
    problem = gradients.draw(job)
    W, *_ = np.linalg.lstsq(inputs.reshape(24, 6).astype(float), problem.currents.reshape(24, 4), rcond=None)
    return gradients.network(job, spec), [problem.params[0] | {"x": W[:, None]}, *problem.params[1:]], inputs, targets


def by_reference(job: str, rule: str, sample: int, start: int = 0) -> list[dict[str, np.ndarray]]:
    """The gradient of a rule by the NumPy reference, all weights laid out."""
    net, params, inputs, targets = laid_out(job)
    name, k, kind = gradients.split(rule)
    function = getattr(reference, {"drtrl": "drtrl_by_cutting"}.get(name, name))
    late = np.where(np.arange(12)[:, None] >= start, targets, -1)[:, sample : sample + 1]
    options = {"decay": k, "bias_correction": kind} if kind else {}
    return function(net, params, inputs[:, sample : sample + 1], late, **options)[1]


def flat(gradient: list[dict[str, np.ndarray]], names: list[tuple[int, str]]) -> np.ndarray:
    return np.concatenate([gradient[layer][kind].ravel() for layer, kind in names])


PARTS = {
    "layer0": [(0, "x"), (0, "r"), (0, "b")],
    "layer1": [(1, "x"), (1, "r"), (1, "b")],
    "layer0.x": [(0, "x")],
    "layer0.b": [(0, "b")],
}


@pytest.mark.parametrize("name", list(JOBS))
def test_gradients_compare_as_those_of_all_weights_laid_out_do(name: str, framework: str) -> None:
    """Of the reference's gradients [I, N]; here the input weights' are in the coordinates of steps."""
    job = JOBS[name]
    measured, problem, readout = computing(framework), gradients.draw(job), job["layers"]
    variants = [gradients.Variant(0, traces=True), gradients.Variant(8, traces=True)]
    smallest = 1.0
    for variant, found in zip(variants, measured.measures(job, problem, variants), strict=True):
        own = {rule: found[rule] for rule in RULES}
        listed = gradients.parts(readout, kinds=True)
        for sample, part, agreement in gradients.compare(own, found["bptt"], problem, listed):
            every = [(i, kind) for i in range(readout) for kind in "xrb"] + [(readout, "x")]
            names = {"readout": [(readout, "x")], "all": every, "layer0.r": [(0, "r")]} | PARTS
            true = flat(by_reference(name, "bptt", sample, variant.start), names[part])
            assert np.linalg.norm(true) > 1e-6
            for rule in RULES:
                g = flat(by_reference(name, rule, sample, variant.start), names[part])
                norm, ratio = float(np.linalg.norm(g)), agreement[rule]["norm_ratio"]
                assert ratio == pytest.approx(norm / np.linalg.norm(true), rel=1e-6)
                if norm == 0:
                    assert agreement[rule]["cosine"] is None
                    continue
                cosine = float(g @ true / norm / np.linalg.norm(true))
                assert agreement[rule]["cosine"] == pytest.approx(cosine, abs=1e-7)
                smallest = min(smallest, cosine)
    assert smallest < 0.8  # rules and parts differ


def from_zero_traces(sample: int, start: int) -> np.ndarray:
    """D-RTRL's gradient of the hidden layer, weight by weight, with traces that are zero at the start."""
    net, params, inputs, targets = laid_out("adaptive")
    x = inputs[:, sample : sample + 1]
    hidden, readout = reference.forward(net, params, x)
    error = reference.loss_gradient(readout.outputs, targets[:, sample : sample + 1])
    eps, summed = np.zeros((11, net[0].S, 4)), np.zeros((11, 4))
    for t in range(start, 12):
        z = np.concatenate([hidden.z[kind][t, 0] for kind in "xrb"])
        D, D_f = cells_of_reference.jacobians(net[0], hidden.states[t], hidden.currents[t])
        eps = np.einsum("sun,jun->jsn", D[0], eps) + z[:, None, None] * D_f[0, :, 0]
        l = cells_of_reference.pull_output(net[0], hidden.states[t + 1], error[t] @ params[1]["x"][:, 0].T)
        summed += (eps * l[0]).sum(axis=1)
    return summed.ravel()


def test_traces_that_start_after_the_warm_up_are_those_by_hand() -> None:
    measured, problem = computing("jax"), gradients.draw(ADAPTIVE)
    (found,) = measured.measures(ADAPTIVE, problem, [gradients.Variant(5, traces=False)])
    for sample in range(2):
        own = gradients.vectors(found["drtrl"], problem.factors[sample], sample)
        whole = np.concatenate([own[f"layer0.{kind}"] for kind in "xrb"])
        one, other = from_zero_traces(sample, 5), from_zero_traces(sample, 0)
        assert np.linalg.norm(one) > 1e-6
        assert np.linalg.norm(whole) == pytest.approx(np.linalg.norm(one), rel=1e-6)
        assert np.linalg.norm(other) != pytest.approx(np.linalg.norm(one), rel=1e-3)
        rows = found["drtrl"][0]["x"][sample, :, 0]
        assert not rows[:5].any()  # nothing of the warm-up is credited
        assert rows[5:].any()


def test_torch_has_no_late_traces() -> None:
    measured = computing("torch")
    with pytest.raises(ValueError, match="from the first step on"):
        measured.measures(JOB, gradients.draw(JOB), [gradients.Variant(5, traces=False)])


def test_factors_have_the_products_of_the_inputs() -> None:
    inputs, _ = data.dataset("bernoulli").batch(12, 2, 1, features=6, rate=0.3)
    for sample, F in enumerate(gradients.draw(JOB).factors):
        np.testing.assert_allclose(F.T @ F, inputs[:, sample] @ inputs[:, sample].T, atol=1e-9)


def test_deep_layers_are_drawn_with_the_strengths_of_the_job() -> None:
    job = DEEP | {"neurons": 150, "layers": 3}
    first, second, third, readout = gradients.draw(job).params
    for layer in (second, third):
        assert layer["x"].std() == pytest.approx(math.sqrt(300 / 150), rel=0.02)
        assert layer["r"].std() == pytest.approx(math.sqrt(40 / 150), rel=0.02)
    assert not (second["x"] == third["x"]).any()
    assert readout["x"].std() == pytest.approx(math.sqrt(2 / 150), rel=0.05)
    assert "x" not in first
    largest = np.abs(second["x"]).max()
    assert largest < 2.3 * math.sqrt(300 / 150)  # cut at two deviations


def test_a_silent_network_has_no_cosine_and_a_silent_rule_a_norm_of_zero(framework: str) -> None:
    job = JOB | {"framework": framework, "reading": {"features": 6, "rate": 0.0}, "kinds": False}
    computing(framework)
    rows = weight_gradient.compute(job)
    assert [row["part"] for row in rows] == ["layer0", "readout"] * 2
    for row in rows:
        assert row["rate"] == 0
        assert row["silent"] == 1
        if row["part"] == "readout":
            assert row["cosine"] == [None] * len(RULES)
            assert row["norm_ratio"] == [None] * len(RULES)


def test_rows_of_a_job_are_complete() -> None:
    computing("jax")
    job = JOB | {"warm_ups": [0.0, 0.5]}
    rows = weight_gradient.compute(job)
    kinds = [(row["warm_up"], row["traces"], row["part"]) for row in rows if row["sample"] == 0]
    whole = ["layer0", "readout", "layer0.x", "layer0.r", "layer0.b", "all"]
    assert kinds == [(0.0, True, part) for part in whole] + [
        (0.5, traces, part) for traces in (True, False) for part in ("layer0", "readout")
    ]
    first = rows[0]
    assert first["cosine"][RULES.index("drtrl")] == pytest.approx(
        float(np.float64(f"{first['cosine'][RULES.index('drtrl')]:.5g}"))
    )
    assert 0 < first["rate"] < 1000
    readout = rows[1]
    assert readout["cosine"][RULES.index("drtrl")] == 1  # a leaky readout's trace is exact


def test_jobs_of_the_sizes() -> None:
    jobs: list[dict[str, Any]] = []
    for name in experiment.SIZES:
        jobs = weight_gradient.jobs(weight_gradient.SIZES[name])
        assert len({str(sorted(job.items(), key=str)) for job in jobs}) == len(jobs)
        assert {job["seed"] for job in jobs} == {0, 1, 2, 3, 4}
        models = {(job["cell"], job["dataset"], job["framework"]) for job in jobs if job["study"] == "models"}
        assert len(models) == 48
        ranks = {k for job in jobs for k, _ in gradients.filtered(job["rules"]).values()}
        assert ranks == {4, 10, 20, 40, 100}
    deep = [job for job in jobs if job["study"] == "depth" and (job["cell"], job["seed"]) == ("alif_stp", 0)]
    assert [(job["layers"], job["rec"], job["ff"], job["constants"]["tau"]) for job in deep] == [
        (3, 6, 320, 5), (4, 6, 320, 5), (5, 6, 320, 5)
    ]  # fmt: skip
    assert not any("100" in rule for rule in deep[0]["rules"])


def frame(size: weight_gradient.Size, drtrl: float = 0.95) -> Any:
    """The frame of a size whose numbers are made up: what is drawn and judged of them is known."""
    lines = []
    for number, job in enumerate(weight_gradient.jobs(size)):
        rows, n = [], len(job["rules"])
        for share in job["warm_ups"]:
            for traces in (True, False) if share else (True,):
                for part in gradients.parts(job["layers"], job["kinds"] and not share):
                    for sample in range(job["computed"]):
                        cosine = [0.5, *[0.6 + 0.1 * sample] * (n - 2), drtrl if traces else None]
                        rows.append({
                            "sample": sample, "warm_up": share, "traces": traces, "part": part.name, "cosine": cosine,
                            "norm_ratio": [0.01] * n, "rate": 20.0 + sample, "silent": 0.25, "density": 0.02,
                        })  # fmt: skip
        lines.append({
            "experiment": "weight_gradient", "size": "cpu", "job": job, "job_key": str(number),
            "implementation_sha": "", "env_hash": "e",
            "data": {"label": f"{job['dataset']} (synthetic)", "synthetic": True}, "rows": rows,
        })  # fmt: skip
    return records.frame(lines, {}, "cpu")


SMALL = replace(
    weight_gradient.SIZES["cpu"], lengths={"dvs_gesture": (100,), "shd": (100,)}, neurons=8, samples=2, seeds=2,
    sizes=(4, 8), factors=(0.1, 1, 10), samples_swept=2,
    samples_deep=2, depths=(3,),
)  # fmt: skip


FIGURES = (
    "", "_readout", "_activity", "_warm_up_drtrl", "_warm_up_drtrl_norms", "_warm_up_es_drtrl",
    "_warm_up_es_drtrl_norms", "_parameters", "_parameters_norms", "_depth", "_depth_norms", "_sweeps",
    "_sweeps_norms", "_sweeps_activity",
)  # fmt: skip


@cache
def drawn_small() -> dict[str, Any]:
    """The figures of SMALL, which take seconds to draw."""
    return weight_gradient.figures(frame(SMALL))


def test_figures_are_complete() -> None:
    drawn = drawn_small()
    assert list(drawn) == [f"weight_gradient{name}" for name in FIGURES]
    assert list(drawn) == names.names("weight_gradient", frame(SMALL))
    for name, (figure, _) in drawn.items():
        assert figure.get_figheight() <= 11.2, name  # inches of a page
        assert unnamed(figure) == []
        assert touching(figure) == []
        assert raw_mathtext(figure) == []
        text = text_of(figure)
        for said in ("records", "(synthetic)", "undefined", "firing rate", "LIF-Delta"):
            assert said in text
    assert "as published" in text_of(drawn["weight_gradient"][0])
    assert "of 16 samples that both computed" in " ".join(text_of(drawn["weight_gradient"][0]).split())
    points = pd.concat([drawn[f"weight_gradient{name}"][1] for name in ("", "_warm_up_drtrl")]).drop_duplicates()
    points = points.set_index(["dataset", "cell", "warm_up", "traces", "part", "rule", "measure"])
    es = points.loc[("shd", "lif_std", 0.0, True, "layer0", "es_drtrl 10 corrected", "cosine")]
    assert (es["median"], es["published"], es["undefined"]) == pytest.approx((0.65, 0.65, 0))
    late = points.loc[("shd", "lif_std", 0.9, False, "layer0", "drtrl", "cosine")]
    assert math.isnan(late["median"])
    assert (late["published"], late["undefined"]) == (0, 4)  # counted as 0, and counted apart


def test_undefined_cosines_of_deep_networks_are_drawn_as_published() -> None:
    """Where D-RTRL's gradient of the first of two samples is 0: left out, and in the dotted line counted as 0."""
    rows = frame(SMALL)
    gone = (rows["study"] == "depth") & (rows["part"] == "layer0") & (rows["sample"] == 0)
    rows["cosine"] = [[*own[:-1], None] if none else own for own, none in zip(rows["cosine"], gone, strict=True)]
    figure, _ = weight_gradient.figures(rows)["weight_gradient_depth"]
    axes = [axes for axes in figure.axes if axes.axison][2]  # the last of the rules is D-RTRL
    lines = [line for line in axes.lines if line.get_label() == "as published"]
    assert len(lines) == 8  # models
    for line in lines:
        assert np.asarray(line.get_ydata(), float).tolist() == pytest.approx([0.475, 0.95, 0.95, 0.95])
    drawn = [line for line in axes.lines if line.get_label() == "LIF-Delta"]
    assert np.nanmin([line.get_ydata() for line in drawn]) == pytest.approx(0.95)
    assert "as published" in text_of(figure)


def test_norms_and_silence_are_drawn_wherever_cosines_are() -> None:
    drawn = drawn_small()
    for name, bands in (("", 1), ("_readout", 1), ("_parameters_norms", 3), ("_depth_norms", 1), ("_sweeps_norms", 3)):
        figure, points = drawn[f"weight_gradient{name}"]
        heights = {round(axes.get_position().y0, 2) for axes in figure.axes if axes.get_ylabel().startswith("norm /")}
        assert len(heights) == bands, name
        norms = points[points["measure"] == "norm_ratio"]
        assert norms["median"].unique().tolist() == pytest.approx([0.01])
    for name in ("_activity", "_sweeps_activity"):
        assert "share of silent neurons" in text_of(drawn[f"weight_gradient{name}"][0])


def test_silent_networks_are_hollow_and_the_limit_is_drawn_where_it_is_judged() -> None:
    rows = frame(SMALL)
    rows.loc[rows["cell"] == "lif_std", "rate"] = 0.0
    drawn = weight_gradient.figures(rows)
    for name in ("", "_readout", "_activity", "_parameters", "_warm_up_drtrl", "_depth"):
        figure, points = drawn[f"weight_gradient{name}"]
        hollow = [line for axes in figure.axes for line in axes.lines if line.get_label() == marks.SILENT]
        assert hollow, name
        assert {line.get_markerfacecolor() for line in hollow} == {"white"}
        if name != "_activity":
            assert {line.get_color() for line in hollow} == {marks.MODELS["lif_std"][0]}
        assert marks.SILENT in text_of(figure)
        assert points.loc[points["median_rate"] == 0, "cell"].unique().tolist() == ["lif_std"]
    assert marks.SILENT not in text_of(drawn_small()["weight_gradient"][0])
    limits = {
        name: [line for axes in figure.axes for line in axes.lines if line.get_label() == marks.LIMIT]
        for name, (figure, _) in drawn.items()
    }
    assert {name: len(own) for name, own in limits.items() if own} == {"weight_gradient": 2, "weight_gradient_depth": 1}
    assert {float(y) for own in limits.values() for line in own for y in line.get_ydata()} == {LIMIT}  # type: ignore[arg-type]


def test_every_limit_that_is_drawn_is_that_of_its_verdict() -> None:
    """Figures take it from here, as a study that draws a figure cannot be imported by it."""
    assert {study.LIMIT for study in (connectome, jacobian, rank1_time)} == {LIMIT}


def test_intervals_of_norms_are_within_the_axes() -> None:
    rows = frame(SMALL)
    rows["norm_ratio"] = [[value * (1 if sample else 1e-3) for value in own]
                          for sample, own in zip(rows["sample"], rows["norm_ratio"], strict=True)]  # fmt: skip
    drawn = weight_gradient.figures(rows)
    for name in ("", "_readout", "_warm_up_drtrl_norms", "_parameters_norms", "_depth_norms", "_sweeps_norms"):
        figure, _ = drawn[f"weight_gradient{name}"]
        panels = [axes for axes in figure.axes if axes.get_ylabel().startswith("norm /")]
        ends = [axes.get_ylim() for axes in panels if axes.containers]
        assert ends, name
        assert max(low for low, _ in ends) < 1e-5 < 1e-2 < min(high for _, high in ends)


def test_intervals_of_the_verdicts_are_those_of_the_figures() -> None:
    """Of the committed records, the lowest and the highest of D-RTRL, and how many are above the limit."""
    rows = reproduce.rows_of("weight_gradient", "cpu", Path(__file__).parents[2] / "results" / "paper", complain=False)
    assert rows is not None
    drtrl, _, depth, _ = weight_gradient.verdicts(rows)
    points = drawing.summarized(rows[rows["part"].str.fullmatch(r"layer\d+") & rows["warm_up"].eq(0)])
    points = points[(points["rule"] == "drtrl") & (points["measure"] == "cosine")]
    for verdict, study in ((drtrl, "models"), (depth, "depth")):
        own = points[points["study"] == study]
        drawn = {
            f"{p.cell} layer {int(p.part[5:]) + 1} of {p.layers}" if study == "depth" else
            f"{p.cell} {p.dataset} {p.steps}": f"{p.median:.3f} [{p.low:.3f}, {p.high:.3f}]"
            for p in own.itertuples()
        }  # fmt: skip
        quoted = re.findall(r"(-?\d\.\d{3} \[[^]]*\]) \(([^)]*)\)", verdict.measured)
        assert len(quoted) == 2
        assert [drawn[name] for _, name in quoted] == [text for text, _ in quoted]
        above = int((own["low"] > LIMIT).sum())
        assert verdict.measured.startswith(f"{above} of {len(own)} settings above {LIMIT}")


def test_the_verdicts_ask_for_every_setting() -> None:
    rows = frame(SMALL)
    drtrl, es, depth, order = weight_gradient.verdicts(rows)
    assert (drtrl.outcome, es.outcome, order.outcome) == (
        "only at reduced size", "not at reduced size", "only at reduced size"
    )  # fmt: skip
    assert drtrl.measured.startswith("16 of 16 settings above 0.9, 0 below; from 0.950 [0.950, 0.950]")
    assert "without any trace 0 of 16 settings above it, median 0.500" in drtrl.why
    assert "median of the settings 0.650, norm ratio 0.010" in es.why
    assert "0 of 64 samples silent" in drtrl.why
    assert depth.measured.startswith("24 of 24 settings")  # 8 models, 3 layers
    assert "0 of 32 samples silent" in depth.why  # of 8 networks, however many layers they have
    assert (drtrl.data, depth.data) == ("dvs_gesture (synthetic), shd (synthetic)", "shd (synthetic)")
    assert "paired: 16 of 16 settings above 0, 0 below; from 0.300" in order.measured
    one = rows["part"].eq("layer0") & rows["cell"].eq("lif_std") & rows["dataset"].eq("shd") & rows["warm_up"].eq(0)
    rows["cosine"] = [[*own[:-1], 0.85] if low else own for own, low in zip(rows["cosine"], one, strict=True)]
    drtrl, _, depth, _ = weight_gradient.verdicts(rows)
    assert "from 0.850 [0.850, 0.850] (lif_std layer 1 of 3) to" in depth.measured, "counted as in the figure"
    assert drtrl.outcome == "not at reduced size"
    assert drtrl.measured.startswith("15 of 16 settings above 0.9, 1 below; from 0.850 [0.850, 0.850] (lif_std shd")
    drtrl, *_, order = weight_gradient.verdicts(frame(SMALL, drtrl=0.55))  # ES-D-RTRL has .6 and .7
    assert (drtrl.outcome, order.outcome) == ("not at reduced size", "not at reduced size")
    assert weight_gradient.verdicts(frame(SMALL, drtrl=0.65))[3].outcome == "cannot be judged here"


def test_the_best_rank_is_that_of_each_setting() -> None:
    """Each rank is the best of one data set alone: no rank is good in all settings, and the best of each is."""
    rows, best = frame(SMALL), {"dvs_gesture": "es_drtrl 4 corrected", "shd": "es_drtrl 100 corrected"}
    rows["cosine"] = [
        [0.97 if rule == best[dataset] else value for rule, value in zip(rules, own, strict=True)]
        for rules, dataset, own in zip(rows["rules"], rows["dataset"], rows["cosine"], strict=True)
    ]
    _, es, _, order = weight_gradient.verdicts(rows)
    assert es.outcome == "only at reduced size"
    assert es.measured.startswith("16 of 16 settings above 0.9")
    assert "one of 4, 100" in es.why
    assert order.outcome == "not at reduced size"  # D-RTRL has .95


def test_the_order_is_asked_of_every_setting() -> None:
    rows = frame(SMALL)
    one = rows["part"].eq("layer0") & rows["cell"].eq("lif_std") & rows["dataset"].eq("shd") & rows["warm_up"].eq(0)
    rows["cosine"] = [[*own[:-1], 0.5] if low else own for own, low in zip(rows["cosine"], one, strict=True)]
    *_, order = weight_gradient.verdicts(rows)
    assert order.outcome == "not at reduced size"
    assert "15 of 16 settings above 0, 1 below" in order.measured


@pytest.mark.parametrize("alone", ["jax", "torch"])
def test_one_framework_alone_is_judged_or_left_open(alone: str) -> None:
    rows = frame(SMALL)
    judged = weight_gradient.verdicts(rows[rows["framework"] == alone])
    assert len(judged) == 4
    assert all((each.outcome == "cannot be judged here") == (alone == "torch") for each in judged)
