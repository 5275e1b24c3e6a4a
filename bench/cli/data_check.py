"""`drtrl-bench data check`: reads every recording once, and says what is wrong."""

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
from drtrl_bench.cli.data import Names, chosen, progress
from drtrl_bench.cli.terminal import console


def check(names: Names = None, data: Data = None) -> None:
    """Read every recording once through tonic's reader: damaged files, counts, checksums, statistics.

    Example: drtrl-bench data check shd --data /data

    On the way it decodes, into the cache, what would be slow to read again: 9 bytes per event of SHD, SSC and
    DVS-Gesture.

    What is wrong with a set is said, and the next one is checked. Exit code: 0, also where a set that was not named has
    no files; 1 if a file is damaged or a checksum is wrong; 2 for bad input, and where a reader is not installed.
    """
    published = sets.module("events.published")
    good, unread = True, {}
    for events in chosen(names).values():
        try:
            good &= checked(events, bool(names))
        except (published.MissingError, published.ReaderError) as error:
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


def checked(events: protocols.EventDataset, named: bool) -> bool:
    """Whether all is well with the files of a data set; prints what is not, and statistics.

    Raises MissingError if there are none and the set was named, ReaderError, and OSError for what stops the check.
    """
    availability, errors = sets.module("events.availability"), sets.module("events.published")
    published, statistics = events.published, sets.module("events.statistics")
    loaded = availability.location(published)
    if loaded is None:
        if named:
            raise errors.MissingError(availability.missing(published))
        said = f"{events.LABEL}: not checked; stand-in: drtrl-bench data make {published.module}"
        console.print(said, soft_wrap=True)
        return True
    if reason := availability.unreadable(published):
        raise errors.ReaderError(reason)
    console.print(f"{events.LABEL}   {loaded.folder}", style="bold", soft_wrap=True)
    good, rows = True, []
    for split, archive in published.archives.items():
        if not (loaded.folder / archive.unpacked).exists():
            console.print(f"  {split}: not there")
            continue
        if loaded.marker is None:
            good &= published_one(loaded.folder, archive)
        bad: list[Exception] = []
        try:
            with progress() as bar:
                try:
                    recordings, _ = events.recordings(split)
                except ValueError as error:  # nothing to hold out
                    raise errors.DamagedError(f"{loaded.folder / archive.unpacked}: {error}") from None
                for lacking in sorted(set(range(events.CLASSES)) - set(recordings.labels.tolist())):
                    console.print(f"  {split}: warning: no recording of class {lacking}", style="yellow")
                task = bar.add_task(f"  {split}", total=len(recordings))
                whole = statistics.statistics(recordings, None, partial(advance, bar, task), bad.append)
            if whole:
                rows.append((split, whole))
        except errors.DamagedError as error:
            bad.append(error)
        for error in bad:
            console.print(f"  {error}", style="red", soft_wrap=True)
            good = False
    if rows:
        console.print(described(rows, published.counts))
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


def checksum(file: Path) -> str:
    with sets.module("events.files").regular(file).open("rb") as content:
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
