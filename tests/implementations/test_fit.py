"""Training: Adam as by hand, the same losses in both frameworks, and the same after a pause."""

import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.problems import FRAMEWORKS, READOUTS, ZOO, Grads, Problem, implementation, in_framework, needs, problem

from drtrl_bench.implementations.reference import algorithms as reference
from drtrl_bench.implementations.reference import cells as reference_cells

HERE = Path(__file__).parent
PATH = os.pathsep.join(map(str, (HERE, HERE.parent)))
"""Where a child finds the modules of tests."""
UPDATES, RATE, CLIP = 50, 3e-3, 5.0
NETS = {
    "gru": (replace(ZOO["gru"], scale_x=8.0), READOUTS["linear"]),
    "lif": (ZOO["lif_delta"], ZOO["lif_masked"], READOUTS["trained"]),
}
RULES = {
    "bptt": partial(reference.bptt, chunk=4),
    "rtrl": reference.bptt,
    "drtrl": reference.drtrl_by_cutting,
    "es_drtrl": reference.es_drtrl,
}
CASES = [("gru", "bptt"), ("gru", "rtrl"), ("lif", "drtrl"), ("lif", "es_drtrl")]
SCRIPT = """
import sys
import numpy as np
from conftest import prepare
from test_fit import CASES, fit
framework, path = sys.argv[1:]
prepare(framework)
np.savez(path, **{f"{name}/{rule}": fit(framework, name, rule, per_chunk=True)[1] for name, rule in CASES})
"""


def posed(name: str, number: int = 0) -> Problem:
    return problem(NETS[name], T=9, B=3, I=4, N=8, seed=number)


def fit(
    framework: str, name: str, rule: str, updates: int = UPDATES, done: int = 0, **options: Any
) -> tuple[Grads, np.ndarray]:
    """Weights and losses; every update sees another batch. After a pause, neither weights nor batches are at hand."""
    p = posed(name)
    params: Any = [{k: v + bool(done) for k, v in w.items()} for w in p.params]

    def batch(number: int) -> Any:
        assert number >= done
        return posed(name, number)[2:]

    if framework == "torch":
        torch = import_module("torch")
        params = [{k: torch.from_numpy(v.copy()) for k, v in w.items()} for w in params]
    module, algorithm = (implementation(m, framework) for m in ("fit", rule))
    settings = {"chunk": 4, "rate": RATE, "clip": CLIP} | options
    net = in_framework(p.net, framework)
    params, losses = module.fit(algorithm, net, params, batch, updates, **settings)
    return [{k: np.asarray(v) for k, v in w.items()} for w in params], losses


def by_hand(name: str, rule: str) -> tuple[Grads, list[float], int]:
    """Clipping and Adam (Kingma & Ba 2015, algorithm 1) in NumPy; also how often the gradient was clipped."""
    params, m, losses, clipped = posed(name).params, {}, [], 0
    for t in range(1, UPDATES + 1):
        loss, grads = RULES[rule](NETS[name], params, *posed(name, t - 1)[2:])
        losses.append(loss)
        clipped += adam_by_hand(params, grads, m, t) > CLIP
    return params, losses, clipped


@pytest.mark.parametrize(("name", "rule"), CASES)
def test_is_adam_by_hand(framework: str, name: str, rule: str) -> None:
    weights, losses = fit(framework, name, rule)
    expected, by_hand_losses, clipped = by_hand(name, rule)
    assert 0 < clipped < UPDATES, "some gradients are clipped and some are not"
    np.testing.assert_allclose(losses, by_hand_losses, rtol=1e-6)
    for w, e, before in zip(weights, expected, posed(name).params, strict=True):
        for k in w:
            np.testing.assert_allclose(w[k], e[k], rtol=1e-5, atol=1e-7)
            assert np.abs(w[k] - before[k]).max() > RATE


@needs("jax")
@needs("torch")
def test_frameworks_agree_per_chunk(tmp_path: Path) -> None:
    """An update after each chunk, carry in hand; each framework in a process of its own."""
    paths = {framework: tmp_path / f"{framework}.npz" for framework in FRAMEWORKS}
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (PATH, os.environ.get("PYTHONPATH"))))}
    command = [sys.executable, "-c", SCRIPT]
    children = [subprocess.Popen([*command, name, str(path)], env=env) for name, path in paths.items()]
    assert [child.wait() for child in children] == [0, 0]
    with np.load(paths["jax"]) as ours, np.load(paths["torch"]) as theirs:
        for name, rule in CASES:
            np.testing.assert_allclose(ours[f"{name}/{rule}"], theirs[f"{name}/{rule}"], rtol=1e-6)
            assert len(ours[f"{name}/{rule}"]) == UPDATES


def per_chunk_by_hand(updates: int) -> tuple[Grads, list[float], list[float]]:
    """D-RTRL with an update after every chunk of 4 of the 9 steps, textbook; weights, losses and norms of gradients.

    The weights change in the middle of a sequence; the states and the traces of all samples go on.
    """
    net, params = NETS["lif"], posed("lif").params
    m: dict[Any, Any] = {}
    losses, norms, t = [], [], 0
    for number in range(updates):
        inputs, targets = posed("lif", number)[2:]
        B = targets.shape[1]
        pairs = list(zip(net, params, strict=True))
        s = [np.stack([cell.rest(w["x"].shape[-1])] * B) for cell, w in pairs]
        e = [{k: np.zeros((B, len(v), cell.S, *v.shape[1:])) for k, v in w.items()} for cell, w in pairs]
        losses.append(0.0)
        for start in range(0, len(inputs), 4):
            acts, slopes = acting_by_hand(net, params)
            grads = [{k: np.zeros_like(v) for k, v in w.items()} for w in params]
            for x, target in zip(inputs[start : start + 4], targets[start : start + 4], strict=True):
                F: list[Any] = []
                for i, (cell, w) in enumerate(zip(net, acts, strict=True)):
                    z = {"x": x, "b": np.ones((B, 1)), "p": np.ones((B, 1)), "r": np.zeros((B, 0))}
                    if "r" in w:
                        z["r"] = reference_cells.emit(cell, s[i])
                    y = np.zeros((B, cell.G, w["x"].shape[-1]))
                    for k, v in w.items():
                        y[:, cell.reads[k]] += np.einsum("bj,jgn->bgn", z[k], v)
                    D, by_y = reference_cells.jacobians(cell, s[i], y)
                    for k in w:
                        now = np.einsum("bsgn,bj->bjsgn", by_y[:, :, cell.reads[k]], z[k])
                        e[i][k] = np.einsum("bsun,bjugn->bjsgn", D, e[i][k]) + now
                    s[i] = reference_cells.dynamics(cell, s[i], y)
                    F.append(by_y)
                    x = reference_cells.output(cell, s[i])
                p = np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)
                there = target >= 0
                losses[-1] -= float(np.log(p[there, target[there]]).sum()) / B
                signal = np.where(there[:, None], p - np.eye(p.shape[-1])[target], 0) / B
                for i in reversed(range(len(net))):
                    l = reference_cells.pull_output(net[i], s[i], signal)
                    for k in grads[i]:
                        grads[i][k] += np.einsum("bsn,bjsgn->jgn", l, e[i][k])
                    q = np.einsum("bsn,bsgn->bgn", l, F[i])
                    signal = np.einsum("bgn,jgn->bj", q[:, net[i].reads["x"]], acts[i]["x"])
            t += 1
            by_stored = [{k: g * slope[k] for k, g in w.items()} for w, slope in zip(grads, slopes, strict=True)]
            norms.append(adam_by_hand(params, by_stored, m, t))
    return params, losses, norms


def acting_by_hand(net: Any, params: Grads) -> tuple[Grads, Grads]:
    """The weights of NETS["lif"] as they act, and their slopes: the second layer's r by its absolute value, masked."""
    slopes = [{k: np.ones_like(v) for k, v in w.items()} for w in params]
    r = params[1]["r"]
    slopes[1]["r"] = np.sign(r) * net[1].mask("r", len(r), r.shape[-1])
    return [{k: v * slope[k] for k, v in w.items()} for w, slope in zip(params, slopes, strict=True)], slopes


def adam_by_hand(params: Grads, grads: Grads, m: dict[Any, Any], t: int) -> float:
    """Update t by a gradient cut to the length CLIP; the length it had. m: both moments of every weight, from 0."""
    norm = float(np.sqrt(sum((g**2).sum() for w in grads for g in w.values())))
    for i, w in enumerate(params):
        for k in w:
            g = grads[i][k] * min(1, CLIP / norm)
            first, second = m.get((i, k), (0, 0))
            first, second = 0.9 * first + 0.1 * g, 0.999 * second + 0.001 * g**2
            m[i, k] = first, second
            w[k] = w[k] - RATE * (first / (1 - 0.9**t)) / (np.sqrt(second / (1 - 0.999**t)) + 1e-8)
    return norm


@pytest.mark.parametrize("pause", [None, 7])
def test_updates_per_chunk_by_hand(framework: str, pause: int | None, tmp_path: Path) -> None:
    """With masks, signs and the losses of all chunks; in one go, and from a checkpoint after 7 of 12 sequences."""
    options: dict[str, Any] = {"per_chunk": True, "checkpoint": tmp_path / "fit.npz"} if pause else {"per_chunk": True}
    if pause:
        fit(framework, "lif", "drtrl", updates=pause, **options)
    weights, losses = fit(framework, "lif", "drtrl", updates=12, done=pause or 0, **options)
    expected, by_hand_losses, norms = per_chunk_by_hand(12)
    assert min(norms) < 0.9 * CLIP, "some gradients are left as they are"
    assert max(norms) > 1.1 * CLIP, "and some are cut"
    assert len(norms) == 36
    np.testing.assert_allclose(losses, by_hand_losses, rtol=1e-8)
    for w, e, before in zip(weights, expected, posed("lif").params, strict=True):
        for k in w:
            np.testing.assert_allclose(w[k], e[k], rtol=1e-7, atol=1e-9)
            assert np.abs(w[k] - before[k]).max() > RATE
    there = NETS["lif"][1].mask("r", 9, 9)
    assert there is not None
    before = posed("lif").params[1]["r"]
    np.testing.assert_array_equal(weights[1]["r"][there == 0], before[there == 0])
    assert (np.sign(before) < 0)[there == 1].any()


def test_updates_per_chunk_are_more_updates(framework: str) -> None:
    often, losses = fit(framework, "gru", "drtrl", updates=2, per_chunk=True)
    once, other = fit(framework, "gru", "drtrl", updates=2)
    assert not np.allclose(losses, other, rtol=1e-6)
    assert (
        np.abs(often[0]["x"] - posed("gru").params[0]["x"]).max()
        > np.abs(once[0]["x"] - posed("gru").params[0]["x"]).max()
    )


@pytest.mark.parametrize("per_chunk", [False, True])
def test_goes_on_after_a_pause(framework: str, per_chunk: bool, tmp_path: Path) -> None:
    options = {"per_chunk": per_chunk, "checkpoint": tmp_path / "fit.npz", "every": 3}
    fit(framework, "lif", "drtrl", updates=5, **options)
    weights, losses = fit(framework, "lif", "drtrl", updates=9, done=5, **options)
    straight, straight_losses = fit(framework, "lif", "drtrl", updates=9, per_chunk=per_chunk)
    np.testing.assert_allclose(losses, straight_losses, rtol=1e-12)
    for w, s in zip(weights, straight, strict=True):
        for k in w:
            np.testing.assert_allclose(w[k], s[k], rtol=1e-12)


def test_a_checkpoint_of_another_network_is_refused(framework: str, tmp_path: Path) -> None:
    fit(framework, "gru", "drtrl", updates=1, checkpoint=tmp_path / "fit.npz")
    with pytest.raises(ValueError, match=r"fit\.npz belongs to another network"):
        fit(framework, "lif", "drtrl", updates=1, checkpoint=tmp_path / "fit.npz")


def test_a_checkpoint_is_written_every_so_often_and_at_the_end(
    framework: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    module = implementation("fit", framework)
    monkeypatch.setattr(module, "save", lambda path, tree, losses: written.append(len(losses)))
    fit(framework, "gru", "bptt", updates=8, checkpoint=tmp_path / "fit.npz", every=3)
    assert written == [3, 6, 8]
