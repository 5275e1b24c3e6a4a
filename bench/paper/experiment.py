"""Says what a module of an experiment offers.

A module of an experiment, in `drtrl_bench.paper.studies` or `drtrl_bench.paper.tasks`, has

    ABOUT                 what it asks, and which claims it judges
    SIZES                 "cpu" and "paper": a frozen dataclass of numbers each
    jobs(size)            the jobs of a size: what decides a job's rows, and nothing else, seed among it
    compute(job)          the rows of one job, the same at every call
    figures(rows)         the figures and the points that each plots, by name, from the rows of all jobs
    verdicts(rows)        a verdict on each claim, from the rows of all jobs

and, if it measures time or memory,

    case(job)             the case whose sources count as the job's, and on whose threads and device the job is
                          computed, in a process of its own; its rows are those of one run, and differ at every call
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

SIZES = ("cpu", "paper")
"""cpu: minutes on two cores. paper: the numbers of the published code."""
Outcome = Literal[
    "reproduced", "not reproduced", "only at reduced size", "not at reduced size", "cannot be judged here"
]
"""What a verdict can be: `report.outcome` chooses."""
IN_SHORT = {
    "reproduced": "yes",
    "not reproduced": "no",
    "only at reduced size": "yes, at reduced size",
    "not at reduced size": "no, at reduced size",
    "cannot be judged here": "open",
}
"""What a verdict is called in the table of the abstract's phrases."""

Job = dict[str, Any]
"""What decides the rows of a job: numbers, texts and lists of them. "dataset" names its data set, if it has one."""
Row = dict[str, Any]
"""A row of numbers and texts; None where a number is undefined."""


@dataclass(frozen=True)
class Claim:
    """A sentence that the paper, or the code published with it, says or takes for granted."""

    text: str
    source: str
    """Where it stands: [code] a file of the published code, [page] a page of the paper."""
    study: str = ""
    """The study whose jobs judge it; empty: all jobs of the experiment do."""


@dataclass(frozen=True)
class About:
    """What an experiment is."""

    section: str
    """Its number in docs/paper.md."""
    title: str
    question: str
    claims: Mapping[str, Claim]
    cpu_seconds: float | None = None
    """Seconds of a core that the jobs of size cpu take together, compilation among them, as measured or as counted from
    the updates of other runs; None: not known yet."""
    instead: str = ""
    """What takes the place of published data, targets, networks or ways to train at every size, in words for a verdict;
    empty: nothing does."""


@dataclass(frozen=True)
class Verdict:
    """What the rows say of a claim."""

    claim: Claim
    outcome: Outcome
    measured: str
    """The number with its interval, in words."""
    why: str
    data: str | None = None
    """The data that it is of, if not all of the experiment's."""
    open_as: str = ""
    """Why it cannot be judged here, in a few words; empty for other outcomes."""


def with_replaced(about: About, verdicts: list[Verdict]) -> list[Verdict]:
    """Add to the reason of each verdict what takes the place of something published."""
    return [replace(verdict, why=f"{verdict.why}; {about.instead}") for verdict in verdicts]
