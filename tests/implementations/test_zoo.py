"""Every cell with every rule in either framework: the gradient is the reference's, in networks that live."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from support.problems import (
    FRAMEWORKS,
    READOUTS,
    RULES,
    ZOO,
    Grads,
    Problem,
    cosine,
    errors,
    gradient,
    needs,
    network,
    problem,
    without,
)
from test_contract import assert_same

from drtrl_bench import lookup, registry
from drtrl_bench.implementations.algorithms.approximate.feedback import random_feedback_weights
from drtrl_bench.implementations.algorithms.approximate.filtering import smoothing
from drtrl_bench.implementations.cells import spec as cells
from drtrl_bench.implementations.reference import algorithms as reference
from drtrl_bench.implementations.reference import cells as reference_cells

T = 7
DEPTHS = {1: (1, "linear"), 2: (3, "trained"), 3: (T, "leaky")}
"""Layers -> chunk length and readout. Depth 2, where whole chunks and a shorter one meet, always runs."""

TEXTBOOK: dict[str, Callable[..., tuple[float, Grads]]] = {"drtrl": reference.drtrl, "snap1": reference.snap1}
"""A second reference, forward in time. Every other algorithm is compared with the one that the registry names."""


def true_gradient(rule: str, p: Problem, K: int) -> tuple[float, Grads]:
    """Loss and gradient of an algorithm in chunks of K steps, by its reference."""
    by = {"chunk": K} if "chunk" in registry.ALGORITHMS[rule].by else {}
    return (TEXTBOOK.get(rule) or lookup.reference(rule))(*p, **by)


@cache
def posed(cell: str, layers: int) -> Problem:
    return problem(network(cell, layers, DEPTHS[layers][1]), T=T, I=4, N=6)


@cache
def truth(rule: str, cell: str, layers: int) -> tuple[float, Grads]:
    return true_gradient(rule, posed(cell, layers), DEPTHS[layers][0])


OFTEN = ("gru", "lif_delta")
PINNED = (("eprop", "gif"), ("rtrl", "gif"), ("snap2", "lif_delta_hard"))
"""Cells, and pairs of a rule and a cell, that always run in JAX: test_mutants.py has errors that these notice."""


def fast(code: str, rule: str, cell: str, layers: int) -> bool:
    """Two layers, in PyTorch all; JAX compiles each: D-RTRL with every cell, every rule with `OFTEN`, and an eighth."""
    assert set(OFTEN) < ZOO.keys()
    chosen = rule == "drtrl" or cell in OFTEN or (rule, cell) in PINNED
    return layers == 2 and (code == "torch" or chosen or (RULES.index(rule) + list(ZOO).index(cell)) % 8 == 0)


SWEEP = [
    pytest.param(
        code,
        rule,
        cell,
        layers,
        id=f"{code}-{rule}-{cell}-{layers}layers",
        marks=[
            *(pytest.mark.xdist_group(code), needs(code)),
            *([] if fast(code, rule, cell, layers) else [pytest.mark.slow]),
        ],
    )
    for code in FRAMEWORKS
    for rule in RULES
    for cell in ZOO
    for layers in DEPTHS
]


@pytest.mark.parametrize(("code", "rule", "cell", "layers"), SWEEP)
def test_gradient(code: str, rule: str, cell: str, layers: int, record_property: Callable[..., None]) -> None:
    result = gradient(code, rule, posed(cell, layers), DEPTHS[layers][0])
    right = truth(rule, cell, layers)
    assert_same(result, right)
    record_property("compared", (rule, cell, layers, code, max(errors(result[1], right[1]).values())))


@pytest.mark.parametrize("layers", DEPTHS)
@pytest.mark.parametrize("cell", ZOO)
def test_network_is_alive(cell: str, layers: int) -> None:
    """Spikes in every spiking layer, no gradient 0 but those of masked weights, credit through time that matters."""
    p = posed(cell, layers)
    exact = truth("rtrl", cell, layers)[1]
    for spec, w, g in zip(p.net, p.params, exact, strict=True):
        for kind, slopes in g.items():
            assert np.abs(slopes).max() > 1e-5, kind
            if (mask := spec.mask(kind, *w[kind].shape[::2])) is not None:
                assert 0 < mask.mean() < 1
                assert (slopes[mask == 0] == 0).all()
    for spec, tape in zip(p.net, reference.forward(*p[:3]), strict=True):
        if spec.spiking:
            assert 0.02 < reference_cells.fired(spec, tape.states[1:]).mean() < 0.9
    assert cosine(exact[:-1], truth("no_trace", cell, layers)[1][:-1]) < 0.999


@pytest.mark.parametrize("cell", ZOO)
def test_textbook_forward_in_time_is_exact(cell: str) -> None:
    """RTRL's own loop agrees with BPTT, and D-RTRL's and SnAp-1's with the cut graph, in float64."""
    p, exact = posed(cell, 2), truth("rtrl", cell, 2)
    assert_same(reference.rtrl(*p), exact, 1e-9)
    assert_same(reference.drtrl_by_cutting(*p), truth("drtrl", cell, 2), 1e-11)
    assert_same(reference.snap1_by_cutting(*p), truth("snap1", cell, 2), 1e-11)


def test_rules_differ_from_each_other() -> None:
    """A sweep in which two rules were the same gradient would not tell them apart."""
    names = [rule for rule in RULES if rule not in registry.BPTT]
    assert len(names) >= 11
    for i, one in enumerate(names):
        for other in names[:i]:
            assert cosine(truth(one, "lif_delta", 2)[1], truth(other, "lif_delta", 2)[1]) < 0.9999, (one, other)


def test_without_memory_the_filters_are_the_current_step(framework: str) -> None:
    """ES-D-RTRL with decay 0 is D-RTRL with D = 0."""
    p = posed("alif_expcu", 2)
    result = gradient(framework, "es_drtrl", p, 3, options={"decay": 0.0})
    assert_same(result, truth("no_trace", "alif_expcu", 2))


@pytest.mark.parametrize("correction", ["corrected", "as_published", "none"])
def test_a_readout_without_memory_is_exact(framework: str, correction: str) -> None:
    """The readout's gradient of ES-D-RTRL is BPTT's; the layer below, which remembers, is filtered."""
    p = problem(network("lif_delta", 1, "linear"), T=T, I=4, N=6)
    exact = reference.bptt(*p)[1]
    grads = gradient(framework, "es_drtrl", p, 3, options={"bias_correction": correction})[1]
    wrong = errors(grads, exact)
    assert max(wrong["1.x"], wrong["1.b"]) < 1e-12
    assert min(wrong["0.x"], wrong["0.r"]) > 0.01


def test_random_feedback_weights() -> None:
    weights = random_feedback_weights(1, 400, 300)
    assert weights.shape == (400, 300)
    assert weights.std() == pytest.approx(1 / 20, rel=0.02)
    assert not np.allclose(weights, random_feedback_weights(0, 400, 300))


def test_a_rank_is_a_decay(framework: str) -> None:
    p = posed("gru", 2)
    result = gradient(framework, "es_drtrl", p, 3, options={"decay": 9})
    assert_same(result, reference.es_drtrl(*p, decay=0.8))


@pytest.mark.parametrize(
    ("decay", "correction", "message"),
    [
        (-0.1, "none", "decay"),
        (2.5, "none", "whole"),
        (0.5, "corect", "as_published"),
        (0.0, "as_published", "divides by 0"),
    ],
)
def test_options_without_a_meaning(decay: float, correction: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        smoothing(decay, correction)


def test_a_slow_mode_keeps_its_gain(framework: str) -> None:
    """In float32 too: 1 - |lambda|^2 does not cancel, however slowly a mode fades."""
    net = (replace(ZOO["lru"], rate=1e-9, spread=0.0), READOUTS["linear"])
    p = problem(net, T=T)
    _, grads = gradient(framework, "drtrl", p, 3, dtype="float32")
    assert_same(
        (0.0, [{k: g.astype(np.float64) for k, g in w.items()} for w in grads]), (0.0, reference.drtrl(*p)[1]), 1e-4
    )


@pytest.mark.parametrize("rule", ["drtrl_window", "bptt", "bptt_checkpointed", "bptt_native"])
def test_one_window_is_bptt(framework: str, rule: str) -> None:
    p = posed("lif_stp", 2)
    assert_same(gradient(framework, rule, p, T), truth("rtrl", "lif_stp", 2))


@pytest.mark.parametrize("cell", ["lru", "leaky_rnn"])
def test_without_recurrent_weights_snap1_is_drtrl(framework: str, cell: str) -> None:
    p = posed(cell, 1)
    alone = without(type(p.net[0]), "r")(**vars(p.net[0]))
    bare = problem((alone, p.net[1]), T=T)
    assert_same(gradient(framework, "snap1", bare, 3), reference.drtrl(*bare))


@pytest.mark.parametrize(
    ("decay", "correction", "decay_x"),
    [
        (0.0, "corrected", 0.0),
        (0.5, "corrected", 0.0),
        (0.98, "corrected", 0.0),
        (0.5, "as_published", 0.0),
        (0.98, "as_published", 0.0),
        (0.5, "none", 0.0),
        (0.5, "corrected", 0.9),
        (0.9, "as_published", 1),
    ],
)
def test_es_drtrl_options(framework: str, decay: float, correction: str, decay_x: float) -> None:
    p = posed("gru", 2)
    options = {"decay": decay, "decay_x": decay_x, "bias_correction": correction}
    assert_same(gradient(framework, "es_drtrl", p, 3, options=options), reference.es_drtrl(*p, **options))


@pytest.mark.parametrize("rule", ["bptt_checkpointed", "bptt_native"])
@pytest.mark.parametrize("segments", [1, 2, 7])
def test_segments_change_nothing(framework: str, segments: int, rule: str) -> None:
    p = posed("gru", 2)
    result = gradient(framework, rule, p, T, options={"segments": segments})
    assert_same(result, truth("rtrl", "gru", 2), 1e-12)


def test_short_segments_run_side_by_side(framework: str) -> None:
    """Of 20 steps in segments of 2, blocks have two segments, which are run at once as if they were samples."""
    p = problem(network("gru", 2, "leaky"), T=20, I=4, N=6)
    result = gradient(framework, "bptt_checkpointed", p, 20, options={"segments": 10})
    assert_same(result, reference.bptt(*p), 1e-12)


OPTIONS = ("reset", "detach_reset", "release", "traced")


def test_every_cell_of_the_registry_is_in_the_zoo() -> None:
    """By all that the equations branch on; and every constant that may be trained is trained in some cell."""

    def branch(cell: cells.Cell) -> tuple[Any, ...]:
        return type(cell).__name__, cell.states, *(getattr(cell, k, None) for k in OPTIONS)

    known = {branch(cell) for cell in ZOO.values()}
    for name in registry.CELLS:
        assert branch(lookup.network(name, "linear", 1)[0]) in known, name
    trained = {(type(cell), name) for cell in [*ZOO.values(), *READOUTS.values()] for name in cell.trainable}
    for cell in [*ZOO.values(), *READOUTS.values()]:
        if not isinstance(cell, cells.GIF | cells.EIGIF):  # theirs go through the same `decay`
            assert all((type(cell), name) in trained for name in cell.constants), cell
