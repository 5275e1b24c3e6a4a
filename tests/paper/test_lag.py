"""Fidelity per delay: against a decomposition of the gradient that is written down here, and its sum."""

import math
from typing import Any

import numpy as np
import pytest
from support.pictures import raw_mathtext, text_of, touching, unnamed

from drtrl_bench import data
from drtrl_bench.implementations.cells import spec
from drtrl_bench.implementations.reference import algorithms as reference
from drtrl_bench.implementations.reference import cells as cells_of_reference
from drtrl_bench.paper import records
from drtrl_bench.paper.drawing import names
from drtrl_bench.paper.measures import gradients
from drtrl_bench.paper.studies import lag

T, N, LAGS = 10, 4, list(range(10))
ROUNDED = 6e-5  # of five digits
RULES = ["no_trace", "es_drtrl 4 corrected", "es_drtrl 20 corrected", "drtrl"]
JOB: dict[str, Any] = {
    "cell": "alif_expcu",
    "constants": {"tau": 10.0, "tau_syn": 5.0, "tau_a": 100.0},
    "rec": 40.0,
    "ff": 200.0,
    "neurons": N,
    "layers": 1,
    "readout": "leaky",
    "dataset": "bernoulli",
    "reading": {"features": 6, "rate": 0.3},
    "steps": T,
    "samples": 2,
    "computed": 2,
    "seed": 1,
    "rules": RULES,
    "lags": LAGS,
    "framework": "jax",
}


def decomposed(job: dict[str, Any], sample: int) -> tuple[dict[str, np.ndarray], list[dict[str, np.ndarray]]]:
    """By rule the gradient through each delay [T, 6 + N, N], all weights laid out; and the reference's whole gradient.

    Jacobians come from the reference's equations, of a step with y held fixed (D) and by way of y (D_f W^T R).
    """
    inputs, targets = data.dataset("bernoulli").batch(T, 2, 1, features=6, rate=0.3)
    problem, net = gradients.draw(job), gradients.network(job, spec)
    W_x, *_ = np.linalg.lstsq(inputs.reshape(2 * T, 6).astype(float), problem.currents.reshape(2 * T, N), rcond=None)
    params = [problem.params[0] | {"x": W_x[:, None]}, problem.params[1]]
    x, of = inputs[:, sample : sample + 1], targets[:, sample : sample + 1]
    cell, (layer, readout) = net[0], reference.forward(net, params, x)
    S, W_r, W_o = cell.S, params[0]["r"][:, 0], params[1]["x"][:, 0]
    error = reference.loss_gradient(readout.outputs, of)[:, 0]
    remembers = math.exp(-1 / 10) if job["readout"] == "leaky" else 0.0
    D, J, F, out = [], [], [], []
    for t in range(T):
        d, f = cells_of_reference.jacobians(cell, layer.states[t], layer.currents[t])
        R = cells_of_reference.output_jacobian(cell, layer.states[t])[0]
        own = np.einsum("sun,nm->snum", d[0], np.eye(N)).reshape(S * N, S * N)
        f_y = np.einsum("sn,nm->snm", f[0, :, 0], np.eye(N)).reshape(S * N, N)
        by_y = np.einsum("mn,um->num", W_r, R).reshape(N, S * N)  # dy_n/ds_um
        D.append(own)
        J.append(own + f_y @ by_y)
        F.append(f_y)
        units = [cells_of_reference.pull_output(cell, layer.states[t + 1], unit[None])[0] for unit in np.eye(N)]
        out.append(np.array(units).reshape(N, S * N))  # do/ds
    z = np.concatenate([layer.z["x"][:, 0], layer.z["r"][:, 0]], axis=1)
    dy = {rule: np.zeros((T, T, N)) for rule in ("bptt", *RULES)}
    for t in range(T):
        for q in range(t + 1):
            for p in range(q, t + 1):  # the readout remembers the spikes of step p until step t
                signal = error[t] * remembers ** (t - p) @ W_o.T @ out[p]
                dy["bptt"][t, q] += signal @ np.linalg.multi_dot([*J[q + 1 : p + 1][::-1], np.eye(S * N), F[q]])
            l = error[t] @ W_o.T @ out[t]
            dy["drtrl"][t, q] = l @ np.linalg.multi_dot([*D[q + 1 : t + 1][::-1], np.eye(S * N), F[q]])
        dy["no_trace"][t, t] = dy["drtrl"][t, t]
        for k in (4, 20):
            a = (k - 1) / (k + 1)
            eps_f = sum((1 - a) * a ** (t - q) * dy["drtrl"][t, q] for q in range(t + 1))
            for q in range(t + 1):
                dy[f"es_drtrl {k} corrected"][t, q] = a ** (t - q) * eps_f / (1 - a ** (t + 1))
    by_delay = {
        rule: np.array([sum(np.outer(z[t - d], own[t, t - d]) for t in range(d, T)) for d in LAGS])
        for rule, own in dy.items()
    }
    return by_delay, reference.bptt(net, params, x, of)[1]


@pytest.mark.parametrize("readout", ["leaky", "linear"])
def test_gradients_through_a_delay_are_those_by_hand(readout: str) -> None:
    pytest.importorskip("jax")
    job = JOB | {"readout": readout}
    rows, kept_all = lag.compute(job), []
    assert [(row["sample"], row["rule"]) for row in rows] == [(b, rule) for b in range(2) for rule in ("bptt", *RULES)]
    for sample in range(2):
        by_hand, whole = decomposed(job, sample)
        exact = by_hand["bptt"]
        gradient = np.concatenate([whole[0]["x"][:, 0], whole[0]["r"][:, 0]])
        np.testing.assert_allclose(exact.sum(axis=0), gradient, atol=1e-12)  # the delays are all of the gradient
        for row in rows[5 * sample : 5 * sample + 5]:
            for d in LAGS:
                g, true = by_hand[row["rule"]][d].ravel(), exact[d].ravel()
                norm = np.linalg.norm(true)
                assert norm > 1e-9
                assert row["share"][d] == pytest.approx(norm / np.linalg.norm(gradient), rel=ROUNDED)
                assert row["kept"][d] == pytest.approx(g @ true / norm**2, rel=ROUNDED, abs=1e-7)
                assert row["norm_ratio"][d] == pytest.approx(np.linalg.norm(g) / norm, rel=ROUNDED, abs=1e-7)
                if np.linalg.norm(g):
                    cosine = g @ true / np.linalg.norm(g) / norm
                    assert row["cosine"][d] == pytest.approx(cosine, abs=ROUNDED)
                else:
                    assert row["cosine"][d] is None
                kept_all.append((row["rule"], d, row["kept"][d]))
    assert all(kept == 1 for rule, _, kept in kept_all if rule == "bptt")
    if readout == "linear":
        assert all(kept == pytest.approx(1) for rule, d, kept in kept_all if rule in ("drtrl", "no_trace") and d == 0)
        assert any(abs(kept - 1) > 0.05 for rule, d, kept in kept_all if rule == "drtrl" and d > 1)


def test_delays_of_a_small_array_by_hand() -> None:
    """Two steps of one neuron, which reads 1 and then 3: z_q dy[t, q]."""
    dy = np.array([[[2.0], [0.0]], [[5.0], [7.0]]])
    F = gradients.factor(np.array([[1.0, 3.0], [3.0, 9.0]]))
    now, before = lag.by_lag(dy, F, [0, 1])
    assert float(np.linalg.norm(now)) == pytest.approx(2 + 3 * 7)
    assert float(np.linalg.norm(before)) == pytest.approx(5)
    np.testing.assert_allclose(now + before, (F @ dy.sum(axis=0)).ravel(), atol=1e-7)


def test_what_is_undefined_is_none() -> None:
    found = lag.compared([np.zeros(2), np.array([3.0, 4.0])], [np.array([0.0, 2.0]), np.zeros(2)], 4.0)
    assert found == {"cosine": [None, None], "norm_ratio": [0, None], "kept": [0, None], "share": [0.5, 0]}
    half = lag.compared([np.array([3.0, 4.0])], [np.array([0.0, 8.0])], 8.0)
    assert half == {"cosine": [0.8], "norm_ratio": [0.625], "kept": [0.5], "share": [1]}


def test_figures_are_complete() -> None:
    size, lines = lag.Size(steps=20, neurons=8, samples=2, seeds=2, ranks=(4, 20), lags=(0, 1, 3, 10)), []
    for number, job in enumerate(lag.jobs(size)):
        rows = []
        for sample in range(2):
            for rule in ("bptt", *job["rules"]):
                own = {"cosine": [1, 0.9, 0.5, None], "norm_ratio": [1, 1, 0.5, 0.0], "kept": [1, 0.9, 0.25, 0]}
                own |= {"share": [1, 0.5, 0.2, 0.1]} if rule == "bptt" else {"share": [None] * 4}
                activity = {"rate": 10.0, "density": 0.03, "silent": 0.5}
                rows.append({"sample": sample, "rule": rule} | own | activity)
        lines.append({
            "experiment": "lag", "size": "cpu", "job": job, "job_key": str(number), "implementation_sha": "",
            "env_hash": "e", "data": {"label": "SHD (synthetic speech)", "synthetic": True}, "rows": rows,
        })  # fmt: skip
    rows = records.frame(lines, {}, "cpu")
    drawn = lag.figures(rows)
    assert list(drawn) == ["lag_leaky", "lag_leaky_norms", "lag_linear", "lag_linear_norms"]
    assert list(drawn) == names.names("lag", rows)
    for figure, _ in drawn.values():
        assert figure.get_figheight() <= 11.2  # inches of a page
        assert unnamed(figure) == []
        assert touching(figure) == []
        assert raw_mathtext(figure) == []
        text = text_of(figure)
        for said in ("records", "SHD (synthetic speech)", "ES-D-RTRL, k = 20", "D-RTRL", "no trace", "undefined", "Hz"):
            assert said in text
        assert "median share of silent neurons: LIF-Delta 0.5, " in " ".join(text.split())
    points = drawn["lag_leaky"][1].set_index(["cell", "rule", "measure", "lag"])
    assert points.loc[("alif_std", "drtrl", "kept", 3), "median"] == 0.25
    assert points.loc[("alif_std", "drtrl", "cosine", 10), "undefined"] == 4
    norms = drawn["lag_leaky_norms"][1].set_index(["cell", "rule", "measure", "lag"])
    assert norms.loc[("alif_std", "drtrl", "norm_ratio", 3), "median"] == 0.5
    assert norms.loc[("alif_std", "bptt", "share", 3), "median"] == 0.2
    first = next(axes for axes in drawn["lag_leaky_norms"][0].axes if axes.get_ylabel() == "norm / BPTT's")
    (line,) = [line for line in first.lines if line.get_label() == "D-RTRL"]
    assert list(line.get_xdata()) == [1, 2, 4]  # the norm of 0 through 10 steps is on no logarithmic axis
    assert lag.verdicts(rows) == []
