"""What is said of the abstract, and of the size and cost of each experiment."""

from typing import Any

import pandas as pd
import pytest

from drtrl_bench.paper import abstract, listing, reproduction, sizes
from drtrl_bench.paper.experiment import Verdict
from drtrl_bench.paper.studies import connectome, memory_speed


def frame(name: str, **columns: Any) -> Any:
    made = pd.DataFrame({"data": ["numbers"], "synthetic": [True], "env_hash": "e", "setup": "A"} | columns)
    made["commits"] = [frozenset()] * len(made)
    made.attrs = {"environments": {"e": {}}, "results": "0" * 16, "experiment": name, "size": "cpu", "jobs": 7}
    made.attrs |= {"seeds": 2, "cpu_s": 354.1}
    return made


def test_every_phrase_points_at_claims_that_there_are() -> None:
    for said in abstract.SAID:
        assert bool(said.judged_by) != bool(said.besides)  # judged by rows, or told why not
        for name, key, _ in said.judged_by:
            assert key in listing.module(name).ABOUT.claims


def test_every_claim_of_the_abstract_is_pointed_at() -> None:
    pointed = {tuple(pair) for said in abstract.SAID for *pair, _ in said.judged_by}
    for name in listing.EXPERIMENTS:
        for key, claim in listing.module(name).ABOUT.claims.items():
            if claim.source.startswith("[page] abstract"):
                assert (name, key) in pointed, (name, key)


def test_every_claim_on_what_the_paper_s_rules_learn_is_listed_with_its_rule() -> None:
    """The tasks whose claims are on BPTT, too, have a row for it that says nothing of the abstract."""
    listed = {(name, key): short for name, key, short in abstract.TRAININGS}
    for name in ("dms", "shd", "gesture", "evidence", "copying", "integrator", "length"):
        for key, claim in listing.module(name).ABOUT.claims.items():
            rule = claim.text.split()[0]
            short = listed.get((name, key), "BPTT,")
            assert short.startswith(f"{rule},"), (name, key)
            for lag in ("shortest", "longest lag"):
                assert (lag in short) == (lag in claim.text), (name, key)


def test_the_table_stands_alone() -> None:
    rows = frame("rank1_theory")
    text = reproduction.table([("rank1_theory", rows, [])])
    for said in ("pp-prop", '"beyond 1"', '"No trace"', '"random feedback"', '"worth"', "the paper has others"):
        assert said in text
    assert "| `rank1_theory.png` |" in text


def test_lines_say_whether_a_phrase_stands_where_and_at_which_cost() -> None:
    outcomes = dict.fromkeys(memory_speed.CLAIMS, "only at reduced size") | {"checkpointed": "not at reduced size"}
    claims: Any = memory_speed.CLAIMS
    verdicts = [Verdict(claims[key], word, "1", "so") for key, word in outcomes.items()]  # type: ignore[arg-type]
    rows = frame("memory_speed", steps=[400.0], neurons=64)
    text = reproduction.table([("memory_speed", rows, verdicts), ("connectome", None, [])])
    low = next(line for line in text.splitlines() if line.startswith('| "low memory footprint" |'))
    # rows 1 to 6 are those of memory_speed, 7 to 10 of the connectome
    assert low == (
        '| "low memory footprint" | 4, 5, 9, 10 | yes, at reduced size: than BPTT (4); no, at reduced size: than BPTT '
        "with checkpoints (5); not run: than BPTT, on a connectome (9), than D-RTRL, on a connectome (10) | "
        "2.5: T = 400, N = 64 | 354 |"
    )
    wider = pd.DataFrame({"steps": [400.0, 400.0], "neurons": 64, "width": [2.0, 5.0]})
    assert sizes.brief(wider) == "T = 400, N = 64, times 2 to 5 for what is carried"
    assert '| "model-agnostic" |  | not judged: ' in text
    assert f"| 9 | 2.9 | {connectome.CLAIMS['memory'].text} | not run |" in text
    learning = next(line for line in text.splitlines() if line.startswith('| "strong learning performance" |'))
    assert learning == '| "strong learning performance" |  | no row |  |  |'  # in this table


def test_reduced_numbers_stand_beside_the_published_ones() -> None:
    said = sizes.told("gesture", frame("gesture", steps=[68], neurons=[64]))
    assert said.startswith("T = 68, N = 64 (1024), trials in a batch 8 (64), updates of a training 80 (8400), ")
    assert "learning rates 0.01 to 0.3 (0.0001 to 0.01)" in said
    assert "seeds" not in said
    assert said.endswith("trials of validation and of the test, no more than 128 (264)")  # whatever there was
    trained = frame("gesture", steps=[68], neurons=[64], held_out=[128], validated=[11.0], tested=[22.0])
    assert sizes.told("gesture", trained).endswith("; in fact 11 trials of validation and 22 of the test")
    steps = frame("copying", steps=[70], neurons=[64], held_out=[256], validated=[256], tested=[2560])
    assert sizes.trials(steps) == "in fact 256 trials of validation and 256 of the test"  # of ten steps each
    assert sizes.trials(frame("copying", held_out=[256], validated=[256], tested=[None])) == ""  # twins are not tested
    rows = frame("rank1_theory")
    assert sizes.told("rank1_theory", rows) == "values of p 16 (100), values of sigma 16 (200)"
    rows = frame("jacobian", steps=[100], neurons=[100])
    lengths = "nmnist 1000, dvs_gesture 200 to 1000, shd 300"
    assert sizes.told("jacobian", rows).startswith(f"T = 100 ({lengths}), N = 100, samples of a seed 4 (100), ")
    rows.attrs["size"] = "paper"
    assert sizes.told("jacobian", rows) == f"T = {lengths}, N = 100; the published numbers"
    assert sizes.shown({"copying": 64, "dms": 50}) == "copying 64, dms 50"
    assert sizes.shown((("shd", (25, 50, 100)),)) == "shd 25 to 100"
    assert sizes.shown(()) == "none"


@pytest.mark.parametrize("name", listing.EXPERIMENTS)
def test_every_size_can_be_told(name: str) -> None:
    assert sizes.told(name, frame(name)) != "the published numbers" or name == "artificial"


def test_an_update_is_of_jax_at_the_greatest_length() -> None:
    rules = ["bptt", "drtrl", "bptt", "bptt", "bptt"]
    rows = frame(
        "length", data=["x"] * 5, synthetic=[True] * 5, rule=rules, framework=["jax"] * 3 + ["torch", "jax"],
        variant=["", "", "", "", "mean of steps"], steps=[100, 100, 50, 100, 100],
        seconds_per_update=[0.004, 0.0082, 9, 9, 9], working_bytes=[3 * 2**20, 2**19, 9, 9, 9],
    )  # fmt: skip
    assert sizes.update(rows) == "BPTT 4 ms, 3 MiB; D-RTRL 8.2 ms, 0.5 MiB"
    assert sizes.update(frame("jacobian")) == ""
