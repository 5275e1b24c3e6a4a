"""The commands `drtrl-bench data ...`: what data there is, making stand-ins, reading everything once."""

import hashlib
import os
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from drtrl_bench import data as sets
from drtrl_bench import lookup, plugins
from drtrl_bench.files import diskcache
from drtrl_bench.view import display

app = typer.Typer(
    help="Data sets: what is loaded, where genuine files go, stand-ins for those that are not at hand.\n\n"
    "Genuine files are used as soon as they lie in `DIR/SHD`, `DIR/SSC`, `DIR/NMNIST` or `DIR/DVSGesture`, where "
    "DIR is `--data DIR`, or `$DRTRL_BENCH_DATA`, or `~/.cache/drtrl-bench/data`. Otherwise a stand-in "
    "is, once it is made.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
console = display.Console()


def published() -> dict[str, ModuleType]:
    """The data sets that have files."""
    modules = {name: sets.dataset(name) for name in sets.datasets()}
    return {name: module for name, module in modules.items() if hasattr(module, "PUBLISHED")}


def completed(incomplete: str) -> list[str]:
    return [name for name in published() if name.startswith(incomplete)]


def point(folder: Path | None) -> Path | None:
    """Tells this process and its children where genuine files are. Raises NotADirectoryError for no folder."""
    if folder is not None:
        if not folder.is_dir():
            raise NotADirectoryError(f"--data {folder}: no such folder")
        os.environ["DRTRL_BENCH_DATA"] = str(folder.resolve())
    sets.dataset("events.place").data_folder()
    return folder


Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Folder with genuine data sets; $DRTRL_BENCH_DATA if left out.",
        metavar="DIR",
        callback=point,
        show_default=False,
    ),
]
Plugins = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin",
        help="A file or module with algorithms, cells or data sets of your own; repeat for more. Those of installed "
        "packages are there without it.",
        metavar="FILE|MODULE",
        show_default=False,
    ),
]
Names = Annotated[
    list[str] | None,
    typer.Argument(help="Names of data sets; all that have files if left out.", autocompletion=completed),
]


def chosen(names: list[str] | None) -> dict[str, ModuleType]:
    """The named data sets, or all. Raises FileNotFoundError with the nearest names."""
    known = published()
    for name in names or ():
        if name not in known:
            hint = lookup.nearest(name, known) if name not in sets.datasets() else "has no files to make or check"
            raise FileNotFoundError(f"data set {name!r}: {hint}")
    return {name: module for name, module in known.items() if not names or name in names}


@app.command("list")
def list_(data: Data = None, plugin: Plugins = None) -> None:
    """What each data set would load now, and from where.

    Example: drtrl-bench data list --data /data
    """
    plugins.load(plugin or (), installed=True)
    place, making = sets.dataset("events.place"), sets.dataset("events.making")
    genuine = place.data_folder()
    for name in sets.datasets():
        module = sets.dataset(name)
        line = Text(f"{name:12} ", style="bold")
        try:
            line.append(module.LABEL, style="")
            found = place.found(module.PUBLISHED) if hasattr(module, "PUBLISHED") else None
        except OSError as error:  # damaged, or not to be read
            console.print(line.append(str(error), style="red"), soft_wrap=True)
            continue
        console.print(line, soft_wrap=True)
        if brought := plugins.owner("dataset", name):
            console.print(f"{'':12} {brought.origin}", style="dim", soft_wrap=True)
        if hasattr(module, "PUBLISHED"):
            where = str(found.folder) if found else f"stand-in: drtrl-bench data make {name}"
            if found and found.marker and found.marker.get("sources") != making.sources_sha():
                where += f" (made by other sources; again with: drtrl-bench data make {name})"
            console.print(f"{'':12} {where}", style="dim", soft_wrap=True)
    console.print(f"genuine files go to {genuine}", soft_wrap=True)


@app.command()
def make(
    names: Names = None,
    train: Annotated[int, typer.Option(help="Recordings per class for training.", min=1)] = 30,
    valid: Annotated[int, typer.Option(help="For validation, where that is a part of its own.", min=1)] = 8,
    test: Annotated[int, typer.Option(help="For the test.", min=1)] = 10,
    seed: Annotated[int, typer.Option(help="What draws them.", min=0)] = 0,
) -> None:
    """Make stand-ins, in the genuine files' formats; a stand-in that is there already is not made again.

    Examples: drtrl-bench data make nmnist     drtrl-bench data make dvs_gesture --train 60 --test 20

    A recording of N-MNIST or DVS-Gesture takes a fraction of a second; a spoken word of SHD or SSC a second or more.

    Stand-ins are kept apart from genuine files, carry a marker, and are called synthetic (or event-converted) wherever
    they appear. An interrupted run leaves nothing.
    """
    making = sets.dataset("events.making")
    if diskcache.wanted() is None:
        said = f"no home folder to keep a stand-in in; set ${diskcache.SETTING} to a folder of your own"
        raise FileNotFoundError(said)
    for name, module in chosen(names).items():
        with progress() as bar:
            tasks: dict[str, Any] = {}

            def report(split: str, done: int, of: int, name: str = name, bar: Any = bar, tasks: Any = tasks) -> None:
                if split not in tasks:
                    tasks[split] = bar.add_task(f"{name} {split}", total=of)
                bar.update(tasks[split], completed=done, total=of)

            per_class = {"train": train, "valid": valid, "test": test}
            try:
                folder, new = making.make(module.PUBLISHED, report, per_class, seed)
            except ValueError as error:  # more than there are
                raise OSError(f"{name}: {error}") from None
        said, what = "made" if new else "there already, as asked for", module.PUBLISHED
        console.print(f"{folder}: {said}: {what.name} layout ({what.stand_in})", soft_wrap=True)


@app.command()
def check(names: Names = None, data: Data = None) -> None:
    """Read every recording once through tonic's reader: damaged files, counts, checksums, statistics.

    Example: drtrl-bench data check shd --data /data

    On the way it decodes, into the cache, what would be slow to read again: 9 bytes per event of SHD, SSC and
    DVS-Gesture.

    What is wrong with a set is said, and the next one is checked. Exit code: 0, also where a set that was not named has
    no files; 1 if a file is damaged or a checksum is wrong; 2 for bad input, and where a reader is not installed.
    """
    place = sets.dataset("events.place")
    good, unread = True, {}
    for module in chosen(names).values():
        try:
            good &= checked(module, bool(names))
        except (place.MissingError, place.ReaderError) as error:
            unread[str(error)] = error
        except OSError as error:
            console.print(f"  {error}", style="red", soft_wrap=True)
            good = False
    *others, last = unread.values() or [None]
    for error in others:
        console.print(str(error), style="red", soft_wrap=True)
    if last is not None:
        raise last
    if not good:
        raise typer.Exit(1)


def checked(module: ModuleType, named: bool) -> bool:
    """Whether all is well with the files of a data set; prints what is not, and statistics.

    Raises MissingError if there are none and the set was named, ReaderError, and OSError for what stops the check.
    """
    place, statistics = sets.dataset("events.place"), sets.dataset("events.statistics")
    found = place.found(module.PUBLISHED)
    if found is None:
        if named:
            raise place.MissingError(place.missing(module.PUBLISHED))
        said = f"{module.LABEL}: not checked; stand-in: drtrl-bench data make {module.PUBLISHED.module}"
        console.print(said, soft_wrap=True)
        return True
    if reason := place.unreadable(module.PUBLISHED):
        raise place.ReaderError(reason)
    console.print(f"{module.LABEL}   {found.folder}", style="bold", soft_wrap=True)
    good, rows = True, []
    for split, archive in module.PUBLISHED.archives.items():
        if not (found.folder / archive.unpacked).exists():
            console.print(f"  {split}: not there")
            continue
        if found.marker is None:
            good &= published_one(found.folder, archive)
        bad: list[Exception] = []
        try:
            with progress() as bar:
                try:
                    held, _ = module.opened(split)
                except ValueError as error:  # nothing to hold out
                    raise place.DamagedError(f"{found.folder / archive.unpacked}: {error}") from None
                for lacking in sorted(set(range(module.CLASSES)) - set(held.labels.tolist())):
                    console.print(f"  {split}: warning: no recording of class {lacking}", style="yellow")
                task = bar.add_task(f"  {split}", total=len(held))
                whole = statistics.statistics(held, None, partial(advance, bar, task), bad.append)
            if whole:
                rows.append((split, whole))
        except place.DamagedError as error:
            bad.append(error)
        for error in bad:
            console.print(f"  {error}", style="red", soft_wrap=True)
            good = False
    if rows:
        console.print(described(rows, module.PUBLISHED.counts))
    return good


def published_one(folder: Path, archive: Any) -> bool:
    """Whether an archive left beside its files, in any case of letters, is the published one; prints if it is not."""
    files = (file for file in folder.iterdir() if file.is_file())
    file = next((file for file in files if file.name.lower() == archive.file.lower()), None)
    if file is None:
        console.print(f"  {folder / archive.file}: archive not there: checksum not compared", soft_wrap=True)
    elif (md5 := checksum(file)) != archive.md5:
        console.print(f"  {file}: md5 is {md5}, published is {archive.md5}", style="red", soft_wrap=True)
        return False
    return True


def advance(bar: Progress, task: TaskID, done: int, of: int) -> None:
    bar.update(task, completed=done, total=of)


def progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def checksum(file: Path) -> str:
    with sets.dataset("events.place").regular(file).open("rb") as content:
        return hashlib.file_digest(content, "md5").hexdigest()


def described(rows: list[tuple[str, dict[str, float]]], counts: dict[str, int]) -> Table:
    """Statistics of the parts, a row each."""
    table = Table(box=None, padding=(0, 1))
    for heading in ("part", "read", "published", "events", "fewest", "most", "s", "Hz/line", "density", "on"):
        table.add_column(heading, justify="left" if heading == "part" else "right")
    for split, s in rows:
        table.add_row(
            split,
            f"{s['recordings']}",
            f"{counts[split]}",
            f"{s['events']:.0f}",
            f"{s['fewest']}",
            f"{s['most']}",
            f"{s['seconds']:.2f}",
            f"{s['rate_hz']:.2f}",
            f"{s['density']:.2%}",
            f"{s['on']:.2f}",
        )
    return table
