"""`drtrl-bench peers`: installs other libraries apart from this project, and compares them with it."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

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

    One that cannot be installed keeps none of the others from it, and is named in the end.

    Examples: drtrl-bench peers install braintrace     drtrl-bench peers install snntorch norse --newest

    Takes minutes and from 0.7 to 1.3 GB each. The newest Python of this machine that suits is taken, or, for
    libraries on PyTorch, the one of this project.
    """
    from drtrl_bench.measure import memory
    from drtrl_bench.peers import environments

    for name in names:
        environments.pins(name)
    problems: list[str] = []
    for name in names:
        try:
            there = environments.install(name, announce, newest)
        except OSError as error:
            problems.append(str(error))
            continue
        size = memory.in_words(there.size)
        announce(f"{name} {there.version}: installed, Python {there.python}, {size}, {there.folder}")
    if problems:
        raise environments.PeerError("; ".join(problems))


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


@app.command()
def faults(names: Chosen = None) -> None:
    """Run the scripts of `results/peers`, which show faults of libraries: each is still there, or gone.

    Example: drtrl-bench peers faults braintrace

    Exits with 1 if a fault is gone, and if a script failed. Those of a peer that is not installed are skipped rows.
    """
    from drtrl_bench.peers import faults as scripts

    changed = 0
    for fault in scripts.looked_for(choose(names)):
        changed += not fault.sound
        style = {"there": "green", "skip": "dim"}.get(fault.outcome, "red")
        line = Text(f"{fault.script:35}").append(f"{fault.outcome:8}", style=style)
        console.print(line.append(fault.reason or "", style="dim"), soft_wrap=True)
    if changed:
        raise typer.Exit(1)


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
    typer.echo(page.markdown(name))
