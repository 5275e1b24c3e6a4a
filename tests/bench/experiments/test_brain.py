"""The table of what a brain-sized network costs: its jobs, and the row of a small one."""

from pathlib import Path

import numpy as np
import pytest

from drtrl_bench.datasets.connectomes.generated import generated
from drtrl_bench.experiments import brain, brain_cost


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


def test_missing_flywire_files_end_the_command_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path))
    with pytest.raises(OSError, match="no Connectivity_783"):
        brain.main(tmp_path, None, flywire=True)
