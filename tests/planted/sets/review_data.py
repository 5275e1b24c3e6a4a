"""Errors of files that are not what they should be, of what a seed draws, and of what is measured in which order."""

from planted import Planted

STRAYS, IDENTITY, STAND_INS = (
    f"tests/{name}.py::" for name in ("datasets/test_strays", "bench/test_identity", "datasets/test_stand_ins")
)
COMPARE, LEARNING, CLI = (
    f"tests/{name}.py::"
    for name in ("bench/gate/test_compare", "bench/experiments/test_learning", "bench/cli/test_cli")
)
MARKER = f"{STRAYS}test_a_marker_of_another_form_makes_nothing_genuine"
PIPE = f"{STRAYS}test_what_is_no_file_is_not_waited_for"

PLANTED = [
    Planted(
        "files that are not there have a fingerprint",
        "datasets/events/fingerprint.py",
        'if loaded else ""',
        'if loaded else "none"',
        "tests/datasets/test_loaders.py::test_a_case_without_files_is_a_row_that_says_so",
    ),
    Planted(
        "any remembered entry is taken",
        "datasets/events/fingerprint.py",
        "for name, entry in entries if isinstance(entry, list) and entry and isinstance(entry[-1], str)",
        "for name, entry in entries",
        f"{IDENTITY}test_a_memory_of_another_form_is_forgotten[5]",
    ),
    Planted(
        "a file with an old date is believed at once",
        "datasets/events/fingerprint.py",
        "max(status.st_mtime_ns, status.st_ctime_ns) > SETTLED_NS",
        "status.st_mtime_ns > SETTLED_NS",
        f"{IDENTITY}test_a_file_with_an_old_date_that_was_just_written_is_read_again",
    ),
    Planted(
        "any JSON is a marker",
        "datasets/events/availability.py",
        "if not isinstance(written, dict) or not isinstance(written.get(key), kind):",
        "if False:",
        f"{MARKER}[[1]]",
    ),
    Planted(
        "a marker of null is none",
        "datasets/events/availability.py",
        "if not isinstance(written, dict) or not isinstance(written.get(key), kind):",
        "if written and not isinstance(written.get(key), kind):",
        f"{MARKER}[null]",
    ),
    Planted(
        "a folder is read as a file",
        "datasets/events/files.py",
        "if not stat.S_ISREG(status.st_mode):",
        "if False:",
        f"{PIPE}[nmnist-NMNIST/STAND_IN.json-mkdir-a folder]",
    ),
    Planted(
        "files of words may be folders",
        "datasets/events/speech.py",
        "h5.File(regular(file))",
        "h5.File(file)",
        f"{PIPE}[shd-SHD/shd_train.h5-mkdir-a folder]",
    ),
    Planted(
        "a recording counts twice",
        "datasets/events/files.py",
        "once(inner.path, real, seen)",
        "seen[real] = inner.path",
        f"{STRAYS}test_nothing_counts_twice[recording-nmnist]",
    ),
    Planted(
        "a folder counts twice",
        "datasets/events/files.py",
        "once(outer.path, os.path.realpath(outer), seen)",
        "outer.path",
        f"{STRAYS}test_nothing_counts_twice[folder-nmnist]",
    ),
    Planted(
        "capital letters hide a recording",
        "datasets/events/files.py",
        "Path(entry).suffix.lower() == ",
        "Path(entry).suffix == ",
        f"{STRAYS}test_what_looks_like_data_is_named[nmnist-00009.BIN]",
    ),
    Planted(
        "a file may have a folder's name",
        "datasets/events/files.py",
        " or re.fullmatch(folder, entry.name)",
        "",
        f"{STRAYS}test_what_looks_like_data_is_named[nmnist-a file as a folder]",
    ),
    Planted(
        "a class without recordings is not named",
        "bench/cli/data_check.py",
        "sorted(set(range(events.CLASSES)) - set(recordings.labels.tolist()))",
        "()",
        f"{STRAYS}test_a_class_without_recordings_is_named[nmnist-7]",
    ),
    Planted(
        "one damaged set ends the list",
        "bench/cli/show.py",
        "{name: dataset_line(name) for name in",
        "{name: data.dataset(name).LABEL for name in",
        f"{MARKER}[[1]]",
    ),
    Planted(
        "words without a plan are ignored",
        "bench/cli/show.py",
        '    if only:\n        raise UsageError(f"-k chooses',
        '    if False:\n        raise UsageError(f"-k chooses',
        f"{CLI}test_bad_input_is_one_line_and_exit_code_2[words without a plan]",
    ),
    Planted(
        "the home of nobody is a traceback",
        "bench/files/cache_folder.py",
        "    except RuntimeError:",
        "    except KeyError:",
        f"{CLI}test_the_home_of_nobody_is_one_line",
    ),
    Planted(
        "any pyproject.toml makes a checkout",
        "bench/install.py",
        '^name = "drtrl-bench"$',
        "^name = ",
        "tests/bench/test_install.py::test_hints_suit_a_checkout_and_a_wheel",
    ),
    # What is drawn and measured
    Planted(
        "rates of all lines together",
        "datasets/events/statistics.py",
        "max(np.sum(seconds), 1e-9) / lines)",
        "max(np.sum(seconds), 1e-9))",
        f"{STAND_INS}test_rate_is_per_line_and_second",
    ),
    Planted(
        "always the first slice",
        "datasets/dvs_gesture.py",
        "rng.integers(number) * width",
        "0 * rng.integers(number) * width",
        "tests/datasets/test_bins.py::test_any_of_the_slices_is_drawn",
    ),
    Planted(
        "habits are the motion's",
        "datasets/stand_ins/gestures.py",
        "default_rng([seed, user])",
        "default_rng([seed, motion])",
        f"{STAND_INS}test_a_user_s_habits_are_the_same_in_every_motion",
    ),
    Planted(
        "the same batches for every seed of training",
        "bench/experiments/learning.py",
        "2**20 * (seed + 1) + number",
        "2**20 + number",
        f"{LEARNING}test_the_seed_draws_the_batches_of_training",
    ),
    *(
        Planted(
            f"a checkpoint every hundred batches, whatever was asked for ({framework})",
            f"implementations/training/fit_{framework}.py",
            "len(losses) % every == 0",
            "len(losses) % 100 == 0",
            f"tests/implementations/test_fit.py::test_a_checkpoint_is_written_every_so_often_and_at_the_end[{framework}]",
        )
        for framework in ("jax", "torch")
    ),
    Planted(
        "the same later pieces for every seed of a stream",
        "bench/experiments/stream.py",
        "default_rng([seed, 2])",
        "default_rng(2)",
        "tests/implementations/test_stream.py::test_the_seed_draws_every_piece",
    ),
    Planted(
        "one's own main before the origin's",
        "bench/gate/revisions.py",
        '("origin/main", "main")',
        '("main", "origin/main")',
        f"{COMPARE}test_a_change_is_compared_with_the_main_of_the_origin",
    ),
    Planted(
        "A B A B",
        "bench/gate/revisions.py",
        "enumerate((0, 1, 1, 0))",
        "enumerate((0, 1, 0, 1))",
        f"{COMPARE}test_sides_are_measured_a_b_b_a",
    ),
    Planted(
        "all cores of the machine",
        "bench/measure/environment.py",
        '"cores": len(os.sched_getaffinity(0))',
        '"cores": os.cpu_count()',
        "tests/bench/measure/test_runner.py::test_cores_are_those_that_the_process_may_use",
    ),
]
