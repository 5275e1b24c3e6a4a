"""Measures what a gradient costs a peer and this project by turns: peer, ours, peer, ours ..., round after round.

Both get the same problem. A peer's way whose float64 gradient is not what it should be (`agreement`) is not timed.
"""

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from drtrl_bench import data, registry
from drtrl_bench.case import Case, Plan, digest
from drtrl_bench.measure import fidelity, problem, runner, stats
from drtrl_bench.peers import agreement, environments, exchange, ways
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
        """Tell whether the lines of a round have the peer's and, unless that failed, those of all cases beside it."""
        theirs = [line["status"] for line in lines if line["kind"] == "peer"]
        algorithms = {line["case"]["algorithm"] for line in lines if line["kind"] == "ours"}
        return bool(theirs) and (theirs[-1] != "ok" or algorithms >= {case.algorithm for case in self.ours})


Turn = tuple[int, Pair]
"""The number of a round, and the pair that is measured in it."""


def pairs(
    names: list[str], points: list[Point], only: Collection[str] | None = None, readout: str = "linear"
) -> list[Pair]:
    """List what is compared: at each point, every way of these peers that has its cell; or those of some names only."""
    return [
        Pair(name, way_name, cell, ours(ways.PEERS[name].framework, way, cell, sizes, readout))
        for cell, sizes in points
        for name in names
        for way_name, way in ways.PEERS[name].ways.items()
        if cell in way.cells and (not only or way_name in only)
    ]


def ours(framework: str, way: Way, cell: str, sizes: Sizes, readout: str) -> tuple[Case, ...]:
    """Return the cases here for the gradient of a way."""
    base = Case(
        framework=framework,
        cell=cell,
        readout=readout,
        dataset="bernoulli",
        scale_x=SCALES.get(cell, 1.0),
        threads=min(2, len(os.sched_getaffinity(0))),
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
    """Return the rounds of pairs whose every line there is: the peer's, and if it was measured all those beside it."""
    by_label = {tuple(pair.label.values()): pair for pair in todo}
    held: dict[Turn, list[dict[str, Any]]] = {}
    for line in lines:
        held.setdefault((line["round"], by_label[tuple(line[name] for name in LABEL)]), []).append(line)
    return {turn for turn, group in held.items() if turn[1].complete(group)}


def measured(turns: list[Turn], budget_s: float, folder: Path, told: Told) -> Iterator[Line]:
    """Measure pairs round after round, each way of a peer beside what it is compared with; yields lines of records."""
    gates: dict[Pair, agreement.Agreement | None] = {}
    plan = Plan("peers", "", (), budget_s=budget_s)
    for index, (number, pair) in enumerate(turns, start=1):
        at = {"round": number, **pair.label}
        told(f"[{index}/{len(turns)}] {pair}")
        with locks.measuring(lambda text: told(f"    {text}")):
            theirs = of_peer(pair, gates, budget_s, folder)
        yield "peer", at | theirs
        for case in pair.ours if theirs["status"] == "ok" else ():
            told(f"    {case.algorithm} {case.framework} K={case.chunk}")
            with locks.measuring(lambda text: told(f"    {text}")):
                own = runner.measure(case, plan, folder)
            yield "ours", at | {"case": asdict(case)} | own


def of_peer(pair: Pair, gates: dict[Pair, Any], budget_s: float, folder: Path) -> dict[str, Any]:
    """Check a way's gradient in float64, once for all rounds, then time it: the fields of a line."""
    if reason := environments.state(pair.peer).reason:
        return {"status": "skip", "reason": reason}
    if pair not in gates:
        gates[pair] = agreement.check(pair.peer, pair.way, pair.cell, pair.ours[0].readout, folder)
    gate = gates[pair].line()
    case = pair.ours[0]
    facts = {"case": asdict(case), "gate": {key: gate[key] for key in ("outcome", "reason", "error", "explained")}}
    if not gates[pair].sound:
        return facts | {"status": "wrong", "reason": f"gradient: {gate['reason']}"}
    path = problem.prepared(case, data.module("events.folders").cache_folder(), folder)
    answer = exchange.ask(pair.peer, pair.way, case, path, budget_s=budget_s)
    if answer.status != "ok":
        return facts | {"status": answer.status, "reason": answer.reason}
    said = dict(answer.said)
    time = {key: said.pop(key) for key in ("samples_s", "cpu_samples_s", "first_call_s")}
    load = os.getloadavg()[0]
    time |= {**stats.summary(time["samples_s"]), "load": load, "busy": load > len(os.sched_getaffinity(0)) + 0.5}
    exact = fidelity.compare(answer.gradient, problem.read(path).gradient)["overall"]
    return facts | {"status": "ok", "reason": None, "time": time, "fidelity": {"overall": exact}, **said}
