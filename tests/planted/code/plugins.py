"""Errors of plugins and of measuring from Python: what is loaded, hashed, passed to children, and said."""

from planted import Planted

TEST = "tests/bench/test_plugins.py::"
NOTEBOOK = "tests/bench/test_notebook.py::"

PLANTED = [
    Planted(
        "modules beside a plugin are not hashed",
        "bench/provenance.py",
        "for name in (*imports, parent) if name and find(name)]",
        "for name in (*imports, parent) if name and name != 'helper' and find(name)]",
        TEST + "test_a_change_of_a_plugin_changes_what_is_made_of_it",
    ),
    Planted(
        "the module that an entry names is not hashed",
        "bench/plugins/modules.py",
        "roots = (self.module, *([implementation] if implementation else []))",
        "roots = (self.module,)",
        TEST + "test_a_change_of_a_plugin_changes_what_is_made_of_it",
    ),
    Planted(
        "a plugin may take a name of the project",
        "bench/plugins/tables.py",
        "    if name in names_of(kind):",
        "    if other:",
        TEST + "test_a_slip_is_one_line_and_nothing_is_loaded",
    ),
    Planted(
        "a plugin's edited module is not imported anew",
        "bench/plugins/__init__.py",
        "            if plugin.path not in before[-1]:\n                modules.forget(plugin)",
        "            if plugin.path in before[-1]:\n                modules.forget(plugin)",
        TEST + "test_after_its_scope_nothing_of_a_plugin_is_left",
    ),
    Planted(
        "a carry that no formula knows is taken for states alone",
        "bench/cost/footprint.py",
        'None if sizes.algorithm.carry == "other" else footprint(sizes).total',
        "footprint(sizes).total",
        TEST + "test_of_another_carry_no_formula_speaks",
    ),
    Planted(
        "paths of a rule that keeps its own weight taken for none",
        "bench/cost/footprint.py",
        'S if layer.recurrent and not algorithm.keeps("none") else 0',
        'S if layer.recurrent and algorithm.keeps("all") else 0',
        "tests/bench/test_plugins.py::test_the_chunk_of_snap1_by_hand",
    ),
    Planted(
        "what a plugin lacks is found when its case comes, not before",
        "bench/measure/runner.py",
        "                check_plugins(plan, folder)\n",
        "",
        TEST + "test_what_an_implementation_lacks_is_said_before_anything_is_measured",
    ),
    Planted(
        "revisions are measured with the plugins that are installed here",
        "bench/gate/revisions.py",
        '{"PYTHONSAFEPATH": "1", plugins.SWITCH: "none"}',
        '{"PYTHONSAFEPATH": "1"}',
        TEST + "test_revisions_are_compared_without_plugins",
    ),
    Planted(
        "plugins of a plan are looked for in the working directory",
        "bench/plan.py",
        "plugins.load(files, beside=path.parent)",
        "plugins.load(files)",
        TEST + "test_a_plan_with_plugins_is_measured_from_anywhere",
    ),
    Planted(
        "files of a plugin's data set are known by their names",
        "bench/data.py",
        'return hashlib.file_digest(content, "sha256").hexdigest()[:16]',
        "return str(file)",
        TEST + "test_what_is_in_the_files_of_a_data_set_is_part_of_its_identity",
    ),
    Planted(
        "a notebook's backend reaches the children",
        "bench/process/variables.py",
        '"CONDA_PREFIX", "NIX_LD*"',
        '"CONDA_PREFIX", "MPLBACKEND"',
        NOTEBOOK + "test_a_notebooks_backend_does_not_reach_the_children",
    ),
    Planted(
        "a call from Python sets how signals are taken",
        "bench/session.py",
        "    report = run.progress if progress else silent",
        "    report = run.progress if progress else silent\n    run.signals.install()",
        NOTEBOOK + "test_a_case_is_measured_in_a_thread_and_its_frame_is_that_of_load",
    ),
    Planted(
        "rounds of a call are left out",
        "bench/session.py",
        "cases, limit_s, budget_s, rounds)",
        "cases, limit_s, budget_s)",
        NOTEBOOK + "test_lists_make_a_grid_and_finished_cases_are_found_again",
    ),
]
