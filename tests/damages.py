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
