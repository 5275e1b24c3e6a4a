"""The meters: do they measure what they say?"""

import getpass
import json
import math
import platform
import time
from dataclasses import replace
from importlib import import_module
from mmap import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drtrl_bench import clock, environment, fidelity, memory, stats
from drtrl_bench.case import Case


def test_interval_holds_the_median_about_95_times_in_100() -> None:
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(300):
        low, high = stats.median_interval(rng.normal(10, 1, 40), resamples=300)
        inside += low <= 10 <= high
    assert 0.90 <= inside / 300 <= 0.99


def test_spread_marks_a_row_unstable() -> None:
    assert not stats.summary([1.0, 1.01, 1.02, 0.99, 1.0])["unstable"]
    assert stats.summary([1.0, 2.0, 1.0, 2.0, 1.5])["unstable"]


def test_clock_keeps_every_sample_and_stops_with_the_budget() -> None:
    found = clock.sample(lambda: time.sleep(0.01), budget_s=0.0)
    assert len(found["samples_s"]) == clock.FEWEST
    assert all(s >= 0.01 for s in found["samples_s"])
    assert found["median_s"] == pytest.approx(np.median(found["samples_s"]))
    assert len(clock.sample(lambda: time.sleep(0.002), budget_s=0.5)["samples_s"]) > clock.FEWEST


@pytest.mark.xdist_group("torch")
def test_torch_peak_is_exact_and_repeats() -> None:
    torch = pytest.importorskip("torch")

    def call() -> None:
        a = torch.zeros(1 << 18)
        b = torch.zeros(1 << 17)
        del a
        c = torch.zeros(1 << 16)
        del b, c

    sizes = [memory.torch_peak_bytes(call) for _ in range(3)]
    assert sizes == [4 * ((1 << 18) + (1 << 17))] * 3


@pytest.mark.xdist_group("jax")
def test_xla_counts_what_a_scan_keeps() -> None:
    jax = pytest.importorskip("jax")

    def bytes_of(steps: int) -> int:
        def loss(w, x):
            h, _ = jax.lax.scan(lambda h, u: (jax.numpy.tanh(h @ w + u), None), x[0], x)
            return h.sum()

        x = jax.ShapeDtypeStruct((steps, 8, 16), "float32")
        compiled = jax.jit(jax.grad(loss)).lower(jax.ShapeDtypeStruct((16, 16), "float32"), x).compile()
        found = memory.xla_bytes(compiled)
        assert found["working_bytes"] == found["xla_temp_bytes"] + found["xla_output_bytes"]
        return found["working_bytes"]

    per_step = (bytes_of(300) - bytes_of(100)) / 200
    assert per_step >= 8 * 16 * 4, "at least one state per step is kept for the backward pass"


def test_rss_peak_starts_anew() -> None:
    with mmap(-1, 1 << 27) as block:  # of the system, not of what malloc still holds
        block.write(b"1" * (1 << 27))
        before = memory.rss_peak_bytes()
    if before is None or not memory.reset_rss_peak():
        pytest.skip("this system cannot reset the peak")
    after = memory.rss_peak_bytes()
    assert after is not None
    assert after < before - (1 << 25)


def test_only_bptt_grows_with_the_sequence() -> None:
    def bytes_of(algorithm: str, steps: int, chunk: int) -> int:
        case = replace(Case(), algorithm=algorithm, steps=steps, chunk=chunk)
        return memory.analytic_bytes(case, features=64, classes=10)

    small, middle, large = (bytes_of("bptt", T, T) for T in (1024, 2048, 4096))
    assert large - middle == 2 * (middle - small) > 0.8 * middle
    for algorithm in ("drtrl", "rtrl"):
        assert bytes_of(algorithm, 4096, 32) == bytes_of(algorithm, 512, 32)
    assert bytes_of("rtrl", 512, 32) > 20 * bytes_of("drtrl", 512, 32)


def test_filters_and_segments_by_formula() -> None:
    case = replace(Case(), batch=2, neurons=3, chunk=9, steps=9)
    states = 2 * (3 + 4)
    filters = 2 * (5 + 3) + 2 * 3 + 2 * 3 + 2 * 4  # ex of x and r, ef of the layer; ex and ef of the readout
    assert memory.held(replace(case, algorithm="es_drtrl"), 5, 4).carry == 4 * (filters + states)
    checkpointed = replace(case, algorithm="bptt_checkpointed")
    held = memory.held(checkpointed, 5, 4)
    assert held.carry == 4 * (4 * states)
    assert memory.analytic_bytes(checkpointed, 5, 4) == held.carry + held.gradient + held.chunk
    alone = replace(checkpointed, chunk=3, segments=1)
    assert held.chunk == memory.held(alone, 5, 4).chunk, "of nine steps, three are at hand at a time"


@pytest.mark.parametrize("algorithm", ["bptt", "rtrl", "drtrl"])
def test_one_block_is_at_work(framework: str, algorithm: str) -> None:
    block = import_module(f"drtrl_bench.implementations.blocks_{framework}").BLOCK
    case = replace(Case(), algorithm=algorithm, framework=framework, steps=4096, chunk=block)

    def chunk_bytes(**changes: Any) -> int:
        return memory.held(replace(case, **changes), 5, 4).chunk

    kept = [chunk_bytes(chunk=n * block) for n in (2, 3, 4)]
    assert kept[2] - kept[1] == kept[1] - kept[0] > 0
    assert kept[1] - kept[0] < 0.9 * chunk_bytes(), "what is at work does not grow with the chunk"
    assert memory.block(replace(case, chunk=4 * block)) == block
    assert chunk_bytes(chunk=512) > chunk_bytes(chunk=512, mode="compile")


def test_a_carry_that_nobody_needs_is_not_moved() -> None:
    """At K = T, as in `advance` with `last`, in one block and in several."""
    for K in (32, 512):
        for algorithm, moves in (("bptt", False), ("drtrl", True), ("rtrl", True)):
            case = replace(Case(), algorithm=algorithm, steps=K, chunk=K)
            assert (memory.held(case, 5, 4).chunk < memory.held(replace(case, steps=2 * K), 5, 4).chunk) == moves


def test_trace_formula_is_the_size_of_the_carry() -> None:
    case = replace(Case(), batch=2, neurons=3, chunk=1)
    weights = 5 * 3 + 3 * 3 + 3 + 3 * 4  # x, r, b of the layer and x of a leaky readout with 4 classes
    states = 2 * (3 + 4)
    held = memory.held(replace(case, algorithm="drtrl"), 5, 4)
    assert held.carry == 4 * (2 * weights + states)
    assert held.gradient == 4 * 2 * weights
    assert memory.held(replace(case, algorithm="drtrl", trace_dtype="bfloat16"), 5, 4).carry == 4 * (weights + states)


GRADIENT = [{"x": np.arange(6.0).reshape(2, 1, 3), "r": -np.ones((3, 1, 3))}, {"x": np.array([[[1.0, -2.0]]])}]


def changed(change) -> fidelity.Gradient:
    return [{k: change(v) for k, v in layer.items()} for layer in GRADIENT]


def test_fidelity_of_known_gradients() -> None:
    same = fidelity.compare(GRADIENT, GRADIENT)["overall"]
    assert same == pytest.approx({"cosine": 1, "error": 0, "norm_ratio": 1, "sign_agreement": 1})
    double = fidelity.compare(changed(lambda g: 2 * g), GRADIENT)["overall"]
    assert double == pytest.approx({"cosine": 1, "error": 1, "norm_ratio": 2, "sign_agreement": 1})
    against = fidelity.compare(changed(lambda g: -g), GRADIENT)["overall"]
    assert against == pytest.approx({"cosine": -1, "error": 2, "norm_ratio": 1, "sign_agreement": 0})


def test_fidelity_does_not_depend_on_the_order_of_a_dict() -> None:
    turned = [dict(reversed(layer.items())) for layer in GRADIENT]
    assert fidelity.compare(turned, GRADIENT)["overall"]["error"] == 0


def test_zero_reference_says_nothing_and_nan_is_infinitely_wrong() -> None:
    nothing = fidelity.compare(GRADIENT, changed(lambda g: 0 * g))["overall"]
    assert set(nothing.values()) == {None}
    name, error = fidelity.worst_error(changed(lambda g: g * np.nan), GRADIENT)
    assert error == math.inf
    assert name in fidelity.named(GRADIENT)
    _, error = fidelity.worst_error(GRADIENT, [GRADIENT[0], {"x": GRADIENT[1]["x"] * np.nan}])
    assert error == math.inf, "a reference that is not finite passes nothing"


def test_environment_tells_the_machine_and_not_the_person() -> None:
    found = environment.describe()
    text = json.dumps(found)
    assert {"python", "versions", "cpu", "cores", "env_hash"} <= found.keys()
    assert found["env_hash"] == environment.describe()["env_hash"]
    for private in (platform.node(), str(Path.home()), str(Path.cwd())):
        assert not private or private not in text
    user = getpass.getuser()
    assert user not in {v for v in found.values() if isinstance(v, str)}
