"""Judges claims that a rule learns a task, and that it learns it as well as another."""

from collections.abc import Mapping

from drtrl_bench.figures import selection
from drtrl_bench.paper import report
from drtrl_bench.paper.experiment import Claim, Verdict
from drtrl_bench.paper.learning import trainings
from drtrl_bench.paper.measures import intervals
from drtrl_bench.view.caption import Frame


def solved(rows: Frame, claim: Claim, rule: str, condition: str) -> Verdict:
    """Judge whether a rule solves a condition with every seed.

    If no rule does with any seed, the updates of this size are too few to judge. A rule that does not, by a rate at the
    end of the list, might by one beyond it.
    """
    own, every = trainings.of_rule(rows, rule, condition), rows[rows["condition"] == condition]
    number, test = int(own["solved"].sum()), intervals.of_column(own, "test_accuracy")
    measured = f"{number} of {len(own)} seeds solved ({condition}), test accuracy {test}"
    others = []
    for other in every["rule"].unique():
        found = trainings.of_rule(rows, other, condition)
        others += [f"{selection.ALGORITHMS[other][0]} {int(found['solved'].sum())}"] if other != rule else []
    job = own.iloc[0]
    why = f"solved: {100 * job['enough']:g} % of the validation trials right within {job['updates']} updates of "
    why += f"{job['batch']} trials, with every seed; other rules: {', '.join(others)} seeds"
    holds: bool | None = number == len(own)
    if not every["solved"].any():
        why, holds = f"{why}; no rule solves it in so few updates", None
    return judged(rows, claim, measured, why, holds, {False: own})


def as_good(rows: Frame, claim: Claim, rule: str, base: str, condition: str, margin: float, chance: float) -> Verdict:
    """Judge whether a rule's test accuracy is at most `margin` below that of another, which must be above chance.

    It is if the whole interval of the difference lies above -margin, and is not if the whole interval lies below; an
    interval that contains -margin leaves it open. So does a rate at the end of the list of the one that is behind, as
    one beyond it might be better.
    """
    own, others = (trainings.of_rule(rows, name, condition) for name in (rule, base))
    difference = trainings.paired(own, others, "test_accuracy")
    ours, theirs = (intervals.of_column(each, "test_accuracy") for each in (own, others))
    measured = f"test accuracy {ours}, {selection.ALGORITHMS[base][0]} {theirs}; "
    measured += f"difference of pairs {difference} ({condition})"
    why = f"limit: the interval of the difference above -{margin:g}, or below it for a no; chance {chance:.2g}; "
    why += f"{int(own['tested'].max())} test trials of each seed"
    holds = True if difference.low > -margin else False if difference.high < -margin else None
    if max(ours.low, theirs.low) <= chance + margin:
        why, holds = f"{why}; neither is clearly above chance", None
    return judged(rows, claim, measured, why, holds, {True: others, False: own})


def judged(
    rows: Frame, claim: Claim, measured: str, why: str, holds: bool | None, turning: Mapping[bool, Frame]
) -> Verdict:
    """Choose the verdict, and say which rates are at an end of the list: what a rate beyond it could turn stays open.

    turning: the trainings that, if they were better, would turn a yes (True) or a no (False).
    """
    found = {turned: trainings.ends(own) for turned, own in turning.items()}
    said = ", ".join(str(end) for ends in found.values() for end in ends)
    why += f"; {trainings.END}: {said}" if said else ""
    if holds is not None and found.get(holds):
        return Verdict(claim, report.outcome(rows, None), measured, f"{why}: one beyond it could turn this")
    return Verdict(claim, report.outcome(rows, holds), measured, why)
