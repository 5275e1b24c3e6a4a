"""The plans for a GPU are parts that each fit into nine minutes, the headline first."""

import pytest

from drtrl_bench import plan as plans

NAMES = [name for name in plans.names() if name.startswith("gpu")]
LONGEST_S = {"jax": 115, "torch": 20}
"""Of a case on an NVIDIA H200, most of it compilation in JAX. The paper's size is stopped at the limit there."""


@pytest.mark.parametrize("name", NAMES)
def test_a_part_ends_within_nine_minutes(name: str) -> None:
    plan = plans.read(name)
    assert {case.device for case in plan.cases} == {"gpu"}
    longest = LONGEST_S | ({"jax": plan.limit_s} if name == "gpu_paper" else {})
    assert sum(longest[case.framework] for case in plan.cases) <= 9 * 60


def test_the_headline_has_the_best_bptt_of_both_frameworks() -> None:
    cases = plans.read("gpu").cases
    assert {(case.algorithm, case.framework) for case in cases} == {
        (algorithm, framework) for algorithm in ("drtrl", "bptt", "bptt_native") for framework in ("jax", "torch")
    }
    assert {(case.neurons, case.steps, case.batch) for case in cases} == {(512, 1024, 32)}
    assert len(NAMES) == 11
