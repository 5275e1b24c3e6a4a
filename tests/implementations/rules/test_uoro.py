"""UORO's estimate: its mean over all signs is RTRL's gradient, and a single one is not."""

from importlib import import_module
from itertools import product
from typing import Any

import numpy as np
import pytest
from support.problems import CELLS, READOUTS, ZOO, Grads, Problem, cosine, errors, gradient, problem
from test_contract import assert_same

from drtrl_bench.implementations.reference import algorithms as reference
from drtrl_bench.implementations.reference import online


def mean_over_all_signs(p: Problem) -> Grads:
    """The mean of the estimates by all 2^n draws of the n signs of all states and steps."""
    T, sizes = len(p.inputs), [cell.S * w["x"].shape[-1] for cell, w in zip(p.net, p.params, strict=True)]
    total = [{k: np.zeros_like(v) for k, v in w.items()} for w in p.params]
    draws = list(product((-1.0, 1.0), repeat=T * sum(sizes)))
    for draw in draws:
        of_step = np.array(draw).reshape(T, -1)

        def signs(_: int, layer: int, t: int, shape: Any, of_step: Any = of_step) -> Any:
            start = sum(sizes[:layer])
            return of_step[t, start : start + sizes[layer]].reshape(shape)

        for sums, w in zip(total, online.uoro(*p, signs=signs)[1], strict=True):
            for k in sums:
                sums[k] += w[k] / len(draws)
    return total


@pytest.mark.parametrize(("cells", "T", "N"), [(("leaky_rnn",), 2, 2), (("leaky_rnn", "leaky_rnn"), 2, 1)])
def test_mean_over_all_signs_is_exact(cells: tuple[str, ...], T: int, N: int) -> None:
    """Two steps, so that paths through time and recurrent weights count; 256 and 1024 draws."""
    p = problem((*(CELLS[cell] for cell in cells), READOUTS["leaky"]), T=T, B=1, N=N, C=2, silent=0.0)
    exact = reference.rtrl(*p)[1]
    assert max(errors(mean_over_all_signs(p), exact).values()) < 1e-10
    assert all(np.abs(g).max() > 1e-6 for w in exact for g in w.values())
    assert max(errors(reference.drtrl(*p)[1][:1], exact[:1]).values()) > 0.1, "paths that D-RTRL lacks count"
    assert cosine(online.uoro(*p)[1], exact) < 0.99, "one draw is far from it"


@pytest.mark.parametrize("cell", ["lif_delta", "gif"])
def test_draws_differ(framework: str, cell: str) -> None:
    p = problem((ZOO[cell], READOUTS["leaky"]), T=5, N=5)
    found = [gradient(framework, "uoro", p, 2, options={"draw": draw}) for draw in (0, 7)]
    for draw, result in zip((0, 7), found, strict=True):
        assert_same(result, online.uoro(*p, draw=draw))
    assert abs(cosine(online.uoro(*p)[1], online.uoro(*p, draw=7)[1])) < 0.99


def test_signs_are_fair_and_independent(framework: str) -> None:
    """Of 4096 steps, 10 states and two draws: the mean and the products of any two are those of coins."""
    module: Any = import_module(f"drtrl_bench.implementations.algorithms.further.uoro_{framework}")
    T, columns = 4096, []
    for draw, layer in ((0, 0), (0, 1), (7, 0)):
        if framework == "jax":
            import jax.numpy as jnp

            drawn = module.signs(draw, layer, jnp.arange(T, dtype=jnp.uint32), jnp.zeros((T, 2, 1, 5)))
        else:
            import torch

            drawn = module.signs(draw, layer, torch.arange(T), torch.zeros(T, 2, 1, 5))
        drawn = np.asarray(drawn)
        for t in (0, 1, T - 1):
            np.testing.assert_array_equal(drawn[t], online.hashed_signs(draw, layer, t, (2, 1, 5)))
        columns.append(drawn.reshape(T, 10))
    signs = np.concatenate(columns, axis=1).astype(float)
    assert np.abs(signs.mean(0)).max() < 5 / np.sqrt(T)
    assert np.abs(signs.T @ signs / T - np.eye(30)).max() < 5 / np.sqrt(T)
    assert np.abs(signs[1:].T @ signs[:-1] / T).max() < 5 / np.sqrt(T)
