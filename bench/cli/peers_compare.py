"""`drtrl-bench peers compare` and `show`: measure other libraries and this project by turns, and show the ratios."""

from pathlib import Path
from typing import Annotated

import typer

from drtrl_bench.cli.peers import Chosen, choose
from drtrl_bench.cli.reading import LOCAL
from drtrl_bench.cli.terminal import UsageError, announce, console


def compare(
    names: Chosen = None,
    cell: Annotated[list[str] | None, typer.Option(help="A cell; repeat for more.", show_default="lif_delta")] = None,
    way: Annotated[list[str] | None, typer.Option(help="A way, as docs/peers.md names it; repeat for more.")] = None,
    rounds: Annotated[int, typer.Option(help="How often everything is measured.", min=1)] = 2,
    budget: Annotated[float, typer.Option(help="Seconds of timing samples, of at least five samples.", min=0.01)] = 3.0,
    batch: Annotated[list[int] | None, typer.Option(help="Samples B.", min=1, show_default="16")] = None,
    features: Annotated[list[int] | None, typer.Option(help="Inputs I.", min=1, show_default="64")] = None,
    neurons: Annotated[list[int] | None, typer.Option(help="Neurons N.", min=1, show_default="256")] = None,
    steps: Annotated[list[int] | None, typer.Option(help="Steps T.", min=1, show_default="512")] = None,
    threads: Annotated[int, typer.Option(help="Threads of both sides; 1 is timed by the processor.", min=1)] = 1,
    plan: Annotated[str | None, typer.Option(help="Grids of cells and sizes: `peers`, or a .toml file.")] = None,
    records: Annotated[Path, typer.Option(help="Append to this file.", metavar="FILE")] = LOCAL / "peers.jsonl",
) -> None:
    """Measure time and memory of the peers and of this project by turns, and show the ratios.

    Every way of a peer is followed by what computes the same gradient here, in the same framework, on the same problem
    in float32: the time, and the memory by the same meter. All that, round after round.
    With one thread, times are the processor's, which other work on the machine disturbs less; with more, the clock's.
    Every combination of repeated sizes is compared. The same command goes on with an interrupted run, if it was one of
    a checkout without changes.

    Examples: drtrl-bench peers compare     drtrl-bench peers compare braintrace --cell gru --steps 128 --steps 2048
    drtrl-bench peers compare --plan peers
    """
    from drtrl_bench.peers import comparison, costs, grids
    from drtrl_bench.peers import records as lines
    from drtrl_bench.process import scratch, signals
    from drtrl_bench.view import peers_table

    given = {"cell": cell, "batch": batch, "features": features, "neurons": neurons, "steps": steps}
    grid = {name: values for name, values in given.items() if values}
    if plan and grid:
        raise UsageError(f"--plan has its own cells and sizes: leave out --{' --'.join(grid)}")
    points = grids.read(plan) if plan else grids.points(grid)
    todo = costs.pairs(choose(names), points, way, threads=threads)
    if not todo:
        raise UsageError(f"no way {' '.join(way or ())} of {' '.join(names or ())} has the cell {' '.join(cell or ())}")
    run = lines.this_run() | {"comparison": costs.identity(todo, rounds, budget)}
    before = lines.interrupted(records, run)
    turns = costs.schedule(todo, rounds, before)
    if len(turns) < rounds * len(todo):
        run["run"] = before[-1]["run"]
        announce(f"{rounds * len(todo) - len(turns)} of {rounds * len(todo)} are measured already: {records}")
    again = "goes on" if lines.known(run) else "measures all anew, as only a checkout without changes goes on"
    advice = signals.advising(f"what was measured is kept, and the same command {again}: {records}")
    with advice, scratch.folder() as folder, lines.writing(records, run) as write:
        for kind, line in costs.measured(turns, budget, folder, announce):
            write(kind, line)
            if line["status"] != "ok":
                announce(f"    {line['status']}: {line['reason']}")
    peers_table.render(comparison.rows(comparison.last_run(records)), console)
    announce(f"records: {records}")


def show(
    records: Annotated[Path, typer.Argument(help="A file of `compare`.", show_default=False)] = LOCAL / "peers.jsonl",
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")] = False,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Ratios alone, a column per cell and size, as Markdown.")
    ] = False,
) -> None:
    """Show the last run of `compare` in a file: cost and exactness of each library, and its cost over this project's.

    Example: drtrl-bench peers show results/peers/compare.jsonl --markdown
    """
    from drtrl_bench.peers import comparison
    from drtrl_bench.view import peers_table

    every = comparison.rows(comparison.last_run(records))
    if markdown or sweep:
        typer.echo((comparison.sweep if sweep else comparison.markdown)(every))
    else:
        peers_table.render(every, console)
