"""What a brain-sized network costs: its jobs and options, the row of a small one, and rows of times that are told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from drtrl_bench.case import digest
from drtrl_bench.datasets.connectomes import flywire
from drtrl_bench.datasets.connectomes.generated import generated
from drtrl_bench.experiments import brain, brain_cost, brain_dense, brain_low_rank, brain_network, resident
from drtrl_bench.implementations.sparse.pattern import pattern_of

Job = dict[str, Any]


@pytest.fixture
def with_network(tmp_path: Path) -> Callable[[Job], Job]:
    """Draw the network of a job into a file; return the job with that."""

    def drawn(job: Job) -> Job:
        given = job | {"network": str(tmp_path / "network.npz")}
        brain_network.compute(given)
        return given

    return drawn


def test_the_jobs_are_every_rule_in_both_frameworks_with_the_brains_number_of_partners() -> None:
    jobs = brain.jobs(list(brain.SIZES), flywire=False)
    assert {(job["framework"], job["rule"]) for job in jobs if job["neurons"] == 130_000} == {
        (framework, rule) for framework in ("torch", "jax") for rule in ("drtrl", "es_drtrl", "bptt")
    }
    assert {job["pairs"] for job in jobs if job["neurons"] == 130_000} == {15_000_000}
    assert {job["pairs"] for job in jobs if job["neurons"] == 30_000} == {3_461_538}
    assert brain.jobs([5_000, 5_000], flywire=False) == brain.jobs([5_000], flywire=False), "each size once"


def test_jobs_of_flywire_are_of_the_files_that_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path))
    folder = tmp_path / flywire.FOLDER
    folder.mkdir()
    hashes = set()
    for pairs, neurons in (("pairs", "neurons"), ("other pairs", "neurons"), ("pairs", "other neurons")):
        (folder / flywire.PAIRS).write_text(pairs)
        (folder / flywire.NEURONS).write_text(neurons)
        jobs = brain.jobs([5_000], flywire=True)
        assert {(job["neurons"], job["pairs"]) for job in jobs} == {(0, 0)}
        hashes |= {digest(job) for job in jobs}
    assert len(hashes) == 3 * 6


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--against-dense", "--neurons", "5000"], "--against-dense has a network of its own: leave out --neurons"),
        (["--against-dense", "--flywire"], "--against-dense has a network of its own: leave out --neurons"),
        (["--flywire", "--neurons", "5000"], "--flywire takes the whole connectome: leave out --neurons"),
        (["--neurons", "0"], "232"),
        (["--neurons", "5000", "--neurons", "231"], "232"),
    ],
)
def test_no_option_is_taken_and_not_used(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brain, "table", lambda *_: pytest.fail("it was measured"))
    app = typer.Typer()
    app.command()(brain.main)
    done = CliRunner().invoke(app, ["--out", str(tmp_path / "out"), *words])
    assert isinstance(done.exception, ValueError | SystemExit)
    assert said in done.output + str(done.exception)
    assert not (tmp_path / "out").exists()


def test_the_least_network_can_be_drawn() -> None:
    assert brain.LEAST == 232
    job = brain.jobs([232], flywire=False)[0]
    assert len(generated(job["neurons"], job["pairs"]).pre) == 26_769
    with pytest.raises(ValueError, match="231 neurons cannot have 26654 pairs"):
        generated(231, brain.jobs([231], flywire=False)[0]["pairs"])


@pytest.mark.parametrize("rule", brain.RULES)
def test_a_row_of_a_small_network(framework: str, rule: str, with_network: Callable[[Job], Job]) -> None:
    job = {"neurons": 300, "pairs": 6_000, "framework": framework, "rule": rule, "chunk": 8}
    (row,) = brain_cost.compute(with_network(job))
    assert job.items() <= row.items()
    assert "network" not in row, "a path is no column"
    assert row["data"] == "generated connectome (synthetic, 300 neurons)"
    assert 0 < row["ms_per_step"] <= row["slowest_ms_per_step"]
    assert 0.005 < row["spikes_at_the_end"] < 0.06
    assert 0 < row["rss_before_mib"] <= row["rss_setup_mib"]
    assert row["rss_peak_mib"] > 0
    assert row["rss_whole_mib"] >= max(row["rss_setup_mib"], row["rss_peak_mib"])
    assert row["rss_drawing_mib"] > 0


@pytest.mark.parametrize("resettable", [True, False])
@pytest.mark.parametrize("started", [150, 1000])
def test_time_and_memory_are_of_their_own_calls(
    resettable: bool, started: int, monkeypatch: pytest.MonkeyPatch, with_network: Callable[[Job], Job]
) -> None:
    """Chunks of 8 steps whose times are told, the median 8 ms; what is freed goes back before each peak begins.

    The largest peak is that of reading the network, or that before any began anew.
    """
    pytest.importorskip("torch")
    job = with_network({"neurons": 60, "pairs": 400, "framework": "torch", "rule": "drtrl", "chunk": 8})
    happened: list[str] = []
    seconds = iter([0.016, 0.008, 0.004, 0.008, 0.064, 0.008, 0.008, 0.002, 0.008, 0.008])
    peaks = iter([started, 200, 900, 300, 300] if resettable else [started, 1100])

    class Told:
        grads = ({"r": np.ones(1)},)

        def __init__(self, *given: Any) -> None:
            assert given[-1] == 8

        def __call__(self) -> None:
            happened.append("chunk")

        def spikes(self) -> float:
            return 0.25

    def timed(call: Any) -> float:
        call()
        return next(seconds)

    monkeypatch.setattr(brain_cost, "Stepper", Told)
    monkeypatch.setattr(brain_cost.clock, "once", timed)
    monkeypatch.setattr(resident, "give_back", lambda: happened.append("give back"))
    monkeypatch.setattr(resident.memory, "reset_rss_peak", lambda: happened.append("begin") or resettable)
    monkeypatch.setattr(resident.memory, "rss_peak_bytes", lambda: happened.append("read") or next(peaks) * 2**20)
    (row,) = brain_cost.compute(job)
    assert (row["ms_per_step"], row["slowest_ms_per_step"]) == pytest.approx((1.0, 8.0))
    assert (row["neurons"], row["pairs"], row["spikes_at_the_end"]) == (60, 400, 0.25)
    memory = [row[f"rss_{name}_mib"] for name in ("before", "setup", "peak")]
    if resettable:
        chunks = ["chunk"] * 13
        setup = ["read", "give back", "begin", "read", *chunks[:3], "read"]
        assert happened == [*setup, "give back", "begin", *chunks[3:], "read", "read"]
        assert memory == [200.0, 900.0, 300.0]
        assert row["rss_whole_mib"] == max(started, 900)
    else:
        assert row["rss_whole_mib"] == 1100
        assert memory == [None, None, None], "the peak is that since the process started"
        assert "300.0" not in brain.cost(row)


def test_a_peak_begins_at_what_is_held() -> None:
    """64 MiB that are taken and freed after it began count, and no others."""
    peak = resident.peak_from_now()
    before = peak()
    if before is None:
        pytest.skip("the system begins no peak anew")
    np.ones(2**23).sum()
    during = peak()
    resident.give_back()
    after = resident.peak_from_now()()
    assert during is not None
    assert after is not None
    assert during - before > 60
    assert during - after > 30


def test_chunks_take_turns_and_the_first_count_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brain_dense, "WARM_UP", 1)
    monkeypatch.setattr(brain_dense, "ROUNDS", 3)
    calls: list[str] = []
    both: Any = {name: lambda name=name: calls.append(name) for name in ("s", "d")}
    assert {name: len(times) for name, times in brain_dense.in_turns(both).items()} == {"s": 3, "d": 3}
    assert calls == ["d", "s", "s", "d", "d", "s", "s", "d"]


def test_the_ratio_is_of_sparse_to_dense(monkeypatch: pytest.MonkeyPatch, with_network: Callable[[Job], Job]) -> None:
    """Seconds of chunks of 32 steps: by the clock 0.25 and 1, of the processor 0.5 and 4; in the warm-up all 64."""
    pytest.importorskip("torch")
    wall, cpu, calls = [0.0], [0.0], []
    monkeypatch.setattr(brain_dense, "perf_counter", lambda: wall[0])
    monkeypatch.setattr(brain_dense, "process_time", lambda: cpu[0])
    monkeypatch.setattr(brain_dense, "ROUNDS", 5)

    class Told:
        def __init__(self, framework: str, rule: Any, net: Any, given: tuple[Any, ...], chunk: int) -> None:
            self.sparse = len(given) == 2  # wiring and weights
            assert self.sparse == ("sparse" in rule.__name__)
            assert chunk == 32

        def __call__(self) -> None:
            calls.append(self.sparse)
            warm = len(calls) > 2 * brain_dense.WARM_UP
            wall[0] += (0.25 if self.sparse else 1.0) if warm else 64.0
            cpu[0] += (0.5 if self.sparse else 4.0) if warm else 64.0

        def spikes(self) -> float:
            return 0.125 if self.sparse else 0.5

    monkeypatch.setattr(brain_cost, "Stepper", Told)
    job = {"neurons": 80, "pairs": 640, "framework": "torch", "rule": "drtrl", "chunk": 32}
    (row,) = brain_dense.compute(with_network(job))
    told = {
        "sparse_ms_per_step": 7.8125,
        "dense_ms_per_step": 31.25,
        "sparse_cpu_ms_per_step": 15.625,
        "dense_cpu_ms_per_step": 125.0,
        "ratio": 0.25,
        "ratio_low": 0.25,
        "ratio_high": 0.25,
        "cpu_ratio": 0.125,
        "spikes_at_the_end": 0.125,
    }
    assert {name: row[name] for name in told} == told


@pytest.mark.parametrize("rule", ["es_drtrl", "bptt"])
def test_a_row_of_factors_beside_fixed_synapses(framework: str, rule: str, with_network: Callable[[Job], Job]) -> None:
    job = {"neurons": 300, "pairs": 6_000, "framework": framework, "rule": rule, "chunk": 8, "rank": 2}
    (row,) = brain_low_rank.compute(with_network(job))
    assert row["rank"] == 2
    assert row["ms_per_step"] > 0
    assert 0.005 < row["spikes_at_the_end"] < 0.06


def test_factors_are_trained_by_the_rules_that_need_no_trace_of_every_pair() -> None:
    jobs = brain.jobs([1_000], flywire=False, rank=20)
    assert {(job["framework"], job["rule"]) for job in jobs} == {
        (framework, rule) for framework in ("torch", "jax") for rule in ("es_drtrl", "bptt")
    }
    assert {job["rank"] for job in jobs} == {20}
    assert not any("rank" in job for job in brain.jobs([1_000], flywire=False))


def test_missing_flywire_files_end_the_command_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path))
    with pytest.raises(OSError, match="no Connectivity_783"):
        brain.main(tmp_path, None, flywire=True)


def test_a_small_network_is_compared_with_a_dense_one(
    framework: str, monkeypatch: pytest.MonkeyPatch, with_network: Callable[[Job], Job]
) -> None:
    monkeypatch.setattr(brain_dense, "ROUNDS", 5)
    job = {"neurons": 80, "pairs": 640, "framework": framework, "rule": "drtrl", "chunk": 32}
    (row,) = brain_dense.compute(with_network(job))
    assert job.items() <= row.items()
    assert "network" not in row
    assert row["density"] == 0.1
    assert 0 < row["differs_float64"] < 1e-10
    assert row["ratio_low"] <= row["ratio"] <= row["ratio_high"]
    assert row["sparse_ms_per_step"] > 0
    assert row["dense_ms_per_step"] > 0


def test_the_comparison_is_of_one_percent_of_the_pairs() -> None:
    jobs = brain.jobs_against_dense()
    K = (32, 128, 512)
    assert {(job["framework"], job["chunk"]) for job in jobs} == {(f, k) for f in ("torch", "jax") for k in K}
    assert {round(job["pairs"] / job["neurons"] ** 2, 4) for job in jobs} == {0.01}


def test_a_difference_is_seen_and_what_has_no_synapse_does_not_count() -> None:
    pattern = pattern_of([0, 1], [1, 0], 2, 2)
    right = [{"r": np.array([[[9.0, 4.0]], [[2.0, 9.0]]])}]
    found = [{"r": np.array([[[0.0, 4.0]], [[1.0, 0.0]]])}]
    assert brain_dense.difference(found, right, [{"r": pattern}]) == 0.25
    with pytest.raises(ValueError, match="gradient of 'r' is 0"):
        brain_dense.difference(found, [{"r": np.zeros((2, 1, 2))}], [{"r": pattern}])
