"""Training: Adam as by hand, the same losses in both frameworks, and the same after a pause."""

import subprocess
import sys
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from problems import FRAMEWORKS, READOUTS, ZOO, Grads, Problem, in_framework, needs, problem

from drtrl_bench.implementations import reference

HERE = Path(__file__).parent
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
    module, algorithm = (import_module(f"drtrl_bench.implementations.{m}_{framework}") for m in ("fit", rule))
    settings = {"chunk": 4, "rate": RATE, "clip": CLIP} | options
    net = in_framework(p.net, framework)
    params, losses = module.fit(algorithm, net, params, batch, updates, **settings)
    return [{k: np.asarray(v) for k, v in w.items()} for w in params], losses


def by_hand(name: str, rule: str) -> tuple[Grads, list[float], int]:
    """Clipping and Adam (Kingma & Ba 2015, algorithm 1) in NumPy; also how often the gradient was clipped."""
    params, m, v, losses, clipped = posed(name).params, {}, {}, [], 0
    for t in range(1, UPDATES + 1):
        loss, grads = RULES[rule](NETS[name], params, *posed(name, t - 1)[2:])
        losses.append(loss)
        norm = np.sqrt(sum((g**2).sum() for w in grads for g in w.values()))
        clipped += norm > CLIP
        for i, w in enumerate(params):
            for k in w:
                g = grads[i][k] * min(1, CLIP / norm)
                m[i, k] = 0.9 * m.get((i, k), 0) + 0.1 * g
                v[i, k] = 0.999 * v.get((i, k), 0) + 0.001 * g**2
                w[k] = w[k] - RATE * (m[i, k] / (1 - 0.9**t)) / (np.sqrt(v[i, k] / (1 - 0.999**t)) + 1e-8)
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
    children = [subprocess.Popen([sys.executable, "-c", SCRIPT, f, str(path)], cwd=HERE) for f, path in paths.items()]
    assert [child.wait() for child in children] == [0, 0]
    with np.load(paths["jax"]) as ours, np.load(paths["torch"]) as theirs:
        for name, rule in CASES:
            np.testing.assert_allclose(ours[f"{name}/{rule}"], theirs[f"{name}/{rule}"], rtol=1e-6)
            assert len(ours[f"{name}/{rule}"]) == UPDATES


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
