"""A row's numbers against those of the equations, written out here in plain NumPy: every rule, both frameworks.

Two layers of LIF neurons and a leaky readout, from the published equations; nothing of bench/ or implementations/
computes what is expected. See algorithms in Wang et al. 2026 (Nat. Commun. 17:1745).
"""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.problems import FRAMEWORKS, RULES, implementation, needs

from drtrl_bench import lookup, registry
from drtrl_bench.case import Case, Plan
from drtrl_bench.cost.flops import lower_bound
from drtrl_bench.cost.sizes import sizes
from drtrl_bench.measure import gradcheck, problem, runner, worker

CASE = Case(
    dataset="bernoulli",
    cell="lif_delta",
    features=6,
    layers=2,
    neurons=5,
    batch=3,
    steps=26,
    chunk=5,
    scale_x=30.0,
    dtype="float64",
    threads=1,
    seed=3,
)
"""Five chunks and a sixth of one step. Its check takes 16 steps and two samples."""
C, SIZES = 10, ((6, 5), (5, 5), (5, 10))
SURVIVES, READOUT = np.exp(-1 / 5), np.exp(-1 / 10)
"""Of a potential and of a readout's state in a step."""
Weights = list[dict[str, Any]]


def psi(V: Any) -> Any:
    """The surrogate of a spike's derivative."""
    return 0.3 * np.maximum(1 - np.abs(V - 1), 0)


def drawn(seed: int = 3) -> tuple[Weights, Any, Any]:
    """Weights [J, 1, N] of each layer, inputs [T, B, I] and targets [T, B]."""
    rng, weights = np.random.default_rng([seed, 1]), []
    for layer, (J, N) in enumerate(SIZES):
        scale_x = 30 if layer < 2 else 2
        w = {"x": rng.standard_normal((J, 1, N)) * np.sqrt(scale_x / J)}
        if layer < 2:
            w["r"] = rng.standard_normal((N, 1, N)) * np.sqrt(1 / N)
            rng.standard_normal((1, 1, N))  # the bias's, which is 0
            w["b"] = np.zeros((1, 1, N))
        weights.append(w)
    rng = np.random.default_rng(seed)
    classes = rng.integers(10, size=3)
    inputs = np.stack([rng.random((3 * 6), np.float32) < 0.1 for _ in range(26)]).reshape(26, 3, 6)
    return weights, inputs.astype(float), np.tile(classes, (26, 1))


def forward(weights: Weights, inputs: Any) -> tuple[list[Any], Any]:
    """V^0 ... V^T [T + 1, B, N] of both layers, and the readout's state [T, B, C] after every step."""
    T, B, _ = inputs.shape
    V, x = [np.zeros((T + 1, B, 5)) for _ in range(2)], inputs
    for layer, w in enumerate(weights[:2]):
        for t in range(T):
            s = (V[layer][t] >= 1).astype(float)
            V[layer][t + 1] = SURVIVES * (V[layer][t] - s) + x[t] @ w["x"][:, 0] + s @ w["r"][:, 0] + w["b"][0, 0]
        x = (V[layer][1:] >= 1).astype(float)
    rho = np.zeros((T + 1, B, 10))
    for t in range(T):
        rho[t + 1] = READOUT * rho[t] + x[t] @ weights[2]["x"][:, 0]
    return V, rho[1:]


def loss_and_error(rho: Any, targets: Any) -> tuple[float, Any]:
    """Cross-entropy, summed over time, the mean of the samples; and its derivative by the readout's states."""
    p = np.exp(rho) / np.exp(rho).sum(-1, keepdims=True)
    right = np.eye(10)[targets]
    return float(-np.log((p * right).sum(-1)).sum() / targets.shape[1]), (p - right) / targets.shape[1]


def before(layer: int, V: list[Any], inputs: Any, t: int) -> dict[str, Any]:
    """The values z [B, J] that each kind of weight meets in step t."""
    x = inputs[t] if layer == 0 else (V[layer - 1][t + 1] >= 1).astype(float)
    z = {"x": x}
    if layer < 2:
        z |= {"r": (V[layer][t] >= 1).astype(float), "b": np.ones((len(x), 1))}
    return z


def windows(weights: Weights, inputs: Any, targets: Any, K: int, traced: bool) -> Weights:
    """BPTT in windows of K steps; traced: besides, through D-RTRL's trace, what a window's loss has of those before."""
    V, rho = forward(weights, inputs)
    error, T = loss_and_error(rho, targets)[1], len(inputs)
    grads = [{k: np.zeros_like(v) for k, v in w.items()} for w in weights]
    e = traces(weights, inputs, lambda layer, t: decays(V, layer, t)) if traced else None
    for start in range(0, T, K):
        later = [np.zeros((inputs.shape[1], N)) for _, N in SIZES]
        for t in reversed(range(start, min(start + K, T))):
            lam: list[Any] = [None, None, error[t] + later[2]]
            later[2] = READOUT * lam[2]
            for layer in (1, 0):
                down = lam[layer + 1] @ weights[layer + 1]["x"][:, 0].T
                lam[layer] = down * psi(V[layer][t + 1]) + later[layer]
                recurrent = lam[layer] @ weights[layer]["r"][:, 0].T
                later[layer] = lam[layer] * decays(V, layer, t) + recurrent * psi(V[layer][t])
            for layer in range(3):
                for k, z in before(layer, V, inputs, t).items():
                    grads[layer][k][:, 0] += z.T @ lam[layer]
        if e is not None and start > 0:
            for layer in range(3):
                for k in grads[layer]:
                    grads[layer][k][:, 0] += np.einsum("bn,bjn->jn", later[layer], e[layer][k][start - 1])
    return grads


def decays(V: list[Any], layer: int, t: int) -> Any:
    """dV^{t+1}/dV^t of a neuron but through weights; of a readout its decay."""
    return SURVIVES * (1 - psi(V[layer][t])) if layer < 2 else READOUT


def traces(weights: Weights, inputs: Any, D: Callable[[int, int], Any]) -> list[dict[str, list[Any]]]:
    """e^1 ... e^T [B, J, N] of each weight: e^t = D^t e^{t-1} + z^t."""
    V = forward(weights, inputs)[0]
    found: list[dict[str, list[Any]]] = []
    for layer, w in enumerate(weights):
        found.append({k: [] for k in w})
        for t in range(len(inputs)):
            for k, z in before(layer, V, inputs, t).items():
                last = found[layer][k][-1] if t else np.zeros((z.shape[0], z.shape[1], SIZES[layer][1]))
                d = np.broadcast_to(D(layer, t), (len(z), SIZES[layer][1]))
                found[layer][k].append(d[:, None] * last + z[:, :, None])
    return found


def signals(weights: Weights, inputs: Any, targets: Any, random: bool = False) -> list[Any]:
    """dL^t/dV^t [T, B, N] through the same step only, or with the error through random weights."""
    V, rho = forward(weights, inputs)
    error = loss_and_error(rho, targets)[1]
    found = [error]
    for layer in (1, 0):
        down = found[0] @ weights[layer + 1]["x"][:, 0].T
        if random:
            down = error @ (np.random.default_rng([layer, 10, 5]).standard_normal((10, 5)) / np.sqrt(10))
        found.insert(0, down * psi(V[layer][1:]))
    return found


def by_traces(l: list[Any], e: list[dict[str, list[Any]]]) -> Weights:
    """sum over time and samples of l^t e^t."""
    return [{k: np.einsum("tbn,tbjn->jn", l[i], np.stack(e[i][k]))[:, None] for k in e[i]} for i in range(3)]


def filtered(weights: Weights, inputs: Any, targets: Any, a: float = 0.9) -> Weights:
    """ES-D-RTRL: a filter of the lines and one of the neurons, whose mean over time is corrected by 1 - a^t."""
    V, l = forward(weights, inputs)[0], signals(weights, inputs, targets)
    grads = [{k: np.zeros_like(v) for k, v in w.items()} for w in weights]
    for layer in range(3):
        lines: dict[str, Any] = {}
        neurons = np.zeros_like(l[layer][0])
        for t in range(len(inputs)):
            neurons = a * decays(V, layer, t) * neurons + (1 - a)
            for k, z in before(layer, V, inputs, t).items():
                lines[k] = z if k == "b" else a * lines.get(k, 0) + z
                grads[layer][k][:, 0] += lines[k].T @ (l[layer][t] * neurons / (1 - a ** (t + 1)))
    return grads


def through_leak(weights: Weights, inputs: Any, targets: Any) -> Weights:
    """E-prop: the spikes' share in the readout's states, which keep a part of it from step to step."""
    V, l = forward(weights, inputs)[0], signals(weights, inputs, targets)
    e = traces(weights, inputs, lambda layer, t: decays(V, layer, t))
    grads = by_traces(l, e)
    for layer in range(2):
        by_spikes = np.einsum("tbgn,jgn->tbj", l[layer + 1][:, :, None], weights[layer + 1]["x"])
        for k in grads[layer]:
            kept, grads[layer][k] = 0.0, np.zeros_like(grads[layer][k])
            for t in range(len(inputs)):
                kept = READOUT * kept + psi(V[layer][t + 1])[:, None] * e[layer][k][t]
                grads[layer][k][:, 0] += np.einsum("bn,bjn->jn", by_spikes[t], kept)
    return grads


def one_trace(weights: Weights, inputs: Any, targets: Any) -> Weights:
    """OTTT: the lines of each layer fade by its own leak, and meet the step's signal."""
    V, l = forward(weights, inputs)[0], signals(weights, inputs, targets)
    grads = [{k: np.zeros_like(v) for k, v in w.items()} for w in weights]
    for layer in range(3):
        lines: dict[str, Any] = {}
        for t in range(len(inputs)):
            for k, z in before(layer, V, inputs, t).items():
                lines[k] = z if k == "b" else (SURVIVES if layer < 2 else READOUT) * lines.get(k, 0) + z
                grads[layer][k][:, 0] += lines[k].T @ l[layer][t]
    return grads


def flips(t: int, layer: int, size: tuple[int, ...]) -> Any:
    """UORO's signs: -1 where the highest of 32 bits is set in a hash of the step, the layer and the state's number."""
    x = np.arange(np.prod(size), dtype=np.uint64) * 0x9E3779B1 + (t * 0x85EBCA77 + layer * 0xC2B2AE3D) % 2**32
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        x = x % 2**32
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    return np.where(x % 2**32 >= 2**31, -1.0, 1.0).reshape(size)


def within_layers(weights: Weights, inputs: Any, targets: Any) -> Weights:
    """SnAp-2 where every neuron reaches every other in two steps: BPTT through the past of each layer alone."""
    V, l = forward(weights, inputs)[0], signals(weights, inputs, targets)
    grads = [{k: np.zeros_like(v) for k, v in w.items()} for w in weights]
    for layer, w in enumerate(weights):
        later = np.zeros_like(l[layer][0])
        for t in reversed(range(len(inputs))):
            lam = l[layer][t] + later
            later = lam * decays(V, layer, t)
            if layer < 2:
                later = later + (lam @ w["r"][:, 0].T) * psi(V[layer][t])
            for k, z in before(layer, V, inputs, t).items():
                grads[layer][k][:, 0] += z.T @ lam
    return grads


def rank_one(weights: Weights, inputs: Any, targets: Any) -> Weights:
    """UORO: a perturbation of all states pushed forward by all paths, and one of the weights, rescaled in each step."""
    V, rho = forward(weights, inputs)
    error, B = loss_and_error(rho, targets)[1], inputs.shape[1]
    grads = [{k: np.zeros_like(v) for k, v in w.items()} for w in weights]
    states = [np.zeros((B, N)) for _, N in SIZES]
    by_weight = [{k: np.zeros((B, len(v), N)) for k, v in w.items()} for w, (_, N) in zip(weights, SIZES, strict=True)]

    def size(arrays: Any) -> Any:
        return np.sqrt(sum((a.reshape(B, -1) ** 2).sum(1) for a in arrays))

    for t in range(len(inputs)):
        nu, lam, dx = [flips(t, layer, (B, SIZES[layer][1])) for layer in range(3)], [None, None, None], 0.0
        for layer, w in enumerate(weights):
            moved = decays(V, layer, t) * states[layer] + (dx @ w["x"][:, 0] if layer else 0)
            if layer < 2:
                moved = moved + (psi(V[layer][t]) * states[layer]) @ w["r"][:, 0]
                dx = psi(V[layer][t + 1]) * moved
            states[layer] = moved
        for layer in (2, 1, 0):
            lam[layer] = nu[layer]
            if layer < 2:
                lam[layer] = nu[layer] + psi(V[layer][t + 1]) * (lam[layer + 1] @ weights[layer + 1]["x"][:, 0].T)
        new = [{k: z[:, :, None] * lam[i][:, None] for k, z in before(i, V, inputs, t).items()} for i in range(3)]
        rho0 = np.sqrt(size([v for w in by_weight for v in w.values()]) / (size(states) + 1e-7)) + 1e-7
        rho1 = np.sqrt(size([v for w in new for v in w.values()]) / (size(nu) + 1e-7)) + 1e-7
        for layer in range(3):
            states[layer] = rho0[:, None] * states[layer] + rho1[:, None] * nu[layer]
            for k, v in new[layer].items():
                by_weight[layer][k] = by_weight[layer][k] / rho0[:, None, None] + v / rho1[:, None, None]
        by_states = (error[t] * states[2]).sum(-1)
        for layer in range(3):
            for k, v in by_weight[layer].items():
                grads[layer][k][:, 0] += np.einsum("b,bjn->jn", by_states, v)
    return grads


def exact(weights: Weights, inputs: Any, targets: Any) -> Weights:
    """BPTT over the whole sequence."""
    return windows(weights, inputs, targets, len(inputs), traced=False)


def diagonal(weights: Weights, inputs: Any, targets: Any, kept: float = 1.0, random: bool = False) -> Weights:
    """D-RTRL with a share of D, all of it by default; random: with signals through random weights."""
    V = forward(weights, inputs)[0]
    e = traces(weights, inputs, lambda layer, t: kept * decays(V, layer, t))
    return by_traces(signals(weights, inputs, targets, random), e)


def with_own_weight(weights: Weights, inputs: Any, targets: Any) -> Weights:
    """SnAp-1: D has the path through a neuron's weight on itself, too."""
    V = forward(weights, inputs)[0]

    def itself(layer: int, t: int) -> Any:
        own = np.diag(weights[layer]["r"][:, 0]) * psi(V[layer][t]) if layer < 2 else 0
        return decays(V, layer, t) + own

    return by_traces(signals(weights, inputs, targets), traces(weights, inputs, itself))


EQUATIONS: dict[str, Callable[[Weights, Any, Any], Weights]] = {
    "bptt": partial(windows, K=5, traced=False),
    "bptt_native": partial(windows, K=5, traced=False),
    "bptt_checkpointed": partial(windows, K=5, traced=False),
    "rtrl": exact,
    "drtrl": diagonal,
    "es_drtrl": filtered,
    "snap1": with_own_weight,
    "drtrl_window": partial(windows, K=5, traced=True),
    "random_feedback": partial(diagonal, random=True),
    "snap2": within_layers,
    "eprop": through_leak,
    "ottt": one_trace,
    "uoro": rank_one,
    "no_trace": partial(diagonal, kept=0.0),
}
"""Each rule's gradient with windows of 5 steps. What is compared with those of a rule that has none is skipped."""


def gradient(rule: str, weights: Weights, inputs: Any, targets: Any) -> Weights:
    """A rule's gradient, by its equations."""
    if rule not in EQUATIONS:
        pytest.skip(f"write the equations of {rule} into EQUATIONS, and its least work into FLOOR")
    return EQUATIONS[rule](weights, inputs, targets)


def flat(grads: Weights, names: tuple[str, ...] = ("layer0", "layer1", "readout")) -> dict[str, Any]:
    return {f"{name}.{k}": v.ravel() for name, w in zip(names, grads, strict=True) for k, v in w.items()}


def close(g: Any, true: Any) -> dict[str, float]:
    """How far a vector is from the true one."""
    here, there = np.sqrt((g * g).sum()), np.sqrt((true * true).sum())
    live = true != 0
    return {
        "cosine": (g * true).sum() / (here * there),
        "error": np.sqrt(((g - true) ** 2).sum()) / there,
        "norm_ratio": here / there,
        "sign_agreement": (g[live] * true[live] > 0).mean(),
    }


def expected(rule: str, seed: int = 3) -> dict[str, Any]:
    """The fidelity of a rule: each weight, each layer, and all in a row."""
    g, true = (flat(f(*drawn(seed))) for f in ((lambda *p: gradient(rule, *p)), exact))
    layers = {n: [k for k in true if k.startswith(n)] for n in ("layer0", "layer1", "readout")}
    row = {n: [np.concatenate([side[k] for k in names]) for side in (g, true)] for n, names in layers.items()}
    return {
        "overall": close(np.concatenate(list(g.values())), np.concatenate(list(true.values()))),
        "per_layer": {n: close(*pair) for n, pair in row.items()},
        "per_parameter": {k: close(g[k], true[k]) for k in true},
    }


def assert_fidelity(found: dict[str, Any], right: dict[str, Any], tolerance: float) -> None:
    for part in ("overall", "per_layer", "per_parameter"):
        if part == "per_layer" and part not in found:
            continue
        pairs = (
            [(found[part], right[part])]
            if part == "overall"
            else [(found[part][k], right[part][k]) for k in right[part]]
        )
        assert part == "overall" or set(found[part]) == set(right[part])
        for one, other in pairs:
            assert one == pytest.approx(other, rel=tolerance, abs=tolerance)


@cache
def solved(folder: Path, case: Case) -> Any:
    return problem.read(problem.prepared(case, folder))


@cache
def measured(folder: Path, case: Case) -> dict[str, Any]:
    """What the child puts into a row, measured here."""
    return worker.measure(case, solved(folder, case), 0.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("row")


# What is expected is worth something


def test_the_equations_are_alive() -> None:
    """Nothing is 0, neurons fire and pause, and no two rules have one gradient but those that should."""
    weights, inputs, targets = drawn()
    V, _ = forward(weights, inputs)
    assert all(0.05 < (v[1:] >= 1).mean() < 0.6 for v in V)
    cosines = {}
    for rule in EQUATIONS:
        g = gradient(rule, weights, inputs, targets)
        assert all(np.abs(v).max() > 1e-4 for v in flat(g).values())
        cosines[rule] = expected(rule)["overall"]["cosine"]
    assert cosines["rtrl"] == pytest.approx(1)
    assert cosines["bptt"] == cosines["bptt_checkpointed"] == cosines["bptt_native"] < 0.995
    others = {rule: c for rule, c in cosines.items() if rule not in ("rtrl", "bptt_checkpointed", "bptt_native")}
    gaps = np.diff(sorted(others.values()))
    assert gaps.min() > 1e-4
    assert max(others.values()) < 0.998, "eprop, whose one cut are the recurrent paths, is the nearest"
    for rule in others:
        parts = [part["cosine"] for part in expected(rule)["per_parameter"].values()]
        assert abs(np.mean(parts) - others[rule]) > 1e-3, "the mean of the weights' cosines is another number"


@needs("torch")
@pytest.mark.xdist_group("torch")
def test_the_exact_gradient_is_that_of_torch_autograd() -> None:
    torch: Any = import_module("torch")
    weights, inputs, targets = drawn()

    class Spike(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, v: Any) -> Any:
            ctx.save_for_backward(v)
            return (v >= 0).to(v)

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            return grad * 0.3 * torch.clamp(1 - ctx.saved_tensors[0].abs(), min=0)

    ws = [{k: torch.tensor(v[:, 0], requires_grad=True) for k, v in w.items()} for w in weights]
    V, rho, loss = (
        [torch.zeros(3, 5, dtype=torch.float64)] * 2,
        torch.zeros(3, 10, dtype=torch.float64),
        torch.zeros(()),
    )
    for x, label in zip(torch.tensor(inputs), torch.tensor(targets), strict=True):
        for layer, w in enumerate(ws[:2]):
            s = Spike.apply(V[layer] - 1)
            V[layer] = SURVIVES * (V[layer] - s) + x @ w["x"] + s @ w["r"] + w["b"]
            x = Spike.apply(V[layer] - 1)
        rho = READOUT * rho + x @ ws[2]["x"]
        loss = loss + torch.nn.functional.cross_entropy(rho, label)
    loss.backward()
    assert loss.item() == pytest.approx(loss_and_error(forward(weights, inputs)[1], targets)[0], rel=1e-12)
    for w, g in zip(ws, exact(weights, inputs, targets), strict=True):
        for k in w:
            np.testing.assert_allclose(w[k].grad.numpy(), g[k][:, 0], rtol=1e-9, atol=1e-13)


# The problem


@pytest.mark.parametrize("seed", [3, 4])
def test_a_problem_is_drawn_by_its_seed(seed: int, folder: Path) -> None:
    whole = solved(folder, replace(CASE, seed=seed))
    weights, inputs, targets = drawn(seed)
    np.testing.assert_array_equal(whole.inputs, inputs)
    np.testing.assert_array_equal(whole.targets, targets)
    for found, right in zip(whole.params, weights, strict=True):
        assert found.keys() == right.keys()
        for k in right:
            np.testing.assert_allclose(found[k], right[k], rtol=1e-14)
    for k, g in flat(exact(weights, inputs, targets)).items():
        np.testing.assert_allclose(flat(whole.gradient)[k], g, rtol=1e-9, atol=1e-13)


def test_the_exact_gradient_is_the_same_for_every_chunk(folder: Path) -> None:
    assert {
        solved(folder, replace(CASE, algorithm=rule, chunk=K)).gradient[0]["r"].sum()
        for rule, K in (("bptt", 1), ("bptt", 26), ("drtrl", 5))
    } == {solved(folder, CASE).gradient[0]["r"].sum()}


# The row


@pytest.mark.parametrize("rule", RULES)
def test_fidelity_and_activity_of_a_row(framework: str, rule: str, folder: Path) -> None:
    found = measured(folder, replace(CASE, algorithm=rule, framework=framework))
    assert found["status"] == "ok", found["reason"]
    assert_fidelity(found["fidelity"], expected(rule), 1e-9)
    V, _ = forward(drawn()[0], drawn()[1])
    fired = [v[1:] >= 1 for v in V]
    assert found["activity"] == {
        "firing_rate": pytest.approx([f.sum() / (26 * 3 * 5) for f in fired]),
        "silent": pytest.approx([(f.any((0, 1)) == 0).sum() / 5 for f in fired]),
        "spike_mismatch": [0, 0],
    }


@pytest.mark.parametrize("rule", RULES)
def test_the_check_of_a_row(framework: str, rule: str, folder: Path) -> None:
    """16 steps of the first two samples, all labelled: those with the most input spikes up to the last."""
    weights, inputs, targets = drawn()
    start = max(range(11), key=lambda s: inputs[s : s + 16, :2].sum())
    V, rho = forward(weights, inputs[start : start + 16, :2])
    loss, _ = loss_and_error(rho, targets[:16, :2])
    found = measured(folder, replace(CASE, algorithm=rule, framework=framework))["gate"]
    assert (found["steps"], found["batch"], found["limit"]) == (16, 2, 1e-10)
    assert found["loss"] == pytest.approx(loss, rel=1e-12)
    assert found["firing_rate"] == pytest.approx([(v[1:] >= 1).mean() for v in V])
    assert found["error"] < 1e-13
    assert found["loss_error"] < 1e-13


@pytest.mark.parametrize("rule", RULES)
def test_the_check_compares_with_the_equations(rule: str, folder: Path) -> None:
    """An implementation that is these equations, with one weight's gradient half as large again and another loss."""

    def by_hand(case: Case, part: Any, dtype: str) -> Any:
        assert (dtype, case.steps, case.batch, case.chunk) == ("float64", 16, 2, 5)
        data = part.params, part.inputs.astype(float), part.targets
        loss = loss_and_error(forward(*data[:2])[1], data[2])[0]
        grads = gradient(rule, *data)
        grads[1]["r"] = 1.5 * grads[1]["r"]
        return SimpleNamespace(gradient=lambda: (1.25 * loss, grads))

    case = replace(CASE, algorithm=rule)
    found = gradcheck.gradient_check(case, solved(folder, case), by_hand)
    assert found["parameter"] == "layer1.r"
    assert found["error"] == pytest.approx(0.5, rel=1e-10)
    assert found["loss_error"] == pytest.approx(0.25, rel=1e-10)


def test_a_row_in_float32(framework: str, folder: Path) -> None:
    found = measured(folder, replace(CASE, framework=framework, dtype="float32"))
    assert found["status"] == "ok", found["reason"]
    assert_fidelity(found["fidelity"], expected("drtrl"), 2e-5)
    assert found["fidelity"]["overall"]["cosine"] != pytest.approx(expected("drtrl")["overall"]["cosine"], abs=1e-13)


@pytest.mark.parametrize("child", [pytest.param(f, marks=[needs(f), pytest.mark.xdist_group(f)]) for f in FRAMEWORKS])
def test_a_row_of_a_run(child: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All the way: plan, problem, child, file."""
    monkeypatch.setenv("DRTRL_BENCH_CACHE", str(tmp_path))
    case = replace(CASE, framework=child)
    runner.run(Plan("p", "", (case,), limit_s=90, budget_s=0.01), tmp_path / "r.jsonl", lambda text, line: None)
    line = json.loads((tmp_path / "r.jsonl").read_text().splitlines()[1])
    assert line["status"] == "ok", line["reason"]
    assert_fidelity(line["fidelity"], expected("drtrl"), 1e-9)
    assert line["floor"] == {"forward_flops": 24180, "flops": 83310, "moved_bytes": 39600}
    assert line["memory"]["analytic_bytes"] == 26280


# What is wrong with an implementation, the check must say


def spoiled(what: str) -> Callable[..., Any]:
    """`lookup.algorithm` whose `advance` has one error."""
    whole = lookup.algorithm

    def algorithm(name: str, framework: str, options: dict[str, Any], execution: Any) -> Any:
        right = whole(name, framework, options, execution)

        def advance(net: Any, params: Any, carry: Any, inputs: Any, targets: Any, **more: Any) -> Any:
            carry, loss, grads = right.advance(net, params, carry, inputs, targets, **more)
            if what == "bias":
                grads = [*grads[:1], grads[1] | {"b": grads[1]["b"] * (1 + 1e-6)}, *grads[2:]]
            if what == "loss":
                loss = loss * (1 + 1e-6)
            if what == "carry" and len(inputs) == options["chunk"]:
                carry = changed(carry)
            return carry, loss, grads

        return SimpleNamespace(init=right.init, advance=advance)

    return algorithm


def changed(carry: Any) -> Any:
    """What a rule carries, a millionth more of it; integers, as of a counter, are left."""
    if isinstance(carry, dict):
        return {k: changed(v) for k, v in carry.items()}
    if isinstance(carry, tuple) and hasattr(carry, "_fields"):
        return type(carry)(*(changed(v) for v in carry))
    if isinstance(carry, list | tuple):
        return type(carry)(changed(v) for v in carry)
    return carry * (1 + 1e-6) if "float" in str(getattr(carry, "dtype", "")) else carry


LONG = replace(CASE, chunk=20, steps=64, neurons=4)


COMPILED = ("bptt", "rtrl", "drtrl")
"""The rules whose errors are planted in JAX too, where each takes seconds to compile."""


@pytest.mark.parametrize("rule", COMPILED)
@pytest.mark.parametrize("what", ["bias", "loss", "carry"])
def test_an_error_of_an_implementation_is_wrong(
    framework: str, what: str, rule: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At K = 20, where only a check of more than 20 steps meets a carry."""
    case = replace(LONG, algorithm=rule, framework=framework)
    monkeypatch.setattr(lookup, "algorithm", spoiled(what))
    found = worker.measure(case, solved(folder, case), 0.0)
    assert found["status"] == "wrong"
    assert found["time"] == found["memory"] == found["fidelity"] == {}
    said = {"bias": "layer1.b", "loss": "the loss", "carry": "the gradient of"}[what]
    assert said in found["reason"]


@needs("torch")
@pytest.mark.xdist_group("torch")
@pytest.mark.parametrize("rule", [rule for rule in RULES if rule not in COMPILED])
@pytest.mark.parametrize("what", ["bias", "loss", "carry"])
def test_an_error_of_any_rule_is_wrong(what: str, rule: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    test_an_error_of_an_implementation_is_wrong("torch", what, rule, folder, monkeypatch)


# The least work, and bytes


FLOOR: dict[str, tuple[Any, Any]] = {
    # 26 steps of 3 samples; products of 2 * 3 * (30 + 25) = 330, 300 and 300 flops a step: 930
    # forward and the weights' gradients 1860, down through the layers' weights 150 + 300, back through W_r 2 * 150
    "bptt": (26 * 2610, 0),
    "bptt_native": (26 * 2610, 0),
    "bptt_checkpointed": (26 * 2610 + 5 * 3 * 930, 0),  # of each whole chunk, a segment of 3 steps twice
    "drtrl": (26 * 2310 + 25 * 930, 5 * 2 * 3 * 165 * 8),  # five times the traces of 60 + 55 + 50 weights
    "snap1": (26 * 2310 + 25 * 930, 39600),
    "random_feedback": (26 * (1860 + 2 * 2 * 3 * 10 * 5) + 25 * 930, 39600),  # down to both layers from ten classes
    "drtrl_window": (26 * 2610 + 25 * 930, 39600),
    "eprop": (26 * 2310 + 25 * (2 * 330 + 2 * 300 + 300), 5 * 2 * 3 * (2 * 60 + 2 * 55 + 50) * 8),  # 2 states a neuron
    "es_drtrl": (26 * 2310, 0),
    "ottt": (26 * 2310, 0),
    "uoro": (None, None),
    "snap2": (None, None),
    "no_trace": (26 * 2310, 0),
    # influence of 20, 15 and 10 states: moved five times, pulled back 25 steps
    "rtrl": (
        26 * 2610
        + 5 * 2 * 3 * (20 * 20 * 60 + 15 * 15 * 55 + 10 * 10 * 50)
        + 25 * (20 * (330 + 150) + 15 * (300 + 150 + 150) + 10 * (300 + 300)),
        5 * 2 * 3 * (20 * 60 + 15 * 55 + 10 * 50) * 8,
    ),
}


def test_what_is_written_by_hand_is_whole() -> None:
    """A rule has both or neither: one with neither is a new one."""
    assert len(EQUATIONS) >= 14
    assert FLOOR.keys() == EQUATIONS.keys() <= set(RULES), "write what one of the two lacks"


@pytest.mark.parametrize("rule", RULES)
def test_the_least_work_by_hand(rule: str) -> None:
    if rule not in FLOOR:
        pytest.skip(f"write the least work of {rule} into FLOOR, and its equations into EQUATIONS")
    least = lower_bound(sizes(replace(CASE, algorithm=rule), 6, 10))
    assert (least.forward_flops, least.flops, least.moved_bytes) == (26 * 930, *FLOOR[rule])
    if registry.ALGORITHMS[rule].carry != "trace":
        return
    assert lower_bound(sizes(replace(CASE, algorithm=rule, dtype="float32"), 6, 10)).moved_bytes == FLOOR[rule][1] / 2
    stored = replace(CASE, algorithm=rule, dtype="float32", trace_dtype="bfloat16")
    assert lower_bound(sizes(stored, 6, 10)).moved_bytes == FLOOR[rule][1] / 4
    assert lower_bound(sizes(replace(CASE, algorithm=rule, chunk=26), 6, 10)).moved_bytes == 0
    assert lower_bound(sizes(replace(CASE, algorithm=rule, chunk=1), 6, 10)).moved_bytes == 5 * FLOOR[rule][1]


@pytest.mark.parametrize("rule", ["bptt", "drtrl", "rtrl"])
def test_working_bytes(framework: str, rule: str, folder: Path) -> None:
    """By another meter on the same computation."""
    data = (solved(folder, CASE).params, *drawn()[1:])
    found = measured(folder, replace(CASE, algorithm=rule, framework=framework))["memory"]
    if framework == "jax":
        temp, output = compiled_bytes(rule, *data)
        assert (found["xla_temp_bytes"], found["xla_output_bytes"]) == (temp, output)
        assert found["working_bytes"] == temp + output
        assert 8 * 166 <= output < 8 * (166 + 20), "every weight's gradient and the loss, and a pointer to each"
    else:
        assert found["working_bytes"] == found["torch_peak_bytes"]
        assert found["working_bytes"] == pytest.approx(most_held(rule, *data), abs=100), "operators have scratch"


def compiled_bytes(rule: str, weights: Weights, inputs: Any, targets: Any) -> tuple[int, int]:
    """What XLA says of the same program, compiled here: its scratch and its outputs."""
    jax: Any = import_module("jax")
    network_jax, module = (implementation(m, "jax") for m in ("network", rule))
    net = problem.network(CASE, "jax")
    whole = jax.jit(lambda *data: network_jax.gradient(module, net, *data, chunk=5))
    analysis = whole.lower(weights, inputs, targets.astype(np.int32)).compile().memory_analysis()
    return analysis.temp_size_in_bytes, analysis.output_size_in_bytes


def most_held(rule: str, weights: Weights, inputs: Any, targets: Any) -> int:
    """Most bytes of the storages that operators made and that are still referred to."""
    import weakref

    torch: Any = import_module("torch")
    dispatch: Any = import_module("torch.utils._python_dispatch")
    network_torch, module = (implementation(m, "torch") for m in ("network", rule))
    params = [{k: torch.tensor(v) for k, v in w.items()} for w in weights]
    arguments = params, torch.tensor(inputs), torch.tensor(targets)
    net = problem.network(CASE, "torch")
    rests = [
        network_torch.rest(cell, N, torch.float64, torch.device("cpu")) for cell, (_, N) in zip(net, SIZES, strict=True)
    ]
    there = [t.untyped_storage() for w in params for t in w.values()]
    there += [t.untyped_storage() for t in (*arguments[1:], *rests)]
    held: dict[int, int] = {id(storage): 0 for storage in there}
    most = [0]

    class Counting(dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            for tensor in out if isinstance(out, tuple | list) else [out]:
                if isinstance(tensor, torch.Tensor):
                    storage = tensor.untyped_storage()
                    if id(storage) not in held:
                        held[id(storage)] = storage.nbytes()
                        weakref.finalize(storage, held.pop, id(storage), None)
            most[0] = max(most[0], sum(held.values()))
            return out

    with Counting():
        network_torch.gradient(module, net, *arguments, chunk=5)
    return most[0]
