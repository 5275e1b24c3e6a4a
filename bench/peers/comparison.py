"""Puts the lines of a comparison together: a row for each way of a peer, with its cost over that of this project."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, cast

from drtrl_bench.peers import costs, environments, page, records

MIB = 2**20
COSTS = ("ms", "MiB", "here", "ms", "MiB")
HEADERS = ("library", "cell", "N", "T", "B", "I", *COSTS, "x ours, time", "x ours, memory", "float64 gradient")
SHORT_HEADERS = ("way", *COSTS, "x time", "x MiB")
TEXTS = (0, 3)
"""The columns of SHORT_HEADERS that are no numbers."""
Line = dict[str, Any]
Pair = tuple[str, str, str, int, int, int, int]
"""What is compared with what, and at which sizes: the fields of `costs.LABEL`."""


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
    peer_s: float = 0.0
    peer_bytes: int = 0
    ours: str = ""
    ours_s: float = 0.0
    ours_bytes: int = 0
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
        return self.peer_bytes / self.ours_bytes


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
    best = min(whole, key=lambda name: median(line["time"]["median_s"] for line in whole[name]))
    own = {line["round"]: line["time"]["median_s"] for line in whole[best]}
    gate = theirs[0]["gate"]
    return Row(
        *at,
        None,
        version,
        gate["outcome"] if gate["outcome"] == "agrees" else f"{gate['outcome']}: {gate['reason']}",
        median(line["time"]["median_s"] for line in theirs),
        theirs[-1]["memory"]["working_bytes"],
        best,
        median(own.values()),
        whole[best][-1]["memory"]["working_bytes"],
        tuple(line["time"]["median_s"] / own[line["round"]] for line in theirs),
    )


def numbers(row: Row) -> list[str]:
    """Return the cost of a row's way, and what it is compared with."""
    theirs = [f"{1e3 * row.peer_s:.4g}", f"{row.peer_bytes / MIB:.3g}"]
    return [*theirs, row.ours, f"{1e3 * row.ours_s:.4g}", f"{row.ours_bytes / MIB:.3g}"]


def sizes(row: Row) -> dict[str, str]:
    """Return the sizes of a row by their symbols."""
    by_symbol = {"N": row.neurons, "T": row.steps, "B": row.batch, "I": row.features}
    return {symbol: f"{size:,}" for symbol, size in by_symbol.items()}


def cells(row: Row) -> list[str]:
    """Return the texts of a row in Markdown; a reason stands in place of what is missing."""
    about = [f"{row.library} `{row.way}`", f"`{row.cell}`", *sizes(row).values()]
    if row.reason:
        return [*about, *[""] * 7, row.reason]
    spread = f" ({min(row.ratios):.3g} to {max(row.ratios):.3g})" if len(row.ratios) > 1 else ""
    return [*about, *numbers(row), f"{row.x_time:.3g}{spread}", f"{row.x_memory:.3g}", row.gate]


def markdown(every: list[Row]) -> str:
    """Return all rows as a table in Markdown."""
    return page.table(HEADERS, (cells(row) for row in every))


def place(row: Row) -> str:
    """Return what a row has in common with others, in words: library, cell and sizes."""
    return ", ".join([row.library, row.cell, *(f"{symbol} = {size}" for symbol, size in sizes(row).items())])


def short_cells(row: Row, note: int | None) -> list[str]:
    """Return the texts of a row for the terminal; note: the number of what must be said of it, if anything."""
    name = f"{row.way} [{note}]" if note else row.way
    return [name, *(7 * [""] if row.reason else [*numbers(row), f"{row.x_time:.3g}", f"{row.x_memory:.3g}"])]


def printed(every: list[Row]) -> Iterator[tuple[str, str]]:
    """Yield the lines of a table for the terminal, each with its style: rows by place, then what must be said of them.

    They fit 80 columns, but for the last ones.
    """
    notes = {note: number for number, note in enumerate(dict.fromkeys(row.note for row in every if row.note), 1)}
    texts = [short_cells(row, notes.get(row.note)) for row in every]
    widths = [max(map(len, column)) for column in zip(SHORT_HEADERS, *texts, strict=True)]

    def aligned(columns: Iterable[str]) -> str:
        both = enumerate(zip(columns, widths, strict=True))
        return " ".join(text.ljust(width) if i in TEXTS else text.rjust(width) for i, (text, width) in both).rstrip()

    yield aligned(SHORT_HEADERS), "bold"
    for where in dict.fromkeys(map(place, every)):
        yield where, "dim"
        yield from ((aligned(columns), "") for row, columns in zip(every, texts, strict=True) if place(row) == where)
    yield "x: the library's over this project's, the median of the rounds", "dim"
    yield from ((f"[{number}] {note}", "yellow") for note, number in notes.items())
