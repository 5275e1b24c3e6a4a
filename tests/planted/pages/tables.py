"""Errors of the tables of learning and loading, of plugins' entries, of a stream's end, and of what a label says."""

from planted import Planted

ASV = "tests/bench/gate/test_asv.py::"
METERS = "tests/bench/measure/test_meters.py::"
PLUGINS = "tests/bench/test_plugins.py::"
STREAM = "tests/implementations/test_stream.py::"
BINS, LOADERS = (f"tests/datasets/test_{name}.py::" for name in ("bins", "loaders"))
LEARNING, LOADING = (f"tests/bench/experiments/test_{name}.py::" for name in ("learning", "loading"))
ROW = f"{LEARNING}test_a_row_is_of_the_setting_it_names"
PEAK = f"{LOADING}test_the_peak_of_a_stream_is_its_own"
MACHINES = f"{ASV}test_a_benchmark_measured_on_any_machine_is_measured"

PLANTED = [
    # Learning
    Planted(
        "the first batch's loss for that of the first ten",
        "bench/experiments/learning.py",
        "losses[:10]",
        "losses[:1]",
        ROW,
    ),
    Planted("the mean of all losses for the last ones", "bench/experiments/learning.py", "losses[-10:]", "losses", ROW),
    Planted(
        "trained at another rate than the row says",
        "bench/experiments/learning.py",
        "setting.steps, rate=setting.rate)",
        "setting.steps, rate=1e-3)",
        ROW,
    ),
    Planted(
        "input weights of another scale", "bench/experiments/learning.py", "        scale_x=setting.scale_x,\n", "", ROW
    ),
    Planted(
        "the same weights for every seed of training",
        "bench/experiments/learning.py",
        "        seed=seed,\n    )",
        "        seed=0,\n    )",
        ROW,
    ),
    Planted(
        "steps of a trial counted as if they were trials",
        "bench/experiments/learning.py",
        "    return right.sum(axis=0) / labelled.sum(axis=0)\n",
        "    return right[labelled].astype(float)\n",
        f"{LEARNING}test_the_interval_is_over_trials_and_not_over_their_steps",
    ),
    # Loading
    Planted(
        "the peak of compiling for that of the stream",
        "bench/experiments/stream_cost.py",
        "    run(2 * PERIOD)  # compiles, and reads what is read once\n    peak = resident.peak_from_now()\n",
        "    peak = resident.peak_from_now()\n    run(2 * PERIOD)\n",
        PEAK,
    ),
    Planted(
        "the peak after the stream for that before",
        "bench/experiments/stream_cost.py",
        '"rss_before_mib": before',
        '"rss_before_mib": peak()',
        PEAK,
    ),
    Planted(
        "half a table in the place of a whole one",
        "bench/experiments/loading.py",
        'part = path.with_suffix(".part")',
        "part = path",
        f"{LOADING}test_a_table_is_replaced_when_it_is_whole",
    ),
    Planted(
        "the commit after a stream for that before",
        "bench/experiments/loading.py",
        "rows.append(stream_cost.measure(name, steps) | here)",
        "rows.append(stream_cost.measure(name, steps) | machine())",
        f"{LOADING}test_a_row_is_of_the_commit_before_it_was_measured",
    ),
    Planted(
        "online rules timed over all steps at once",
        "bench/experiments/loading.py",
        "case.steps if registry.ALGORITHMS[name].truncated else min(32, case.steps)",
        "case.steps",
        f"{LOADING}test_rules_go_through_the_sequence_as_they_are_used",
    ),
    Planted(
        "memory that is held for the most that was",
        "bench/measure/memory.py",
        'r"VmHWM:',
        'r"VmRSS:',
        f"{METERS}test_rss_peak_is_the_most_and_not_what_is_held",
    ),
    Planted(
        "free memory for the machine's",
        "bench/measure/environment.py",
        '"SC_PHYS_PAGES"',
        '"SC_AVPHYS_PAGES"',
        f"{METERS}test_the_memory_of_a_machine_is_what_it_has_and_not_what_is_free",
    ),
    Planted(
        "the last chunk in JAX does the work of a carry",
        "implementations/training/stream_jax.py",
        "partial(advance, last=True)",
        "partial(advance, last=False)",
        f"{STREAM}test_the_last_chunk_alone_is_called_the_last[jax]",
    ),
    Planted(
        "the last chunk in PyTorch does the work of a carry",
        "implementations/training/stream_torch.py",
        "advance(waiting, last=True)",
        "advance(waiting, last=False)",
        f"{STREAM}test_the_last_chunk_alone_is_called_the_last[torch]",
    ),
    # Data sets
    Planted(
        "classes of other recordings than the slices",
        "datasets/dvs_gesture.py",
        "Sparse(lanes, available.labels[chosen], steps",
        "Sparse(lanes, available.labels[members[: len(chosen)]], steps",
        f"{BINS}test_slices_are_whole_and_do_not_overlap",
    ),
    Planted(
        "one whole part makes a published set",
        "datasets/events/availability.py",
        "return all(published.count(path) == published.counts",
        "return any(published.count(path) == published.counts",
        f"{LOADERS}test_files_put_in_place_are_used",
    ),
    Planted(
        "words binned over a second",
        "datasets/events/speech.py",
        "        window: Window = (0.0, END),\n",
        "        window: Window = (0.0, 1.0),\n",
        f"{BINS}test_words_are_binned_by_14_ms_from_the_first_bin_on[ssc]",
    ),
    # Plugins
    Planted(
        "implementations that entries name may be hidden",
        "bench/plugins/__init__.py",
        "        modules.require_visible(plugin)\n    except",
        "    except",
        f"{PLUGINS}test_an_implementation_that_another_module_hides_is_named",
    ),
    Planted(
        "a cell without its options",
        "bench/plugins/__init__.py",
        "registry.CELLS[name] = (entry.kind, entry.options)",
        "registry.CELLS[name] = (entry.kind, {})",
        f"{PLUGINS}test_the_options_of_a_cell_are_those_of_its_network",
    ),
    Planted(
        "any word keeps installed plugins out",
        "bench/plugins/__init__.py",
        'os.environ.get(SWITCH) != "none"',
        "os.environ.get(SWITCH) is None",
        f"{PLUGINS}test_only_none_keeps_installed_plugins_out[all-True]",
    ),
    Planted(
        "a cell held to the law of another",
        "bench/plugins/tables.py",
        "laws.get(entry.spec, entry.law) != entry.law",
        "laws.get(entry.spec) is None",
        f"{PLUGINS}test_a_slip_is_one_line_and_nothing_is_loaded",
    ),
    Planted(
        "the problem is known by its rule and not by its cell",
        "bench/plugins/__init__.py",
        'if framework or entry[0] != "algorithm"',
        'if framework or entry[0] != "cell"',
        f"{PLUGINS}test_the_problem_is_of_the_cell_and_the_data_and_not_of_the_rule",
    ),
    Planted(
        "the first speakers are held out",
        "datasets/events/splits.py",
        "names[-max(1, int(share * len(names))) :]",
        "names[: max(1, int(share * len(names)))]",
        "tests/datasets/test_splits.py::test_a_single_speaker_cannot_be_held_out",
    ),
    # Records and plans
    *(
        Planted(
            f"a case without its {field}",
            "bench/measure/problem.py",
            old,
            new,
            "tests/implementations/by_hand/test_initialisers.py::test_the_scales_of_a_case_are_those_of_its_hidden_layers",
        )
        for field, old, new in (
            ("scale of the recurrent weights", '"scale_r": case.scale_r, ', ""),
            ("scale of the input weights", '"scale_x": case.scale_x, ', ""),
            ("distribution", '"scale_r": case.scale_r, "initial": case.initial}', '"scale_r": case.scale_r}'),
            ("readout's distribution", "replace(readout, initial=case.initial)", "readout"),
        )
    ),
    *(
        Planted(
            f"a record replaced by one of another {field}",
            "bench/records/reading.py",
            old,
            new,
            f"tests/bench/records/test_record.py::test_records_of_another_plan_machine_or_data_replace_nothing[other{number}]",
        )
        for number, (field, old, new) in enumerate(
            (
                (
                    "plan",
                    '"implementation_sha", "env_hash", "plan", "round")',
                    '"implementation_sha", "env_hash", "round")',
                ),
                (
                    "machine",
                    '"implementation_sha", "env_hash", "plan", "round")',
                    '"implementation_sha", "plan", "round")',
                ),
                ("data set's files", '(*key, record["data"].get("label"))', "key"),
            )
        )
    ),
    Planted(
        "a chunk chosen for the data set's own lines",
        "bench/plan.py",
        "sizes(case, *data.shape(case.dataset, case.features))",
        "sizes(case, *data.shape(case.dataset, 0))",
        "tests/bench/cost/test_chunk.py::test_auto_is_chosen_for_the_lines_that_the_plan_gives",
    ),
    # Trend
    Planted(
        "the last machine's benchmarks for those of all",
        "bench/gate/trend.py",
        "measured.get(count.benchmark, 0) + count.measured",
        "count.measured",
        MACHINES,
    ),
    Planted(
        "commits told apart by four digits",
        "bench/gate/trend.py",
        "commit.startswith(digits)",
        "digits.startswith(commit[:SHORTEST])",
        f"{ASV}test_a_file_of_no_commit_is_of_no_commit",
    ),
    # Labels and statistics
    Planted(
        "the first of several labels for a row without data",
        "bench/view/collapse.py",
        "for name, of_set in known.items() if len(of_set) == 1}",
        "for name, of_set in known.items() if len(of_set)}",
        "tests/bench/view/test_table.py::test_a_row_without_data_takes_a_label_only_if_there_is_one",
    ),
    Planted(
        "a rate that is the mean of the recordings' rates",
        "datasets/events/statistics.py",
        "np.sum(events) / max(np.sum(seconds), 1e-9) / lines",
        "np.mean(np.array(events) / np.maximum(seconds, 1e-9)) / lines",
        "tests/datasets/test_recordings.py::test_rates_and_shares_are_of_all_events_together",
    ),
    Planted(
        "the last recording's share of polarity for that of all",
        "datasets/events/statistics.py",
        "np.sum(on) / max",
        "on[-1] / max",
        "tests/datasets/test_recordings.py::test_rates_and_shares_are_of_all_events_together",
    ),
]
