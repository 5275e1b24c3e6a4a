"""Count the alarms of the gate's self-test: false ones in A/A comparisons, and injected regressions that were caught.

A quartet is four records of one case, in the order A B B A of their measurement.
"""

from typing import cast

from drtrl_bench import plan as plans
from drtrl_bench.gate import compare, injected, selftest, slowdown, verdict
from drtrl_bench.gate.injected import Injected
from drtrl_bench.records.record import Record, Time

Quartet = list[Record]


def quartets_by_case(lines: list[Record], plan: str = selftest.A_A) -> list[list[Quartet]]:
    """Return the complete quartets of every case among the records of a plan."""
    by_case: dict[str, dict[int, Quartet]] = {}
    for line in sorted(lines, key=lambda line: line["round"]):
        if line["plan"] == plan:
            by_case.setdefault(line["case_key"], {}).setdefault(line["round"] // selftest.QUARTET, []).append(line)
    complete = ([each for each in rounds.values() if len(each) == selftest.QUARTET] for rounds in by_case.values())
    return [quartets for quartets in complete if quartets]


def false_alarms(lines: list[Record]) -> tuple[int, int]:
    """Count the A/A comparisons with a regression in any metric of any case, and all A/A comparisons."""
    alarmed, number = set(), 0
    for quartets in quartets_by_case(lines):
        comparisons = windows(quartets)
        number = max(number, len(comparisons))
        for index, looks in enumerate(comparisons):
            a, b, c, d = looks[0]
            changes = compare.changes([a, d], [b, c])
            if any(change.regression and change.verdict != "slower" for change in changes):
                alarmed.add(index)
            if slower(looks):
                alarmed.add(index)
    return len(alarmed), number


def windows(quartets: list[Quartet]) -> list[list[Quartet]]:
    """Return the comparisons of a case: a quartet and those after it, which serve as its further looks."""
    return [quartets[i : i + slowdown.LOOKS] for i in range(len(quartets) - slowdown.LOOKS + 1)]


def slower(quartets: list[Quartet], factor: float = 1.0, swapped: bool = False) -> bool:
    """Return whether the gate calls B slower if its samples were `factor` times as long.

    quartets: `slowdown.LOOKS` of one case, since the gate measures a slower case again before it decides. swapped: A
    and B change places.
    """
    old: list[Record] = []
    new: list[Record] = []
    for a, b, c, d in quartets:
        old += [b, c] if swapped else [a, d]
        new += [scale(line, factor) for line in ([a, d] if swapped else [b, c])]
        if not slowdown.slower(old, new):
            return False
    return True


def scale(line: Record, factor: float) -> Record:
    """Return the record as if each of its samples had been `factor` times as long."""
    kinds = ("samples_s", "cpu_samples_s")
    times = {kind: [factor * s for s in line["time"].get(kind) or ()] for kind in kinds}
    return {**line, "time": cast(Time, line["time"] | times)}


def count_slower(quartets: list[Quartet], factor: float = 1.0, both: bool = True) -> tuple[int, int]:
    """Count the comparisons of a case in which the gate calls B slower, and all comparisons of the case.

    both: compare A and B in both orders; not so if B alone was slowed down.
    """
    orders = (False, True) if both else (False,)
    calls = [slower(looks, factor, swapped) for looks in windows(quartets) for swapped in orders]
    return sum(calls), len(calls)


def remeasurement_alarms(lines: list[Record]) -> tuple[int, int]:
    """Count the later measurements of bytes and fidelity that fail against the first, and all later measurements."""
    plan = plans.read(verdict.PLAN)
    rounds: dict[int, list[Record]] = {}
    for line in of_last_commit([line for line in lines if line["plan"] == verdict.PLAN]):
        rounds.setdefault(line["round"], []).append(line)
    expected, *later = [rounds[index] for index in sorted(rounds)] or [[]]
    alarms = 0
    for now in later:
        changes = compare.changes(expected, now) + compare.parity(now)
        alarms += verdict.exit_code(changes) != verdict.OK or bool(
            verdict.uncompared(plan, changes, "working_bytes", "error")
        )
    return alarms, len(later)


def count_caught(lines: list[Record], regression: Injected) -> tuple[int, int]:
    """Count the cases with the verdict of an injected regression, among those that it changes, and all of these."""
    names = (selftest.UNCHANGED, injected.plan_name(regression))
    measured = of_last_commit([line for line in lines if line["plan"] in names])
    unchanged, changed = ([line for line in measured if line["plan"] == name] for name in names)
    verdicts: dict[str, set[str]] = {}
    for change in compare.changes(unchanged, changed):
        if regression.words <= set(change.case.split()):
            verdicts.setdefault(change.case, set()).add(change.verdict)
    caught = [bool(of_case & regression.verdicts) for of_case in verdicts.values()]
    return sum(caught) if changed else 0, len(caught)


def of_last_commit(lines: list[Record]) -> list[Record]:
    """Return the records of the commit that was measured last: a change between commits is no fault of the gate."""
    return [line for line in lines if line.get("commit") == lines[-1].get("commit")]
