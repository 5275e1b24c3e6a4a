"""The table of rows in implementations/README.md is the code's, in both frameworks; a file is as short as it says."""

import re
from pathlib import Path
from typing import Any

import pytest
from support.problems import RULES

from drtrl_bench import registry

IMPLEMENTATIONS = Path(__file__).resolve().parents[2] / "implementations"
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| (\w+) \| `(\w+)` \| `(\w+)` \|$", re.MULTILINE)
ROWS = {
    "bptt": ("FULL", "NONE"),
    "bptt_checkpointed": ("FULL", "NONE"),
    "rtrl": ("FULL", "FULL"),
    "drtrl": ("DIAGONAL", "DIAGONAL"),
    "drtrl_window": ("FULL", "DIAGONAL"),
    "snap1": ("DIAGONAL", "DIAGONAL"),
    "random_feedback": ("DIAGONAL", "DIAGONAL"),
    "eprop": ("DIAGONAL", "DIAGONAL"),
    "no_trace": ("NONE", "NONE"),
}
"""Which adjoints keep the paths through the recurrent weights, spelled out: the loss's, and those of the carry."""
WITHOUT = {"es_drtrl", "bptt_native", "snap2", "ottt", "uoro"}
"""What is no row of the table."""
LINES = {"drtrl": 90, "rtrl": 90, "bptt": 90, "drtrl_window": 40, "snap1": 40, "random_feedback": 40}


def table() -> dict[str, tuple[str, ...]]:
    """The rows of the page, by algorithm."""
    return {name: tuple(row) for name, *row in ROW.findall((IMPLEMENTATIONS / "README.md").read_text(encoding="utf-8"))}


def test_the_page_says_what_the_argument_says() -> None:
    missing = set(RULES) - ROWS.keys() - WITHOUT
    assert not missing, f"write {missing} into ROWS, or into WITHOUT if no row of the table describes it"
    assert {name: row[:2] for name, row in table().items()} == ROWS, "write the row into implementations/README.md"
    assert ROWS.keys() | WITHOUT == set(RULES)


@pytest.mark.parametrize("name", sorted(set(RULES) - WITHOUT))
def test_a_row_of_the_page_is_the_row_of_the_code(framework: str, name: str) -> None:
    module: Any = registry.ALGORITHMS[name].module(name, framework)
    rule = module.RULE
    row = rule.loss, rule.carry, rule.jacobians.__name__, rule.feedback.__name__
    assert table().get(name) == row, "write this row into implementations/README.md"


CARRIED = {"NONE": "states", "DIAGONAL": "trace", "FULL": "influence"}
"""What the registry calls the carry of a row."""


@pytest.mark.parametrize("name", sorted(set(RULES) - WITHOUT))
def test_the_facts_of_the_registry_are_those_of_the_row(name: str) -> None:
    """Costs, controls and notes follow from facts that the registry repeats: they are the row's."""
    assert name in table(), "write its row into implementations/README.md"
    loss, carry, jacobian, feedback = table()[name]
    fact = registry.ALGORITHMS[name]
    kept = "all" if loss == "FULL" else "own" if jacobian == "jacobians_with_own_weight" else "none"
    assert [paths for paths in ("all", "own", "none") if fact.keeps(paths)] == [kept]
    assert fact.carry == CARRIED[carry]
    assert fact.feedback == ("direct" if feedback == "random_weights" else "layers")


@pytest.mark.parametrize("given", ["bptt", "rtrl", "drtrl"])
@pytest.mark.parametrize("name", ["bptt", "rtrl", "drtrl"])
def test_a_row_with_another_carry_is_refused(framework: str, name: str, given: str) -> None:
    """One line says whose `init` and `advance` to take; nothing of the network is looked at before."""
    modules: list[Any] = [registry.ALGORITHMS[each].module(each, framework) for each in (name, given)]
    expected = ValueError if name != given else TypeError
    with pytest.raises(expected, match=f"of {given}, not of {name}" if name != given else None):
        modules[0].advance(None, None, None, None, None, rule=modules[1].RULE)


@pytest.mark.parametrize("name", LINES)
def test_an_algorithm_is_a_short_file(framework: str, name: str) -> None:
    (file,) = IMPLEMENTATIONS.glob(f"algorithms/*/{name}_{framework}.py")
    assert len(file.read_text(encoding="utf-8").splitlines()) <= LINES[name]
