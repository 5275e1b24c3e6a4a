"""The gate put to the test: the checkout against itself, and against itself with a regression planted.

A/A comparisons are the gate's own measurement of `gate_speed` with both sides at the same commit, one quartet of rounds
A B B A per case; and of what it demands of all cases of `gate`, bytes and fidelity, measured again and again. Planted
regressions are appended to sources in a throw-away worktree and measured as any revision is. All of it goes to one
record file, which a later call goes on with: the plan of a record says what was planted.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

from drtrl_bench import plan as plans
from drtrl_bench.case import Plan
from drtrl_bench.files import textfile
from drtrl_bench.gate import compare, injected, revisions, slowdown, verdict
from drtrl_bench.gate.injected import Injected
from drtrl_bench.gate.revisions import Report
from drtrl_bench.process import scratch
from drtrl_bench.records import appending, reading
from drtrl_bench.records.record import Record, Time

QUARTET = 4
"""Rounds of one look at a case: A B B A."""
MOST_BYTES = 256 * 2**20
"""Of the record file; the committed one has 4.4 MB."""
FACTORS = (1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2.0)
ALIKE, HONEST = verdict.SPEED_PLAN, "planted nothing"
"""Plans under which records without a regression are kept."""

PLANTED_IN = {("drtrl", "lif_delta"), ("bptt", "lif_delta")}
"""Algorithm and cell of the cases with which planted regressions are measured."""
SLOWED = {"drtrl"}
"""The algorithms with which slowdowns are measured: they are planted around the call, whatever the algorithm."""
SLOWDOWNS = (1.2, 1.5)
"""Factors that are planted in earnest; `FACTORS` are what samples of A/A comparisons are multiplied with."""


def plan() -> Plan:
    """What planted regressions are measured with: the cases of `gate` in which D-RTRL or BPTT trains LIF neurons."""
    whole = plans.read(verdict.PLAN)
    cases_of = (case for case in whole.cases if (case.algorithm, case.cell) in PLANTED_IN)
    return replace(whole, cases=tuple(cases_of))


def kept(path: Path) -> list[Record]:
    """The records of rehearsals so far; none if there is no file yet. Raises UnreadableError."""
    if not path.exists():
        return []
    require(path)
    return reading.read(path)


def require(path: Path) -> None:
    """Raises UnreadableError for records of rehearsals that are no regular file, or larger than they may be."""
    textfile.require(path, MOST_BYTES)


def append(path: Path, lines: list[Record], name: str, first: int = 0, weights: bool = False) -> None:
    """Adds records under a plan's name, in the order of their measurement, rounds counted from `first`."""
    known = {e["env_hash"] for e in reading.lines(path)} if path.exists() else set()
    for line in sorted(lines, key=lambda line: (line.get("started") or "", line["round"])):
        described = line.get("environment")
        if described and described["env_hash"] not in known:
            known.add(described["env_hash"])
            appending.append(path, described)
        appending.append(path, {**brief(line, weights), "plan": name, "round": line["round"] + first})


def brief(line: Record, weights: bool) -> Record:
    """A record reduced to what a gate compares, with samples to four digits: there are hundreds of them.

    weights: whether to keep what is compared of each weight's gradient.
    """
    rest = {key: value for key, value in line.items() if key not in ("environment", "source")}
    time = {key: value for key, value in line["time"].items() if key in ("median_s", "low_s", "high_s", "load", "busy")}
    names = ("samples_s", "cpu_samples_s")
    samples = {name: [float(f"{s:.4g}") for s in line["time"].get(name) or ()] for name in names}
    fidelity = {key: value for key, value in line["fidelity"].items() if key == "overall"}
    if weights:
        each = line["fidelity"].get("per_parameter") or {}
        fidelity["per_parameter"] = {k: {m: (v or {}).get(m) for m in ("error", "norm_ratio")} for k, v in each.items()}
    return cast(Record, rest | {"time": time | samples if time else {}, "fidelity": fidelity})


def alike(path: Path, number: int, report: Report) -> None:
    """Measures A/A comparisons until the file at `path` holds `number` of every case."""
    interleave(path, ALIKE, plans.read(verdict.SPEED_PLAN), number, report)


def slowed(factor: float) -> str:
    """The plan of the records of comparisons with a slowdown planted in earnest."""
    return f"planted {factor:g}x slower"


def slow(path: Path, number: int, report: Report) -> None:
    """Measures comparisons with each of the `SLOWDOWNS` planted, until the file at `path` holds `number` of each.

    Of the cases of `SLOWED` alone.
    """
    whole = plans.read(verdict.SPEED_PLAN)
    some = replace(whole, cases=tuple(case for case in whole.cases if case.algorithm in SLOWED))

    def edit(factor: float, tree: Path) -> None:
        for framework in ("jax", "torch"):
            append_code(tree / f"bench/measure/backend_{framework}.py", injected.SLOWED_DOWN.format(factor=factor))

    for factor in SLOWDOWNS:
        interleave(path, slowed(factor), some, number, report, partial(edit, factor))


def interleave(
    path: Path, name: str, what: Plan, number: int, report: Report, edit: Callable[[Path], None] | None = None
) -> None:
    """Measures quartets of HEAD against HEAD, or against it with an edit, until every case has `number` of them."""
    done = {(line["case_key"], line["round"] // QUARTET) for line in kept(path) if line["plan"] == name}
    for index in range(number):
        if lacking := tuple(case for case in what.cases if (case.key, index) not in done):
            report(f"{name}: comparison {index + 1} of {number}")
            old, new = revisions.interleaved(("HEAD", "HEAD"), replace(what, cases=lacking), report, edit=edit)
            append(path, [*old, *new], name, QUARTET * index)


def again(path: Path, number: int, report: Report) -> None:
    """Measures what is the same on every run, of all cases of the gate, until the file at `path` has it that often."""
    whole = plans.read(verdict.PLAN)
    commit = revisions.resolved("HEAD")
    rounds = [line["round"] for line in kept(path) if line["plan"] == verdict.PLAN and line.get("commit") == commit]
    for index in range(max(rounds, default=-1) + 1, number):
        report(f"{verdict.PLAN}: bytes and fidelity of {len(whole.cases)} cases, {index + 1} of {number}")
        with revisions.checkout("HEAD") as tree, scratch.folder() as folder:
            lines = [line for case in whole.cases for line in revisions.measure_once(tree, case, whole, folder, report)]
        append(path, [{**line, "time": {}} for line in lines], verdict.PLAN, index, weights=True)


def alarms_again(lines: list[Record]) -> tuple[int, int]:
    """How often the gate, its baseline being the first measurement of all its cases, would fail a later one."""
    whole = plans.read(verdict.PLAN)
    rounds: dict[int, list[Record]] = {}
    for line in of_last_commit([line for line in lines if line["plan"] == verdict.PLAN]):
        rounds.setdefault(line["round"], []).append(line)
    expected, *later = [rounds[index] for index in sorted(rounds)] or [[]]
    alarms = 0
    for now in later:
        found = compare.changes(expected, now) + compare.parity(now)
        alarms += verdict.exit_code(found) != verdict.OK or bool(
            verdict.uncompared(whole, found, "working_bytes", "error")
        )
    return alarms, len(later)


def append_code(file: Path, code: str) -> None:
    file.write_text(file.read_text(encoding="utf-8") + code, encoding="utf-8")


def plant(path: Path, report: Report) -> None:
    """Measures the checkout and each planted regression that the file at `path` does not hold yet."""
    commit = revisions.resolved("HEAD")
    what, there = plan(), {line["plan"] for line in kept(path) if line.get("commit") == commit}
    measured(path, HONEST, what, None, there, report)
    for planted in injected.INJECTED:
        measured(path, injected.plan_name(planted), what, planted, there, report)


def measured(path: Path, name: str, what: Plan, planted: Injected | None, there: set[str], report: Report) -> None:
    """One record per case of HEAD with something planted. A case that vanished leaves none."""
    if name in there:
        return
    report(name)
    with revisions.checkout("HEAD") as tree, scratch.folder() as folder:
        if planted:
            append_code(tree / planted.file, planted.code)
        lines = [line for case in what.cases for line in revisions.measure_once(tree, case, what, folder, report)]
    append(path, lines, name)


def caught(lines: list[Record], planted: Injected) -> tuple[int, int]:
    """Of the cases that a planted regression changes, how many got its verdict, and how many there are."""
    there = of_last_commit([line for line in lines if line["plan"] in (HONEST, injected.plan_name(planted))])
    honest, new = ([line for line in there if line["plan"] == plan] for plan in (HONEST, injected.plan_name(planted)))
    verdicts: dict[str, set[str]] = {}
    for change in compare.changes(honest, new):
        if planted.words <= set(change.case.split()):
            verdicts.setdefault(change.case, set()).add(change.verdict)
    found = [bool(own & planted.verdicts) for own in verdicts.values()]
    return sum(found) if new else 0, len(found)


def of_last_commit(lines: list[Record]) -> list[Record]:
    """Those of the commit that was measured last: a change between two of them is no fault of the gate."""
    return [line for line in lines if line.get("commit") == lines[-1].get("commit")]


def looks(lines: list[Record], plan: str = ALIKE) -> list[list[list[Record]]]:
    """The whole quartets of every case of a plan's comparisons: four records each, in the order A B B A."""
    by_case: dict[str, dict[int, list[Record]]] = {}
    for line in sorted(lines, key=lambda line: line["round"]):
        if line["plan"] == plan:
            by_case.setdefault(line["case_key"], {}).setdefault(line["round"] // QUARTET, []).append(line)
    whole = ([each for each in quartets.values() if len(each) == QUARTET] for quartets in by_case.values())
    return [quartets for quartets in whole if quartets]


def false_alarms(lines: list[Record]) -> tuple[int, int]:
    """In how many A/A comparisons the gate calls any metric of any case a regression; and how many there are."""
    found, number = set(), 0
    for quartets in looks(lines):
        number = max(number, len(quartets) - 1)
        for index in range(len(quartets) - 1):
            a, b, c, d = quartets[index]
            changes = compare.changes([a, d], [b, c])
            if any(change.regression and change.verdict != "slower" for change in changes):
                found.add(index)
            if alarm(quartets[index : index + 2]):
                found.add(index)
    return len(found), number


def alarm(quartets: list[list[Record]], factor: float = 1.0, swapped: bool = False) -> bool:
    """Whether the gate calls B slower, its samples being `factor` times as long; it looks again before it does.

    quartets: two of one case. `swapped`: A takes B's place.
    """
    old: list[Record] = []
    new: list[Record] = []
    for a, b, c, d in quartets:
        old += [b, c] if swapped else [a, d]
        new += [scaled(line, factor) for line in ([a, d] if swapped else [b, c])]
        if not slowdown.slower(old, new):
            return False
    return True


def scaled(line: Record, factor: float) -> Record:
    """The record as if each of its samples had been `factor` times as long."""
    kinds = ("samples_s", "cpu_samples_s")
    times = {kind: [factor * s for s in line["time"].get(kind) or ()] for kind in kinds}
    return {**line, "time": cast(Time, line["time"] | times)}


def alarms(quartets: list[list[Record]], factor: float = 1.0, both: bool = True) -> tuple[int, int]:
    """Alarms and comparisons. Every quartet but the last is a first look, the one after it the second; A and B are
    taken in either order unless only B is slow."""
    pairs = [quartets[i : i + 2] for i in range(len(quartets) - 1)]
    found = [alarm(pair, factor, swapped) for pair in pairs for swapped in ((False, True) if both else (False,))]
    return sum(found), len(found)
