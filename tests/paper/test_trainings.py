"""What is said and drawn of trainings: curves of one length, differences, agreement, and verdicts, by hand."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.pictures import raw_mathtext, text_of, touching, unnamed

from drtrl_bench.paper import experiment
from drtrl_bench.paper.learning import judging, trainings
from drtrl_bench.paper.tasks import dms

CLAIM = experiment.Claim("it learns", "[code] x.py")


def row(rule: str, seed: int, test: float | None, valid: list[float], **more: Any) -> dict[str, Any]:
    job = {"condition": "delay of 1000 ms", "delay": 1000, "ms": 5.0, "rule": rule, "variant": "", "seed": seed}
    job |= {"framework": "jax", "dataset": "dms", "every": 10, "updates": 40, "until": None, "batch": 4, "clip": 1.0}
    job |= {"neurons": 3, "rates": [0.001, 0.01, 0.1], "rule_options": {"decay": 0.951}, "enough": 0.95}
    job |= {"tunings": 1, "validated": 256, "worth": [0.5, 0.7, 0.6]}
    job |= {"at": [10 * (i + 1) for i in range(len(valid))], "valid_accuracy": valid, "valid_loss": [0.6] * len(valid)}
    job |= {"loss": [0.5] * len(valid)}
    job |= {"solved": valid[-1] >= 0.95, "test_accuracy": test, "tested": 256, "rate": 0.01, "seconds_per_update": 0.5}
    job |= {"working_bytes": 3 * 2**20, "density": 0.1, "rate_per_step": 0.2, "silent": 0.0, "env_hash": "e"}
    return job | {"data": "delayed match-to-sample (synthetic)", "synthetic": True, "setup": "A"} | more


def framed(*rows: dict[str, Any], size: str = "cpu") -> Any:
    made = pd.DataFrame([each | {"commits": frozenset()} for each in rows])
    made.attrs = {"environments": {"e": {}}, "results": "0" * 16, "experiment": "dms", "size": size}
    made.attrs |= {"jobs": len(rows), "seeds": 2}
    return made


SOLVING = framed(
    row("bptt", 0, 0.9, [0.5, 0.97]),
    row("bptt", 1, 1.0, [0.6, 0.7, 0.8, 0.96]),
    row("drtrl", 0, 0.7, [0.5, 0.6, 0.6, 0.7]),
    row("drtrl", 1, 0.9, [0.5, 0.6, 0.7, 0.98]),
    row("bptt", 0, None, [0.54], framework="torch", until=10, loss=[0.625]),
)


def test_a_training_that_ended_keeps_its_last_value() -> None:
    at, curves = trainings.held(trainings.of_rule(SOLVING, "bptt"), "valid_accuracy")
    assert at.tolist() == [10, 20, 30, 40]
    assert curves.tolist() == [[0.5, 0.97, 0.97, 0.97], [0.6, 0.7, 0.8, 0.96]]


def test_differences_are_of_the_same_seed() -> None:
    ours, theirs = trainings.of_rule(SOLVING, "drtrl").iloc[::-1], trainings.of_rule(SOLVING, "bptt")
    assert trainings.paired(ours, theirs, "test_accuracy").median == pytest.approx(-0.15)  # -0.2 and -0.1
    assert trainings.paired(ours, theirs, "test_accuracy").low == pytest.approx(-0.2)


def on_recordings(right: Any, rule: str = "bptt") -> Any:
    """Trainings of a rule, each seed tested on the same recordings: which it told right [seeds, recordings]."""
    rows = [row(rule, seed, float(np.mean(own)), [0.5], right=list(own)) for seed, own in enumerate(right)]
    return framed(*rows)


def test_recordings_that_all_seeds_share_are_drawn_once_for_all() -> None:
    """Five seeds that tell the same half of 100 recordings right know as little of other recordings as one seed."""
    half = np.arange(100) % 2
    alike = trainings.accuracy(on_recordings([half] * 5))
    assert alike.median == 0.5
    assert (alike.low, alike.high) == pytest.approx((0.4, 0.6), abs=0.015)  # binomial: 1.96 sqrt(0.25 / 100) = 0.098
    apart = trainings.accuracy(on_recordings([np.full(100, share) for share in (0, 0, 1, 1, 1)]))
    assert (apart.median, apart.low, apart.high) == (1, 0, 1)  # of seeds alone
    plain = trainings.accuracy(trainings.of_rule(SOLVING, "drtrl"))  # without recordings
    assert (plain.median, plain.low, plain.high) == pytest.approx((0.8, 0.7, 0.9))


def test_rules_are_compared_recording_by_recording() -> None:
    """A rule that fails where the other does, and on one of ten recordings besides."""
    half = (np.arange(100) % 2).astype(float)
    less = half * (np.arange(100) % 10 != 1)
    ours, theirs = on_recordings([less] * 5, "drtrl"), on_recordings([half] * 5)
    behind = trainings.paired(ours, theirs, "test_accuracy")
    assert behind.median == pytest.approx(-0.1)
    assert (behind.low, behind.high) == pytest.approx((-0.16, -0.045), abs=0.015)  # 1.96 sqrt(0.09 / 100) = 0.059
    same = trainings.paired(theirs, theirs, "test_accuracy")
    assert (same.low, same.high) == (0, 0)


def test_frameworks_are_compared_where_both_ran() -> None:
    said = trainings.agreement(SOLVING)
    assert "1 trainings of seed 0, 10 updates" in said
    assert "differ by 1.2e-01 at most in the first interval, 1.2e-01 in all; validation accuracies by 4 %" in said
    assert trainings.agreement(trainings.of_rule(SOLVING, "bptt")) == "PyTorch was not run"


def test_a_task_is_solved_with_every_seed_or_not() -> None:
    bptt, drtrl = (judging.solved(SOLVING, CLAIM, rule, "delay of 1000 ms") for rule in ("bptt", "drtrl"))
    assert (bptt.outcome, drtrl.outcome) == ("only at reduced size", "not at reduced size")
    assert "2 of 2 seeds solved" in bptt.measured
    assert "1 of 2 seeds solved (delay of 1000 ms), test accuracy 0.800 [0.700, 0.900]" in drtrl.measured
    paper = framed(*SOLVING.to_dict("records"), size="paper")
    assert judging.solved(paper, CLAIM, "bptt", "delay of 1000 ms").outcome == "reproduced"


def test_what_nothing_solves_cannot_be_judged() -> None:
    rows = trainings.of_rule(SOLVING, "drtrl").iloc[:1].copy()
    rows.attrs = SOLVING.attrs
    judged = judging.solved(rows, CLAIM, "drtrl", "delay of 1000 ms")
    assert judged.outcome == "cannot be judged here"


def test_as_good_as_another_rule() -> None:
    close = judging.as_good(SOLVING, CLAIM, "drtrl", "bptt", "delay of 1000 ms", 0.25, 0.5)
    apart = judging.as_good(SOLVING, CLAIM, "drtrl", "bptt", "delay of 1000 ms", 0.05, 0.5)
    open_ = judging.as_good(SOLVING, CLAIM, "drtrl", "bptt", "delay of 1000 ms", 0.15, 0.5)
    guessed = judging.as_good(SOLVING, CLAIM, "drtrl", "bptt", "delay of 1000 ms", 0.05, 0.9)
    outcomes = [each.outcome for each in (close, apart, open_, guessed)]
    assert outcomes == ["only at reduced size", "not at reduced size", *["cannot be judged here"] * 2]


LOWEST = {"rate": 0.001, "worth": [0.9, 0.7, 0.6]}
HIGHEST = {"rate": 0.1, "worth": [0.5, 0.7, 0.75]}


def chosen(**by_rule: dict[str, Any]) -> Any:
    return framed(*(each | by_rule.get(each["rule"], {}) for each in SOLVING.to_dict("records")))


def test_rates_at_the_ends_of_their_list_are_found() -> None:
    assert trainings.ends(SOLVING) == []
    (low,) = trainings.ends(trainings.of_rule(chosen(bptt=LOWEST), "bptt"))
    (high,) = trainings.ends(chosen(drtrl=HIGHEST))
    assert (low.name, low.condition, *low[2:]) == ("BPTT", "delay of 1000 ms", 0.001, 0.9, 0.7)
    assert (high.name, *high[2:]) == ("D-RTRL", 0.1, 0.75, 0.7)
    mixed = {"rates": [0.1, 0.001, 0.01], "rate": 0.1, "worth": [0.75, 0.5, 0.7]}
    assert trainings.ends(chosen(drtrl=mixed)) == [high]
    assert trainings.ends(chosen(drtrl={"rates": [0.01], "worth": [1.0]})) == []  # nothing was chosen


def test_what_a_rate_beyond_the_list_could_turn_is_open() -> None:
    def judged(margin: float, **by_rule: dict[str, Any]) -> experiment.Verdict:
        return judging.as_good(chosen(**by_rule), CLAIM, "drtrl", "bptt", "delay of 1000 ms", margin, 0.5)

    yes, no, none = "only at reduced size", "not at reduced size", "cannot be judged here"
    assert [judged(0.25, bptt=HIGHEST).outcome, judged(0.05, drtrl=LOWEST).outcome] == [none, none]
    assert [judged(0.25, drtrl=HIGHEST).outcome, judged(0.05, bptt=LOWEST).outcome] == [yes, no]
    why = judged(0.25, bptt=HIGHEST, drtrl=LOWEST).why
    ends = "D-RTRL 0.001 (worth 0.900, the next 0.700)", "BPTT 0.1 (worth 0.750, the next 0.700)"
    assert all(each in why for each in ends)
    assert why.endswith(": one beyond it could turn this")
    assert "rate at the end of the list: D-RTRL 0.1 (" in judged(0.25, drtrl=HIGHEST).why
    assert "end of the list" not in judged(0.25).why


def test_a_task_that_a_rate_beyond_the_list_might_solve_is_open() -> None:
    def judged(rule: str, **by_rule: dict[str, Any]) -> experiment.Verdict:
        return judging.solved(chosen(**by_rule), CLAIM, rule, "delay of 1000 ms")

    assert judged("drtrl", drtrl=HIGHEST).outcome == "cannot be judged here"
    assert judged("drtrl", bptt=HIGHEST).outcome == "not at reduced size"
    solved = judged("bptt", bptt=LOWEST)
    assert solved.outcome == "only at reduced size"
    assert "rate at the end of the list: BPTT 0.001 (worth 0.900" in solved.why


def test_the_caption_says_which_rates_are_at_an_end() -> None:
    rows = chosen(bptt=HIGHEST)
    ((figure, _),) = dms.figures(rows).values()
    said = " ".join(text_of(figure).split())
    assert "rate at the end of the list: BPTT 0.1;" in said
    assert "chosen on validation data of 1 other seed, 256 trials each: BPTT 0.1; D-RTRL 0.01;" in said
    short = [each | {"condition": "delay of 100 ms", "delay": 100} for each in SOLVING.to_dict("records")]
    assert "list: BPTT 0.1 (delay of 1000 ms);" in trainings.protocol(framed(*short, *rows.to_dict("records")))


def test_the_figure_is_complete_and_legible() -> None:
    ((figure, points),) = dms.figures(SOLVING).values()
    assert unnamed(figure) == []
    assert touching(figure) == []
    assert raw_mathtext(figure) == []
    for said in ("delayed match-to-sample (synthetic)", "records 0000", "tested once", "BPTT", "chance"):
        assert said in text_of(figure)
    assert "end of the list" not in " ".join(text_of(figure).split())
    bptt = points[(points["rule"] == "bptt") & (points["framework"] == "jax")]
    assert bptt["seconds"].tolist() == [5, 10, 15, 20]
    np.testing.assert_allclose(bptt["valid"], [0.55, 0.835, 0.885, 0.965])
    np.testing.assert_allclose(bptt["loss"], 0.6)
    assert (bptt["solved"] == 2).all()
