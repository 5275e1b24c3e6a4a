"""Tells of jobs that ran out of memory: such a job has one row, which says so, and the run goes on.

Figures and verdicts are of the other jobs; captions and verdicts say which are lacking. Experiments of time and memory
have rows of their own for what memory did not hold, and draw and judge them.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from drtrl_bench.paper.experiment import Job, Row

STATUS = "oom"
LACKING = re.compile("MemoryError|bad_alloc|RESOURCE_EXHAUSTED|(allocate|enough|out of|lack of) memory", re.IGNORECASE)
"""How Python and the frameworks say that memory ran out."""
SIZES = {"neurons": "N = ", "steps": "T = "}
"""Fields of a job that say at which size memory ran out, and what they are called."""
OTHERS = {"framework": "", "rule": "", "cell": "", "dataset": "", "layers": "layers "}
"""Those that are told only where they tell the jobs from those that did not run out."""


def row(reason: str) -> Row:
    """Return the row of a job that ran out of memory."""
    return {"status": STATUS, "reason": reason}


def attempt(compute: Callable[[Job], list[Row]], job: Job) -> list[Row]:
    """Compute the rows of a job; one with the status "oom" if Python or a framework says that memory ran out."""
    try:
        return compute(job)
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not LACKING.search(str(error)):
            raise
        return [row((str(error).splitlines() or ["out of memory"])[0][:200])]


def ran_out(line: Mapping[str, Any]) -> bool:
    """Tell whether memory ran out in the job of a result."""
    return any(each.get("status") == STATUS for each in line["rows"])


def told(gone: Iterable[Job], jobs: Iterable[Job]) -> dict[str, str]:
    """Say of each study where its jobs ran out of memory, and how many did of all its jobs.

    A job without a study is of the study "".
    """
    gone, jobs = list(gone), list(jobs)
    places: dict[str, str] = {}
    for study in dict.fromkeys(job.get("study", "") for job in gone):
        own, every = ([job for job in each if job.get("study", "") == study] for each in (gone, jobs))
        of = f" of {study}" if study else ""
        places[study] = f"{place(own, every)} ({len(own)} of {len(every)} jobs{of})"
    return places


def place(own: list[Job], every: list[Job] | None = None) -> str:
    """Say where jobs ran out of memory: their size, and what else tells them from all jobs, if these are given."""
    from drtrl_bench.figures import selection  # which imports matplotlib, that a process has no need of which measures

    names = selection.FRAMEWORKS | {rule: name for rule, (name, *_) in selection.ALGORITHMS.items()}
    parts = []
    for field, words in (OTHERS | SIZES).items():
        values, usual = ({job[field] for job in jobs if field in job} for jobs in (own, every or own))
        if values and (values != usual or field in SIZES):
            parts.append(words + " ".join(str(names.get(value, value)) for value in sorted(values)))
    return ", ".join(parts) or "some"


def where(rows: Any, studies: Iterable[str] = ()) -> str:
    """Say where the jobs of studies ran out of memory, of all if none is named; "" if none did."""
    of = set(studies)
    return "; ".join(text for study, text in rows.attrs.get("lost", {}).items() if not of or study in of)
