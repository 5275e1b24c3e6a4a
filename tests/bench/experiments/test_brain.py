"""The table of what a brain-sized network costs: its jobs, and the row of a small one."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drtrl_bench.datasets.connectomes.generated import generated
from drtrl_bench.experiments import brain, brain_cost, brain_dense, brain_low_rank
from drtrl_bench.implementations.sparse.pattern import pattern_of


def test_the_jobs_are_every_rule_in_both_frameworks_with_the_brains_number_of_partners() -> None:
    jobs = brain.jobs(list(brain.SIZES), flywire=False)
    assert {(job["framework"], job["rule"]) for job in jobs if job["neurons"] == 130_000} == {
        (framework, rule) for framework in ("torch", "jax") for rule in ("drtrl", "es_drtrl", "bptt")
    }
    assert {job["pairs"] for job in jobs if job["neurons"] == 130_000} == {15_000_000}
    assert {job["pairs"] for job in jobs if job["neurons"] == 30_000} == {3_461_538}
    assert {(job["neurons"], job["pairs"]) for job in brain.jobs([5_000], flywire=True)} == {(0, 0)}


def test_a_weight_is_that_of_its_pair() -> None:
    """The pairs in another order give the same network."""
    one = generated(60, 400, seed=2)
    order = np.random.default_rng(0).permutation(400)
    other = one._replace(pre=one.pre[order], post=one.post[order], weight=one.weight[order])
    (patterns, weights), (_, same) = brain_cost.network(one), brain_cost.network(other)
    np.testing.assert_array_equal(weights[0]["r"], same[0]["r"])
    dense = patterns[0]["r"].dense(weights[0]["r"])[:, 0]
    np.testing.assert_allclose(dense[one.pre, one.post], brain_cost.COUPLING * one.weight, rtol=1e-6)


@pytest.mark.parametrize("rule", brain.RULES)
def test_a_row_of_a_small_network(framework: str, rule: str) -> None:
    job = {"neurons": 300, "pairs": 6_000, "framework": framework, "rule": rule, "chunk": 8}
    (row,) = brain_cost.compute(job)
    assert row["data"] == "generated connectome (synthetic, 300 neurons)"
    assert 0 < row["ms_per_step"] <= row["slowest_ms_per_step"]
    assert 0.005 < row["spikes_at_the_end"] < 0.06


@pytest.mark.parametrize("rule", ["es_drtrl", "bptt"])
def test_a_row_of_factors_beside_fixed_synapses(framework: str, rule: str) -> None:
    job = {"neurons": 300, "pairs": 6_000, "framework": framework, "rule": rule, "chunk": 8, "rank": 2}
    (row,) = brain_low_rank.compute(job)
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


def row(job: dict[str, Any]) -> dict[str, Any]:
    """The row of a job, as if it had been measured: a time in proportion to its pairs."""
    measured = {"ms_per_step": job["pairs"] / 1e5, "rss_peak_mib": 300.0, "rss_before_mib": 200.0}
    return job | {"data": "synthetic", "spikes_at_the_end": 0.02} | measured


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The jobs that were measured; none is."""
    given: list[dict[str, Any]] = []

    def rows(module: str, job: dict[str, Any], case: Any, say: Any) -> list[dict[str, Any]]:
        given.append(job)
        return [row(job)]

    monkeypatch.setattr(brain.apart, "rows", rows)
    monkeypatch.setattr(brain, "FRAMEWORKS", ("torch",))
    monkeypatch.setattr(brain, "RULES", ("drtrl",))
    return given


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_size_that_is_there_is_not_measured_again(
    tmp_path: Path, computed: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    brain.main(tmp_path, [1_000, 5_000])
    assert [job["neurons"] for job in computed] == [1_000, 5_000]
    brain.main(tmp_path, [5_000, 30_000])
    assert [job["neurons"] for job in computed] == [1_000, 5_000, 30_000]
    assert [line["neurons"] for line in table(tmp_path / "brain.csv")] == ["1000", "5000", "30000"]
    assert "1/2: synthetic: drtrl, torch: 5.8 ms a step, 300 MiB, 2.0% spike, as measured before" in (
        capsys.readouterr().out
    )
    times = [line for line in table(tmp_path / "growth.csv") if line["quantity"] == "ms_per_step"]
    assert [(line["sizes"], line["exponent"]) for line in times] == [("3", "1")]


def test_other_sources_are_measured_anew(
    tmp_path: Path, computed: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    brain.main(tmp_path, [1_000])
    monkeypatch.setattr(brain, "sources", lambda *_: "others")
    brain.main(tmp_path, [1_000])
    assert len(computed) == 2
    assert [line["sources"] for line in table(tmp_path / "brain.csv")] == ["others"]


def test_sources_are_those_of_the_rule_and_its_framework() -> None:
    """What a row depends on: another rule or framework has another hash, the same one the same."""
    series = [("torch", "drtrl"), ("torch", "bptt"), ("jax", "drtrl")]
    assert len({brain.sources("brain_cost", *each) for each in series}) == 3
    assert brain.sources("brain_cost", "jax", "drtrl") == brain.sources("brain_cost", "jax", "drtrl")


def test_a_small_network_is_compared_with_a_dense_one(framework: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brain_dense, "ROUNDS", 5)
    job = {"neurons": 80, "pairs": 640, "framework": framework, "rule": "drtrl", "chunk": 32}
    (row,) = brain_dense.compute(job)
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
