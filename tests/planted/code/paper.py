"""Errors of the paper's experiments: what is drawn, what is run again, and what an interval is of."""

from planted import Planted

THEORY, RUNNER, INTERVALS, JACOBIAN, TIME, TRAINING, TRAININGS = (
    f"tests/paper/test_{name}.py::"
    for name in ("rank1_theory", "paper_runner", "intervals", "jacobian", "rank1_time", "training", "trainings")
)
COST, ARTIFICIAL, APART, REPRODUCE = (
    f"tests/paper/test_{name}.py::" for name in ("memory_speed", "artificial", "apart", "reproduce")
)
GRADIENT, LAG = (f"tests/paper/test_{name}.py::" for name in ("weight_gradient", "lag"))
LENGTH, TASKS = (f"tests/paper/tasks/test_{name}.py::" for name in ("length", "tasks"))
BRAIN = "tests/paper/brain/test_connectome.py::"

PLANTED = [
    # 2.3
    Planted(
        "the rank-1 trace of squares",
        "bench/paper/studies/rank1_theory.py",
        "np.outer(x.mean(axis=0), f.sum(axis=0))",
        "np.outer((x**2).mean(axis=0), (f**2).sum(axis=0))",
        f"{THEORY}test_the_cosine_of_two_rows_by_hand",
    ),
    Planted(
        "the formula without R",
        "bench/paper/studies/rank1_theory.py",
        "R * r_a * r_b + r_a",
        "r_a * r_b + r_a",
        f"{THEORY}test_the_formula_by_hand",
    ),
    Planted(
        "an undefined cosine counted as 0",
        "bench/paper/studies/rank1_theory.py",
        "if norms else None",
        "if norms else 0.0",
        f"{THEORY}test_a_cosine_with_nothing_is_undefined",
    ),
    # 2.1
    Planted(
        "a neuron's weight on itself counted once in the square of a sum",
        "bench/paper/measures/jacobians_jax.py",
        "D_D + 2 * D_W + W_W",
        "D_D + D_W + W_W",
        f"{JACOBIAN}test_measures_are_those_of_dense_jacobians_of_the_reference",
    ),
    Planted(
        "recurrent weights transposed in the product over all steps",
        "bench/paper/measures/jacobians_torch.py",
        "W.T @ read.flatten(1)",
        "W @ read.flatten(1)",
        f"{JACOBIAN}test_measures_are_those_of_dense_jacobians_of_the_reference[torch-alif_expcu]",
    ),
    Planted(
        "norms that forget the scale of a step",
        "bench/paper/measures/jacobians_torch.py",
        "log_J, log_D = log_J + torch.log10",
        "log_J, log_D = torch.log10",
        f"{JACOBIAN}test_cosines_of_matrices_by_hand",
    ),
    Planted(
        "an undefined step counted as 0 where it is to be left out",
        "bench/paper/studies/jacobian.py",
        '"single": mean(single),',
        '"single": mean(zeroed),',
        f"{JACOBIAN}test_steps_of_a_sample_corrected_and_as_published",
    ),
    Planted(
        "float32 without the square of a norm",
        "bench/paper/studies/jacobian.py",
        "np.array([2 * log_J, 2 * log_D])",
        "np.array([log_J, log_D])",
        f"{JACOBIAN}test_steps_of_a_sample_corrected_and_as_published",
    ),
    Planted(
        "weights that are not cut at two deviations",
        "bench/paper/measures/networks.py",
        'initial="truncated"',
        'initial="normal"',
        f"{JACOBIAN}test_weights_and_currents_are_drawn_as_the_job_says",
    ),
    Planted(
        "the median of one setting for a claim on all",
        "bench/paper/studies/jacobian.py",
        "report.outcome(rows, len(close) == len(by_setting))",
        "report.outcome(rows, len(close) > 0)",
        f"{JACOBIAN}test_the_verdict_asks_for_every_setting",
    ),
    # 2.2
    Planted(
        "a mean of inputs that are still to come",
        "bench/paper/measures/traces_jax.py",
        "so_far = (jnp.arange(T) <= t).astype(f.dtype)",
        "so_far = (jnp.arange(T) <= T).astype(f.dtype)",
        f"{TIME}test_two_steps_by_hand",
    ),
    Planted(
        "the local Jacobian transposed",
        "bench/paper/measures/traces_jax.py",
        '"sun,run->rsn"',
        '"usn,run->rsn"',
        f"{TIME}test_cosines_are_those_of_a_trace_that_is_laid_out",
    ),
    Planted(
        "the first half of the steps for the second",
        "bench/paper/studies/rank1_time.py",
        "values[..., values.shape[-1] // 2 :]",
        "values[..., : values.shape[-1] // 2]",
        f"{TIME}test_the_second_half_leaves_out_what_is_undefined",
    ),
    # 2.1, artificial states
    Planted(
        "recurrent weights transposed in the Jacobian of a step",
        "bench/paper/measures/artificial.py",
        "F[:, None] * W.T * R",
        "F[:, None] * W * R",
        f"{ARTIFICIAL}test_two_neurons_by_hand",
    ),
    Planted(
        "potentials below the threshold that are not cut",
        "bench/paper/measures/artificial.py",
        "below(rng, (B, N), 1 - width)",
        "rng.standard_normal((B, N))",
        f"{ARTIFICIAL}test_states_are_drawn_as_the_job_says",
    ),
    Planted(
        "an outer product of one round",
        "bench/paper/measures/artificial.py",
        "ROUNDS = 30",
        "ROUNDS = 1",
        f"{ARTIFICIAL}test_an_outer_product_is_the_best_one",
    ),
    # 2.5
    Planted(
        "the batch that compiles is published",
        "bench/paper/metering/costs.py",
        "middle = batches[1:-1]",
        "middle = batches[:-1]",
        f"{COST}test_the_first_and_the_last_batch_are_not_published",
    ),
    Planted(
        "a published clock that waits",
        "bench/paper/metering/costs.py",
        """    sent = time.time()
    wait(result)
""",
        """    wait(result)
    sent = time.time()
""",
        f"{COST}test_the_published_clock_stops_before_the_device_is_done",
    ),
    Planted(
        "ratios to the slowest BPTT",
        "bench/paper/metering/costs_compared.py",
        "times.idxmin()",
        "times.idxmax()",
        f"{COST}test_ratios_are_paired_by_seed_and_of_the_quickest_bptt",
    ),
    Planted(
        "the first seed's weights and data for all seeds",
        "bench/paper/metering/costs_torch.py",
        "return backend_torch.Backend(case, problem, case.dtype)",
        "return backend",
        f"{COST}test_another_seed_is_measured_with_its_own_weights_and_data[torch]",
    ),
    Planted(
        "a view counted beside its tensor",
        "bench/paper/metering/costs_torch.py",
        "sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())",
        "sum(storage.nbytes() for storage in storages)",
        f"{COST}test_bytes_on_the_device_count_an_array_once[torch]",
    ),
    Planted(
        "a busy machine's times are judged",
        "bench/paper/studies/memory_speed.py",
        "    if busy:\n",
        "    if not busy:\n",
        f"{COST}test_verdicts",
    ),
    # 2.4
    Planted(
        "gradients of the input weights by step, without the inputs",
        "bench/paper/measures/gradients.py",
        'own[0]["x"] = F @ own[0]["x"][:, 0]',
        'own[0]["x"] = own[0]["x"][:, 0]',
        f"{GRADIENT}test_gradients_compare_as_those_of_all_weights_laid_out_do",
    ),
    Planted(
        "steps after the warm-up that read the currents of the warm-up",
        "bench/paper/measures/gradients_jax.py",
        "jnp.roll(currents, -start, axis=1), late",
        "currents, late",
        f"{GRADIENT}test_traces_that_start_after_the_warm_up_are_those_by_hand",
    ),
    Planted(
        "a loss in the warm-up and none after it",
        "bench/paper/measures/gradients_torch.py",
        "targets[:start] = -1",
        "targets[start:] = -1",
        f"{GRADIENT}test_gradients_compare_as_those_of_all_weights_laid_out_do[torch-adaptive]",
    ),
    Planted(
        "one setting for a claim on all",
        "bench/paper/studies/weight_gradient.py",
        "return text, above == len(found)",
        "return text, above > 0",
        f"{GRADIENT}test_the_verdicts_ask_for_every_setting",
    ),
    Planted(
        "an undefined cosine left out where it is to count as 0",
        "bench/paper/drawing/weight_gradient.py",
        "np.nan_to_num(values[0], nan=0.0)",
        "values[0]",
        f"{GRADIENT}test_figures_are_complete",
    ),
    # Beyond the paper
    Planted(
        "what the weights read at the loss, not at the delay",
        "bench/paper/studies/lag.py",
        "F[:, : len(dy) - d]",
        "F[:, d:]",
        f"{LAG}test_gradients_through_a_delay_are_those_by_hand",
    ),
    Planted(
        "a share that is kept as a length",
        "bench/paper/studies/lag.py",
        "float(g @ exact) / norm**2",
        "float(g @ exact) / norm",
        f"{LAG}test_what_is_undefined_is_none",
    ),
    # Trainings
    Planted(
        "trained constants that are to be fixed",
        "bench/paper/learning/training.py",
        "frozen=frozen(job), observe",
        "observe",
        f"{TRAINING}test_fixed_constants_differ_and_are_not_trained[jax]",
    ),
    Planted(
        "validation on the trials of the test",
        "bench/paper/learning/training.py",
        '"valid": 2 * job["seed"] + 1',
        '"valid": 2 * job["seed"]',
        f"{TRAINING}test_parts_are_drawn_apart_and_by_seed",
    ),
    Planted(
        "the first rate for the best",
        "bench/paper/learning/training.py",
        'job["rates"][int(np.argmax(worth))]',
        'job["rates"][0]',
        f"{TRAINING}test_the_best_rate_is_chosen_on_seeds_of_its_own_for_both_frameworks",
    ),
    Planted(
        "a rate chosen on one seed of several",
        "bench/paper/learning/training.py",
        'for number in range(job["tunings"])]',
        "for number in range(1)]",
        f"{TRAINING}test_the_best_rate_is_chosen_on_seeds_of_its_own_for_both_frameworks",
    ),
    Planted(
        "the lowest rate for no end of the list",
        "bench/paper/learning/trainings.py",
        "[(tried[0], tried[1]), (tried[-1], tried[-2])]",
        "[(tried[-1], tried[-2])]",
        f"{TRAININGS}test_rates_at_the_ends_of_their_list_are_found",
    ),
    Planted(
        "ends of a list that was not put in order",
        "bench/paper/learning/trainings.py",
        'sorted(zip(chosen["rates"], chosen["worth"], strict=True))',
        'list(zip(chosen["rates"], chosen["worth"], strict=True))',
        f"{TRAININGS}test_rates_at_the_ends_of_their_list_are_found",
    ),
    Planted(
        "a verdict that a better rate of the other rule could turn",
        "bench/paper/learning/judging.py",
        "{True: others, False: own}",
        "{True: own, False: others}",
        f"{TRAININGS}test_what_a_rate_beyond_the_list_could_turn_is_open",
    ),
    Planted(
        "an unsolved task at the end of the list for a no",
        "bench/paper/learning/judging.py",
        "holds, {False: own})",
        "holds, {True: own})",
        f"{TRAININGS}test_a_task_that_a_rate_beyond_the_list_might_solve_is_open",
    ),
    Planted(
        "a caption without the ends of the list",
        "bench/paper/learning/trainings.py",
        "if outer else ''}",
        "if not outer else ''}",
        f"{TRAININGS}test_the_caption_says_which_rates_are_at_an_end",
    ),
    Planted(
        "the steps without a target count",
        "bench/paper/learning/training.py",
        "(logits * labelled[..., None]).sum(axis=0)",
        "logits.sum(axis=0)",
        f"{TRAINING}test_hits_by_hand",
    ),
    Planted(
        "differences of other seeds",
        "bench/paper/learning/trainings.py",
        'both = rows.merge(others, on="seed"',
        'both = rows.assign(n=range(len(rows))).merge(others.assign(n=range(len(others))), on="n"',
        f"{TRAININGS}test_differences_are_of_the_same_seed",
    ),
    Planted(
        "one seed that solves a task is enough",
        "bench/paper/learning/judging.py",
        "number == len(own)",
        "number > 0",
        f"{TRAININGS}test_a_task_is_solved_with_every_seed_or_not",
    ),
    # Running
    Planted(
        "the algorithm that a job measures is no source",
        "bench/paper/runner.py",
        "sources += texts_of_case(case.algorithm, case.framework, case.dataset)",
        "sources += []",
        f"{APART}test_what_a_case_names_is_a_source",
    ),
    Planted(
        "a full verdict on stand-ins",
        "bench/paper/report.py",
        'rows.attrs["size"] == "paper") and not stands_in(rows)',
        'rows.attrs["size"] == "paper")',
        f"{REPRODUCE}test_a_verdict_is_full_at_the_published_size_on_the_published_data",
    ),
    Planted(
        "what compute calls is no source",
        "bench/paper/runner.py",
        "waiting += [places[name] for name in names_read(node) if name in places]",
        "waiting += []",
        f"{RUNNER}test_a_changed_source_reruns_what_depends_on_it",
    ),
    Planted(
        "the sources of figures and verdicts count",
        "bench/paper/runner.py",
        'own = used(path.read_text(encoding="utf-8"), "compute")',
        'own = path.read_text(encoding="utf-8")',
        f"{RUNNER}test_a_changed_source_reruns_what_depends_on_it",
    ),
    Planted(
        "finished whatever the sources are",
        "bench/paper/runner.py",
        'if shas.get(line["job_key"]) == line["implementation_sha"]]',
        'if line["job_key"] in shas]',
        f"{RUNNER}test_a_changed_source_reruns_what_depends_on_it",
    ),
    # Verdicts that leave open what an interval leaves open
    Planted(
        "an interval that contains the margin is a no",
        "bench/paper/learning/judging.py",
        "False if difference.high < -margin else None",
        "False if difference.low <= -margin else None",
        "tests/paper/test_trainings.py::test_as_good_as_another_rule",
    ),
    Planted(
        "an interval on both sides of 0 says which gradient is closer",
        "bench/paper/studies/weight_gradient.py",
        "False if closer.high < 0 else None",
        "False if closer.low < 0 else None",
        "tests/paper/test_weight_gradient.py::test_the_verdicts_ask_for_every_setting",
    ),
    Planted(
        "the memory of two chunks stands for that of many",
        "bench/paper/studies/memory_speed.py",
        "CHUNKS = 3",
        "CHUNKS = 2",
        "tests/paper/test_memory_speed.py::test_what_does_not_grow_is_compared_from_three_chunks_on",
    ),
    Planted(
        "a verdict names data that it is not of",
        "bench/paper/report.py",
        "v.data or data",
        "data",
        "tests/paper/test_reproduce.py::test_a_verdict_on_a_part_of_the_data_names_that_part",
    ),
    # 2.9
    Planted(
        "spikes of a neuron that are not counted before the last",
        "bench/paper/brain/gradients_torch.py",
        'return {"c": s["c"] + spikes}, spikes',
        'return {"c": spikes}, spikes',
        f"{BRAIN}test_gradients_are_those_by_hand[torch]",
        (
            (
                "bench/paper/brain/gradients_jax.py",
                'return {"c": s["c"] + spikes}, spikes',
                'return {"c": spikes}, spikes',
            ),
        ),
    ),
    Planted(
        "no trace keeps the decay of ES-D-RTRL",
        "bench/paper/brain/gradients_torch.py",
        '"no_trace": {"decay": 0.0}',
        '"no_trace": {"decay": job["decay"]}',
        f"{BRAIN}test_gradients_are_those_by_hand[torch]",
    ),
    Planted(
        "a spike has a gradient by way of the reset",
        "bench/paper/brain/gradients_jax.py",
        '"detach_reset": True',
        '"detach_reset": False',
        f"{BRAIN}test_gradients_are_those_by_hand[jax]",
    ),
    Planted(
        "every neuron of a neuropil counts the same",
        "bench/paper/brain/problem.py",
        "np.bincount(brain.pre, np.abs(brain.weight), N)",
        "np.bincount(brain.pre, np.abs(brain.weight) > 0, N)",
        f"{BRAIN}test_what_is_drawn",
    ),
    Planted(
        "the target is of a frame that has nothing to do with the inputs",
        "bench/paper/brain/problem.py",
        "kept * process + ",
        "",
        f"{BRAIN}test_what_is_drawn",
    ),
    Planted(
        "a neuron alone spikes twice as often",
        "bench/paper/brain/problem.py",
        "np.exp(-period / TAU)",
        "np.exp(-period / 2 / TAU)",
        f"{BRAIN}test_a_neuron_alone_spikes_in_its_period",
    ),
    Planted(
        "memory of one rule below is below all",
        "bench/paper/studies/connectome.py",
        'min(own["bptt"], own["drtrl"])',
        'max(own["bptt"], own["drtrl"])',
        f"{BRAIN}test_verdicts",
    ),
    # 2.11
    Planted(
        "chance is the mean range",
        "bench/paper/tasks/integrator.py",
        "1.0]).max())",
        "1.0]).mean())",
        f"{LENGTH}test_chance_is_that_of_the_likeliest_range",
    ),
    Planted(
        "the sum of a step has the deviation of the last",
        "bench/paper/tasks/integrator.py",
        "np.hypot(2 * integrator.MEAN * t, integrator.SCALE * np.sqrt(steps * t))",
        "np.hypot(2 * integrator.MEAN * t, integrator.SCALE * steps)",
        f"{LENGTH}test_chance_is_that_of_the_likeliest_range",
    ),
    Planted(
        "a length compared with BPTT at the first",
        "bench/paper/drawing/length.py",
        'own["condition"].iloc[0])',
        'rows["condition"].iloc[0])',
        f"{LENGTH}test_points_are_of_one_length_and_of_pairs",
    ),
    Planted(
        "a verdict on the shortest sequence",
        "bench/paper/tasks/length.py",
        'own["steps"].idxmax()',
        'own["steps"].idxmin()',
        f"{LENGTH}test_verdicts_are_at_the_published_and_at_the_longest_length",
    ),
    Planted(
        "time constants half as far apart",
        "bench/paper/tasks/length.py",
        "TAU = (10 - 3**0.5, 10 + 3**0.5)",
        "TAU = (10 - 3**0.5 / 2, 10 + 3**0.5 / 2)",
        f"{LENGTH}test_the_published_numbers",
    ),
    Planted(
        "another task's result reproduces the published one",
        "bench/paper/report.py",
        "if name in experiment.EXPERIMENTS and experiment.module(name).ABOUT.instead:",
        "if name is None and experiment.module(name).ABOUT.instead:",
        f"{LENGTH}test_ranges_in_place_of_the_sum_reproduce_nothing",
    ),
    # The tasks
    Planted(
        "the shortest lag is the longest",
        "bench/paper/tasks/copying.py",
        '"short": rows["lag"].idxmin(), "long": rows["lag"].idxmax()',
        '"short": rows["lag"].idxmax(), "long": rows["lag"].idxmin()',
        f"{TASKS}test_verdicts_of_copying_are_of_the_shortest_and_the_longest_lag",
    ),
    Planted(
        "a delay bridged is the shortest",
        "bench/paper/tasks/dms.py",
        'rows["delay"].idxmax()',
        'rows["delay"].idxmin()',
        f"{TASKS}test_verdicts_of_delayed_match_are_of_the_longest_delay",
    ),
    Planted(
        "BPTT is judged against the rule",
        "bench/paper/tasks/shd.py",
        'claim, rule, "bptt", CONDITION',
        'claim, "bptt", rule, CONDITION',
        f"{TASKS}test_verdicts_on_recordings_are_of_a_rule_behind_bptt",
    ),
    Planted(
        "BPTT is judged against the rule, on gestures",
        "bench/paper/tasks/gesture.py",
        'claim, rule, "bptt", CONDITION',
        'claim, "bptt", rule, CONDITION',
        f"{TASKS}test_verdicts_on_recordings_are_of_a_rule_behind_bptt",
    ),
    Planted(
        "the norm of a mean cut as that of a sum of steps of 1 ms",
        "bench/paper/tasks/evidence.py",
        "float(round(RECALL / size.ms))",
        "float(RECALL)",
        f"{TASKS}test_the_mean_of_steps_is_cut_to_as_many_times_the_norm",
    ),
    Planted(
        "the norm of a mean cut as that of a sum",
        "bench/paper/tasks/copying.py",
        '"clip": float(SYMBOLS)',
        '"clip": 1.0',
        f"{TASKS}test_the_mean_of_steps_is_cut_to_as_many_times_the_norm",
    ),
    Planted(
        "spoken digits counted on other lines than published",
        "bench/paper/tasks/shd.py",
        "STEPS, FEATURES = 100, 700",
        "STEPS, FEATURES = 100, 140",
        f"{TASKS}test_the_published_numbers_of_spoken_digits",
    ),
    Planted(
        "rates chosen on one seed",
        "bench/paper/learning/listing.py",
        "tunings: int = 2",
        "tunings: int = 1",
        f"{TASKS}test_every_rule_is_trained_with_the_same_care",
    ),
    Planted(
        "what is replaced is not said",
        "bench/paper/experiment.py",
        'why=f"{verdict.why}; {about.instead}"',
        "why=verdict.why",
        f"{TASKS}test_what_replaces_something_published_is_said_and_reproduces_nothing",
    ),
    Planted(
        "marks at the same memory hide each other",
        "bench/paper/drawing/training.py",
        "moved[i] = middle * step ** (place - (len(group) - 1) / 2)",
        "moved[i] = middle",
        f"{TASKS}test_marks_at_the_same_memory_are_beside_each_other",
    ),
    Planted(
        "a seed has test recordings of its own, in an order of its own",
        "bench/paper/learning/training.py",
        'seed = 0 if part == "test" else seed',
        "seed = seed + 0",
        f"{TRAINING}test_all_seeds_are_tested_on_the_same_recordings_once",
    ),
    Planted(
        "recordings drawn for each seed by itself",
        "bench/paper/learning/trainings.py",
        "means = times @ values.T / recordings",
        "means = rng.binomial(recordings, np.broadcast_to(values.mean(axis=1), (len(times), seeds))) / recordings",
        f"{TRAININGS}test_recordings_that_all_seeds_share_are_drawn_once_for_all",
    ),
    Planted(
        "a rule of the gradients is named, and no source of them",
        "bench/paper/measures/gradients_torch.py",
        "from drtrl_bench.implementations.algorithms.approximate import drtrl_torch, es_drtrl_torch, no_trace_torch",
        "from importlib import import_module\n\n"
        "drtrl_torch, es_drtrl_torch, no_trace_torch = (\n"
        '    import_module(f"drtrl_bench.implementations.algorithms.approximate.{name}_torch")\n'
        '    for name in ("drtrl", "es_drtrl", "no_trace")\n'
        ")",
        f"{RUNNER}test_rules_and_cells_are_sources_of_what_compares_rules",
    ),
    Planted(
        "two lines of a legend are dotted",
        "bench/paper/drawing/connectome.py",
        "label=ZERO, **marks.DASHED",
        "label=ZERO, color=style.GREY, **style.DOTTED",
        f"{BRAIN}test_a_norm_of_0_stands_on_a_line_of_its_own",
    ),
    Planted(
        "a norm of 0 is not drawn",
        "bench/paper/drawing/connectome.py",
        "chosen = chosen.assign(**chosen[columns].clip(lower=floor))",
        "chosen = chosen.assign()",
        f"{BRAIN}test_a_norm_of_0_stands_on_a_line_of_its_own",
    ),
    # Intervals
    Planted(
        "samples pooled as if they were independent",
        "bench/paper/measures/intervals.py",
        "rng.integers(seeds, size=(resamples, seeds, 1))",
        "rng.integers(seeds, size=(resamples, seeds, samples))",
        f"{INTERVALS}test_seeds_are_drawn_first_and_then_their_samples",
    ),
    Planted(
        "undefined values counted as the largest",
        "bench/paper/measures/intervals.py",
        "defined = (~np.isnan(x)).sum(axis=-1)",
        "defined = np.full(x.shape[:-1], x.shape[-1])",
        f"{INTERVALS}test_medians_leave_out_what_is_undefined",
    ),
]
