"""Judges experiment 2.4: the direction of each rule's gradient in every setting."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from drtrl_bench.paper import report
from drtrl_bench.paper.experiment import Claim, Verdict
from drtrl_bench.paper.measures import intervals, limits
from drtrl_bench.view.caption import Frame

Settings = Mapping[str, Frame]
"""The rows of each setting, by its name."""
Rules = Mapping[str, str]
"""The rule of each setting."""
LIMIT = 0.9
"""The same direction: the interval of the median cosine lies above this in every setting."""


def values(rows: Frame, rule: str, column: str = "cosine") -> Any:
    """Return a column's values of a rule as [seeds, samples]."""
    return intervals.by_seed(rows, column)[..., list(rows["rules"].iloc[0]).index(rule)]


def by_setting(rows: Frame, *by: str) -> dict[str, Frame]:
    """Return the rows of each setting, which differ in these columns."""
    return {" ".join(map(str, key)): own for key, own in rows.groupby(list(by), sort=False)}  # type: ignore[arg-type]


def place(part: str) -> str:
    """Return the name of a hidden layer, with the lowest as layer 1, as figures count."""
    return f"layer {int(part.removeprefix('layer')) + 1}"


def best_rank(rows: Frame) -> str:
    """Return the rule that is ES-D-RTRL at the rank of the highest median cosine, of one setting."""
    ranks = [rule for rule in rows["rules"].iloc[0] if rule.endswith(" corrected")]
    return max(ranks, key=lambda rule: np.nan_to_num(intervals.median(values(rows, rule).ravel()), nan=-1))


def middle(every: Settings, rules: Rules, column: str) -> float:
    """Return the median over the settings of the median in each; nan if there is none."""
    medians = [intervals.median(values(own, rules[name], column).ravel()) for name, own in every.items()]
    return float(intervals.median(medians)) if medians else math.nan


def without_trace(every: Settings) -> str:
    """Say of the control in how many settings it is above the limit, as of the rules."""
    above = sum(intervals.summary(values(own, "no_trace")).low > LIMIT for own in every.values())
    median = middle(every, dict.fromkeys(every, "no_trace"), "cosine")
    return f"without any trace {above} of {len(every)} settings above it, median {median:.3f}"


def direction(rows: Frame, claim: Claim, own: Frame, every: Settings, rules: Rules, *notes: str) -> Verdict:
    """Judge whether the cosine is above the limit in every setting; own: the rows of all of them."""
    summaries = {setting: intervals.summary(values(each, rules[setting])) for setting, each in every.items()}
    why = "; ".join([
        f"limit: the interval above {LIMIT} in every setting",
        *notes,
        f"median of the settings {middle(every, rules, 'cosine'):.3f}, norm ratio "
        f"{middle(every, rules, 'norm_ratio'):.3f}",
        report.activity(own),
        *([] if claim.study == "depth" else [report.rates(every, {name: s.median for name, s in summaries.items()})]),
    ])  # fmt: skip
    outcome = report.outcome(rows, limits.within(summaries.values(), low=LIMIT))
    return Verdict(claim, outcome, limits.counted(summaries, LIMIT, "settings"), why, report.datasets(own))


def order(rows: Frame, claim: Claim, own: Frame, every: Settings, best: Rules) -> Verdict:
    """Judge whether D-RTRL's gradient is the closer one in every setting."""
    closer = {name: intervals.summary(values(each, "drtrl") - values(each, best[name])) for name, each in every.items()}
    return Verdict(
        claim,
        report.outcome(rows, limits.within(closer.values(), low=0)),
        f"cosine of D-RTRL minus that of ES-D-RTRL, paired: {limits.counted(closer, 0, 'settings')}",
        f"limit: the interval above 0 in every setting; ES-D-RTRL at the best rank of each; {report.activity(own)}",
        report.datasets(own),
    )


def verdicts(rows: Frame, claims: Mapping[str, Claim]) -> list[Verdict]:
    """Judge the gradients of hidden layers; that of the readout is exact in D-RTRL by construction."""
    whole = rows["part"].str.fullmatch(r"layer\d+") & (rows["warm_up"] == 0) & (rows["framework"] == "jax")
    models, deep = (rows[whole & (rows["study"] == study)] for study in ("models", "depth"))
    each = by_setting(models, "cell", "dataset", "steps")
    layers = by_setting(
        deep.assign(place=deep["part"].map(place) + deep["layers"].map(" of {}".format)), "cell", "place"
    )
    best = {name: best_rank(own) for name, own in each.items()}
    ranks = ", ".join(sorted({rule.split()[1] for rule in best.values()}, key=int))
    control = without_trace(each)
    chosen = f"the best rank of each setting, one of {ranks}, chosen on these samples, which favours it"
    return [
        direction(rows, claims["drtrl"], models, each, dict.fromkeys(each, "drtrl"), control),
        direction(rows, claims["es_drtrl"], models, each, best, chosen, control),
        direction(rows, claims["depth"], deep, layers, dict.fromkeys(layers, "drtrl")),
        order(rows, claims["order"], models, each, best),
    ]
