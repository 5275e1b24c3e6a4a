"""Files of data sets that are none: one line each, in bounded time and memory."""

import json
import os
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from campaigns import data_files
from campaigns.data_files import FILE, described, header, wraps_at_the_end
from support.damages import edited as changed
from support.genuine import needs_tonic

from drtrl_bench.data import dataset, events, module

availability, fingerprint, published = (
    module(f"events.{name}") for name in ("availability", "fingerprint", "published")
)
pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("whole")
    data_files.written(base)
    return base


@pytest.fixture
def data(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(whole, tmp_path / "data")
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def read(name: str) -> Any:
    """Every recording of the part that is there."""
    held = events(name).recordings("test")[0]
    return [held.read(index) for index in range(len(held))]


def holes(file: Path, rng: random.Random) -> None:
    os.truncate(file, 2**43)


def one_less(file: Path, rng: random.Random) -> None:
    """The header of 59 events before 60."""
    content = file.read_bytes()
    assert content.count(b"(60, 4)") == 1
    file.write_bytes(content.replace(b"(60, 4)", b"(59, 4)"))


def long_row(file: Path, rng: random.Random) -> None:
    """4,294,967,295 spikes of the third recording, as their file has it: four bytes of a number, twelve of a place."""
    import h5py

    with h5py.File(file) as content:
        start: Any = content["spikes/units"]
        start = start.id.get_offset()
    held = bytearray(file.read_bytes())
    assert held[start + 32 : start + 36] == bytes([60, 0, 0, 0])
    held[start + 32 : start + 36] = b"\xff\xff\xff\xff"
    file.write_bytes(held)


def of(name: str, how: Callable[[Any, str, int], None]) -> Any:
    """One array of the words' file made anew."""

    def change(content: Any) -> None:
        number = len(content["labels"])
        del content[name]
        how(content, name, number)

    return lambda file, rng: changed(change)(file)


DAMAGES = {
    "holes (nmnist)": ("nmnist", holes, "8796093022208 bytes, and such a file has 5000000 at most"),
    "holes (shd)": ("shd", holes, "8796093022208 bytes, and such a file has 68719476736 at most"),
    "wraps alone": (
        "nmnist",
        lambda f, r: f.write_bytes(900_000 * bytes([9, 240, 0, 0, 0])),
        "clock wraps 900000 times",
    ),
    "wraps at the end": ("nmnist", wraps_at_the_end, "its clock wraps 900000 times, in 7372.8 s"),
    "a header of too many": (
        "dvs_gesture",
        described("'<i8'", "(1000000000000, 4)"),
        r"holds \(1000000000000, 4\), and not events",
    ),
    "a header of fewer": ("dvs_gesture", one_less, "holds 1920 bytes after its header, which says 1888"),
    "a header of parentheses": ("dvs_gesture", header("(" * 9000 + "\n"), "unpack it again"),
    "a header of 4 GB": ("dvs_gesture", header("{}", (2, 0), 2**32 - 1), "EOF: reading array header"),
    "another format": ("dvs_gesture", header("{}", (9, 9)), "is of .npy format 9.9"),
    "4,294,967,295 spikes": ("shd", long_row, "recording 2: holds 4294967295 unit, which is too much"),
    "10**12 labels": ("shd", of("labels", data_files.a_huge_one), "labels holds 1000000000000 entries"),
    "chunks of 2 GB": ("shd", of("labels", data_files.in_huge_chunks), "labels holds 24 entries"),
    "numbers of another file": ("shd", of("extra/speaker", data_files.elsewhere), "extra/speaker lies in other files"),
    "a view of another file": ("shd", of("labels", data_files.virtual), "labels lies in other files"),
    "a link to another file": ("shd", of("spikes/times", data_files.by_an_outer_link), "spikes/times is a link"),
    "a link to itself": ("shd", of("labels", data_files.by_a_link_to_itself), "labels is a link"),
    "a group": ("shd", of("spikes/units", data_files.a_group), "spikes/units is no array"),
    "labels that are text": ("shd", of("labels", data_files.texts), "labels is of type object, which must be numbers"),
    "times that are numbers": (
        "shd",
        of("spikes/times", lambda content, name, number: content.create_dataset(name, data=np.zeros(number))),
        "spikes/times holds no row of numbers for each recording",
    ),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_what_only_a_damaged_file_says_is_not_believed(kind: str, data: Path) -> None:
    name, damage, said = DAMAGES[kind]
    file = data / FILE[name]
    damage(file, random.Random(0))
    with pytest.raises(published.DamagedError, match=said) as caught:
        read(name)
    assert str(caught.value).startswith(f"{file}: ")
    assert len(str(caught.value).splitlines()) == 1
    assert dataset(name).LABEL.endswith("layout (other recordings)")


def test_lengths_of_compressed_and_chunked_rows_are_read(data: Path) -> None:
    """As other programs write the same layout."""
    import h5py

    file = data / FILE["shd"]
    before = [[column.tolist() for column in events] for events in read("shd")]
    rows: dict[str, Any] = {"chunks": (5,), "maxshape": (None,)}
    for how in (rows, rows | {"compression": "gzip", "shuffle": True}):
        with h5py.File(file, "r+") as content:
            for name in ("times", "units"):
                old: Any = content[f"spikes/{name}"]
                columns, kind = list(old), old.dtype
                del content[f"spikes/{name}"]
                new = content.create_dataset(f"spikes/{name}", (len(columns),), kind, **how)
                for index, column in enumerate(columns):
                    new[index] = column
        assert [[column.tolist() for column in events] for events in read("shd")] == before
        with h5py.File(file) as content:
            column = content["spikes/units"]
            lengths = [module("events.speech").length(column, index) for index in range(24)]
        assert lengths == [None if "compression" in how else 60] * 24


@pytest.mark.parametrize(
    "text",
    [
        "[" * 10**5,
        '{"of": "SHD", "stand_in": "a\\nb", "synthetic": true}',
        '{"of": "", "stand_in": "\\ud800", "synthetic": true}',
        json.dumps({"of": "", "stand_in": 101 * "x", "synthetic": True}),
        " " * 2**17,
    ],
    ids=("deep", "two lines", "surrogate", "long", "large"),
)
def test_a_marker_that_no_maker_writes_is_a_line(text: str, data: Path) -> None:
    marker = data / "SHD" / availability.MARKER
    marker.write_text(text)
    with pytest.raises(published.DamagedError, match=re.escape(str(marker))) as caught:
        _ = dataset("shd").LABEL
    assert str(caught.value).isprintable()


def test_a_fingerprint_is_of_files_that_can_be_read(data: Path) -> None:
    (data / "NMNIST" / "stray").touch()
    os.truncate(data / "NMNIST" / "stray", 2**40)
    with pytest.raises(published.DamagedError, match=r"mostly holes|at most"):
        fingerprint.folder_hash(data / "NMNIST")


def test_files_replaced_behind_a_link_are_another_measurement(data: Path, tmp_path: Path) -> None:
    """Also where two links lead to one folder, by whichever of them it is entered."""
    (data / "NMNIST" / "Test").rename(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "other")
    file = tmp_path / "other" / "4" / "00001.bin"
    file.write_bytes(file.read_bytes()[:-5])
    link, found = data / "NMNIST" / "Test", []
    for target in ("one", "other", "one"):
        link.unlink(missing_ok=True)
        link.symlink_to(tmp_path / target)
        found.append(fingerprint.fingerprint(events("nmnist").published))
    assert found[0] == found[2] != found[1]
    (data / "NMNIST" / "also").symlink_to(tmp_path / "one")
    (data / "NMNIST" / "round").symlink_to(data)
    both = {str(path.relative_to(data)) for path in fingerprint.files(data / "NMNIST")}
    assert {f"NMNIST/Test/4/0000{i}.bin" for i in range(3)} <= both, "by the first of their names"
    assert {f"NMNIST/also/4/0000{i}.bin" for i in range(3)} & both == set()


@needs_tonic
def test_damaged_files_are_lines(tmp_path: Path) -> None:
    found = list(data_files.campaign(tmp_path, 40))
    assert len(found) == 40
    assert [each for each in found if each.fault] == []


def test_the_campaign_sees_what_it_is_for(tmp_path: Path) -> None:
    """Or the tests beside it prove nothing."""
    file, line = tmp_path / "a.bin", f"{tmp_path / 'a.bin'}: damaged\n"
    good = [[[1, line], [0, "list\n"], [1, line]], 10**8, 0.5]
    assert data_files.judged(file, good)[0] == ""
    assert data_files.judged(file, "hang")[0] == "hang"
    assert data_files.judged(file, None)[0] == "ended"
    assert data_files.judged(file, [good[0], 10**8, 11.0])[0] == "slow"
    assert data_files.judged(file, [good[0], 2**32, 0.5])[0].startswith("memory")
    for bad, fault in (
        ([["traceback", line], [0, ""], [0, ""]], "traceback"),
        ([[1, line], [0, "Traceback (most recent call last):"], [0, ""]], "traceback"),
        ([[1, ""], [0, ""], [0, ""]], "not one line for each fault"),
        ([[1, 2 * line], [0, ""], [0, ""]], "not one line for each fault"),
        ([[1, line], [0, ""], [1, 2 * line]], "not one line"),
        ([[3, line], [0, ""], [0, ""]], "exit code"),
    ):
        assert data_files.judged(file, [bad, 10**8, 0.5])[0] == fault


@needs_tonic
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_hundreds_of_damaged_files_are_lines(tmp_path: Path) -> None:
    found = list(data_files.campaign(tmp_path, data_files.FILES, seed=1))
    print(len(found), "files", sum(bool(each.fault) for each in found), "failures")
    assert len(found) == data_files.FILES >= 600
    assert [each for each in found if each.fault] == []
