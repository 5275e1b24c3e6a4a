"""Puts the subcommands of `drtrl-bench` together, and turns errors of the user into one line and exit code 2."""

import os
import warnings
from typing import Annotated

import typer

from drtrl_bench import __version__, plan, plugins
from drtrl_bench.cli import (
    compare,
    data,
    data_check,
    gate,
    peers,
    peers_compare,
    rehearse,
    reproduce,
    run,
    show,
    trend,
)
from drtrl_bench.cli.terminal import UsageError, complaints
from drtrl_bench.records import parsing
from drtrl_bench.view import display

app = typer.Typer(
    help="Compare D-RTRL, exact RTRL and BPTT in JAX and PyTorch: time, memory and gradient fidelity.\n\n"
    "Start with `drtrl-bench run quick`, then `drtrl-bench report` and open the page it names.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
data.app.command("check")(data_check.check)
app.add_typer(data.app, name="data")
peers.app.command("compare")(peers_compare.compare)
peers.app.command("show")(peers_compare.show)
app.add_typer(peers.app, name="peers")


def print_version(requested: bool) -> None:
    """Print the version alone, as other programs do, and exit."""
    if requested:
        typer.echo(f"drtrl-bench {__version__}")
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[
        bool, typer.Option("--version", help="Show the version, and exit.", callback=print_version, is_eager=True)
    ] = False,
) -> None:
    """Declare the options of the command itself."""


for name, command in {
    "list": show.list_,
    "run": run.run,
    "show": show.show,
    "report": show.report_,
    "compare": compare.compare_,
    "baseline": gate.baseline_,
    "check": gate.check_,
    "rehearse": rehearse.rehearse,
    "reproduce": reproduce.reproduce,
    "trend": trend.trend,
    "env": show.env,
}.items():
    app.command(name)(command)


def main() -> None:
    """Run the console command; bad input is one line on standard error and exit code 2."""
    from drtrl_bench.gate.revisions import RevisionError
    from drtrl_bench.gate.trend import TrendError

    display.prepare()
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # else PyTorch's memory meter prints two lines at each measurement
    warnings.simplefilter("default", parsing.CorruptLine)
    try:
        app(prog_name="drtrl-bench")
    except (UsageError, RevisionError, TrendError, plan.PlanError, plugins.PluginError, OSError) as error:
        complaints.print(f"drtrl-bench: {' '.join(str(error).split())}", style="red")
        raise SystemExit(2) from None
    except SystemExit as termination:
        if not termination.code and (error := display.lost()):
            complaints.print(f"drtrl-bench: not all was written to standard output: {error.strerror}", style="red")
            raise SystemExit(2) from None
        raise
