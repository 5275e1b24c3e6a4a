"""`drtrl-bench data list` and `data make`: lists the data sets, and makes stand-ins for those without files."""

from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from drtrl_bench import data as sets
from drtrl_bench import lookup, plugins, protocols
from drtrl_bench.cli.arguments import Data, Plugins
from drtrl_bench.cli.terminal import console
from drtrl_bench.files import cache_folder

app = typer.Typer(
    help="Data sets: what is loaded, where genuine files go, stand-ins for those that are not at hand.\n\n"
    "Genuine files are used as soon as they lie in `DIR/SHD`, `DIR/SSC`, `DIR/NMNIST` or `DIR/DVSGesture`, where "
    "DIR is `--data DIR`, or `$DRTRL_BENCH_DATA`, or `~/.cache/drtrl-bench/data`. Otherwise a stand-in "
    "is, once it is made.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


def published_datasets() -> dict[str, protocols.EventDataset]:
    """Return the data sets that are published as files, by name."""
    return {name: events for name in sets.datasets() if (events := sets.dataset(name).events)}


def dataset_names(incomplete: str) -> list[str]:
    """List the published data sets that complete a name, for the shell."""
    return [name for name in published_datasets() if name.startswith(incomplete)]


Names = Annotated[
    list[str] | None,
    typer.Argument(help="Names of data sets; all that have files if left out.", autocompletion=dataset_names),
]


def choose(names: list[str] | None) -> dict[str, protocols.EventDataset]:
    """Return the named data sets, or all. Raises FileNotFoundError, with the nearest names, for an unknown name."""
    known = published_datasets()
    for name in names or ():
        if name not in known:
            hint = lookup.nearest(name, known) if name not in sets.datasets() else "has no files to make or check"
            raise FileNotFoundError(f"data set {name!r}: {hint}")
    return {name: events for name, events in known.items() if not names or name in names}


@app.command("list")
def list_(data: Data = None, plugin: Plugins = None) -> None:
    """List the data sets: what each loads here and now, and from where.

    Example: drtrl-bench data list --data /data
    """
    plugins.load(plugin or (), installed=True)
    availability, make_stand_in = sets.module("events.availability"), sets.module("events.make_stand_in")
    genuine = sets.module("events.folders").data_folder()
    for name in sets.datasets():
        dataset = sets.dataset(name)
        line = Text(f"{name:12} ", style="bold")
        try:
            line.append(dataset.LABEL, style="")
            loaded = availability.location(dataset.events.published) if dataset.events else None
        except OSError as error:  # damaged, or not to be read
            console.print(line.append(str(error), style="red"), soft_wrap=True)
            continue
        console.print(line, soft_wrap=True)
        if owner := plugins.owner("dataset", name):
            console.print(f"{'':12} {owner.origin}", style="dim", soft_wrap=True)
        if dataset.events:
            source = str(loaded.folder) if loaded else f"stand-in: drtrl-bench data make {name}"
            if loaded and loaded.marker and loaded.marker.get("sources") != make_stand_in.sources_sha():
                source += f" (made by other sources; again with: drtrl-bench data make {name})"
            console.print(f"{'':12} {source}", style="dim", soft_wrap=True)
    console.print(f"genuine files go to {genuine}", soft_wrap=True)


@app.command()
def make(
    names: Names = None,
    train: Annotated[int, typer.Option(help="Recordings per class for training.", min=1)] = 30,
    valid: Annotated[
        int, typer.Option(help="Recordings per class for validation, where the set has such a part.", min=1)
    ] = 8,
    test: Annotated[int, typer.Option(help="Recordings per class for the test.", min=1)] = 10,
    seed: Annotated[int, typer.Option(help="Seed of the drawn recordings.", min=0)] = 0,
) -> None:
    """Make stand-ins in the formats of the genuine files; keep a stand-in that is there already.

    Examples: drtrl-bench data make nmnist     drtrl-bench data make dvs_gesture --train 60 --test 20

    A recording of N-MNIST or DVS-Gesture takes a fraction of a second; a spoken word of SHD or SSC a second or more.

    Stand-ins are kept apart from genuine files, carry a marker, and are called synthetic (or event-converted) wherever
    they appear. An interrupted run leaves nothing.
    """
    make_stand_in = sets.module("events.make_stand_in")
    if cache_folder.configured() is None:
        message = f"no home folder to keep a stand-in in; set ${cache_folder.SETTING} to a folder of your own"
        raise FileNotFoundError(message)
    for name, events in choose(names).items():
        with progress() as bar:
            tasks: dict[str, Any] = {}

            def report(split: str, done: int, total: int, name: str = name, bar: Any = bar, tasks: Any = tasks) -> None:
                if split not in tasks:
                    tasks[split] = bar.add_task(f"{name} {split}", total=total)
                bar.update(tasks[split], completed=done, total=total)

            per_class = {"train": train, "valid": valid, "test": test}
            try:
                folder, new = make_stand_in.make(events.published, report, per_class, seed)
            except ValueError as error:  # more than there are
                raise OSError(f"{name}: {error}") from None
        outcome, published = "made" if new else "there already, as asked for", events.published
        console.print(f"{folder}: {outcome}: {published.name} layout ({published.stand_in})", soft_wrap=True)


def progress() -> Progress:
    """Make a progress bar, shown on a terminal only."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
