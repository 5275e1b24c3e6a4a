"""Measure what a gradient costs a peer and this project by turns: peer, ours, peer, ours ..., round after round.

Both get the same problem. A peer's way whose float64 gradient is not what it should be (`agreement`) is not timed.
"""

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from drtrl_bench import data, registry
from drtrl_bench.case import Case, Plan, digest
from drtrl_bench.files import cache_folder
from drtrl_bench.measure import fidelity, problem, runner, stats
from drtrl_bench.measure.fidelity import Gradient
from drtrl_bench.peers import agreement, environments, exchange, ways
from drtrl_bench.peers.agreement import Agreement
from drtrl_bench.peers.grids import Point, Sizes
from drtrl_bench.peers.ways import Way
from drtrl_bench.process import locks

CHUNK = 128
"""K of the algorithms here that carry a trace or filters from chunk to chunk; BPTT's is T."""
LABEL = ("peer", "way", "cell", "neurons", "steps", "batch", "features")
"""Fields of a line that say to which pair it belongs."""
SCALES = {ways.LIF: 2.0, ways.HARD: 2.0}
"""scale_x of cells that would be nearly silent without one."""

Line = tuple[str, dict[str, Any]]
"""The kind of a record's line, `peer` or `ours`, and its fields."""
Told = Callable[[str], None]


@dataclass(frozen=True)
class Pair:
    """A way of a peer in a cell, and the cases of this project that are measured beside it."""

    peer: str
    way: str
    cell: str
    ours: tuple[Case, ...]

    def __str__(self) -> str:
        return f"{self.peer} {self.way} {self.cell} N={self.ours[0].neurons} T={self.ours[0].steps}"

    @property
    def label(self) -> dict[str, Any]:
        """Return the fields by which lines of a pair belong together."""
        return {name: getattr(self if name in ("peer", "way", "cell") else self.ours[0], name) for name in LABEL}

    def complete(self, lines: list[dict[str, Any]]) -> bool:
        """Tell whether measuring a turn again would say the same as its lines, of which the first is the peer's.

        It would not after an error; if the peer can run now, or has another release; and if a case beside the peer has
        no line.
        """
        theirs, *ours = lines
        if theirs["status"] == "error" or theirs.get("installed") != environments.state(self.peer).installed:
            return False
        done = {line["case"]["algorithm"] for line in ours if line["status"] != "error"}
        return theirs["status"] != "ok" or done >= {case.algorithm for case in self.ours}


Turn = tuple[int, Pair]
"""The number of a round, and the pair that is measured in it."""


def pairs(
    names: list[str],
    points: list[Point],
    only: Collection[str] | None = None,
    readout: str = "linear",
    threads: int = 1,
) -> list[Pair]:
    """List what is compared: at each point, every way of these peers that has its cell; or those of some names only.

    threads: how many both sides may use.
    """
    return [
        Pair(name, way_name, cell, ours(ways.PEERS[name].framework, way, cell, sizes, readout, threads))
        for cell, sizes in points
        for name in names
        for way_name, way in ways.PEERS[name].ways.items()
        if cell in way.cells and (not only or way_name in only)
    ]


def ours(framework: str, way: Way, cell: str, sizes: Sizes, readout: str, threads: int) -> tuple[Case, ...]:
    """Return the cases here for the gradient of a way."""
    base = Case(
        framework=framework,
        cell=cell,
        readout=readout,
        dataset="bernoulli",
        scale_x=SCALES.get(cell, 1.0),
        threads=threads,
        **asdict(sizes),
    )
    chunks = {name: sizes.steps if registry.ALGORITHMS[name].carry == "states" else CHUNK for name in way.ours}
    return tuple(replace(base, algorithm=name, chunk=min(chunk, sizes.steps)) for name, chunk in chunks.items())


def identity(todo: list[Pair], rounds: int, budget_s: float) -> str:
    """Return a hash of what a run measures, by which an interrupted run is known again."""
    return digest({"pairs": [asdict(pair) for pair in todo], "rounds": rounds, "budget_s": budget_s})


def schedule(todo: list[Pair], rounds: int, before: Iterable[dict[str, Any]] = ()) -> list[Turn]:
    """List every round's pairs: of a run that was interrupted, what its lines lack; of a whole one, all again."""
    every, finished = [(number, pair) for number in range(rounds) for pair in todo], whole(todo, before)
    return [turn for turn in every if turn not in finished] or every


def whole(todo: list[Pair], lines: Iterable[dict[str, Any]]) -> set[Turn]:
    """Return the turns that need not be measured again; the line of a peer begins a turn anew."""
    by_label = {tuple(pair.label.values()): pair for pair in todo}
    held: dict[Turn, list[dict[str, Any]]] = {}
    for line in lines:
        turn = (line["round"], by_label[tuple(line[name] for name in LABEL)])
        if line["kind"] == "peer":
            held[turn] = [line]
        elif turn in held:
            held[turn].append(line)
    return {turn for turn, group in held.items() if turn[1].complete(group)}


def measured(turns: list[Turn], budget_s: float, folder: Path, told: Told) -> Iterator[Line]:
    """Measure pairs round after round, each way of a peer beside what it is compared with; yields lines of records.

    A way that took too long or too much memory is not tried in later rounds: their lines say what its first one does.
    """
    gates: dict[Pair, Agreement] = {}
    too_large: dict[Pair, dict[str, Any]] = {}
    plan = Plan("peers", "", (), budget_s=budget_s)
    for index, (number, pair) in enumerate(turns, start=1):
        at = {"round": number, **pair.label}
        told(f"[{index}/{len(turns)}] {pair}")
        with locks.measuring(lambda text: told(f"    {text}")):
            installed = environments.state(pair.peer).installed
            theirs = too_large.get(pair) or of_peer(pair, gates, plan, folder)
        if theirs["status"] in ("timeout", "oom"):
            too_large[pair] = theirs
        yield "peer", at | {"installed": installed} | theirs
        for case in pair.ours if theirs["status"] == "ok" else ():
            told(f"    {case.algorithm} {case.framework} K={case.chunk}")
            with locks.measuring(lambda text: told(f"    {text}")):
                own = runner.measure(case, plan, folder)
            yield "ours", at | {"case": asdict(case)} | own


def of_peer(pair: Pair, gates: dict[Pair, Agreement], plan: Plan, folder: Path) -> dict[str, Any]:
    """Check a way's gradient in float64, once for all rounds, then time it: the fields of a line."""
    case = pair.ours[0]
    if reason := environments.state(pair.peer).reason:
        return {"status": "skip", "reason": reason}
    if refused := runner.refusal(case):
        return dict(zip(("status", "reason"), refused, strict=True))
    gate = gates.get(pair) or agreement.check(pair.peer, pair.way, pair.cell, case.readout, folder)
    if gate.outcome != "error":  # which the next round need not have
        gates[pair] = gate
    checked = {key: getattr(gate, key) for key in ("outcome", "reason", "error", "explained")}
    facts = {"case": asdict(case), "gate": checked}
    if not gate.sound:
        return facts | {"status": gate.outcome, "reason": f"gradient: {gate.reason}"}
    solved = solution(case, plan.limit_s, folder)
    if "problem" not in solved:
        return facts | solved
    path = Path(solved["problem"])
    answer = exchange.ask(pair.peer, pair.way, case, path, budget_s=plan.budget_s, limit_s=plan.limit_s)
    if answer.status != "ok":
        return facts | {"status": answer.status, "reason": answer.reason}
    said = dict(answer.said)
    time = {key: said.pop(key) for key in ("samples_s", "cpu_samples_s", "first_call_s")}
    load = os.getloadavg()[0]  # busy: as in `measure.clock`, which may use the cores of the case alone
    time |= {**stats.summary(time["samples_s"]), "load": load, "busy": load > case.threads + 0.5}
    exact = exactness(answer.gradient, problem.read(path).gradient)
    return facts | {"status": "ok", "reason": None, "time": time, "fidelity": {"overall": exact}, **said}


def solution(case: Case, limit_s: float, folder: Path) -> dict[str, Any]:
    """Solve the problem of a case in a child, as `runner.measure` does: its file, or a status and a reason."""
    job = {"cache": str(data.module("events.folders").cache_folder())}
    answer = runner.child("drtrl_bench.measure.problem", job, case, limit_s, folder)
    cache_folder.pass_on(answer.pop("notes", None))
    if isinstance(answer.get("problem"), str):
        return answer
    reason = answer.get("reason", "it left no problem")
    return {"status": answer.get("status", "error"), "reason": f"its float64 reference: {reason}"}


def exactness(gradient: Gradient, exact: Gradient) -> dict[str, float | None]:
    """Compare a gradient with the exact one, all weights as one vector; what is not finite is None."""
    with np.errstate(all="ignore"):  # the exact one can grow beyond all numbers where an approximation does not
        found = fidelity.compare(gradient, exact)["overall"]
    return {name: value if value is not None and np.isfinite(value) else None for name, value in found.items()}
