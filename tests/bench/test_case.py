"""Plans: what they expand to, and what they say to somebody who wrote one wrong."""

from dataclasses import replace
from pathlib import Path

import pytest

from drtrl_bench import case as cases
from drtrl_bench import plan as plans
from drtrl_bench.case import Case
from drtrl_bench.plan import PlanError


def plan(tmp_path: Path, text: str) -> cases.Plan:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return plans.read(str(path))


def test_bundled_plans_read() -> None:
    assert {"ci", "quick", "headline", "fidelity"} <= set(plans.names())
    for name in plans.names():
        assert plans.read(name).cases
        assert plans.read(name).description


def test_grid_is_a_product_over_defaults(tmp_path: Path) -> None:
    text = '[defaults]\nneurons = 7\n[[grid]]\nalgorithm = ["drtrl", "bptt"]\nsteps = [8, 16]\nchunk = 0\n'
    found = plan(tmp_path, text).cases
    assert len(found) == 4
    assert {c.neurons for c in found} == {7}
    assert all(c.chunk == c.steps for c in found), "chunk = 0 stands for the whole sequence"


def test_chunk_is_at_most_the_sequence_and_equal_cases_run_once(tmp_path: Path) -> None:
    found = plan(tmp_path, "[[grid]]\nsteps = 8\nchunk = [8, 32, 0]\n").cases
    assert [c.chunk for c in found] == [8]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[grid]]\nalgorithm = "drtlr"', ["grid 1", "algorithm", "'drtlr'", "drtrl"]),
        ('[[grid]]\ncell = "lif"', ["cell", "'lif'", "lif_delta"]),
        ('[[grid]]\nframework = "jaxx"', ["framework", "jax"]),
        ('[[grid]]\ndataset = "digit"', ["dataset", "digits"]),
        ("[[grid]]\nneuron = 3", ["neuron", "neurons"]),
        ("limit = 3\n[[grid]]\nneurons = 3", ["limit", "limit_s"]),
        ("[[grid]]\nneurons = 0", ["neurons is 0; it must be a whole number from 1 to 1,000,000"]),
        ("[[grid]]\nsteps = -5", ["steps is -5; it must be a whole number from 1 to 1,000,000,000,000,000"]),
        ('[[grid]]\nneurons = "many"', ["neurons is 'many'; it must be a whole number from 1 to"]),
        ("[[grid]]\nneurons = true", ["neurons is True; it must be a whole number from 1 to"]),
        ("[[grid]]\nscale_x = nan", ["scale_x is nan; it must be a number from 0 to 1,000,000"]),
        ("[[grid]]\nscale_r = inf", ["scale_r is inf; it must be a number from 0 to 1,000,000"]),
        ("[[grid]]\ndecay = -1", ["decay is -1; it must be a number from 0 to 1,000,000"]),
        ('[[grid]]\ndecay = 0\nbias_correction = "as_published"', ["bias_correction", "corrected"]),
        ('[[grid]]\ninitial = "uniform"', ["initial", "normal"]),
        ('[[grid]]\nsurrogate = "arctan"', ["surrogate", "'arctan'", "atan"]),
        ('[[grid]]\nreset = "zero"', ["reset", "'zero'", "multiply, own, soft"]),
        ('[[grid]]\ncell = "gru"\nsurrogate = "atan"', ["cell 'gru'", "leave surrogate out"]),
        ('[[grid]]\ncell = "egru"\nreset = "hard"\ndetach_reset = true', ["leave detach_reset and reset out"]),
        ("[[grid]]\nsteps = []", ["steps", "empty"]),
        ("limit_s = 0\n[[grid]]\nsteps = 3", ["limit_s is 0; it must be a number above 0 and up to 604,800"]),
        ("rounds = 0\n[[grid]]\nsteps = 3", ["rounds is 0; it must be a whole number from 1 to 10,000"]),
        ("rounds = 1.5\n[[grid]]\nsteps = 3", ["rounds is 1.5; it must be a whole number"]),
        ("budget_s = -1\n[[grid]]\nsteps = 3", ["budget_s is -1; it must be a number from 0 to 604,800"]),
        ("budget_s = inf\n[[grid]]\nsteps = 3", ["budget_s is inf; it must be a number"]),
        ("grid = 3", ["[[grid]]"]),
        ("defaults = 3\n[[grid]]\nsteps = 3", ["[defaults]"]),
        ("[[grid]\n", ["TOML"]),
        ("budget_s = 1", ["[[grid]]"]),
    ],
)
def test_bad_plan_names_file_key_and_way_out(tmp_path: Path, text: str, said: list[str]) -> None:
    with pytest.raises(PlanError) as error:
        plan(tmp_path, text)
    message = str(error.value)
    assert "\n" not in message
    assert all(word in message for word in [*said, "mine.toml"]), message


def test_unknown_plan_names_the_nearest() -> None:
    with pytest.raises(PlanError, match="quick"):
        plans.read("quik")


def test_one_problem_for_all_implementations() -> None:
    one = Case()
    for change in ({"algorithm": "bptt"}, {"framework": "torch"}, {"chunk": 1}, {"dtype": "float64"}):
        other = replace(one, **change)
        assert other.problem_key == one.problem_key
        assert other.key != one.key
    assert replace(one, neurons=65).problem_key != one.problem_key


def test_a_case_whose_chunk_was_chosen_has_a_word_of_it() -> None:
    chosen, given = Case(chunk=8, auto=True, limit_mib=1.5), Case(chunk=8)
    assert cases.words(chosen) - cases.words(given) == {"auto", "limit_mib=1.5"}
    assert "auto" not in cases.words(given)
