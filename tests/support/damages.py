"""Damage to files of the published data sets, one kind each: what a test does to one file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-3])


def cut_in_half(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def garbage(file: Path) -> None:
    file.write_bytes(b"\xff" * 1001)


def far_pixel(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[0] = 34
    file.write_bytes(content)


def far_pixel_npy(file: Path) -> None:
    events = np.load(file)
    events[3, 1] = 128
    np.save(file, events)


def early(file: Path) -> None:
    events = np.load(file)
    events[0, 3] = -1
    np.save(file, events)


def no_events(file: Path) -> None:
    np.save(file, np.zeros((0, 4), np.int64))


def three_columns(file: Path) -> None:
    np.save(file, np.load(file)[:, :3])


def a_pickle(file: Path) -> None:
    np.save(file, np.array([{}], object), allow_pickle=True)


def edited(change: Callable[[Any], None]) -> Callable[[Path], None]:
    def damage(file: Path) -> None:
        import h5py

        with h5py.File(file, "r+") as content:
            change(content)

    return damage


def far_unit(content: Any) -> None:
    units = content["spikes/units"][0]
    units[5] = 700
    content["spikes/units"][0] = units


def fewer_units(content: Any) -> None:
    content["spikes/units"][0] = content["spikes/units"][0][:-1]


def no_labels(content: Any) -> None:
    del content["labels"]


def other_lengths(content: Any) -> None:
    labels = content["labels"][:-1]
    del content["labels"]
    content["labels"] = labels


def far_label(content: Any) -> None:
    content["labels"][-1] = 35


def no_keys(content: Any) -> None:
    del content["extra/keys"]


# What a cast would make plausible: words


def retyped(name: str, kind: Any, change: Callable[[Any], Any] = lambda column: column) -> Callable[[Path], None]:
    """Spikes' times or units in another type, each recording's changed before."""

    def damage(content: Any) -> None:
        import h5py

        columns = [change(column) for column in content[f"spikes/{name}"]]
        del content[f"spikes/{name}"]
        new = content.create_dataset(f"spikes/{name}", (len(columns),), h5py.vlen_dtype(np.dtype(kind)))
        for i, column in enumerate(columns):
            new[i] = column

    return edited(damage)


def one_unit(content: Any) -> None:
    content["spikes/times"][0] = content["spikes/times"][0][:3]
    content["spikes/units"][0] = content["spikes/units"][0][:1]


def at(index: int, value: float) -> Callable[[Any], Any]:
    """A change of one value of a column."""

    def change(column: Any) -> Any:
        new = column.astype(np.float64)
        new[index] = value
        return new

    return change


def shuffled(column: Any) -> Any:
    return np.concatenate([column[30:], column[:30]])


def labels(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def damage(content: Any) -> None:
        new = change(content["labels"][()].astype(np.int64))
        del content["labels"]
        content["labels"] = new

    return edited(damage)


# N-MNIST


def events_of(file: Path) -> Any:
    """x, y, p and t of a file .bin, by its definition."""
    rows = np.frombuffer(file.read_bytes(), np.uint8).reshape(-1, 5).astype(np.int64)
    return np.stack([rows[:, 0], rows[:, 1], rows[:, 2] >> 7, (rows[:, 2] & 127) << 16 | rows[:, 3] << 8 | rows[:, 4]])


def rewritten(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    """A file .bin with other columns x, y, p and t."""

    def damage(file: Path) -> None:
        x, y, p, t = change(events_of(file))
        file.write_bytes(np.stack([x, y, p << 7 | t >> 16, t >> 8 & 255, t & 255], 1).astype(np.uint8).tobytes())

    return damage


def neighbours_swapped(events: Any) -> Any:
    """The two events that are least apart, in the other order."""
    order, first = np.arange(events.shape[1]), np.diff(events[3]).argmin()
    order[[first, first + 1]] = first + 1, first
    return events[:, order]


def twice(file: Path) -> None:
    file.write_bytes(2 * file.read_bytes())


# DVS-Gesture


def stored(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    """A file .npy with other events [E, 4]."""
    return lambda file: np.save(file, change(np.load(file)))


def column(number: int, change: Callable[[Any], Any], kind: Any = np.int64) -> Callable[[Path], None]:
    """A file .npy with one other column."""

    def changed(events: Any) -> Any:
        new = events.astype(kind)
        new[:, number] = change(new[:, number])
        return new

    return stored(changed)
