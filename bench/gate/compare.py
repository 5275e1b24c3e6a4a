"""Two sets of records of the same cases, metric by metric: what changed, and whether that is a regression.

Bytes and fidelity are deterministic, so a small change is a change. Time on a shared machine is not: a slowdown is
called one only if the fastest round of each side says so and the medians of all rounds agree; `results/gate/` has the
rates of false and missed alarms that this leaves.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from drtrl_bench.case import Case
from drtrl_bench.gate import slowdown
from drtrl_bench.records.record import Record

BYTES = 1.01
"""More than this ratio of working memory is a regression."""
EXACT, ROUNDING, FIDELITY = 1e-5, 1e-6, 2e-4
"""A relative error against float64 BPTT below `EXACT` is of rounding, and more than `ROUNDING` added to it is a
regression; to a larger error, more than `FIDELITY`. So is a norm that moved by more than `FIDELITY`."""

WARN = 1.1
"""A ratio of times above this is worth a look."""
REGRESSIONS = ("slower", "larger", "less exact", "other", "apart", "wrong", "crashed", "vanished")
"""Verdicts that fail a gate."""


@dataclass(frozen=True)
class Change:
    """One metric of one case: its value before and after, their ratio with its interval, and the verdict."""

    case: str
    metric: str
    old: float | None
    new: float | None
    ratio: float | None
    low: float | None
    high: float | None
    verdict: str
    processor: bool = False
    """Whether a time is the processor's, which was judged, and not the clock's."""

    @property
    def regression(self) -> bool:
        return self.verdict in REGRESSIONS


def time_change(name: str, old: list[Record], new: list[Record]) -> Change | None:
    """The times that are judged. The ratio is of all samples; the verdict wants that of the fastest rounds, too."""
    before, after = slowdown.rounds(old), slowdown.rounds(new)
    if before and not after:
        was = float(np.median(np.concatenate([np.asarray(r) for r in before])))
        return Change(name, "time_s", was, None, None, None, None, "vanished")
    if not before:
        return None
    before, after, processor = slowdown.believed(old, new)
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
    if old is None:
        return None
    if new is None:
        return Change(name, metric, old, None, None, None, None, "vanished")
    ratio = new / old if old else None
    return Change(name, metric, old, new, ratio, None, None, judge(old, new))


def judge_bytes(old: float, new: float) -> str:
    return "larger" if new > BYTES * old else "smaller" if new < old / BYTES else "same"


def judge_error(old: float, new: float) -> str:
    allowed = allowance(old, new)
    return "less exact" if new > old + allowed else "more exact" if new < old - allowed else "same"


def allowance(*errors: float) -> float:
    """How far errors may lie apart: what was exact must stay so."""
    return ROUNDING if min(errors) < EXACT else FIDELITY


def largest(records: list[Record], *path: str) -> float | None:
    """The largest value at a path of the records that are ok."""
    found = []
    for record in records:
        value: Any = record if record["status"] == "ok" else None
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None:
            found.append(float(value))
    return max(found, default=None)


def latest(records: list[Record]) -> list[Record]:
    """The last record of each case and round: files are appended to, and what was measured again replaces it.

    Raises ValueError for a case with a field that is not known here.
    """
    known, kept = {f.name for f in fields(Case)}, {}
    for record in records:
        if odd := sorted(set(record["case"]) - known):
            raise ValueError(f"a case has the field {odd[0]!r}, which this version does not know; a newer one may")
        kept[Case(**record["case"]).key, record.get("round", 0)] = record
    return list(kept.values())


def environments_differ(old: list[Record], new: list[Record]) -> list[str]:
    """Which facts of machine and versions differ between two sides; "environment" if no more is known.

    Of the environment variables that were set, each that differs is named. Earlier records know nothing of them.
    """
    if {r["env_hash"] for r in old} == {r["env_hash"] for r in new}:
        return []
    facts = ("python", "versions", "os", "cpu", "cores", "memory_gib", "gpu")
    sides = [[r.get("environment") or {} for r in side] for side in (old, new)]
    values = {fact: [{str(e.get(fact)) for e in side} for side in sides] for fact in facts}
    differ = [fact for fact, (one, other) in values.items() if one != other]
    return differ + variables_differ(*sides) or ["environment"]


def variables_differ(*sides: Iterable[Mapping[str, Any]]) -> list[str]:
    """The environment variables that two sides of environments were not measured with alike, with their values."""
    tables = [[each.get("variables") or {} for each in side] for side in sides]
    found = []
    for name in sorted({name for side in tables for table in side for name in table}):
        one, other = ({str(table.get(name, "not set")) for table in side} for side in tables)
        if one != other:
            found.append(f"{name} ({' or '.join(sorted(one))}; {' or '.join(sorted(other))})")
    return found


def changes(old: list[Record], new: list[Record]) -> list[Change]:
    """Every metric of every case that either side has, in the order of the old side."""
    sides: list[dict[str, list[Record]]] = [{}, {}]
    for side, records in zip(sides, (old, new), strict=True):
        for record in records:
            side.setdefault(Case(**record["case"]).key, []).append(record)  # older files hold another hash
    found: list[Change] = []
    for key in dict.fromkeys([*sides[0], *sides[1]]):
        before, after = (side.get(key, []) for side in sides)
        name = Case(**(before or after)[0]["case"]).label
        if state := standing(before, after):
            found.append(Change(name, "status", None, None, None, None, None, state))
            continue
        pairs = (
            time_change(name, before, after),
            value_change(name, "working_bytes", *sized(before, after, "memory", "working_bytes"), judge_bytes),
            *gradient_changes(name, before, after),
        )
        found += [change for change in pairs if change]
    return found


def gradient_changes(name: str, old: list[Record], new: list[Record]) -> list[Change | None]:
    """The overall error; and, where that did not rise, what moved most of single weights' errors and of norms.

    A gradient that is another one is a regression until somebody says that it is wanted, even if its error fell: an
    approximation's error says little of its gradient, so the ratio of norms is compared, too.
    """
    error = ("fidelity", "overall", "error")
    overall = value_change(name, "error", *sized(old, new, *error), judge_error)
    if overall and overall.regression:
        return [overall]
    weights = [("per_parameter", weight) for weight in weights_of(old)]
    moved = [
        value_change(name, f"{said} of {'.'.join(at[1:]) or 'all'}", *sized(old, new, "fidelity", *at, key), judge)
        for key, said, judge in (("error", "error", judge_error), ("norm_ratio", "norm ratio", judge_norm))
        for at in (*weights, ("overall",))
    ]
    worst = [change for change in moved if change and change.regression]
    return [overall, *sorted(worst, key=furthest)[:1]]


def furthest(change: Change) -> float:
    """What a change of a weight is ranked by: one that is no more comes first."""
    return -abs(change.new - change.old) if change.new is not None and change.old is not None else -np.inf


def weights_of(records: list[Record]) -> list[str]:
    """The weights that have a fidelity of their own."""
    names = (name for r in records if r["status"] == "ok" for name in r["fidelity"].get("per_parameter") or ())
    return list(dict.fromkeys(names))


def judge_norm(old: float, new: float) -> str:
    return "other" if abs(new - old) > FIDELITY * abs(old) else "same"


def parity(records: list[Record]) -> list[Change]:
    """Cases of the same records that differ in the framework alone: their errors, the largest of each, must agree."""
    twins: dict[Case, dict[str, float]] = {}
    for record in records:
        if (error := largest([record], "fidelity", "overall", "error")) is not None:
            case = Case(**record["case"])
            of = twins.setdefault(replace(case, framework=""), {})
            of[case.framework] = max(error, of.get(case.framework, 0.0))
    found = []
    for case, errors in twins.items():
        if len(errors) == 2:
            (one, old), (other, new) = sorted(errors.items())
            verdict = "apart" if abs(new - old) > allowance(old, new) else "same"
            name = replace(case, framework=f"{one}/{other}").label
            found.append(Change(name, "parity", old, new, new / old if old else None, None, None, verdict))
    return found


def sized(old: list[Record], new: list[Record], *path: str) -> tuple[float | None, float | None]:
    return largest(old, *path), largest(new, *path)


def standing(old: list[Record], new: list[Record]) -> str | None:
    """The verdict on a case that cannot be compared by numbers, or None."""
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


def measured(found: list[Change]) -> bool:
    """Whether old and new were compared by numbers anywhere: a gate that measured nothing must not pass."""
    return any(change.metric not in ("status", "parity") for change in found)
