"""A comparison as a table: one row per metric that changed, in a terminal of 80 columns."""

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


def render(found: list[Change], console: Console, every: bool = False) -> None:
    """Prints a comparison: what differs, the rest as a count, unless every metric is asked for.

    What the rows' cases have in common stands once above them.
    """
    shown = [change for change in found if every or change.verdict != "same"]
    words = [change.case.split() for change in shown]
    alike = {word for word in words[0] if all(word in other for other in words)} if words else set()
    if len(set(map(tuple, words))) == 1:
        alike = set()
    if alike:
        console.print(Text(display.shown(" ".join(word for word in words[0] if word in alike))))
    grid = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for name in ("case", "metric", "old", "new", "ratio", "verdict"):
        grid.add_column(name, overflow="fold", justify="left" if name in ("case", "metric", "verdict") else "right")
    before = None
    for change, own in zip(shown, words, strict=True):
        old, new = (written(change.metric, value) for value in (change.old, change.new))
        style = "red" if change.regression else "green" if change.verdict in BETTER else "yellow"
        verdict = Text(change.verdict, "" if change.verdict == "same" else style)
        case = "" if change.case == before else " ".join(word for word in own if word not in alike)
        before = change.case
        metric = "cpu time" if change.processor else NAMES.get(change.metric, change.metric)
        grid.add_row(*(Text(display.shown(text)) for text in (case, metric, old, new, ratio(change))), verdict)
    if shown:
        console.print(grid)
    same, regressions = sum(c.verdict == "same" for c in found), sum(c.regression for c in found)
    console.print(f"{len(found)} comparisons, {same} the same, {regressions} regressions")


def draw(found: list[Change], path: Path, title: str, every: bool = False) -> None:
    """The same as an SVG, 110 columns wide."""
    console = display.Console(record=True, width=110, file=StringIO())
    render(found, console, every)
    path.write_text(console.export_svg(title=display.shown(title), unique_id="compare"), encoding="utf-8")


def written(metric: str, value: float | None) -> str:
    """A compared value with its unit."""
    if value is None:
        return ""
    if metric == "time_s":
        return f"{digits(1e3 * value)} ms"
    if metric.startswith("norm"):
        return f"{value:.5f}"
    return f"{digits(value / 2**20)} MiB" if metric == "working_bytes" else f"{value:.2e}"


def ratio(change: Change) -> str:
    """new / old, with its interval where there is one."""
    if change.ratio is None:
        return ""
    interval = "" if change.low is None else f" ({change.low:.2f} to {change.high:.2f})"
    return f"{change.ratio:.2f}{interval}"
