"""The command `drtrl-bench`: its subcommands, its options, and its exit code for bad input."""

import warnings
from typing import Annotated

import typer

from drtrl_bench import __version__, plugins
from drtrl_bench import plan as plans
from drtrl_bench.cli import compare, data, data_check, gate, rehearse, run, show, trend
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


def version(wanted: bool) -> None:
    """Prints the version alone, as other programs do."""
    if wanted:
        typer.echo(f"drtrl-bench {__version__}")
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[
        bool, typer.Option("--version", help="Show the version, and exit.", callback=version, is_eager=True)
    ] = False,
) -> None:
    """Options of the command itself."""


for name, command in {
    "list": show.list_,
    "run": run.run,
    "show": show.show,
    "report": show.report_,
    "compare": compare.compare_,
    "baseline": gate.baseline_,
    "check": gate.check_,
    "rehearse": rehearse.rehearse,
    "trend": trend.trend,
    "env": show.env,
}.items():
    app.command(name)(command)


def main() -> None:
    """The console command: bad input is one line on standard error and exit code 2."""
    from drtrl_bench.gate.revisions import RevisionError
    from drtrl_bench.gate.trend import TrendError

    display.prepare()
    warnings.simplefilter("default", parsing.CorruptLine)
    try:
        app(prog_name="drtrl-bench")
    except (UsageError, RevisionError, TrendError, plans.PlanError, plugins.PluginError, OSError) as error:
        complaints.print(f"drtrl-bench: {' '.join(str(error).split())}", style="red")
        raise SystemExit(2) from None
    except SystemExit as ended:
        if not ended.code and (error := display.lost()):
            complaints.print(f"drtrl-bench: not all was written to standard output: {error.strerror}", style="red")
            raise SystemExit(2) from None
        raise
