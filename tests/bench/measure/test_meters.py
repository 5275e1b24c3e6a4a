"""The meters: do they measure what they say?"""

import getpass
import json
import math
import platform
from dataclasses import replace
from importlib import import_module
from mmap import mmap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.problems import execution

from drtrl_bench.case import Case
from drtrl_bench.cost import sizes as cost_sizes
from drtrl_bench.cost.footprint import analytic_bytes, footprint
from drtrl_bench.cost.sizes import sizes
from drtrl_bench.measure import clock, environment, fidelity, memory, problem, stats


@pytest.mark.parametrize("n", [5, 7, 10, 25, 200])
@pytest.mark.parametrize("skewed", [False, True])
def test_interval_holds_the_median_95_times_in_100(n: int, skewed: bool) -> None:
    """For every number of samples that a row may have; by chance the share itself is off by 0.004."""
    draws = np.random.default_rng(1).normal(0, 1, (3000, n))
    inside = [low <= 1 <= high for low, high in map(stats.median_interval, np.exp(draws) if skewed else 1 + draws)]
    assert 0.93 <= np.mean(inside) <= 0.97


@pytest.mark.parametrize(
    ("n", "low"),
    # 97.9 % between the 2nd and the 9th of ten, 89.1 % between the 3rd and the 8th; 96.1 and 82.0 % of nine
    [(5, 1.0), (9, 2.2279070), (10, 2.6576577)],
)
def test_interval_of_whole_numbers(n: int, low: float) -> None:
    samples = np.random.default_rng(0).permutation(n) + 1.0
    assert stats.median_interval(samples) == pytest.approx((low, n + 1 - low), rel=1e-6)


def test_summary_of_a_few_samples() -> None:
    assert stats.summary([4.0, 1.0, 10.0, 2.0, 3.0]) == {
        "median_s": 3.0,
        "iqr_s": 2.0,
        "low_s": 1.0,
        "high_s": 10.0,
        "unstable": True,
    }
    assert stats.summary([1.0, 2.0, 3.0, 4.0])["iqr_s"] == 1.5


def test_a_row_is_unstable_where_the_quartiles_are_a_tenth_of_the_median_apart() -> None:
    assert not stats.summary([0.9, 0.951, 1.0, 1.05, 1.1])["unstable"]
    assert stats.summary([0.9, 0.949, 1.0, 1.05, 1.1])["unstable"]


def test_the_median_is_known_where_half_its_interval_is_under_a_fiftieth() -> None:
    assert stats.settled([0.981, 1.0, 1.0, 1.0, 1.02])
    assert not stats.settled([0.979, 1.0, 1.0, 1.0, 1.02])


def test_spread_marks_a_row_unstable() -> None:
    assert not stats.summary([1.0, 1.01, 1.02, 0.99, 1.0])["unstable"]
    assert stats.summary([1.0, 2.0, 1.0, 2.0, 1.5])["unstable"]


class Hours:
    """Stands for the clocks: a call takes the next of `lengths` seconds, of which the processor works a half."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *lengths: float) -> None:
        self.now, self.calls, self.lengths = 100.0, 0, lengths
        monkeypatch.setattr(clock, "perf_counter", lambda: self.now)
        monkeypatch.setattr(clock, "process_time", lambda: self.now / 2)

    def call(self) -> None:
        self.now += self.lengths[self.calls % len(self.lengths)]
        self.calls += 1


@pytest.mark.parametrize(
    ("lengths", "budget_s", "samples"),
    [
        ((1.0,), 0.0, 5),  # never fewer
        ((1.0,), 4.9, 5),
        ((1.0, 3.0), 12.5, 7),  # until the budget is spent, whatever they say: 1 + 3 + 1 + 3 + 1 + 3 + 1
        ((1.0,), 1000.0, 10),  # all alike, but ten at least
        ((1.0, 1.0, 1.0, 1.0, 1.5, *[1.0] * 30), 1000.0, 10),  # one of ten may be anything
        ((1.5, 1.4, 1.3, *[1.0] * 30), 1000.0, 15),  # not after ten, and not at once after eleven
        ((1.0, 3.0), 1000.0, 200),  # never more
    ],
)
def test_clock_stops_where_it_says(
    lengths: tuple[float, ...], budget_s: float, samples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = Hours(monkeypatch, *lengths)
    found = clock.sample(hours.call, budget_s)
    assert hours.calls == len(found["samples_s"]) == len(found["cpu_samples_s"]) == samples
    every = [lengths[i % len(lengths)] for i in range(samples)]
    assert found["samples_s"] == pytest.approx(every)
    assert found["cpu_samples_s"] == pytest.approx([s / 2 for s in every])
    assert found["median_s"] == pytest.approx(np.median(every))


def test_clock_of_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    assert clock.once(Hours(monkeypatch, 2.5).call) == 2.5


@pytest.mark.parametrize(("load", "cores", "busy"), [(1.5, 1, False), (1.6, 1, True), (2.5, 2, False), (2.6, 2, True)])
def test_a_load_above_the_cores_is_a_busy_machine(
    load: float, cores: int, busy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock.os, "getloadavg", lambda: (load, 0.0, 99.0))
    monkeypatch.setattr(clock.os, "sched_getaffinity", lambda pid: set(range(cores)))
    switches = iter([7, 10])
    monkeypatch.setattr(clock.resource, "getrusage", lambda who: SimpleNamespace(ru_nivcsw=next(switches)))
    found = clock.sample(lambda: None, 0.0)
    assert (found["load"], found["busy"], found["involuntary_switches"]) == (load, busy, 3)


SMALL = Case(dataset="bernoulli", features=5, cell="leaky_rnn", neurons=4, batch=2, steps=7, chunk=3, threads=1)


def test_no_call_returns_before_the_device_is_done(framework: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On an accelerator a call is only queued; here the wait for it is counted, on a CPU."""
    waits: list[str] = []
    subject = import_module(f"drtrl_bench.measure.backend_{framework}")
    made = subject.Backend(replace(SMALL, framework=framework), problem.solve(SMALL), "float32")
    if framework == "jax":
        wait = subject.jax.block_until_ready
        monkeypatch.setattr(subject.jax, "block_until_ready", lambda found: waits.append("wait") or wait(found))
    else:
        run = made.run
        monkeypatch.setattr(made, "run", lambda: waits.append("run") or run())
        monkeypatch.setattr(subject.torch.cuda, "synchronize", lambda: waits.append("wait"))
        made.device = "cuda"  # the tensors stay where they are
    every = ["wait"] if framework == "jax" else ["run", "wait"]
    loss, gradient = made.call()
    assert waits == every
    assert float(loss) > 0
    assert len(gradient) == 2
    forward = made.forward()
    waits.clear()
    forward()
    assert waits == ["wait"]


@pytest.mark.xdist_group("torch")
def test_an_accelerators_meter_is_reset_and_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    done: list[str] = []
    meters = {
        "memory_allocated": 300,
        "reset_peak_memory_stats": None,
        "synchronize": None,
        "max_memory_allocated": 1000,
    }
    for name, value in meters.items():
        monkeypatch.setattr(torch.cuda, name, lambda name=name, value=value: done.append(name) or value)
    assert memory.torch_peak_bytes(lambda: done.append("call"), "cuda") == 700
    assert done == ["memory_allocated", "reset_peak_memory_stats", "call", "synchronize", "max_memory_allocated"]


@pytest.mark.xdist_group("torch")
def test_a_graph_is_replayed_and_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    subject = import_module("drtrl_bench.measure.backend_torch")
    made = subject.Backend(replace(SMALL, framework="torch"), problem.solve(SMALL), "float32")
    done: list[str] = []
    made.graph = SimpleNamespace(replay=lambda: done.append("replay"))
    made.result = (1.5, [])
    made.device = "cuda"
    monkeypatch.setattr(made, "run", lambda: pytest.fail("run again"))
    monkeypatch.setattr(subject.torch.cuda, "synchronize", lambda: done.append("wait"))
    assert made.call() == (1.5, [])
    assert done == ["replay", "wait"]


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


def test_rss_peak_is_the_most_and_not_what_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nVmPeak:\t 9000 kB\nVmSize:\t 8000 kB\nVmHWM:\t  3000 kB\nVmRSS:\t  2000 kB\n")
    monkeypatch.setattr(memory, "STATUS", status)
    assert memory.rss_peak_bytes() == 3_072_000


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
        return footprint(sizes(case, 64, 10)).total

    small, middle, large = (bytes_of("bptt", T, T) for T in (1024, 2048, 4096))
    assert large - middle == 2 * (middle - small) > 0.8 * middle
    for algorithm in ("drtrl", "rtrl"):
        assert bytes_of(algorithm, 4096, 32) == bytes_of(algorithm, 512, 32)
    assert bytes_of("rtrl", 512, 32) > 20 * bytes_of("drtrl", 512, 32)


def test_filters_and_segments_by_formula() -> None:
    case = replace(Case(), batch=2, neurons=3, chunk=9, steps=9)
    states = 2 * (3 + 4)
    filters = 2 * (5 + 3) + 2 * 3 + 2 * 3 + 2 * 4  # ex of x and r, ef of the layer; ex and ef of the readout
    assert footprint(sizes(replace(case, algorithm="es_drtrl"), 5, 4)).carry == 4 * (filters + states)
    checkpointed = replace(case, algorithm="bptt_checkpointed")
    held = footprint(sizes(checkpointed, 5, 4))
    assert held.carry == 4 * (4 * states)
    assert analytic_bytes(sizes(checkpointed, 5, 4)) == held.carry + held.gradient + held.chunk
    alone = replace(checkpointed, chunk=3, segments=1)
    assert held.chunk == footprint(sizes(alone, 5, 4)).chunk, "of nine steps, three are at hand at a time"


@pytest.mark.parametrize("algorithm", ["bptt", "rtrl", "drtrl"])
def test_one_block_is_in_use(framework: str, algorithm: str) -> None:
    block = execution(framework).block
    case = replace(Case(), algorithm=algorithm, framework=framework, steps=4096, chunk=block)

    def chunk_bytes(**changes: Any) -> int:
        return footprint(sizes(replace(case, **changes), 5, 4)).chunk

    kept = [chunk_bytes(chunk=n * block) for n in (2, 3, 4)]
    assert kept[2] - kept[1] == kept[1] - kept[0] > 0
    assert kept[1] - kept[0] < 0.9 * chunk_bytes(), "what is in use does not grow with the chunk"
    assert cost_sizes.block(replace(case, chunk=4 * block)) == block
    assert chunk_bytes(chunk=512) > chunk_bytes(chunk=512, mode="compile")


def test_a_carry_that_nobody_needs_is_not_moved() -> None:
    """At K = T, as in `advance` with `last`, in one block and in several."""
    for K in (32, 512):
        for algorithm, moves in (("bptt", False), ("drtrl", True), ("rtrl", True)):
            case = replace(Case(), algorithm=algorithm, steps=K, chunk=K)
            assert (
                footprint(sizes(case, 5, 4)).chunk < footprint(sizes(replace(case, steps=2 * K), 5, 4)).chunk
            ) == moves


def test_trace_formula_is_the_size_of_the_carry() -> None:
    case = replace(Case(), batch=2, neurons=3, chunk=1)
    weights = 5 * 3 + 3 * 3 + 3 + 3 * 4  # x, r, b of the layer and x of a leaky readout with 4 classes
    states = 2 * (3 + 4)
    held = footprint(sizes(replace(case, algorithm="drtrl"), 5, 4))
    assert held.carry == 4 * (2 * weights + states)
    assert held.gradient == 4 * 2 * weights
    assert footprint(sizes(replace(case, algorithm="drtrl", trace_dtype="bfloat16"), 5, 4)).carry == 4 * (
        weights + states
    )


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


def test_fidelity_of_a_layer_is_that_of_its_weights_as_one_vector() -> None:
    true = [{"x": np.array([3.0, 4.0]), "r": np.array([0.0, 12.0])}, {"x": np.array([1.0, -2.0])}]
    found = [{"x": np.array([3.0, 0.0]), "r": np.array([0.0, 6.0])}, {"x": np.array([1.0, -2.0])}]
    compared = fidelity.compare(found, true)
    hidden = {"cosine": 81 / (13 * 45**0.5), "error": 52**0.5 / 13, "norm_ratio": 45**0.5 / 13, "sign_agreement": 2 / 3}
    assert compared["per_layer"]["layer0"] == pytest.approx(hidden)
    assert compared["per_layer"]["readout"] == pytest.approx(
        {"cosine": 1, "error": 0, "norm_ratio": 1, "sign_agreement": 1}
    )
    assert compared["per_parameter"]["layer0.x"]["cosine"] == pytest.approx(0.6)
    assert compared["per_parameter"]["layer0.r"]["norm_ratio"] == pytest.approx(0.5)
    assert compared["overall"]["cosine"] == pytest.approx(86 / (174 * 50) ** 0.5)


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


def test_the_memory_of_a_machine_is_what_it_has_and_not_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is free would be another environment every minute, and measure all again."""
    told = {"SC_PHYS_PAGES": 4_100_000, "SC_PAGE_SIZE": 4096, "SC_AVPHYS_PAGES": 1_000_000}
    monkeypatch.setattr(environment.os, "sysconf", told.__getitem__)
    assert environment.describe()["memory_gib"] == 16


def test_environment_tells_the_machine_and_not_the_person() -> None:
    found = environment.describe()
    text = json.dumps(found)
    assert {"python", "versions", "cpu", "cores", "env_hash"} <= found.keys()
    assert found["env_hash"] == environment.describe()["env_hash"]
    for private in (platform.node(), str(Path.home()), str(Path.cwd())):
        assert not private or private not in text
    user = getpass.getuser()
    assert user not in {v for v in found.values() if isinstance(v, str)}
