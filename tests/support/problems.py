"""Small learning problems in NumPy, and `gradient` of every algorithm in either framework on them."""

from dataclasses import fields, replace
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from drtrl_bench import registry
from drtrl_bench.implementations.cells import spec as cells
from drtrl_bench.implementations.cells.cell import Network

FRAMEWORKS = ("jax", "torch")
ALGORITHMS = ("bptt", "rtrl", "drtrl", "bptt_native")
RULES = tuple(registry.ALGORITHMS)
"""Every algorithm of the project, new ones too; their facts are spelled out in by_hand/test_paper_options.py."""

WIDE: dict[str, Any] = {"alpha": 0.7, "width": 1.5}
"""A surrogate that is alive far from the threshold."""
BRISK: dict[str, Any] = {"tau_a": 10.0, "beta": 0.4, "tau_std": 5.0, "tau_f": 5.0, "tau_d": 5.0, "U": 0.3}
"""Slow processes sped up, so that they matter within a dozen steps."""
ALIF = cells.LIF(states=("V", "a", "g"), scale_x=40.0, scale_r=20.0, threshold=0.8, tau_a=10.0, beta=0.4, **WIDE)
CELLS: dict[str, cells.Cell] = {
    "leaky_rnn": cells.LeakyRNN(scale_x=2.0, scale_r=2.0),
    "gru": cells.GRU(scale_x=2.0, scale_r=3.0),
    "lif_soft": cells.LIF(scale_x=6.0, scale_r=2.0, reset="soft", **WIDE),
    "lif_hard": cells.LIF(scale_x=6.0, scale_r=2.0, reset="hard", threshold=0.8, **WIDE),
    "alif": ALIF,
}
"""The cells that every algorithm is tested with at every depth and chunk length."""


def implementation(name: str, framework: str) -> Any:
    """A module of the implementations in a framework: an algorithm, or "network", "fit" or "stream"."""
    parts = {"network": "engine", "fit": "training", "stream": "training"}
    if name in parts:
        return import_module(f"drtrl_bench.implementations.{parts[name]}.{name}_{framework}")
    return registry.ALGORITHMS[name].module(name, framework)


def lif(*states: str, scale: float = 8.0, **options: Any) -> cells.LIF:
    return cells.LIF(states=states, scale_x=scale, scale_r=scale / 2, **{**WIDE, **BRISK, **options})


ZOO: dict[str, cells.Cell] = {
    "tanh_rnn": cells.TanhRNN(scale_x=2.0, scale_r=2.0),
    "leaky_rnn": cells.LeakyRNN(scale_x=2.0, scale_r=2.0, trainable=("tau",), spread=0.3),
    "gru": cells.GRU(scale_x=2.0, scale_r=3.0, initial="truncated"),
    "lstm": cells.LSTM(scale_x=2.0, scale_r=2.0),
    "mgu": cells.MGU(scale_x=2.0, scale_r=3.0),
    "lru": cells.LRU(scale_x=2.0),
    "lif_delta_hard": lif("V", reset="hard"),
    "lif_delta": lif("V", trainable=("tau", "threshold"), spread=0.2),
    "lif_expcu": lif("V", "g", scale=40.0, trainable=("tau_syn",), spread=0.2),
    "lif_std": lif("V", "x", "g", scale=40.0),
    "lif_stp": lif("V", "u", "x", "g", scale=40.0),
    "lif_std_before": lif("V", "x", "g", scale=40.0, release="before"),
    "lif_stp_before": lif("V", "u", "x", "g", scale=40.0, release="before", surrogate="gaussian"),
    "alif_delta": lif("V", "a", trainable=("tau", "threshold", "tau_a", "beta"), spread=0.2),
    "alif_expcu": lif("V", "a", "g", scale=40.0, surrogate="sigmoid"),
    "alif_std": lif("V", "a", "x", "g", scale=40.0),
    "alif_stp": lif("V", "a", "u", "x", "g", scale=40.0, surrogate="multi_gaussian"),
    "lif_multiply": lif("V", reset="multiply", surrogate="atan"),
    "alif_detached": lif("V", "a", detach_reset=True, surrogate="fast_sigmoid"),
    "lif_masked": lif("V", density=0.5, signed=True, surrogate="s2nn"),
    "gif": cells.GIF(
        scale_x=200.0, scale_r=100.0, tau=5.0, tau_slow=20.0, tau_syn=5.0, trainable=("tau_slow",), **WIDE
    ),
    "ei_gif": cells.EIGIF(scale_x=40.0, scale_r=10.0, tau=10.0, density=0.5, **WIDE),
    "egru": cells.EGRU(scale_x=2.0, scale_r=2.0),
    "egru_traced": cells.EGRU(scale_x=40.0, scale_r=2.0, traced=True, threshold=0.1),
}
"""Every kind of cell, with scales at which every layer of a small network spikes: the paper's leave some silent."""

READOUTS: dict[str, cells.Cell] = {
    "leaky": cells.LeakyReadout(tau=4.0),
    "linear": cells.LinearReadout(),
    "trained": cells.LeakyReadout(tau=4.0, trainable=("tau",), spread=0.3),
}

Grads = list[dict[str, NDArray[Any]]]


def needs(framework: str) -> pytest.MarkDecorator:
    """Skip where the framework is not installed."""
    reason = f"needs {framework}: pip install -e '.[{framework}]'"
    return pytest.mark.skipif(find_spec(framework) is None, reason=reason)


class Bound(NamedTuple):
    """An algorithm with its options; hashable, so that a compiler may treat it as a constant."""

    init: Any
    advance: Any


class Problem(NamedTuple):
    """A network, its weights and one batch. `net` holds specifications: the reference and both frameworks read it."""

    net: Network
    params: Grads
    inputs: NDArray[np.float64]
    """[T, B, I]."""
    targets: NDArray[np.int64]
    """[T, B]; negative: no loss at that step."""


def network(cell: str, layers: int, readout: str, **options: Any) -> Network:
    """`layers` layers of one cell, or "mixed": a GRU, an ALIF with hard reset, a LIF layer; then the readout."""
    mixed = (CELLS["gru"], replace(ALIF, reset="hard"), CELLS["lif_soft"])
    hidden = mixed if cell == "mixed" else (replace(CELLS.get(cell) or ZOO[cell], **options),) * layers
    return (*hidden, READOUTS[readout])


def problem(
    net: Network,
    *,
    T: int = 11,
    B: int = 2,
    I: int = 3,
    N: int = 4,
    C: int = 3,
    seed: int = 0,
    silent: float = 0.2,
    wider: int = 1,
) -> Problem:
    """Random weights with random biases and random data; layers of N, N + wider, ... neurons: no two sizes agree.

    `silent` is the share of steps without a loss.
    """
    rng = np.random.default_rng(seed)
    sizes = [I, *(N + i * wider for i in range(len(net) - 1)), C]
    params = [c.initial_weights(rng, *io) for c, *io in zip(net, sizes[:-1], sizes[1:], strict=True)]
    for cell, w in zip(net, params, strict=True):
        if "b" in w:
            w["b"] += 0.2 * np.sqrt(cell.scale_x) * rng.standard_normal(w["b"].shape)
    targets = rng.integers(0, C, (T, B))
    targets[rng.random((T, B)) < silent] = -1
    return Problem(net, params, rng.standard_normal((T, B, I)), targets)


def in_framework(net: Network, framework: str) -> Any:
    """The same network with the framework's equations; what a specification reads, its twin reads."""
    module, twins = import_module(f"drtrl_bench.implementations.cells.cells_{framework}"), []
    for cell in net:
        spec = next(c for c in type(cell).__mro__ if c.__module__ == cells.__name__)
        twin = getattr(module, spec.__name__)
        if cell.feeds is not spec.feeds:
            twin = without(twin, *(spec.feeds.keys() - cell.feeds.keys()))
        if type(cell).mask is not spec.mask:
            twin = wired(twin, type(cell).mask)
        twins.append(twin(**{f.name: getattr(cell, f.name) for f in fields(cell)}))
    return tuple(twins)


@cache
def without(cell: type[cells.Cell], *kinds: str) -> type[cells.Cell]:
    """The cell class without some kinds of weight."""
    feeds = {k: v for k, v in cell.feeds.items() if k not in kinds}
    return type(f"{cell.__name__}Without{''.join(kinds)}", (cell,), {"feeds": feeds})


@cache
def wired(cell: type[cells.Cell], mask: Any) -> type[cells.Cell]:
    """The cell class with another mask: which weights exist is the function's choice."""
    return type(f"{cell.__name__}By{mask.__name__}", (cell,), {"mask": mask})


def execution(framework: str, **how: Any) -> Any:
    """An `Execution` of a framework."""
    return import_module(f"drtrl_bench.implementations.engine.execution_{framework}").Execution(**how)


def gradient(
    framework: str,
    algorithm: str,
    p: Problem,
    chunk: int,
    dtype: str = "float64",
    options: dict[str, Any] | None = None,
) -> tuple[float, Grads]:
    """Loss and gradient of `implementations/<algorithm>_<framework>.py`, as NumPy arrays; `options` are `advance`'s."""
    module: Any = registry.ALGORITHMS[algorithm].module(algorithm, framework)
    if options:
        module = Bound(module.init, partial(module.advance, **options))
    net = in_framework(p.net, framework)
    inputs, params = p.inputs.astype(dtype), [{k: v.astype(dtype) for k, v in w.items()} for w in p.params]
    if framework == "jax":
        loss, grads = jitted_gradient()(module, net, params, inputs, p.targets, chunk)
    else:
        loss, grads = torch_gradient(module, net, params, inputs, p.targets, chunk)
    return float(loss), [{k: np.asarray(v) for k, v in w.items()} for w in grads]


@cache
def jitted_gradient() -> Any:
    """`network_jax.gradient` compiled once per algorithm, network, shapes and chunk."""
    import jax

    from drtrl_bench.implementations.engine import network_jax

    return jax.jit(network_jax.gradient, static_argnums=(0, 1, 5))


def torch_gradient(module: Any, net: Any, params: Grads, inputs: Any, targets: Any, chunk: int) -> Any:
    """`network_torch.gradient` of arrays."""
    import torch

    from drtrl_bench.implementations.engine import network_torch

    weights = [{k: torch.from_numpy(v) for k, v in w.items()} for w in params]
    return network_torch.gradient(module, net, weights, torch.from_numpy(inputs), torch.from_numpy(targets), chunk)


def errors(grads: Grads, expected: Grads) -> dict[str, float]:
    """Relative L2 error of every weight, by name ("1.r": recurrent weights of layer 1)."""
    found = {}
    for i, (g, e) in enumerate(zip(grads, expected, strict=True)):
        assert g.keys() == e.keys()
        for k in e:
            assert g[k].shape == e[k].shape
            found[f"{i}.{k}"] = float(np.linalg.norm(g[k] - e[k]) / np.linalg.norm(e[k]))
    return found


def cosine(a: Grads, b: Grads) -> float:
    """Cosine of two gradients, all weights in a row."""
    u, v = (np.concatenate([x[k].ravel() for x in g for k in x]) for g in (a, b))
    return float(u @ v / np.sqrt((u @ u) * (v @ v)))
