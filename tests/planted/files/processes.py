"""Errors of what a process inherits: its files, the repository that git is asked about, its environment."""

from planted import Planted

START, REPOSITORY, VARIABLES = (
    f"tests/{name}.py::"
    for name in ("bench/process/test_start", "bench/process/test_repository", "bench/process/test_variables")
)
WHITELIST = f"{VARIABLES}test_the_environment_of_a_child_is_a_whitelist"
SPRUNG = f"{REPOSITORY}test_nothing_runs_that_the_repositorys_settings_name"
COMMIT = f"{REPOSITORY}test_a_commit_whose_hook_compares_is_the_users"

PLANTED = [
    # Files
    Planted(
        "a case imports from the current folder",
        "bench/start.py",
        '[sys.executable, "-P", str(HERE / "start.py"), module, *words]',
        '[sys.executable, "-m", module, *words]',
        f"{START}test_a_case_is_measured_wherever_the_user_stands",
        also=(("bench/measure/environment.py", '"PYTHONSAFEPATH": "1"', '"PYTHONSAFEPATH": ""'),),
    ),
    Planted(
        "a case imports what PYTHONPATH has of this name",
        "bench/start.py",
        '[sys.executable, "-P", str(HERE / "start.py"), module, *words]',
        '[sys.executable, "-P", "-m", module, *words]',
        f"{START}test_the_clone_that_is_run_is_the_one_that_is_measured",
    ),
    Planted(
        "an empty word of PYTHONPATH is the current folder",
        "bench/process/variables.py",
        ".split(os.pathsep) if folder]",
        ".split(os.pathsep)]",
        f"{VARIABLES}test_the_current_folder_is_not_looked_into_for_an_empty_word",
    ),
    Planted(
        "what a case starts imports from the current folder",
        "bench/measure/environment.py",
        '"PYTHONSAFEPATH": "1",',
        '"PYTHONSAFEPATH": "",',
        WHITELIST,
    ),
    Planted(
        "a revision imports from the current folder",
        "bench/gate/revisions.py",
        '[sys.executable, "-P", "-m", "bench", *words]',
        '[sys.executable, "-m", "bench", *words]',
        f"{START}test_every_process_is_started_safely[revision]",
    ),
    Planted(
        "a revision finds the package that is installed here",
        "bench/gate/revisions.py",
        "os.pathsep.join([str(tree), *filter",
        "os.pathsep.join([*filter",
        f"{START}test_a_revision_is_measured_wherever_the_user_stands",
    ),
    Planted(
        "the checkout is measured with all that lies in it",
        "bench/gate/revisions.py",
        "if tree != ROOT:  # in",
        "if tree:  # in",
        f"{START}test_what_else_lies_in_the_checkout_is_not_imported",
    ),
    Planted(
        "the speakers of a stand-in import from the current folder",
        "datasets/stand_ins/speech.py",
        'command = [sys.executable, "-P", "-c"',
        'command = [sys.executable, "-c"',
        f"{START}test_the_speakers_of_a_stand_in_import_nothing_foreign",
    ),
    Planted(
        "asv times an import from the current folder",
        "bench/asv_suite/startup.py",
        '[sys.executable, "-P", "-c"',
        '[sys.executable, "-c"',
        "tests/bench/gate/test_asv.py::test_start_up_is_timed_of_the_commit_under_test",
    ),
    # git
    Planted(
        "the index of a commit that is being made is written to",
        "bench/process/repository.py",
        '"GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_PREFIX"',
        '"GIT_COMMON_DIR", "GIT_PREFIX"',
        f"{COMMIT}[-a]",
    ),
    Planted(
        "the repository of a hook is asked",
        "bench/process/repository.py",
        '*("GIT_DIR", "GIT_WORK_TREE"',
        '*("GIT_WORK_TREE"',
        f"{REPOSITORY}test_a_hook_of_a_push_knows_commit_and_dirty[worktree]",
    ),
    Planted(
        "git is asked with all variables of this process",
        "bench/process/repository.py",
        "{k: v for k, v in os.environ.items() if k not in LOCAL}",
        "dict(os.environ)",
        f"{REPOSITORY}test_no_variable_leads_elsewhere[GIT_INDEX_FILE]",
    ),
    Planted("a monitor of files runs", "bench/process/repository.py", '"core.fsmonitor": "false", ', "", SPRUNG),
    Planted("hooks run", "bench/process/repository.py", '"core.hooksPath": os.devnull, ', "", SPRUNG),
    Planted(
        "filters run",
        "bench/process/repository.py",
        "(unfiltered(folder, timeout) if words[0] in CONVERTING else {})",
        "{}",
        SPRUNG,
    ),
    Planted(
        "filters run in an earlier revision's harness",
        "bench/process/repository.py",
        "environment(SETTINGS | unfiltered(folder))",
        "environment(SETTINGS)",
        f"{REPOSITORY}test_nor_is_it_run_by_the_harness_of_an_earlier_revision",
    ),
    Planted(
        "a question writes the index",
        "bench/process/repository.py",
        '"GIT_OPTIONAL_LOCKS": "0", ',
        "",
        f"{REPOSITORY}test_a_question_leaves_the_index_alone",
    ),
    Planted(
        "the user's settings hide new files",
        "bench/process/repository.py",
        ', "status.showUntrackedFiles": "normal"}',
        "}",
        f"{REPOSITORY}test_a_file_that_git_was_never_told_of_is_a_change",
    ),
    Planted(
        "asv's commit is that of a hook's repository",
        "bench/asv_suite/harness.py",
        'load_module("process/repository").ask(ROOT, "rev-parse", "HEAD")',
        'subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True)',
        "tests/bench/gate/test_asv.py::test_the_commit_is_that_of_the_suite",
    ),
    # Environment
    Planted(
        "a child gets the whole environment",
        "bench/measure/environment.py",
        "        variables.for_child(os.environ)\n        | {",
        "        dict(os.environ)\n        | {",
        WHITELIST,
    ),
    Planted(
        "a variable that changes speed is let through and not recorded",
        "bench/measure/environment.py",
        '        machine["variables"] = tuned\n',
        "        pass\n",
        f"{VARIABLES}test_a_case_is_measured_again_with_another_variable",
    ),
    Planted(
        "a variable that was kept out is recorded",
        "bench/measure/environment.py",
        "variables.for_record(variables.for_child(os.environ))",
        "dict(os.environ)",
        f"{VARIABLES}test_without_such_variables_a_machine_is_described_as_ever",
    ),
    Planted(
        "a record has the user's folders",
        "bench/process/variables.py",
        'else "...", text)',
        "else path[0], text)",
        f"{VARIABLES}test_what_is_said_of_a_value",
    ),
    Planted(
        "a record has what a plugin needs to know",
        "bench/process/variables.py",
        'if name.endswith("_PATH") or not matches(name, (*TUNING, *WITHHELD)):',
        'if name.endswith("_PATH"):',
        f"{VARIABLES}test_a_user_lets_a_variable_through_by_its_name",
    ),
    Planted(
        "the user's threads are recorded for the case's",
        "bench/process/variables.py",
        "name not in (PASS, *SET)]",
        "name not in (PASS,)]",
        f"{VARIABLES}test_a_user_lets_a_variable_through_by_its_name",
    ),
    Planted(
        "sides that were set otherwise pass for alike",
        "bench/gate/compare.py",
        "return differ + variables_differ(*sides) or",
        "return differ or",
        f"{VARIABLES}test_sides_that_were_not_set_alike_differ",
    ),
    Planted(
        "a baseline forgets what was set",
        "bench/gate/baseline.py",
        '"variables": tuned} if tuned',
        "} if tuned",
        f"{VARIABLES}test_a_baseline_says_what_was_set",
    ),
    Planted(
        "the check passes over what was set",
        "bench/cli/gate.py",
        "if differs := baseline.variables_changed(expected):",
        "if differs := []:",
        "tests/bench/gate/test_compare.py::test_the_check_says_what_was_not_set_alike",
    ),
    Planted(
        "setups that were set otherwise share a letter",
        "bench/view/caption.py",
        'facts["variables"] = environment.get("variables") or {}',
        'facts["variables"] = {}',
        f"{VARIABLES}test_setups_are_told_apart_by_what_was_set",
    ),
]
