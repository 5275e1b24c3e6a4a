"""Judges claims that a rule learns a task, and that it learns it as well as another.

An interval of a test accuracy is over seeds and over the trials that the test might have had instead: `testing.py`.
"""

from collections.abc import Iterable, Mapping

from drtrl_bench.figures import selection
from drtrl_bench.paper import report
from drtrl_bench.paper.experiment import Claim, Verdict
from drtrl_bench.paper.learning import trainings
from drtrl_bench.paper.learning.testing import accuracy, difference, trials
from drtrl_bench.paper.measures import intervals, limits
from drtrl_bench.view.caption import Frame

CONTROL = "no_trace"
"""The rule that gives no credit to earlier steps: a task that it learns as well shows nothing of the others."""


def solved(rows: Frame, claim: Claim, rule: str, condition: str) -> Verdict:
    """Judge whether a rule solves a condition: whether its test accuracy is as high as ends a training, `enough`.

    If no rule's median is, the updates of this size are too few for a no, and if the control's may be, the task asks
    for too little for a yes. A rule that does not solve it, by a rate at the end of the list, might by one beyond it.
    """
    own, every = trainings.of_rule(rows, rule, condition), tested(rows, condition)
    if own.empty:
        return unmeasured(rows, claim, rule)
    job, accuracies = own.iloc[0], {name: accuracy(each) for name, each in every.items()}
    stopped = int(own["solved"].sum())
    measured = (
        f"test accuracy {accuracies[rule]} ({condition}); {others(accuracies, {rule})}{published(rows, condition)}; "
    )
    measured += f"{stopped} of {len(own)} seeds reached {job['enough']:g} in validation"
    controlled = rule != CONTROL and CONTROL in accuracies
    why = f"limit: for a yes the interval of the test accuracy above {job['enough']:g}{below(controlled)}; for a no "
    why += f"below it, and some rule's median not; {job['updates']} updates of {job['batch']} trials; "
    why += f"{trials(own)} test trials of each seed"
    holds = limits.within([accuracies[rule]], low=job["enough"])
    if holds is False and all(each.median < job["enough"] for each in accuracies.values()):
        why, holds = f"{why}; no rule solves it in so few updates", None
    if holds and controlled and limits.within([accuracies[CONTROL]], job["enough"]) is not False:
        why, holds = f"{why}; nor is {named(CONTROL)} clearly below it", None
    return judged(rows, claim, measured, why, holds, {False: own})


def as_good(rows: Frame, claim: Claim, rule: str, base: str, condition: str, margin: float, chance: float) -> Verdict:
    """Judge whether a rule's test accuracy is at most `margin` below that of another, which must be above chance.

    It is if the whole interval of the difference lies above -margin, and is not if the whole interval lies below; an
    interval that contains -margin leaves it open. So does a control that is not clearly worse than the other: the task
    then asks for no credit over time. So does a rate at the end of the list of the one that is behind, as one beyond it
    might be better.
    """
    every = tested(rows, condition)
    for name in (rule, base):
        if name not in every:
            return unmeasured(rows, claim, name)
    accuracies = {name: accuracy(each) for name, each in every.items()}
    apart = difference(every[rule], every[base])
    measured = f"test accuracy {accuracies[rule]}, {named(base)} {accuracies[base]}; difference of pairs {apart} "
    measured += f"({condition}); {others(accuracies, {rule, base})}{published(rows, condition)}"
    controlled = CONTROL in every
    why = f"limit: for a yes the interval of the difference above -{margin:g}{below(controlled)}; for a no below it; "
    why += f"for either {named(base)}'s accuracy more than {margin:g} above chance, {chance:.2g}; "
    why += f"{trials(every[rule])} test trials of each seed"
    holds = limits.within([apart], low=-margin)
    if not accuracies[base].low > chance + margin:
        why, holds = f"{why}; {named(base)} is not clearly above chance", None
    elif holds and controlled and limits.within([difference(every[CONTROL], every[base])], -margin) is not False:
        why, holds = f"{why}; nor is {named(CONTROL)} clearly worse: the task may ask for no credit over time", None
    return judged(rows, claim, measured, why, holds, {True: every[base], False: every[rule]})


def below(controlled: bool) -> str:
    """Say what a limit asks of the control, if it was trained."""
    return f", and that of {named(CONTROL)} below it" if controlled else ""


def tested(rows: Frame, condition: str) -> dict[str, Frame]:
    """Return the trainings in JAX of each rule in a condition, in the order of the rows."""
    by_rule = {str(rule): trainings.of_rule(rows, str(rule), condition) for rule in rows["rule"].unique()}
    return {rule: own for rule, own in by_rule.items() if len(own)}


def others(accuracies: Mapping[str, intervals.Summary], left_out: Iterable[str]) -> str:
    """Say the test accuracies of the other rules, the controls among them."""
    told = [f"{named(rule)} {each.median:.3f}" for rule, each in accuracies.items() if rule not in left_out]
    return f"others: {', '.join(told) or 'none'}"


def published(rows: Frame, condition: str) -> str:
    """Say the test accuracies of what is trained as published in a condition; "" if nothing is.

    They are compared with no rule's: the objective is another one, or the weights at the start are.
    """
    own = rows[(rows["framework"] == "jax") & (rows["condition"] == condition) & (rows["variant"] != "")]
    told = [
        f"{named(str(rule))} ({variant}) {accuracy(each).median:.3f}"
        for (rule, variant), each in own.groupby(["rule", "variant"], sort=False)
    ]
    return f"; as published: {', '.join(told)}" if told else ""


def named(rule: str) -> str:
    """Return the name of a rule in a table."""
    return selection.ALGORITHMS[rule][0]


def unmeasured(rows: Frame, claim: Claim, rule: str) -> Verdict:
    """Leave a claim open, of which a rule was not trained, as where its framework is not installed."""
    return Verdict(claim, report.outcome(rows, None), "nothing was measured", f"{named(rule)} was not trained in JAX")


def judged(
    rows: Frame, claim: Claim, measured: str, why: str, holds: bool | None, turning: Mapping[bool, Frame]
) -> Verdict:
    """Choose the verdict, and say which rates are at an end of the list: what a rate beyond it could turn stays open.

    turning: the trainings that, if they were better, would turn a yes (True) or a no (False).
    """
    outer = {turned: trainings.ends(own) for turned, own in turning.items()}
    rates = ", ".join(str(end) for ends in outer.values() for end in ends)
    why += f"; {trainings.END}: {rates}" if rates else ""
    if holds is not None and outer.get(holds):
        return Verdict(claim, report.outcome(rows, None), measured, f"{why}: one beyond it could turn this")
    return Verdict(claim, report.outcome(rows, holds), measured, why)
