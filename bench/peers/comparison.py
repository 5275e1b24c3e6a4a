"""Put the lines of a comparison together: a row for each way of a peer, with its cost over that of this project."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, cast

from drtrl_bench.measure import stats
from drtrl_bench.peers import costs, environments, page, records
from drtrl_bench.view.cell_grid import DOUBTFUL

MIB = 2**20
COSTS = ("ms", "MiB", "cos", "norm")
"""The columns of a `Cost`."""
RATIOS = ("x ours, time", "x ours, memory")
HEADERS = ("library", "cell", "N", "T", "B", "I", *COSTS, "here", *COSTS, *RATIOS, "float64 gradient")
Line = dict[str, Any]
Pair = tuple[str, str, str, int, int, int, int]
"""What is compared with what, and at which sizes: the fields of `costs.LABEL`."""


@dataclass(frozen=True)
class Cost:
    """What a gradient costs over all rounds of a run, and how exact it is in float32."""

    seconds: float = 0.0
    working_bytes: int = 0
    cosine: float | None = None
    """With the exact gradient, all weights as one vector; None if one of them is zero or not finite."""
    norm_ratio: float | None = None
    """The gradient's norm over that of the exact one."""
    doubtful: bool = False
    """Whether the samples were unstable, or by the clock the machine busy, in some round."""

    @property
    def mark(self) -> str:
        """Return the mark of doubt of the time, or nothing."""
        return DOUBTFUL if self.doubtful else ""

    @property
    def texts(self) -> list[str]:
        """Return the texts of `COSTS`, without the mark."""
        exact = ("none" if value is None else f"{value:.3f}" for value in (self.cosine, self.norm_ratio))
        return [f"{1e3 * self.seconds:.4g}", f"{self.working_bytes / MIB:.3g}", *exact]


@dataclass(frozen=True)
class Row:
    """One way of a peer in a cell at one size, over all rounds of a run, beside the quickest of this project."""

    peer: str
    way: str
    cell: str
    neurons: int
    steps: int
    batch: int
    features: int
    reason: str | None
    """Why there is nothing to compare."""
    version: str = ""
    """The peer's version; empty where it is not known."""
    gate: str = ""
    theirs: Cost = field(default_factory=Cost)
    name: str = ""
    """The algorithm here."""
    ours: Cost = field(default_factory=Cost)
    ratios: tuple[float, ...] = ()
    """The peer's time over this project's in each round."""

    @property
    def library(self) -> str:
        """Return the peer's name, with its version where that is not the pinned one."""
        pins = environments.all_pins().get(self.peer)
        other = self.version and not (pins and pins.version == self.version)
        return f"{self.peer} {self.version}" if other else self.peer

    @property
    def x_time(self) -> float:
        """Return the median of the rounds' ratios."""
        return median(self.ratios)

    @property
    def note(self) -> str:
        """Return what must be said of the row: why its gradient differs, or why there are no numbers; or nothing."""
        return self.reason or ("" if self.gate == "agrees" else self.gate)

    @property
    def x_memory(self) -> float:
        """Return the peer's working bytes over this project's."""
        return self.theirs.working_bytes / self.ours.working_bytes

    @property
    def mark(self) -> str:
        """Return the mark of doubt of `x_time`, or nothing."""
        return self.theirs.mark or self.ours.mark


def last_run(path: Path) -> list[Line]:
    """Return the lines of the last run in a file, of both kinds. Raises OSError if there are none."""
    if not (lines := records.last_run(path, "peer", "ours")):
        raise OSError(f"{path} has no run of drtrl-bench peers compare")
    lines = [line.get("case", {}) | line for line in lines]  # the first runs had the sizes there alone
    if not all(line.keys() >= set(costs.LABEL) for line in lines):
        raise OSError(f"{path}: its last run is of an earlier version, which wrote no sizes; compare anew")
    return lines


def rows(lines: Iterable[Line]) -> list[Row]:
    """Return a row for each way, cell and size, in the order of the lines.

    Of a round that was cut off and measured again, the last lines count: those from the peer's last one.
    """
    groups: dict[Pair, dict[int, list[Line]]] = {}
    for line in lines:
        rounds = groups.setdefault(cast(Pair, tuple(line[name] for name in costs.LABEL)), {})
        if line["kind"] == "peer":
            rounds.pop(line["round"], None)
        rounds.setdefault(line["round"], []).append(line)
    return [row(at, [line for group in rounds.values() for line in group]) for at, rounds in groups.items()]


def row(at: Pair, lines: list[Line]) -> Row:
    """Return the row of the lines of one pair, those measured last at the end; at: its fields as in `costs.LABEL`.

    Rounds that were measured with another release of the peer than the last one are left out.
    """
    theirs = [line for line in lines if line["kind"] == "peer"]
    theirs = [line for line in theirs if line.get("installed") == theirs[-1].get("installed")]
    rounds = {line["round"] for line in theirs}
    ours = [line for line in lines if line["kind"] == "ours" and line["round"] in rounds]
    before = {"version": theirs[-1].get("versions", {}).get(at[0], "")}  # lines of the first runs
    version = (theirs[-1].get("installed") or before)["version"]
    if lost := next((line for line in theirs if line["status"] != "ok"), None):
        return Row(*at, f"{lost['status']}: {lost['reason']}", version)
    good = [line for line in ours if line["status"] == "ok"]
    by_algorithm: dict[str, list[Line]] = {}
    for line in good:
        by_algorithm.setdefault(line["case"]["algorithm"], []).append(line)
    whole = {name: group for name, group in by_algorithm.items() if {line["round"] for line in group} == rounds}
    if not whole:
        lost = next((line for line in ours if line["status"] != "ok"), {"status": "error", "reason": "not measured"})
        return Row(*at, f"here {lost['status']}: {lost['reason']}", version)
    kind = compared([*theirs, *good])
    best = min(whole, key=lambda name: median(seconds(line, kind) for line in whole[name]))
    own = {line["round"]: seconds(line, kind) for line in whole[best]}
    gate = theirs[0]["gate"]
    return Row(
        *at,
        None,
        version,
        gate["outcome"] if gate["outcome"] == "agrees" else f"{gate['outcome']}: {gate['reason']}",
        cost(theirs, kind),
        best,
        cost(whole[best], kind),
        tuple(seconds(line, kind) / own[line["round"]] for line in theirs),
    )


def compared(lines: list[Line]) -> str:
    """Choose the samples whose times are compared, as the gate does: the processor's, or the clock's.

    The processor's are chosen if one thread works and every line has them: on a shared machine they vary less.
    """
    alone = all(line.get("case", {}).get("threads") == 1 for line in lines)
    return "cpu_samples_s" if alone and all(line["time"].get("cpu_samples_s") for line in lines) else "samples_s"


def seconds(line: Line, kind: str) -> float:
    """Return the median of a line's samples of a kind."""
    return line["time"]["median_s"] if kind == "samples_s" else median(line["time"][kind])


def in_doubt(line: Line, kind: str) -> bool:
    """Tell whether the samples of a kind were unstable; or, by the clock, the machine busy."""
    time = line["time"]
    if kind == "samples_s":
        return bool(time.get("unstable") or time.get("busy"))
    return stats.summary(time[kind])["unstable"]


def cost(lines: list[Line], kind: str) -> Cost:
    """Return what the rounds of one side say, each of which ended well: bytes and exactness are of the last."""
    last = lines[-1]
    exact = last.get("fidelity", {}).get("overall", {})
    return Cost(
        median(seconds(line, kind) for line in lines),
        last["memory"]["working_bytes"],
        exact.get("cosine"),
        exact.get("norm_ratio"),
        any(in_doubt(line, kind) for line in lines),
    )


def sizes(row: Row) -> dict[str, str]:
    """Return the sizes of a row by their symbols."""
    by_symbol = {"N": row.neurons, "T": row.steps, "B": row.batch, "I": row.features}
    return {symbol: f"{size:,}" for symbol, size in by_symbol.items()}


def cells(row: Row) -> list[str]:
    """Return the texts of a row in Markdown; a reason stands in place of what is missing."""
    about = [f"{row.library} `{row.way}`", f"`{row.cell}`", *sizes(row).values()]
    if row.reason:
        return [*about, *[""] * (len(HEADERS) - len(about) - 1), row.reason]
    spread = f" ({min(row.ratios):.3g} to {max(row.ratios):.3g})" if len(row.ratios) > 1 else ""
    (ms, *theirs), (our_ms, *ours) = row.theirs.texts, row.ours.texts
    both = [f"{ms}{row.theirs.mark}", *theirs, row.name, f"{our_ms}{row.ours.mark}", *ours]
    return [*about, *both, f"{row.x_time:.3g}{row.mark}{spread}", f"{row.x_memory:.3g}", row.gate]


def markdown(every: list[Row]) -> str:
    """Return all rows as a table in Markdown."""
    return page.table(HEADERS, (cells(row) for row in every))


def sweep(every: list[Row]) -> str:
    """Return a table in Markdown: of each way, in each cell and at each size, time and memory over this project's.

    A way that was not measured there has the first word of the reason. A size that all rows share is left out.
    """
    varied = [symbol for symbol in sizes(every[0]) if len({sizes(row)[symbol] for row in every}) > 1]
    networks: dict[str, None] = {}
    by_way: dict[str, dict[str, str]] = {}
    for row in every:
        network = ", ".join([f"`{row.cell}`", *(f"{symbol} = {sizes(row)[symbol]}" for symbol in varied)])
        ratios = (row.reason or "").split(":")[0] or f"{row.x_time:.3g}{row.mark}, {row.x_memory:.3g}"
        networks[network] = None
        by_way.setdefault(f"{row.library} `{row.way}`", {})[network] = ratios
    lines = ([way, *(own.get(network, "") for network in networks)] for way, own in by_way.items())
    return page.table(["x ours: time, memory", *networks], lines)
