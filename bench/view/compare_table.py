"""Renders a comparison as a table: one row per metric that changed, in a terminal of 80 columns."""

from io import StringIO
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from drtrl_bench.gate.compare import Change
from drtrl_bench.view import display
from drtrl_bench.view.cell_text import digits

BETTER = ("faster", "smaller", "more exact", "mended", "new")
NAMES = {"time_s": "time", "working_bytes": "memory"}


def render(changes: list[Change], console: Console, every: bool = False) -> None:
    """Print a comparison: the metrics that differ, or `every` one, and counts of all.

    The words that the cases of all rows have in common stand once above the table.
    """
    shown = [change for change in changes if every or change.verdict != "same"]
    words = [change.case.split() for change in shown]
    common = {word for word in words[0] if all(word in other for other in words)} if words else set()
    if len(set(map(tuple, words))) == 1:
        common = set()
    if common:
        console.print(Text(display.shown(" ".join(word for word in words[0] if word in common))))
    grid = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for name in ("case", "metric", "old", "new", "ratio", "verdict"):
        grid.add_column(name, overflow="fold", justify="left" if name in ("case", "metric", "verdict") else "right")
    before = None
    for change, own_words in zip(shown, words, strict=True):
        old, new = (value_text(change.metric, value) for value in (change.old, change.new))
        style = "red" if change.regression else "green" if change.verdict in BETTER else "yellow"
        verdict = Text(change.verdict, "" if change.verdict == "same" else style)
        case = "" if change.case == before else " ".join(word for word in own_words if word not in common)
        before = change.case
        metric = "cpu time" if change.processor else NAMES.get(change.metric, change.metric)
        grid.add_row(*(Text(display.shown(text)) for text in (case, metric, old, new, ratio_text(change))), verdict)
    if shown:
        console.print(grid)
    same, regressions = sum(c.verdict == "same" for c in changes), sum(c.regression for c in changes)
    console.print(f"{len(changes)} comparisons, {same} the same, {regressions} regressions")


def draw(changes: list[Change], path: Path, title: str, every: bool = False) -> None:
    """Write the table as an SVG, 110 columns wide."""
    console = display.Console(record=True, width=110, file=StringIO())
    render(changes, console, every)
    path.write_text(console.export_svg(title=display.shown(title), unique_id="compare"), encoding="utf-8")


def value_text(metric: str, value: float | None) -> str:
    """Write a compared value with its unit."""
    if value is None:
        return ""
    if metric == "time_s":
        return f"{digits(1e3 * value)} ms"
    if metric.startswith("norm"):
        return f"{value:.5f}"
    return f"{digits(value / 2**20)} MiB" if metric == "working_bytes" else f"{value:.2e}"


def ratio_text(change: Change) -> str:
    """Write new / old, with its interval if it has one."""
    if change.ratio is None:
        return ""
    interval = "" if change.low is None else f" ({change.low:.2f} to {change.high:.2f})"
    return f"{change.ratio:.2f}{interval}"
