"""Errors of the harness that one case or one framework alone does not show: the child, its job, what is compared."""

from planted import Planted

WORKER, RUNNER, TABLE, COMPARE, CHUNK, NOTEBOOK, CASE, RECORD = (
    f"tests/{name}.py"
    for name in (
        "bench/measure/test_worker",
        "bench/measure/test_runner",
        "bench/view/test_table",
        "bench/gate/test_compare",
        "bench/cost/test_chunk",
        "bench/test_notebook",
        "bench/test_case",
        "bench/records/test_record",
    )
)
PLANTED = [
    Planted(
        "the gradient's time as the forward pass's",
        "bench/measure/worker.py",
        "clock.sample(forward, budget_s / 10)",
        "clock.sample(backend.call, budget_s / 10)",
        f"{WORKER}::test_the_forward_pass_has_its_own_time",
    ),
    Planted(
        "spikes compared with themselves",
        "bench/measure/worker.py",
        "zip(spikes, problem.spikes, strict=True)",
        "zip(spikes, spikes, strict=True)",
        f"{WORKER}::test_spikes_are_counted_against_those_in_float64",
    ),
    Planted(
        "the peak begins anew after the call",
        "bench/measure/worker.py",
        "    isolated = memory.reset_rss_peak()\n    backend.call()\n",
        "    backend.call()\n    isolated = memory.reset_rss_peak()\n",
        f"{WORKER}::test_peak_memory_is_that_of_one_call_after_its_reset",
    ),
    Planted(
        "a child gets the default seconds, not the plan's",
        "bench/measure/runner.py",
        '"budget_s": plan.budget_s',
        '"budget_s": Plan.budget_s',
        f"{RUNNER}::test_a_child_gets_the_seconds_of_its_plan",
    ),
    Planted(
        "the oldest sources in the table",
        "bench/view/collapse.py",
        '["implementation_sha"].transform("last")',
        '["implementation_sha"].transform("first")',
        f"{TABLE}::test_the_newest_sources_are_shown",
    ),
    Planted(
        "frameworks compared by their last round",
        "bench/gate/compare.py",
        "max(error, errors.get(case.framework, 0.0))",
        "error",
        f"{COMPARE}::test_frameworks_are_held_together_by_their_worst_round[rounds0]",
    ),
    Planted(
        "a new timeout is no crash",
        "bench/gate/compare.py",
        '{"error", "timeout", "oom"}',
        '{"error", "oom"}',
        f"{COMPARE}::test_what_no_longer_ends_well_is_a_crash[timeout]",
    ),
    Planted(
        "a limit in MB",
        "bench/cost/chunk.py",
        "limit_mib * 2**20 or",
        "limit_mib * 10**6 or",
        f"{CHUNK}::test_a_limit_is_in_mib",
    ),
    Planted(
        "what the cache holds goes through memory, too",
        "bench/cost/chunk.py",
        "max(0, footprint(sizes).chunk - machine.cache)",
        "footprint(sizes).chunk",
        f"{CHUNK}::test_only_what_the_cache_does_not_hold_goes_through_memory[8388608-0.00016]",
    ),
    Planted(
        "the file's first environment for every row of a run",
        "bench/records/frames.py",
        'environments.get(r["env_hash"])',
        "next(iter(environments.values()), None)",
        f"{NOTEBOOK}::test_a_row_has_the_environment_that_its_record_names",
    ),
    Planted(
        "the file's first environment for every record",
        "bench/records/reading.py",
        'environments.get(record["env_hash"])',
        "next(iter(environments.values()), None)",
        "tests/bench/records/test_record.py::test_concatenated_files_are_a_file",
    ),
    Planted(
        "rows of one round explained as of several",
        "bench/view/legend.py",
        "(SOME_ROUNDS if 1 in rounds else ROUNDS)",
        "ROUNDS",
        f"{TABLE}::test_the_legend_says_what_each_time_is_of[one or two]",
    ),
    Planted(
        "rounds of cases that were not measured in the legend",
        "bench/view/legend.py",
        'time_meaning([row["rounds"] for row in measured])',
        'time_meaning([row["rounds"] for row in every])',
        f"{TABLE}::test_the_legend_says_what_each_time_is_of[one]",
    ),
    Planted(
        "a chosen chunk looks as one that was given",
        "bench/case.py",
        'auto: bool = option(False, ALGORITHM, "auto", "auto = {}", later=True)',
        "auto: bool = option(False, ALGORITHM, later=True)",
        f"{TABLE}::test_a_chunk_that_was_chosen_is_told_from_one_that_was_given",
    ),
    Planted(
        "no word for a chosen chunk",
        "bench/case.py",
        'options += ["auto"] if self.auto else []',
        "pass",
        f"{CASE}::test_a_case_whose_chunk_was_chosen_has_a_word_of_it",
    ),
    Planted(
        "seconds below 0 for timing",
        "bench/case.py",
        "budget_s: float = number(5.0, 0, 604_800)",
        "budget_s: float = number(5.0, -604_800, 604_800)",
        f"{NOTEBOOK}::test_what_cannot_be_run_is_one_line[{{'budget_s': -1}}]",
    ),
    Planted(
        "settings of a call are not looked at",
        "bench/session.py",
        "plans.setting(where, key, plain(getattr(plan, key)))",
        "plain(getattr(plan, key))",
        f"{NOTEBOOK}::test_what_cannot_be_run_is_one_line[{{'rounds': 1.5}}]",
    ),
    Planted(
        "no columns for layers that no record knows",
        "bench/records/frames.py",
        "agreements = unknown | single",
        "agreements = single",
        f"{RECORD}::test_a_frame_of_older_records_has_the_columns_of_all_their_layers",
    ),
]
