"""A comparison as a table: one row per metric that changed, in a terminal of 80 columns."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.compare import Change
from bench.table import digits

BETTER = ("faster", "smaller", "more exact", "mended", "new")


def render(found: list[Change], console: Console) -> None:
    """Prints a comparison: what differs first, the rest as a count."""
    grid = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for name in ("case", "metric", "old", "new", "ratio", "verdict"):
        grid.add_column(name, overflow="fold", justify="left" if name in ("case", "metric", "verdict") else "right")
    shown = [change for change in found if change.verdict != "same"]
    for change in shown:
        old, new = (written(change.metric, value) for value in (change.old, change.new))
        style = "red" if change.regression else "green" if change.verdict in BETTER else "yellow"
        verdict = Text(change.verdict, style)
        grid.add_row(change.case, change.metric.removesuffix("_s"), old, new, ratio(change), verdict)
    if shown:
        console.print(grid)
    regressions = sum(change.regression for change in found)
    console.print(f"{len(found)} comparisons, {len(found) - len(shown)} the same, {regressions} regressions")


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
