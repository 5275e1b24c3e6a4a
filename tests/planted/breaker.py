"""Errors of the harness that one case or one framework alone does not show: the child, its job, what is compared."""

from planted import Planted

WORKER, RUNNER, TABLE, COMPARE, CHUNK, NOTEBOOK = (
    f"tests/test_{name}.py" for name in ("worker", "runner", "table", "compare", "chunk", "notebook")
)
PLANTED = [
    Planted(
        "the gradient's time as the forward pass's",
        "bench/worker.py",
        "clock.sample(forward, budget_s / 10)",
        "clock.sample(subject.call, budget_s / 10)",
        f"{WORKER}::test_the_forward_pass_has_its_own_time",
    ),
    Planted(
        "spikes compared with themselves",
        "bench/worker.py",
        "zip(spikes, whole.spikes, strict=True)",
        "zip(spikes, spikes, strict=True)",
        f"{WORKER}::test_spikes_are_counted_against_those_in_float64",
    ),
    Planted(
        "the peak begins anew after the call",
        "bench/worker.py",
        "    isolated = memory.reset_rss_peak()\n    subject.call()\n",
        "    subject.call()\n    isolated = memory.reset_rss_peak()\n",
        f"{WORKER}::test_peak_memory_is_that_of_one_call_after_its_reset",
    ),
    Planted(
        "a child gets the default seconds, not the plan's",
        "bench/runner.py",
        '"budget_s": plan.budget_s',
        '"budget_s": Plan.budget_s',
        f"{RUNNER}::test_a_child_gets_the_seconds_of_its_plan",
    ),
    Planted(
        "the oldest sources in the table",
        "bench/table.py",
        '["implementation_sha"].transform("last")',
        '["implementation_sha"].transform("first")',
        f"{TABLE}::test_the_newest_sources_are_shown",
    ),
    Planted(
        "frameworks compared by their last round",
        "bench/compare.py",
        "max(error, of.get(case.framework, 0.0))",
        "error",
        f"{COMPARE}::test_frameworks_are_held_together_by_their_worst_round[rounds0]",
    ),
    Planted(
        "a new timeout is no crash",
        "bench/compare.py",
        '{"error", "timeout", "oom"}',
        '{"error", "oom"}',
        f"{COMPARE}::test_what_no_longer_ends_well_is_a_crash[timeout]",
    ),
    Planted(
        "a limit in MB",
        "bench/chunk.py",
        "case.limit_mib * 2**20",
        "case.limit_mib * 10**6",
        f"{CHUNK}::test_a_limit_is_in_mib",
    ),
    Planted(
        "what the cache holds goes through memory, too",
        "bench/chunk.py",
        "max(0, held.chunk - CACHE)",
        "held.chunk",
        f"{CHUNK}::test_only_what_the_cache_does_not_hold_goes_through_memory[8388608-0.00016]",
    ),
    Planted(
        "the file's first environment for every row",
        "bench/session.py",
        'environments.get(line["env_hash"])',
        "next(iter(environments.values()), None)",
        f"{NOTEBOOK}::test_a_row_has_the_environment_that_its_record_names",
    ),
]
