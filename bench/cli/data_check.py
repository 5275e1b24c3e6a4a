"""`drtrl-bench data check`: reads every recording once, and names damaged files and wrong checksums."""

import hashlib
from functools import partial
from pathlib import Path
from typing import Any

import typer
from rich.progress import Progress, TaskID
from rich.table import Table

from drtrl_bench import data as sets
from drtrl_bench import protocols
from drtrl_bench.cli.arguments import Data
from drtrl_bench.cli.data import Names, choose, progress
from drtrl_bench.cli.terminal import console


def check(names: Names = None, data: Data = None) -> None:
    """Read every recording once through tonic's reader, and print damaged files, counts, checksums and statistics.

    Example: drtrl-bench data check shd --data /data

    The check also decodes SHD, SSC and DVS-Gesture into the cache, at 9 bytes per event, since their files are slow to
    read.

    A fault of one set does not keep the next from being checked. Exit code: 0, also where a set that was not named has
    no files; 1 if a file is damaged or a checksum is wrong; 2 for bad input, and where a reader is not installed.
    """
    published = sets.module("events.published")
    sound, unread = True, {}
    for events in choose(names).values():
        try:
            sound &= check_dataset(events, bool(names))
        except (published.MissingError, published.ReaderError) as error:
            unread[str(error)] = error
        except OSError as error:
            console.print(f"  {error}", style="red", soft_wrap=True)
            sound = False
    *others, last = unread.values() or [None]
    for error in others:
        console.print(str(error), style="red", soft_wrap=True)
    if last is not None:
        raise last
    if not sound:
        raise typer.Exit(1)


def check_dataset(events: protocols.EventDataset, named: bool) -> bool:
    """Tell whether the files of a data set are sound; print their faults and their statistics.

    Raises MissingError if the user named a set without files, ReaderError if a reader is not installed, OSError for a
    file that stops the check.
    """
    availability, errors = sets.module("events.availability"), sets.module("events.published")
    published, statistics = events.published, sets.module("events.statistics")
    loaded = availability.location(published)
    if loaded is None:
        if named:
            raise errors.MissingError(availability.missing(published))
        message = f"{events.LABEL}: not checked; stand-in: drtrl-bench data make {published.module}"
        console.print(message, soft_wrap=True)
        return True
    if reason := availability.unreadable(published):
        raise errors.ReaderError(reason)
    console.print(f"{events.LABEL}   {loaded.folder}", style="bold", soft_wrap=True)
    sound, rows = True, []
    for split, archive in published.archives.items():
        if not (loaded.folder / archive.unpacked).exists():
            console.print(f"  {split}: not there")
            continue
        if loaded.marker is None:
            sound &= check_archive(loaded.folder, archive)
        faults: list[Exception] = []
        try:
            with progress() as bar:
                try:
                    recordings, _ = events.recordings(split)
                except ValueError as error:  # nothing to hold out
                    raise errors.DamagedError(f"{loaded.folder / archive.unpacked}: {error}") from None
                for absent in sorted(set(range(events.CLASSES)) - set(recordings.labels.tolist())):
                    console.print(f"  {split}: warning: no recording of class {absent}", style="yellow")
                task = bar.add_task(f"  {split}", total=len(recordings))
                measures = statistics.statistics(recordings, None, partial(advance, bar, task), faults.append)
            if measures:
                rows.append((split, measures))
        except errors.DamagedError as error:
            faults.append(error)
        for error in faults:
            console.print(f"  {error}", style="red", soft_wrap=True)
            sound = False
    if rows:
        console.print(statistics_table(rows, published.counts))
    return sound


def check_archive(folder: Path, archive: Any) -> bool:
    """Tell whether an archive beside its files, in any case of letters, has the published md5; print it if not.

    An archive that is not there passes, with a note.
    """
    files = (file for file in folder.iterdir() if file.is_file())
    file = next((file for file in files if file.name.lower() == archive.file.lower()), None)
    if file is None:
        console.print(f"  {folder / archive.file}: archive not there: checksum not compared", soft_wrap=True)
    elif (md5 := checksum(file)) != archive.md5:
        console.print(f"  {file}: md5 is {md5}, published is {archive.md5}", style="red", soft_wrap=True)
        return False
    return True


def advance(bar: Progress, task: TaskID, done: int, total: int) -> None:
    bar.update(task, completed=done, total=total)


def checksum(file: Path) -> str:
    with sets.module("events.files").regular(file).open("rb") as content:
        return hashlib.file_digest(content, "md5").hexdigest()


def statistics_table(rows: list[tuple[str, dict[str, float]]], counts: dict[str, int]) -> Table:
    """Make a table of the statistics of the parts of a data set, a row each, beside the published counts."""
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
