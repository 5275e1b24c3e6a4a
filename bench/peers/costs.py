"""Measures what a gradient costs a peer and this project by turns: peer, ours, peer, ours ..., round after round.

Both get the same problem. A peer's way whose float64 gradient is not what it should be (`agreement`) is not timed.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from drtrl_bench import data, registry
from drtrl_bench.case import Case, Plan
from drtrl_bench.measure import fidelity, problem, runner, stats
from drtrl_bench.peers import agreement, environments, exchange, ways
from drtrl_bench.peers.ways import Way
from drtrl_bench.process import locks

CHUNK = 128
"""K of the algorithms here that carry a trace or filters from chunk to chunk; BPTT's is T."""
SCALES = {ways.LIF: 2.0, ways.HARD: 2.0}
"""scale_x of cells that would be nearly silent without one."""

Line = tuple[str, dict[str, Any]]
"""The kind of a record's line, `peer` or `ours`, and its fields."""
Told = Callable[[str], None]


@dataclass(frozen=True)
class Sizes:
    """The sizes of a comparison; the defaults are those of docs/peers.md."""

    batch: int = 16
    features: int = 64
    neurons: int = 256
    steps: int = 512


@dataclass(frozen=True)
class Pair:
    """A way of a peer in a cell, and the cases of this project that are measured beside it."""

    peer: str
    way: str
    cell: str
    ours: tuple[Case, ...]

    @property
    def label(self) -> dict[str, str]:
        """Return the fields by which lines of a pair belong together."""
        return {"peer": self.peer, "way": self.way, "cell": self.cell}


def pairs(names: list[str], cells: list[str], sizes: Sizes, readout: str = "linear") -> list[Pair]:
    """List what is compared: every way of these peers that has one of these cells."""
    return [
        Pair(name, way_name, cell, ours(ways.PEERS[name].framework, way, cell, sizes, readout))
        for cell in cells
        for name in names
        for way_name, way in ways.PEERS[name].ways.items()
        if cell in way.cells
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


def measured(todo: list[Pair], rounds: int, budget_s: float, folder: Path, told: Told) -> Iterator[Line]:
    """Measure all pairs in every round, each way of a peer beside what it is compared with; yields lines of records."""
    gates: dict[Pair, agreement.Agreement | None] = {}
    plan = Plan("peers", "", (), budget_s=budget_s)
    for number in range(rounds):
        for index, pair in enumerate(todo):
            at = {"round": number, **pair.label}
            told(f"[{number * len(todo) + index + 1}/{rounds * len(todo)}] {pair.peer} {pair.way} {pair.cell}")
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
