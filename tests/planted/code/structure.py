"""Errors of how the harness is built: circles of imports, and facts of algorithms that are read wrongly."""

from planted import Planted

STRUCTURE = "tests/bench/test_structure.py::"

PLANTED = [
    Planted(
        "a circle of imports, opened as a function runs",
        "bench/case.py",
        "def digest(value: Any) -> str:\n",
        "def digest(value: Any) -> str:\n    from drtrl_bench import plan  # noqa: F401\n\n",
        f"{STRUCTURE}test_no_module_imports_itself_by_way_of_others",
    ),
    Planted(
        "an algorithm known by its name",
        "bench/cost/flops.py",
        'if algorithm.feedback == "direct":',
        'algorithm == "random_feedback"\n        if algorithm.feedback == "direct":',
        f"{STRUCTURE}test_a_module_is_short_and_knows_no_algorithm[bench/cost/flops.py]",
    ),
    Planted(
        "an error that reaches hidden layers directly is counted through the layers",
        "bench/cost/flops.py",
        'if algorithm.feedback == "direct":',
        'if algorithm.feedback == "none":',
        "tests/bench/cost/test_flops.py::test_direct_feedback_by_hand",
    ),
    Planted(
        "the filtered output of a neuron costs nothing",
        "bench/cost/sizes.py",
        "cell.S + filtered",
        "cell.S",
        "tests/bench/measure/test_row.py::test_the_least_work_by_hand[eprop]",
    ),
    Planted(
        "the reference of a rule is not among its sources",
        "bench/provenance.py",
        ", algorithm.reference_place[0])",
        ")",
        "tests/bench/test_identity.py::test_a_rule_is_measured_again_when_its_reference_changes",
    ),
]
