"""Compare two sets of records of the same cases, metric by metric: what changed, and whether that is a regression.

Bytes and fidelity are deterministic, so a small change is a change. Time on a shared machine is not: a slowdown is a
regression only if it shows in the fastest round of each side and in the medians of all rounds. `results/gate/` has
the rates of false and missed alarms that this leaves.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from drtrl_bench.case import Case
from drtrl_bench.gate import slowdown
from drtrl_bench.records import parsing
from drtrl_bench.records.record import Record

BYTES = 1.01
"""More than this ratio of working memory is a regression."""
EXACT, ROUNDING, FIDELITY = 1e-5, 1e-6, 2e-4
"""Limits of relative errors against float64 BPTT. An error below `EXACT` is rounding, and a regression if it grows by
more than `ROUNDING`; a larger error is one if it grows by more than `FIDELITY`, and a norm if it changes so much."""

WARN = 1.1
"""A ratio of times above this is reported as a possible slowdown."""
REGRESSIONS = ("slower", "larger", "less exact", "other", "apart", "wrong", "crashed", "vanished")
"""Verdicts that fail a gate."""


@dataclass(frozen=True)
class Change:
    """One metric of one case: its value before and after, their ratio with its interval, and the verdict on it."""

    case: str
    metric: str
    old: float | None
    new: float | None
    ratio: float | None
    low: float | None
    high: float | None
    verdict: str
    processor: bool = False
    """Whether the times compared are the processor's and not the clock's."""

    @property
    def regression(self) -> bool:
        """Whether the verdict fails a gate."""
        return self.verdict in REGRESSIONS


def time_change(name: str, old: list[Record], new: list[Record]) -> Change | None:
    """Compare the times of a case. The ratio is of all samples; the verdict needs that of the fastest rounds, too."""
    before, after = slowdown.rounds(old), slowdown.rounds(new)
    if before and not after:
        was = float(np.median(np.concatenate([np.asarray(r) for r in before])))
        return Change(name, "time_s", was, None, None, None, None, "vanished")
    if not before:
        return None
    before, after, processor = slowdown.judged_samples(old, new)
    low, high = slowdown.ratio_interval(before, after)
    ratios = slowdown.ratios(before, after)
    verdict = "slower" if min(ratios) > slowdown.SLOWER else "slower?" if min(ratios) > WARN else "same"
    if max(ratios) < 1 / WARN:
        verdict = "faster"
    was, now = (float(np.median(np.concatenate([np.asarray(r) for r in side]))) for side in (before, after))
    return Change(name, "time_s", was, now, now / was, low, high, verdict, processor)


def value_change(
    name: str, metric: str, old: float | None, new: float | None, judge: Callable[[float, float], str]
) -> Change | None:
    """Compare the values of a metric; None if the old side has none."""
    if old is None:
        return None
    if new is None:
        return Change(name, metric, old, None, None, None, None, "vanished")
    ratio = new / old if old else None
    return Change(name, metric, old, new, ratio, None, None, judge(old, new))


def judge_bytes(old: float, new: float) -> str:
    """Return the verdict on bytes of working memory."""
    return "larger" if new > BYTES * old else "smaller" if new < old / BYTES else "same"


def judge_error(old: float, new: float) -> str:
    """Return the verdict on a relative error."""
    allowed = allowance(old, new)
    return "less exact" if new > old + allowed else "more exact" if new < old - allowed else "same"


def allowance(*errors: float) -> float:
    """Return how far errors may lie apart: an exact gradient must stay exact."""
    return ROUNDING if min(errors) < EXACT else FIDELITY


def largest(records: list[Record], *path: str) -> float | None:
    """Return the largest value at a path of the records that are ok; None if none has it."""
    values = []
    for record in records:
        value: Any = record if record["status"] == "ok" else None
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None:
            values.append(float(value))
    return max(values, default=None)


def latest(records: list[Record]) -> list[Record]:
    """Return the last record of each case and round: a case that is measured again is appended to its file.

    Raises ValueError for a case with a field that is not known here.
    """
    parsing.require_known_fields(records)
    last = {}
    for record in records:
        last[Case(**record["case"]).key, record.get("round", 0)] = record
    return list(last.values())


def environments_differ(old: list[Record], new: list[Record]) -> list[str]:
    """Name the facts of machine and versions in which two sides differ; "environment" if no more is known.

    Each environment variable that differs is named with its values. Earlier records do not hold them.
    """
    if {r["env_hash"] for r in old} == {r["env_hash"] for r in new}:
        return []
    facts = ("python", "versions", "os", "cpu", "cores", "memory_gib", "gpu")
    sides = [[r.get("environment") or {} for r in side] for side in (old, new)]
    values = {fact: [{str(e.get(fact)) for e in side} for side in sides] for fact in facts}
    differ = [fact for fact, (before, after) in values.items() if before != after]
    return differ + variables_differ(*sides) or ["environment"]


def variables_differ(*sides: Iterable[Mapping[str, Any]]) -> list[str]:
    """Name the environment variables in which two sides of environments differ, with the values on each side."""
    tables = [[environment.get("variables") or {} for environment in side] for side in sides]
    differences = []
    for name in sorted({name for side in tables for table in side for name in table}):
        before, after = ({str(table.get(name, "not set")) for table in side} for side in tables)
        if before != after:
            differences.append(f"{name} ({' or '.join(sorted(before))}; {' or '.join(sorted(after))})")
    return differences


def changes(old: list[Record], new: list[Record]) -> list[Change]:
    """Compare every metric of every case that either side has, in the order of the old side."""
    sides: list[dict[str, list[Record]]] = [{}, {}]
    for side, records in zip(sides, (old, new), strict=True):
        for record in records:
            side.setdefault(Case(**record["case"]).key, []).append(record)  # older files hold another hash
    compared: list[Change] = []
    for key in dict.fromkeys([*sides[0], *sides[1]]):
        before, after = (side.get(key, []) for side in sides)
        name = Case(**(before or after)[0]["case"]).label
        if state := status_verdict(before, after):
            compared.append(Change(name, "status", None, None, None, None, None, state))
            continue
        pairs = (
            time_change(name, before, after),
            value_change(name, "working_bytes", *largest_pair(before, after, "memory", "working_bytes"), judge_bytes),
            *gradient_changes(name, before, after),
        )
        compared += [change for change in pairs if change]
    return compared


def gradient_changes(name: str, old: list[Record], new: list[Record]) -> list[Change | None]:
    """Compare gradients: the overall error, and unless that rose, the weight's error or the norm that changed most.

    A gradient that changed is a regression until a new baseline accepts it, even if its error fell: the error of an
    approximation says little about the gradient, so the ratio of norms is compared, too.
    """
    error = ("fidelity", "overall", "error")
    overall = value_change(name, "error", *largest_pair(old, new, *error), judge_error)
    if overall and overall.regression:
        return [overall]
    weights = [("per_parameter", weight) for weight in weights_of(old)]
    moved = [
        value_change(
            name, f"{title} of {'.'.join(at[1:]) or 'all'}", *largest_pair(old, new, "fidelity", *at, key), judge
        )
        for key, title, judge in (("error", "error", judge_error), ("norm_ratio", "norm ratio", judge_norm))
        for at in (*weights, ("overall",))
    ]
    worse = [change for change in moved if change and change.regression]
    return [overall, *sorted(worse, key=rank)[:1]]


def rank(change: Change) -> float:
    """Return the key that sorts changes of weights: first those without a new value, then by their size."""
    return -abs(change.new - change.old) if change.new is not None and change.old is not None else -np.inf


def weights_of(records: list[Record]) -> list[str]:
    """List the weights whose gradient has a fidelity of its own."""
    names = (name for r in records if r["status"] == "ok" for name in r["fidelity"].get("per_parameter") or ())
    return list(dict.fromkeys(names))


def judge_norm(old: float, new: float) -> str:
    """Return the verdict on a ratio of norms."""
    return "other" if abs(new - old) > FIDELITY * abs(old) else "same"


def parity(records: list[Record]) -> list[Change]:
    """Compare cases that differ in the framework alone: the largest errors of both must agree."""
    twins: dict[Case, dict[str, float]] = {}
    for record in records:
        if (error := largest([record], "fidelity", "overall", "error")) is not None:
            case = Case(**record["case"])
            errors = twins.setdefault(replace(case, framework=""), {})
            errors[case.framework] = max(error, errors.get(case.framework, 0.0))
    compared = []
    for case, errors in twins.items():
        if len(errors) == 2:
            (first, old), (second, new) = sorted(errors.items())
            verdict = "apart" if abs(new - old) > allowance(old, new) else "same"
            name = replace(case, framework=f"{first}/{second}").label
            compared.append(Change(name, "parity", old, new, new / old if old else None, None, None, verdict))
    return compared


def largest_pair(old: list[Record], new: list[Record], *path: str) -> tuple[float | None, float | None]:
    """Return the `largest` value of each side."""
    return largest(old, *path), largest(new, *path)


def status_verdict(old: list[Record], new: list[Record]) -> str | None:
    """Return the verdict on a case that cannot be compared by numbers, or None."""
    was_ok = any(r["status"] == "ok" for r in old)
    worst = {r["status"] for r in new}
    if not new:
        return "vanished" if was_ok else "gone"
    if "wrong" in worst:
        return "wrong"
    if worst & {"error", "timeout", "oom"}:
        return "crashed" if was_ok or not old else "broken before"
    if "skip" in worst:
        return "vanished" if was_ok else "skipped"
    if not old:
        return "new"
    return None if was_ok else "mended"


def has_numbers(compared: list[Change]) -> bool:
    """Return whether any number of old and new was compared: a gate that compared none must not pass."""
    return any(change.metric not in ("status", "parity") for change in compared)
