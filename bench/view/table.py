"""Prints records as a table: one row per case, in a terminal of 80 columns.

`collapse.rounds` merges the rounds of a case into one row, `render` prints such rows. What all rows have in common
stands once above the table; a case that was not measured shows its status and the reason, never a number.
"""

import textwrap
from dataclasses import fields
from itertools import compress
from typing import Any

from rich.console import Console
from rich.text import Text

from drtrl_bench.case import Case, words
from drtrl_bench.view import caption, cell_grid, cell_text, collapse, legend, wording
from drtrl_bench.view.caption import Frame
from drtrl_bench.view.cell_grid import Cell, Grid

STYLES = {"skip": "dim", "timeout": "yellow", "oom": "yellow", "error": "red", "wrong": "bold red"}
COLOURS = {"bptt": "blue", "rtrl": "red", "drtrl": "green"}


def words_of(row: dict[str, Any]) -> set[str]:
    """Return the words by which `-k` and the report's search find a collapsed row: of its case, status and plans."""
    case = Case(**{f.name: row[f.name] for f in fields(Case)})
    flags = [name for name in ("unstable", "busy", "synthetic") if row[name] is True]
    noisy = ["noisy"] if row["spread"] > collapse.NOISY else []
    return words(case, row["status"], row["case_key"], *map(str, row["plans"]), *flags, *noisy)


def render(rows: Frame, console: Console) -> None:
    """Print collapsed rows; no number is cut off or wrapped. If they do not fit, cost and fidelity are two tables."""
    if rows.empty:
        console.print("no records")
        return
    for text in (caption.shared(rows), *caption.machines(rows)):
        console.print(Text(caption.wrap(text, console.width), style="dim"))
    every = rows.to_dict("records")
    reasons: dict[str, int] = {}
    for row in every:
        if row["status"] != "ok":
            reasons.setdefault(cell_text.short(row["reason"]), len(reasons) + 1)
    differ = wording.varying(rows)
    words = {"algorithm", *(caption.FIELDS[name][0] for name in differ if rows[name].dtype.kind not in "if")}
    cells = [line(row, differ, reasons) for row in every]
    cell_text.name_bases(every, cells)
    cell_grid.align(cells, "x_time")
    headers = cell_text.filled(every, cells)
    layouts = [narrowest(every, cells, differ, headers, words, console.width)]
    if layouts[0][1] > console.width:
        cost, rest = ({n: h for n, h in headers.items() if (n in cell_text.COST) == costs} for costs in (True, False))
        layouts = [narrowest(every, cells, differ, some, words, console.width) for some in (cost, rest) if some]
    for grids, _ in layouts:
        for title, grid in grids:
            console.print()
            console.print(Text(caption.wrap(title, console.width), style="bold"))
            console.print(grid, crop=False, no_wrap=True, overflow="ignore", end="")
    console.print()
    for reason, number in reasons.items():
        console.print(Text(f"[{number}] {reason}", style="yellow"))
    for key, meaning in legend.legend_of(every, headers).items():
        text = textwrap.wrap(f"{key:13}  {meaning}", max(min(console.width, 80), 40), subsequent_indent=" " * 15)
        console.print(Text("\n".join(text), style="dim"))


def narrowest(
    every: list[dict[str, Any]],
    cells: list[dict[str, Cell]],
    differ: list[str],
    headers: dict[str, str],
    words: set[str],
    width: int,
) -> tuple[list[tuple[str, Grid]], int]:
    """Return the layout with the fewest heading fields that fits into `width`, or the narrowest; and its width.

    differ: the problem fields in which the rows differ; words: the columns that hold no numbers.
    """
    if "time" not in headers:
        ok = [row["status"] == "ok" for row in every]
        every, cells = list(compress(every, ok)), list(compress(cells, ok))
    titles = {caption.FIELDS[name][0]: name for name in differ} | {name: name for name in ("algorithm", "K", "T")}
    titles = dict.fromkeys(titles) | headers
    widths = {name: max(of_row[name].width for of_row in cells) for name in titles}
    choices = [(apart, gap) for apart in range(len(differ) + 1) for gap in (1, 0)]
    for apart, gap in choices[:-1]:
        if spanned(titled(headers, differ[apart:], once=True), widths, gap)[1] > width:
            continue  # too wide, whatever the groups of rows are
        layout = lay_out(every, cells, headers, differ[apart:], differ[:apart], words, widths, gap)
        if layout[1] <= width:
            return layout
    return lay_out(every, cells, headers, [], differ, words, widths, 0)


def lay_out(
    every: list[dict[str, Any]],
    cells: list[dict[str, Cell]],
    headers: dict[str, str],
    columns: list[str],
    headings: list[str],
    words: set[str],
    widths: dict[str, int],
    gap: int,
) -> tuple[list[tuple[str, Grid]], int]:
    """Lay out a titled table for each framework and value of the heading fields; return the tables and their width."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for index, row in enumerate(every):
        groups.setdefault(tuple(row[name] for name in (*headings, "framework")), []).append(index)
    rates = [{t for i in group if (t := cells[i]["spikes"].text)} for group in groups.values()]
    once = max(map(len, rates)) == 1 and "spikes" in headers
    titles = titled(headers, columns, once)
    widths, span = spanned(titles, widths, gap)
    lengths, between = [row["steps"] for row in every], " " * (gap + 1)
    grids = []
    for (key, group), rate in zip(groups.items(), rates, strict=True):
        last = [i + 1 == len(group) or lengths[index] != lengths[group[i + 1]] for i, index in enumerate(group)]
        apart = max(8, 2 * sum(last) - 1) < len(group)
        lines = [(cells[index], ends and apart) for index, ends in zip(group, last, strict=True)]
        lines[-1] = (lines[-1][0], False)
        title = [*map(wording.phrase, headings, key), caption.plain(key[-1]), *(f"spk {r} %" for r in rate if once)]
        grids.append((" · ".join(title), Grid(titles, widths, words, lines, between)))
    return grids, span


def titled(headers: dict[str, str], columns: list[str], once: bool) -> dict[str, str]:
    """Return the titles of a table's columns, of two lines each; once: whether headings have the share of spikes."""
    problem = [caption.FIELDS[name][0] for name in columns]
    titles = {name: name for name in (*problem, "algorithm", "K", "T")} | {
        n: h for n, h in headers.items() if not (once and n == "spikes")
    }
    return {name: title if "\n" in title else f"\n{title}" for name, title in titles.items()}


def spanned(titles: dict[str, str], widths: dict[str, int], gap: int) -> tuple[dict[str, int], int]:
    """Return the width of each column, of its title or its widest cell, and that of the table."""
    own = {n: max(*map(len, t.split("\n")), widths[n]) for n, t in titles.items()}
    return own, sum(own.values(), (gap + 1) * (len(own) - 1))


def line(row: dict[str, Any], columns: list[str], reasons: dict[str, int]) -> dict[str, Cell]:
    """Return the cells of one row by column; measured values only if the status is ok. reasons: their numbers."""
    cells = {caption.FIELDS[name][0]: Cell(wording.cell(name, row[name])) for name in columns}
    cells["algorithm"] = Cell(wording.algorithm(row["algorithm"], row["segments"]), COLOURS.get(row["algorithm"], ""))
    cells |= {"K": Cell(caption.plain(row["chunk"])), "T": Cell(caption.plain(row["steps"]))}
    if row["status"] == "ok":
        return cells | cell_text.measures(row)
    ending = Cell(f"{row['status']} [{reasons[cell_text.short(row['reason'])]}]", STYLES[row["status"]])
    every = (*(f"layer{i}" for i in range(cell_text.EACH_LAYER)), "worst", "readout")
    return (
        cells
        | dict.fromkeys((*cell_text.COST, *map(cell_text.layer_column, every), *cell_text.FIDELITY), cell_grid.EMPTY)
        | {"time": ending}
    )
