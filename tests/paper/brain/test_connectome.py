"""Gradients on a connectome, against equations and a loop that are written down here; what is drawn and judged."""

from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.pictures import alike, raw_mathtext, text_of, touching, unnamed

from drtrl_bench.paper.brain import problem as brain
from drtrl_bench.paper.drawing import connectome as drawing
from drtrl_bench.paper.drawing import names
from drtrl_bench.paper.studies import connectome

T, N, M, DECAY = 150, 12, 3, 0.9
JOB: dict[str, Any] = {
    "neurons": N,
    "partners": 4,
    "strength": 100.0,  # so that the paths between neurons are long
    "neuropils": M,
    "ms": 1.0,
    "steps": T,
    "samples": 2,
    "chunk": 7,
    "decay": DECAY,
    "rules": list(connectome.RULES),
    "seed": 3,
}
A, B = np.exp(-1 / brain.TAU), np.exp(-1 / brain.TAU_SYN)
Grads = dict[str, np.ndarray]


def psi(v: np.ndarray) -> np.ndarray:
    return 0.3 * np.maximum(1 - np.abs(v), 0)


def weights(drawn: brain.Problem) -> tuple[np.ndarray, ...]:
    """Input, recurrent and readout weights, dense [J, N]; the constant current [N]."""
    hidden, readout = drawn.params
    dense = drawn.patterns[0]["r"].dense(hidden["r"])[:, 0]
    return hidden["x"][:, 0], dense, drawn.patterns[1]["x"].dense(readout["x"])[:, 0], hidden["b"][0, 0]


def online(drawn: brain.Problem, sample: int) -> tuple[dict[str, Grads], np.ndarray]:
    """By rule the gradient of the loss, which is of the last step alone, by its equations; and the spikes [T, N]."""
    W_x, W_r, W_o, I_0 = weights(drawn)
    s = np.zeros((3, N))  # V, g, c
    D_product, fired = [], []
    z: dict[str, list[np.ndarray]] = {"x": [], "r": []}
    for t in range(T):
        V, g, c = s
        spikes, x = (V >= 1).astype(float), drawn.inputs[t, sample]
        z["x"].append(x)
        z["r"].append(spikes)
        D = np.zeros((3, 3, N))
        D[0, 0], D[0, 1], D[1, 1], D[2, 0], D[2, 2] = A * (1 - spikes), (1 - A) * B, B, psi(V - 1), 1
        D_product.append(D)
        g = B * g + x @ W_x + spikes @ W_r + I_0
        s = np.array([A * V * (1 - spikes) + (1 - A) * g, g, c + spikes])
        fired.append((s[0] >= 1).astype(float))
    D_f = np.array([1 - A, 1, 0])[:, None]
    logits = (s[2] + fired[-1]) @ W_o
    error = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    error[drawn.targets[-1, sample]] -= 1
    dL_do = W_o @ error
    l = dL_do * np.array([psi(s[0] - 1), np.zeros(N), np.ones(N)])
    found: dict[str, Grads] = {}
    for kind, read in z.items():
        trace, eps_x, eps_f = np.zeros((len(read[0]), 3, N)), np.zeros(len(read[0])), np.zeros((3, N))
        for x, D in zip(read, D_product, strict=True):
            trace = np.einsum("sun,jun->jsn", D, trace) + x[:, None, None] * D_f
            eps_x = DECAY * eps_x + x
            eps_f = DECAY * np.einsum("sun,un->sn", D, eps_f) + (1 - DECAY) * D_f
        rules = {
            "drtrl": np.einsum("jsn,sn->jn", trace, l),
            "es_drtrl": np.outer(eps_x, (eps_f * l).sum(axis=0) / (1 - DECAY**T)),
            "no_trace": np.outer(read[-1], (D_f * l).sum(axis=0)),
        }
        for rule, gradient in rules.items():
            found.setdefault(rule, {})[kind] = gradient
    return found, np.array(fired)


def exact(drawn: brain.Problem, sample: int) -> Grads:
    """BPTT's gradient, by PyTorch's differentiation of a loop that is written out here."""
    torch = pytest.importorskip("torch")

    def spike(V: Any) -> Any:
        v = V - 1
        return (v >= 0).double() + (0.3 * (1 - v.abs()).clamp(min=0)).detach() * (v - v.detach())

    W_x, W_r, W_o, I_0 = (torch.tensor(w) for w in weights(drawn))
    W_x.requires_grad_()
    W_r.requires_grad_()
    V, g, c = torch.zeros(3, N, dtype=torch.float64)
    for x in torch.tensor(drawn.inputs[:, sample]):
        s = spike(V)
        g = B * g + x @ W_x + s @ W_r + I_0
        V, c = A * V * (1 - s.detach()) + (1 - A) * g, c + s
    logits = ((c + spike(V)) @ W_o)[None]
    torch.nn.functional.cross_entropy(logits, torch.tensor(drawn.targets[-1, sample : sample + 1]).long()).backward()
    return {"x": W_x.grad.numpy(), "r": W_r.grad.numpy()}


def computed(framework: str, drawn: brain.Problem, rule: str) -> list[Grads]:
    """The gradients of both frames, dense."""
    module, pattern = import_module(f"drtrl_bench.paper.brain.gradients_{framework}"), drawn.patterns[0]["r"]
    found = module.gradients(JOB, drawn, rule)
    return [{"x": hidden["x"][:, 0], "r": pattern.dense(hidden["r"])[:, 0]} for hidden, _ in found]


def test_gradients_are_those_by_hand(framework: str) -> None:
    pytest.importorskip(framework)
    drawn = brain.draw(JOB)
    exists = {"x": 1, "r": drawn.patterns[0]["r"].dense(np.ones_like(drawn.params[0]["r"]))[:, 0]}
    found = {rule: computed(framework, drawn, rule) for rule in ("bptt", *connectome.RULES)}
    for sample in range(2):
        by_rule, fired = online(drawn, sample)
        assert fired.sum() > 2 * N
        by_rule["bptt"] = exact(drawn, sample)
        for rule, right in by_rule.items():
            for kind, ours in found[rule][sample].items():
                want = right[kind] * exists[kind]
                assert np.abs(want).max() > 1e-6 or rule == "no_trace", (rule, kind)  # nobody may spike in one step
                assert np.abs(ours - want).max() <= 1e-10 * max(np.abs(want).max(), 1e-6), (rule, kind, sample)
        r, *others = (by_rule[rule]["r"] * exists["r"] for rule in ("drtrl", "bptt", "es_drtrl"))
        assert all(np.abs(other - r).max() > 0.01 * np.abs(r).max() for other in others)  # the rules can be told apart


def test_counts_are_those_by_hand(framework: str) -> None:
    pytest.importorskip(framework)
    drawn = brain.draw(JOB)
    found = import_module(f"drtrl_bench.paper.brain.gradients_{framework}").counts(JOB, drawn)
    np.testing.assert_array_equal(found, [online(drawn, sample)[1].sum(axis=0) for sample in range(2)])


@pytest.mark.slow
def test_memory_holds_what_a_rule_carries(framework: str) -> None:
    """At least the traces of all synapses, which only D-RTRL has; BPTT's residuals grow with the number of steps."""
    pytest.importorskip(framework)
    module = import_module(f"drtrl_bench.paper.brain.gradients_{framework}")
    job, spent = JOB | {"neurons": 200, "partners": 50, "chunk": 5, "strength": 1.0}, {}
    for steps in (100, 200):  # by the first of them neurons have spiked
        drawn = brain.draw(job | {"steps": steps})
        rules = ("bptt", "es_drtrl") if steps == 200 else ("bptt", "es_drtrl", "drtrl")
        spent[steps] = {rule: module.working_bytes(job | {"steps": steps}, drawn, rule) for rule in rules}
    assert spent[100]["drtrl"] >= 2 * 3 * 4 * drawn.params[0]["r"].size
    assert spent[200]["bptt"] > 1.8 * spent[100]["bptt"]
    assert spent[200]["es_drtrl"] < 1.2 * spent[100]["es_drtrl"]


def test_what_is_drawn() -> None:
    job = JOB | {"neurons": 500, "partners": 20, "neuropils": 10, "strength": 2.0, "samples": 400, "steps": 50}
    drawn = brain.draw(job)
    hidden, readout = drawn.params
    of_neuropil = drawn.patterns[1]["x"].dense(readout["x"])[:, 0]
    np.testing.assert_allclose(of_neuropil.sum(axis=0), 1)
    assert ((of_neuropil > 0).sum(axis=1) <= 1).all()
    synapses = drawn.patterns[0]["r"].unpack(hidden["r"]) / (2 * brain.SYNAPSE)
    np.testing.assert_allclose(synapses, np.rint(synapses), atol=1e-4)
    assert len(synapses) == 500 * 20
    pre, _ = drawn.patterns[0]["r"].synapses()
    signs = {(neuron, np.sign(weight)) for neuron, weight in zip(pre, synapses, strict=True)}
    assert len(signs) == len(set(pre))  # a neuron excites or inhibits
    members = of_neuropil > 0
    strength = np.bincount(pre, np.abs(synapses), 500)
    for share, own in zip(of_neuropil.T, members.T, strict=True):
        np.testing.assert_allclose(share[own], strength[own] / strength[own].sum())
    assert (drawn.targets[:-1] == -1).all()
    assert set(drawn.inputs.flat) == {0.0, 1.0}
    assert 0.4 * brain.HIGHEST < drawn.inputs.mean() < 0.6 * brain.HIGHEST
    spikes = drawn.inputs.sum(axis=0)  # the next frame is like this one: its most active neuropil is active now
    told = spikes[np.arange(400), drawn.targets[-1]].mean()
    assert told > 1.2 * spikes.mean()


def test_a_neuron_alone_spikes_in_its_period() -> None:
    """From 0, under the synaptic current that its constant current keeps up, the potential takes so many steps."""
    rng = np.random.default_rng(0)
    current = brain.own_current(np.random.default_rng(0), 50, 0.5)
    periods = rng.lognormal(-np.log(brain.OWN_RATE), brain.SPREAD, 50) / 0.5  # in steps
    a, b = np.exp(-0.5 / brain.TAU), np.exp(-0.5 / brain.TAU_SYN)
    V, first = np.zeros(50), np.zeros(50)
    for step in range(1, 1000):
        V = a * V + (1 - a) * current / (1 - b)
        first[(V >= 1) & (first == 0)] = step
    np.testing.assert_array_equal(first, np.ceil(periods))


def test_rows_by_hand() -> None:
    pytest.importorskip("torch")
    rows = connectome.compute(JOB | {"study": "fidelity", "framework": "torch"})
    assert len(rows) == 2 * 3 * 2
    drawn = brain.draw(JOB)
    for row in rows:
        by_rule, fired = online(drawn, row["sample"])
        own, true = (g[row["kind"]] for g in (by_rule[row["rule"]], exact(drawn, row["sample"])))
        if row["kind"] == "r":
            exists = drawn.patterns[0]["r"].dense(np.ones_like(drawn.params[0]["r"]))[:, 0]
            own, true = own * exists, true * exists
        norms = np.linalg.norm(own), np.linalg.norm(true)
        assert row["norm_ratio"] == pytest.approx(norms[0] / norms[1], rel=1e-6)
        if norms[0]:
            assert row["cosine"] == pytest.approx((own * true).sum() / norms[0] / norms[1], abs=1e-6)
        assert row["rate"] == pytest.approx(1000 * fired.mean())
        assert row["silent"] == (fired.sum(axis=0) == 0).mean()


def fidelity_row(job: dict[str, Any], sample: int, rule: str, kind: str, cosine: float) -> dict[str, Any]:
    found = {"sample": sample, "rule": rule, "kind": kind, "cosine": cosine, "norm_ratio": 0.5}
    return job | found | {"rate": 20.0, "silent": 0.25, "density": 0.05}


def told(cosine: float = 0.95, memory: int = 1, size: str = "cpu") -> Any:
    """The rows of all jobs, as if they had been computed."""
    rows = []
    for job in connectome.jobs(connectome.SIZES["cpu"]):
        if job["study"] == "memory":
            spent = {"bptt": 4, "drtrl": 3, "es_drtrl": memory}
            assert [*spent] == ["bptt", *job["rules"]]
            rows += [job | {"rule": rule, "working_bytes": by * job["neurons"]} for rule, by in spent.items()]
            continue
        for sample in range(2):
            of_rule = {"drtrl": 0.99, "es_drtrl": cosine + 0.001 * job["seed"], "no_trace": 0.2}
            rows += [fidelity_row(job, sample, rule, kind, c) for rule, c in of_rule.items() for kind in ("r", "x")]
    label = {"data": "drawn numbers (synthetic)", "synthetic": True, "env_hash": "e", "setup": "A"}
    made = pd.DataFrame([row | label | {"commits": frozenset()} for row in rows])
    made.attrs = {"environments": {"e": {}}, "results": "0" * 16, "experiment": "connectome", "size": size}
    made.attrs |= {"jobs": 40, "seeds": 5, "instead": connectome.ABOUT.instead}
    return made


def test_the_figure_is_complete_and_legible() -> None:
    drawn = connectome.figures(told())
    assert list(drawn) == names.names("connectome", told())
    for figure, _ in drawn.values():
        assert figure.get_figheight() <= 11.2  # inches of a page
        assert unnamed(figure) == []
        assert touching(figure) == []
        assert raw_mathtext(figure) == []
    (figure, points), (other, more) = drawn.values()
    text = " ".join(text_of(figure).split())
    for said in ("generated connectome (synthetic)", "records 0000", "ES-D-RTRL", "no trace", "differ by 0 at most"):
        assert said in text
    ours = points[(points["framework"] == "torch") & (points["measure"] == "cosine")]
    es_drtrl = ours[ours["rule"] == "es_drtrl"]
    np.testing.assert_allclose(es_drtrl["median"], 0.952)
    assert (es_drtrl["values"] == 10).all()
    panels = {axes.get_ylabel(): axes for axes in other.axes if axes.axison}
    assert {"share of silent neurons", "firing rate (Hz)"} < set(panels)
    silent = more[(more["measure"] == "silent") & (more["framework"] == "torch")]
    assert (silent["median"] == 0.25).all()
    assert (silent["values"] == 10).all()  # frames: of five seeds two, of however many rules
    spent = more[more["measure"] == "MiB"].set_index(["framework", "neurons", "rule"])["median"]
    assert spent["jax", 5000, "drtrl"] == pytest.approx(3 * 5000 / 2**20)


def test_a_norm_of_0_stands_on_a_line_of_its_own() -> None:
    """Below all others, with its name and the whole of its interval."""
    rows = told()
    silent = (rows["rule"] == "no_trace") & (rows["kind"] == "x") & (rows["neurons"] == 1000)
    rows.loc[silent, "norm_ratio"] = np.where(rows.loc[silent, "sample"] == 0, 0.0, 1e-4)
    figure, _ = connectome.figures(rows)["connectome"]
    norms = [axes for axes in figure.axes if axes.get_ylabel() == "norm / BPTT's"]
    (zeros,) = [line for axes in norms for line in axes.lines if line.get_label() == drawing.ZERO]
    (floor, _), axes = zeros.get_ydata(), zeros.axes
    assert floor == pytest.approx(5e-5 / 3)  # the median of as many 0 as 1e-4 is the least that is not 0
    assert axes.get_ylim()[0] < floor
    for line in axes.lines:
        assert (np.asarray(line.get_ydata(), float) >= floor).all()
    assert unnamed(figure) == []
    assert alike(figure) == []
    assert drawing.ZERO in text_of(figure)
    assert drawing.ZERO not in text_of(connectome.figures(told())["connectome"][0])


def test_verdicts() -> None:
    outcomes = {}
    for name, rows in (("good", told()), ("bad", told(cosine=0.85, memory=3)), ("whole", told(size="paper"))):
        judged = connectome.verdicts(rows)
        outcomes[name] = [each.outcome for each in judged]
        assert all("synthetic" in str(each.data) for each in judged)
    open_, yes, no = "cannot be judged here", "only at reduced size", "not at reduced size"
    assert outcomes["good"] == [open_, yes, yes, yes]
    assert outcomes["bad"] == [open_, no, yes, open_]  # 3 and 3 are equal
    assert outcomes["whole"] == [open_, yes, yes, yes]  # as the connectome is generated at every size
    measured = connectome.verdicts(told())[1].measured
    assert measured.startswith("cosine 0.952 [0.950, 0.954] (N = 1000), ")
    assert measured.endswith("D-RTRL 0.990 [0.990, 0.990] (N = 5000); no trace 0.200 [0.200, 0.200] (N = 5000)")


def test_memory_is_judged_at_every_size() -> None:
    """As in PyTorch: ES-D-RTRL takes more than D-RTRL in small networks, and less in large ones."""
    rows = told()
    rows.loc[(rows["framework"] == "torch") & (rows["rule"] == "es_drtrl") & (rows["neurons"] == 1000),
             "working_bytes"] = 4 * 2**20  # fmt: skip
    memory = connectome.verdicts(rows)[3]
    assert memory.outcome == "not at reduced size"
    assert memory.measured.startswith("MiB of ES-D-RTRL, D-RTRL. JAX, less at every N: ")
    assert "PyTorch, less from N = 2000 on: N = 1000: 4.0, 0.0; " in memory.measured
    assert "not less at the largest N" in connectome.verdicts(told(memory=5))[2].measured


@pytest.mark.parametrize("alone", ["jax", "torch"])
def test_one_framework_alone_is_judged_or_left_open(alone: str) -> None:
    rows = told()
    judged = connectome.verdicts(rows[rows["framework"] == alone])
    gradient = "cannot be judged here" if alone == "jax" else "only at reduced size"
    assert [each.outcome for each in judged] == ["cannot be judged here", gradient, *["only at reduced size"] * 2]
