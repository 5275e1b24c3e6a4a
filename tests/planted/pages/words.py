"""Errors of what is said: the frame, the table, the report and the words that find a case."""

from planted import Planted

TABLE, RECORD, REPORT, CLI = (
    f"tests/{name}.py"
    for name in ("bench/view/test_table", "bench/records/test_record", "bench/view/test_report", "bench/cli/test_cli")
)
PLANTED = [
    Planted(
        "cost over the BPTT of the other framework",
        "bench/view/collapse.py",
        "work = [f.name for f in fields(Case) if f.name not in RULE]",
        'work = [f.name for f in fields(Case) if f.name not in (*RULE, "framework")]',
        f"{TABLE}::test_cost_is_told_over_bptt_in_the_same_framework",
    ),
    Planted(
        "cost over the BPTT of another run",
        "bench/view/collapse.py",
        '"source", "plan", "run", "round"]]',
        '"source", "plan", "round"]]',
        f"{TABLE}::test_cost_is_not_told_over_a_bptt_of_another_run",
    ),
    Planted(
        "cost of all rounds over one round of BPTT",
        "bench/view/collapse.py",
        '"source", "plan", "run", "round"]]',
        '"source", "plan", "run"]]',
        f"{TABLE}::test_rounds_are_compared_one_by_one",
    ),
    Planted(
        "cost over truncated BPTT",
        "bench/view/collapse.py",
        '(rows["chunk"] == rows["steps"]) & ',
        "",
        f"{TABLE}::test_truncated_bptt_is_no_measure_of_cost",
    ),
    Planted(
        "cost as BPTT over the rule",
        "bench/view/collapse.py",
        "numeric(rows[cost]) / positive(base[cost])",
        "positive(base[cost]) / numeric(rows[cost])",
        f"{TABLE}::test_cost_is_told_over_bptt_in_the_same_framework",
    ),
    Planted(
        "a layer's agreement as the mean of its weights'",
        "bench/measure/fidelity.py",
        '"per_layer": {layer: together(names) for layer, names in layers.items()},',
        '"per_layer": {layer: {k: float(np.mean([agreement(vectors[n], true[n])[k] or 0.0 for n in names]))\n'
        "            for k in together(names)} for layer, names in layers.items()},",
        "tests/bench/measure/test_meters.py::test_fidelity_of_a_layer_is_that_of_its_weights_as_one_vector",
    ),
    Planted(
        "norm ratio upside down",
        "bench/measure/fidelity.py",
        '"norm_ratio": norm / reference_norm,',
        '"norm_ratio": reference_norm / norm if norm else None,',
        "tests/bench/measure/test_meters.py::test_fidelity_of_a_layer_is_that_of_its_weights_as_one_vector",
    ),
    Planted(
        "overall cosine shown as a layer's",
        "bench/view/cell_text.py",
        'return row.get(f"{layer}.{metric}", math.nan), ""',
        'return row[metric], ""',
        f"{TABLE}::test_fidelity_is_told_per_layer_with_its_norm",
    ),
    Planted(
        "the best layer shown as the worst",
        "bench/view/cell_text.py",
        "layer = min(cosines,",
        "layer = max(cosines,",
        f"{TABLE}::test_of_many_hidden_layers_the_worst_is_shown",
    ),
    Planted(
        "an older layer's cosine taken from one of its weights",
        "bench/records/frames.py",
        "if weights_in[layer_of[name]] == 1}",
        "if weights_in[layer_of[name]] >= 1}",
        f"{RECORD}::test_a_layer_of_an_older_record_is_empty_unless_it_has_one_weight",
    ),
    Planted(
        "the processor's time per thread",
        "bench/records/frames.py",
        "median(cpu_samples) if",
        'median(cpu_samples) / record["case"]["threads"] if',
        f"{TABLE}::test_the_frame_has_the_processors_time_of_all_threads",
    ),
    Planted(
        "the processor's time believed of several threads",
        "bench/view/collapse.py",
        'return (row["threads"] == 1) & (row["device"] == "cpu")',
        'return row["device"] == "cpu"',
        f"{TABLE}::test_several_threads_have_no_processors_time_to_believe",
    ),
    Planted(
        "cost by the clock on a busy machine",
        "bench/view/collapse.py",
        'rows["x_time"].where(by_clock, rows["x_cpu"])',
        'rows["x_time"]',
        f"{TABLE}::test_a_busy_machine_shows_the_processors_time",
    ),
    Planted(
        "a busy BPTT's clock believed",
        "bench/view/collapse.py",
        "~(alone(rows) & (doubtful | base_doubtful) &",
        "~(alone(rows) & doubtful &",
        f"{TABLE}::test_a_busy_bptt_is_compared_by_the_processors_time_too",
    ),
    Planted(
        "an interval of 362 % given as a result",
        "bench/view/collapse.py",
        "NOISY = 0.5",
        "NOISY = 5.0",
        f"{TABLE}::test_a_wide_interval_is_no_result",
    ),
    Planted(
        "versions of no environment",
        "bench/records/frames.py",
        'versions = environment.get("versions") or {}',
        "versions = {}",
        f"{RECORD}::test_the_frame_says_what_a_number_depends_on",
    ),
    Planted(
        "a record without its data's fingerprint",
        "bench/measure/runner.py",
        "data.fingerprint(case.dataset) or None",
        "None",
        "tests/bench/measure/test_runner.py::test_a_record_names_the_run_and_the_files_that_it_is_of",
    ),
    Planted(
        "every record a run of its own",
        "bench/measure/runner.py",
        '"run": began,',
        '"run": datetime.now(UTC).isoformat(),',
        "tests/bench/measure/test_runner.py::test_a_record_names_the_run_and_the_files_that_it_is_of",
    ),
    Planted(
        "the page searches parts of words",
        "bench/view/report.html",
        'c.dataset.words.split(" ").includes(w)',
        "c.dataset.words.includes(w)",
        f"{REPORT}::test_the_search_finds_whole_words_those_of_the_command",
    ),
    Planted(
        "show filters by parts of words",
        "bench/cli/arguments.py",
        "all(word.lower() in words for word in only or []) for words in lower]",
        'all(word.lower() in " ".join(words) for word in only or []) for words in lower]',
        f"{CLI}::test_show_finds_what_list_and_the_page_find",
    ),
    Planted(
        "an unstable case that its word does not find",
        "bench/view/table.py",
        'for name in ("unstable", "busy", "synthetic") if',
        'for name in ("busy", "synthetic") if',
        f"{CLI}::test_show_finds_what_list_and_the_page_find",
    ),
    Planted(
        "show filters rounds in place of cases",
        "bench/cli/show.py",
        "rows = collapse.rounds(frames.frame(newest_records(records or LOCAL)))",
        "frame = frames.frame(newest_records(records or LOCAL))\n"
        "    rows = collapse.rounds(frame[frame.unstable.eq(True)] if only else frame)",
        f"{CLI}::test_a_filter_leaves_the_rounds_and_the_ratios_as_they_are",
    ),
]
