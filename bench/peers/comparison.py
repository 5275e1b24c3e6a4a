"""Puts the lines of a comparison together: a row for each way of a peer, with its cost over that of this project."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from drtrl_bench.peers import costs, page, records

MIB = 2**20
COSTS = ("ms", "MiB", "here", "ms", "MiB")
HEADERS = ("library", "cell", "N", "T", *COSTS, "x ours, time", "x ours, memory", "float64 gradient")
SHORT_HEADERS = ("library", *COSTS, "x time", "x MiB")
Line = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One way of a peer in a cell at one size, over all rounds of a run, beside the quickest of this project."""

    peer: str
    way: str
    cell: str
    neurons: int
    steps: int
    reason: str | None
    """Why there is nothing to compare."""
    gate: str = ""
    peer_s: float = 0.0
    peer_bytes: int = 0
    ours: str = ""
    ours_s: float = 0.0
    ours_bytes: int = 0
    ratios: tuple[float, ...] = ()
    """The peer's time over this project's in each round."""

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

    Of a round that was cut off and measured again, the last lines count.
    """
    groups: dict[tuple[Any, ...], dict[tuple[Any, ...], Line]] = {}
    for line in lines:
        which = (line["round"], line["kind"], line.get("case", {}).get("algorithm") if line["kind"] == "ours" else None)
        groups.setdefault(tuple(line[name] for name in costs.LABEL), {})[which] = line
    return [row((peer, way, cell, N, T), [*group.values()]) for (peer, way, cell, N, T, *_), group in groups.items()]


def row(at: tuple[str, str, str, int, int], lines: list[Line]) -> Row:
    """Return the row of the lines of one peer, way, cell, number of neurons and of steps."""
    theirs = [line for line in lines if line["kind"] == "peer"]
    ours = [line for line in lines if line["kind"] == "ours"]
    if lost := next((line for line in theirs if line["status"] != "ok"), None):
        return Row(*at, f"{lost['status']}: {lost['reason']}")
    good = [line for line in ours if line["status"] == "ok"]
    rounds = {line["round"] for line in theirs}
    by_algorithm: dict[str, list[Line]] = {}
    for line in good:
        by_algorithm.setdefault(line["case"]["algorithm"], []).append(line)
    whole = {name: group for name, group in by_algorithm.items() if {line["round"] for line in group} == rounds}
    if not whole:
        lost = next((line for line in ours if line["status"] != "ok"), {"status": "error", "reason": "not measured"})
        return Row(*at, f"here {lost['status']}: {lost['reason']}")
    best = min(whole, key=lambda name: median(line["time"]["median_s"] for line in whole[name]))
    own = {line["round"]: line["time"]["median_s"] for line in whole[best]}
    gate = theirs[0]["gate"]
    return Row(
        *at,
        None,
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


def short_cells(row: Row) -> list[str]:
    """Return the texts of a row for the terminal, without its cell and sizes."""
    name = f"{row.peer} {row.way}"
    return [name] if row.reason else [name, *numbers(row), f"{row.x_time:.3g}", f"{row.x_memory:.3g}"]


def where(row: Row) -> tuple[str, str, str]:
    """Return the cell and the sizes of a row."""
    return row.cell, f"{row.neurons:,}", f"{row.steps:,}"


def cells(row: Row) -> list[str]:
    """Return the texts of a row; a reason stands in place of what is missing."""
    cell, *sizes = where(row)
    about = [f"{row.peer} `{row.way}`", f"`{cell}`", *sizes]
    if row.reason:
        return [*about, *[""] * 7, row.reason]
    spread = f" ({min(row.ratios):.3g} to {max(row.ratios):.3g})" if len(row.ratios) > 1 else ""
    return [*about, *numbers(row), f"{row.x_time:.3g}{spread}", f"{row.x_memory:.3g}", row.gate]


def markdown(every: list[Row]) -> str:
    """Return all rows as a table in Markdown."""
    return page.table(HEADERS, (cells(row) for row in every))
