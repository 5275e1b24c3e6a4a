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
CONTAINED = "the interval contains the limit"


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
    measured = f"test accuracy {accuracies[rule]} ({condition}); {others(accuracies, {rule})}"
    measured += f"{published(rows, condition, own)}; {stopped} of {len(own)} seeds reached "
    measured += f"{job['enough']:g} in validation"
    controlled = rule != CONTROL and CONTROL in accuracies
    why = f"limit: for a yes the interval of the test accuracy above {job['enough']:g}{below(controlled)}; for a no "
    why += f"below it, and some rule's median not; {job['updates']} updates of {job['batch']} trials; "
    why += f"{trials(own)} test trials of each seed"
    holds, open_as = limits.within([accuracies[rule]], low=job["enough"]), CONTAINED
    if holds is False and all(each.median < job["enough"] for each in accuracies.values()):
        holds, open_as = None, "no rule solves it in so few updates"
        why += f"; {open_as}"
    if holds and controlled and limits.within([accuracies[CONTROL]], job["enough"]) is not False:
        why, holds, open_as = f"{why}; nor is {named(CONTROL)} clearly below it", None, f"{named(CONTROL)} may solve it"
    return judged(rows, claim, measured, why, holds, {False: own}, open_as)


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
    measured += f"({condition}); {others(accuracies, {rule, base})}{published(rows, condition, every[rule])}"
    controlled = CONTROL in every
    why = f"limit: for a yes the interval of the difference above -{margin:g}{below(controlled)}; for a no below it; "
    why += f"for either {named(base)}'s accuracy more than {margin:g} above chance, {chance:.2g}; "
    why += f"{trials(every[rule])} test trials of each seed"
    why += f"; {decays}" if (decays := trainings.decays_tried(every[rule])) else ""
    holds, open_as = limits.within([apart], low=-margin), CONTAINED
    if not accuracies[base].low > chance + margin:
        holds, open_as = None, f"{named(base)} is not clearly above chance"
        why += f"; {open_as}"
    elif holds is not False and controlled:
        as_good_too = limits.within([difference(every[CONTROL], every[base])], -margin)
        if as_good_too is not False:
            why += f"; nor is {named(CONTROL)} clearly worse: the task may ask for no credit over time"
            open_as = f"{named(CONTROL)} is as good, so that the task asks for no credit over time"
            if not as_good_too:
                open_as = (
                    f"{named(CONTROL)} may be as good"
                    if holds
                    else f"{CONTAINED}, and so does that of {named(CONTROL)}"
                )
            holds = None
    return judged(rows, claim, measured, why, holds, {True: every[base], False: every[rule]}, open_as)


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


def published(rows: Frame, condition: str, judged: Frame) -> str:
    """Say the test accuracies of what is trained as published in a condition; "" if nothing is.

    judged: the trainings of the rule that is judged, whose difference from each is said. No verdict is of it: the
    objective is another one, or the weights at the start are.
    """
    own = rows[(rows["framework"] == "jax") & (rows["condition"] == condition) & (rows["variant"] != "")]
    rule = named(str(judged["rule"].iloc[0]))
    told = [
        f"{named(str(name))} ({variant}) {accuracy(each)}, {rule} minus that {difference(judged, each)}"
        for (name, variant), each in own.groupby(["rule", "variant"], sort=False)
    ]
    return f"; as published: {'; '.join(told)}" if told else ""


def named(rule: str) -> str:
    """Return the name of a rule in a table."""
    return selection.ALGORITHMS[rule][0]


def unmeasured(rows: Frame, claim: Claim, rule: str) -> Verdict:
    """Leave a claim open, of which a rule was not trained, as where its framework is not installed."""
    why = f"{named(rule)} was not trained in JAX"
    return Verdict(claim, report.outcome(rows, None), "nothing was measured", why, open_as=why)


def judged(
    rows: Frame,
    claim: Claim,
    measured: str,
    why: str,
    holds: bool | None,
    turning: Mapping[bool, Frame],
    open_as: str,
) -> Verdict:
    """Choose the verdict, and say which rates and decays are at an end of their list: what one beyond may turn is open.

    turning: the trainings that, if they were better, would turn a yes (True) or a no (False). open_as: in a few words
    what leaves the claim open, if `holds` is None.
    """
    turned = []
    for words, ends in ((trainings.END, trainings.ends), (trainings.DECAY_END, trainings.decay_ends)):
        outer = {turns: ends(own) for turns, own in turning.items()}
        told = ", ".join(str(end) for found in outer.values() for end in found)
        why += f"; {words}: {told}" if told else ""
        turned += [words] if holds is not None and outer.get(holds) else []
    if turned:
        why, holds, open_as = f"{why}: one beyond it could turn this", None, " and ".join(turned)
    return Verdict(claim, report.outcome(rows, holds), measured, why, open_as=open_as if holds is None else "")
