"""`drtrl-bench peers`: installs other libraries apart from this project, and compares them with it."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from drtrl_bench.cli.reading import LOCAL
from drtrl_bench.cli.terminal import UsageError, announce, console

app = typer.Typer(
    help="Other libraries, side by side with this project, on the same weights, inputs and loss.\n\n"
    "Each lives in an environment of its own in `~/.cache/drtrl-bench/peers`, or in `$DRTRL_BENCH_CACHE/peers`; "
    "the project's own environment stays as it is. Start with `drtrl-bench peers list`.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


def peer_names(incomplete: str) -> list[str]:
    """List the peers that complete a name, for the shell."""
    from drtrl_bench.peers import environments

    return [name for name in environments.all_pins() if name.startswith(incomplete)]


Names = Annotated[list[str], typer.Argument(help="Names of peers.", autocompletion=peer_names, metavar="NAME...")]


@app.command("list")
def list_() -> None:
    """List the peers: pinned version, whether it is installed, its Python and the size of its environment."""
    from drtrl_bench.measure import memory
    from drtrl_bench.peers import environments

    for name in environments.all_pins():
        there = environments.state(name)
        line = Text(f"{name:13}", style="bold")
        line.append(f"{there.pins.version:8}", style="")
        if there.problem:
            line.append(f"{there.problem}: {there.command}", style="dim" if not there.size else "yellow")
        else:
            other = f" in version {there.version}" if there.version != there.pins.version else ""
            text = f"installed{other}, Python {there.python}, {memory.in_words(there.size)}"
            line.append(text, style="yellow" if other else "green")
        console.print(line, soft_wrap=True)


@app.command()
def install(
    names: Names,
    newest: Annotated[
        bool, typer.Option("--newest", help="Take the newest release, to see whether its gradients still agree.")
    ] = False,
) -> None:
    """Install peers in the pinned versions, each in an environment of its own; keep those that are there.

    Examples: drtrl-bench peers install braintrace     drtrl-bench peers install snntorch norse --newest

    Takes minutes and from 0.7 to 1.3 GB each. The newest Python of this machine that suits is taken, or, for
    libraries on PyTorch, the one of this project.
    """
    from drtrl_bench.measure import memory
    from drtrl_bench.peers import environments

    for name in names:
        environments.pins(name)
    for name in names:
        there = environments.install(name, announce, newest)
        size = memory.in_words(there.size)
        announce(f"{name} {there.version}: installed, Python {there.python}, {size}, {there.folder}")


@app.command()
def remove(names: Names) -> None:
    """Remove the environments of peers.

    Example: drtrl-bench peers remove braintrace
    """
    from drtrl_bench.peers import environments

    for name in names:
        environments.pins(name)
    for name in names:
        announce(f"{name}: removed" if environments.remove(name) else f"{name}: was not installed")


Chosen = Annotated[
    list[str] | None,
    typer.Argument(help="Names of peers; all if left out.", autocompletion=peer_names, metavar="[NAME]..."),
]


@app.command()
def agree(
    names: Chosen = None,
    records: Annotated[
        Path | None, typer.Option(help="Append a line for each comparison to this file.", metavar="FILE")
    ] = None,
) -> None:
    """Compare the peers' gradients with the float64 references: equal, or different for a cause that is emulated.

    Example: drtrl-bench peers agree braintrace

    Exits with 1 if a gradient differs for a reason that is not known, and if a peer that is installed gave none. A peer
    that is not installed is a skipped row.
    """
    from drtrl_bench.peers import agreement
    from drtrl_bench.peers import records as lines
    from drtrl_bench.process import scratch

    chosen = choose(names)
    unsound = 0
    with scratch.folder() as folder, lines.writing(records) as write:
        for line in agreement.checked(chosen, folder):
            write("agreement", line.line())
            unsound += not line.sound and line.outcome != "skip"
            console.print(agreement_line(line), soft_wrap=True)
    if unsound:
        raise typer.Exit(1)


def choose(names: list[str] | None) -> list[str]:
    """Return the named peers, or all. Raises PeerError for an unknown name."""
    from drtrl_bench.peers import environments

    return [environments.pins(name).name for name in names or environments.all_pins()]


def agreement_line(line: Any) -> Text:
    """Return a comparison as one line."""
    style = {"agrees": "green", "differs": "yellow", "skip": "dim"}.get(line.outcome, "red")
    text = Text(f"{line.peer:13}{line.way:15}{line.cell:15}{line.readout:7}")
    text.append(f"{line.outcome:8}", style=style)
    if line.error is not None:
        text.append(f"{line.error:8.1e}")
    if line.explained is not None:
        text.append(f", emulated {line.explained:.1e}")
    if line.reason:
        text.append(f"  {line.reason}", style="dim")
    return text


@app.command("map")
def map_(
    name: Annotated[
        str, typer.Argument(help="definitions, rules or ways.", autocompletion=lambda: ["definitions", "rules", "ways"])
    ],
) -> None:
    """Print a table of docs/peers.md as Markdown: what is called what, which rules exist where, what is compared.

    Example: drtrl-bench peers map rules
    """
    from drtrl_bench import lookup
    from drtrl_bench.peers import page

    if name not in page.TABLES:
        raise UsageError(f"table {name!r}: {lookup.nearest(name, page.TABLES)}")
    typer.echo(page.TABLES[name]())


@app.command()
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
    plan: Annotated[str | None, typer.Option(help="Grids of cells and sizes: `peers`, or a .toml file.")] = None,
    records: Annotated[Path, typer.Option(help="Append to this file.", metavar="FILE")] = LOCAL / "peers.jsonl",
) -> None:
    """Measure time and memory of the peers and of this project by turns, and show the ratios.

    Every way of a peer is followed by what computes the same gradient here, in the same framework, on the same problem
    in float32: time by the clock, memory by the same meter. All that, round after round.
    Every combination of repeated sizes is compared. The same command goes on with an interrupted run, if it was one of
    a checkout without changes.

    Examples: drtrl-bench peers compare     drtrl-bench peers compare braintrace --cell gru --steps 128 --steps 2048
    drtrl-bench peers compare --plan peers
    """
    from drtrl_bench.peers import comparison, costs, grids
    from drtrl_bench.peers import records as lines
    from drtrl_bench.process import scratch, signals

    given = {"cell": cell, "batch": batch, "features": features, "neurons": neurons, "steps": steps}
    grid = {name: values for name, values in given.items() if values}
    if plan and grid:
        raise UsageError(f"--plan has its own cells and sizes: leave out --{' --'.join(grid)}")
    todo = costs.pairs(choose(names), grids.read(plan) if plan else grids.points(grid), way)
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
    print_rows(comparison.rows(comparison.last_run(records)))
    announce(f"records: {records}")


@app.command()
def show(
    records: Annotated[Path, typer.Argument(help="A file of `compare`.", show_default=False)] = LOCAL / "peers.jsonl",
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")] = False,
) -> None:
    """Show the last run of `compare` in a file: time and memory of each library, and both over this project's.

    Example: drtrl-bench peers show results/peers/compare.jsonl --markdown
    """
    from drtrl_bench.peers import comparison

    every = comparison.rows(comparison.last_run(records))
    if markdown:
        typer.echo(comparison.markdown(every))
    else:
        print_rows(every)


def print_rows(every: list[Any]) -> None:
    """Print the rows of a comparison, and below them why a gradient differs, or why there is nothing to compare."""
    from drtrl_bench.peers import comparison

    for text, style in comparison.printed(every):
        console.print(Text(text, style=style), soft_wrap=True)
