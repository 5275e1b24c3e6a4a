"""`drtrl-bench trend`: shows how much asv measured of a commit."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from drtrl_bench.cli.terminal import complaints, console


def trend(
    revision: Annotated[str, typer.Argument(help="The commit, as any revision that git knows.")] = "HEAD",
    folder: Annotated[
        Path | None, typer.Option(help="Folder of asv's results; results/asv if left out.", show_default=False)
    ] = None,
) -> None:
    """Show how much asv measured of a commit, and fail if a benchmark has no value.

    Exit code: 0; 2 for bad input or result files of another version of asv; 3 if a benchmark failed; 4 if one has no
    value at all, except benchmarks of a GPU.
    """
    from drtrl_bench.gate import revisions, trend, verdict

    revisions.require("trend")
    commit = revisions.resolve(revision)
    counts = [count for path in trend.files(commit, folder or trend.RESULTS) for count in trend.counts(path)]
    grid = Table.grid(padding=(0, 2))
    for count in counts:
        columns = (f"{count.measured} measured", f"{count.skipped} skipped", f"{count.failed} failed")
        grid.add_row(count.benchmark, *columns, style="red" if count.failed else None)
    console.print(grid)
    if not any(count.measured for count in counts):
        complaints.print(f"asv measured nothing of {commit[:9]}: make asv", style="red")
        raise typer.Exit(verdict.NOTHING)
    if any(count.failed for count in counts):
        raise typer.Exit(verdict.REGRESSION)
    if without := trend.unmeasured(counts, trend.known(folder or trend.RESULTS)):
        complaints.print(f"asv measured nothing for {', '.join(without)}: make asv", style="red")
        raise typer.Exit(verdict.NOTHING)
