"""Flips single bits of kept files, and counts how many give other numbers: `python tests/campaigns/caches.py [FLIPS]`.

A kind of cache is a file, what it held when it was written, and the project's own way to read it. Every other flip is
somewhere in the file; the rest are where a file says how it is to be read: zip directories, headers, counts, the hash.
"""

import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from drtrl_bench import data
from drtrl_bench.case import Case
from drtrl_bench.files import cache_folder, diskcache
from drtrl_bench.measure import fidelity, problem

FLIPS = 5_000
Content = dict[str, NDArray[Any]]


class Kind(NamedTuple):
    """A kind of cache: one of its files, and what reads it; None where that finds nothing to believe."""

    name: str
    path: Path
    held: Content
    read: Callable[[], Content | None]
    heal: Callable[[], Any]
    """What a user's next run does: reads it, or makes it anew."""


class Found(NamedTuple):
    """What a campaign found of one kind."""

    kind: str
    trials: int
    silent: int
    """Flips after which other numbers were read."""
    unnoticed: int
    """Flips after which the same numbers were read."""
    unhealed: int
    """Files that were not what they had been after the next run."""


def small_problem(folder: Path) -> Kind:
    """A problem and its reference gradient."""
    case = Case(dataset="bernoulli", cell="lif_delta", features=3, steps=5, batch=2, neurons=3, layers=2, scale_x=60)
    path = problem.prepared(case, folder)

    def read() -> Content | None:
        try:
            whole = problem.read(path)
        except OSError:
            return None
        return of_problem(whole)

    return Kind("problem", path, of_problem(problem.solve(case)), read, lambda: problem.prepared(case, folder))


def of_problem(whole: problem.Problem) -> Content:
    found = {"inputs": whole.inputs, "targets": whole.targets}
    found |= {f"spikes {i}": spikes for i, spikes in enumerate(whole.spikes)}
    for what, layers in (("param", whole.params), ("gradient", whole.gradient)):
        found |= {f"{what} {name}": np.asarray(value) for name, value in fidelity.named(layers).items()}
    return found


def small_recording(folder: Path) -> Kind:
    """The events of a recording as they were decoded."""
    decoded, recordings = data.module("events.cache"), data.module("events.recordings")
    rng, path, stamp = np.random.default_rng(0), folder / "decoded" / "0", bytes(range(16))
    columns = [rng.integers(200, size=60).astype(kind) for kind in recordings.DTYPES]

    def read() -> Content | None:
        found = decoded.load(path, stamp, recordings.DTYPES)
        return None if found is None else dict(zip("txyp", found, strict=True))

    def heal() -> None:
        if read() is None:
            decoded.save(path, stamp, columns)

    heal()
    return Kind("decoded events", path, dict(zip("txyp", columns, strict=True)), read, heal)


def small_arrays(folder: Path) -> Kind:
    """Arrays as the digits and the spoken words are kept."""
    rng, path = np.random.default_rng(1), folder / "digits.npz"
    packed = data.module("digits").PACKED
    held: Content = {"events": np.zeros(20, packed), "first": np.arange(4), "labels": rng.integers(9, size=3)}
    held["events"]["t"] = rng.integers(300_000, size=20)

    def heal() -> None:
        if diskcache.load(path) is None:
            diskcache.save(path, held)

    heal()
    return Kind("digits and words", path, held, lambda: diskcache.load(path), heal)


def small_memory(folder: Path) -> Kind:
    """What is remembered of the files that make a fingerprint."""
    fingerprint, path = data.module("events.fingerprint"), folder / "fingerprints" / "0.json"
    held: dict[str, list[int | str]] = {"a.bin": [3, 1, 2, 5, 7, "beef"], "Train/b.bin": [4, 1, 2, 6, 8, "cafe"]}

    def content(known: dict[str, list[int | str]]) -> Content:
        return {name: np.array(list(map(str, entry))) for name, entry in known.items()}

    def heal() -> None:
        if not fingerprint.remembered(path):
            fingerprint.remember(path, held)

    heal()
    return Kind("fingerprints", path, content(held), lambda: content(fingerprint.remembered(path)) or None, heal)


KINDS = (small_problem, small_recording, small_arrays, small_memory)


def structure(content: bytes) -> list[int]:
    """The bytes of a file that say how the others are to be read, and its hash."""
    starts = [i for i in range(len(content)) if content.startswith(b"PK\x03\x04", i)]
    around = {i + k for i in starts for k in range(250) if i + k < len(content)}
    directory = content.find(b"PK\x01\x02")
    end = range(directory if directory >= 0 else len(content) - diskcache.SEAL, len(content))
    return sorted(around | set(end) | set(range(min(32, len(content)))))


def same(one: Content, other: Content) -> bool:
    return one.keys() == other.keys() and all(
        one[k].dtype == other[k].dtype and one[k].shape == other[k].shape and one[k].tobytes() == other[k].tobytes()
        for k in one
    )


def flipped(kind: Kind, flips: int, seed: int) -> Found:
    """Flips bits of a file of one kind, one at a time."""
    rng, whole = random.Random(seed), kind.path.read_bytes()
    told, silent, unnoticed, unhealed = structure(whole), 0, 0, 0
    before = kind.read()
    if before is None or not same(before, kind.held):
        raise AssertionError(f"{kind.name}: what was written is not what is read")
    for trial in range(flips):
        at = rng.choice(told) if trial % 2 else rng.randrange(len(whole))
        damaged = bytearray(whole)
        damaged[at] ^= 1 << rng.randrange(8)
        kind.path.write_bytes(damaged)
        if (found := kind.read()) is not None:
            silent, unnoticed = silent + (not same(found, kind.held)), unnoticed + same(found, kind.held)
        if trial % 50 == 0:
            kind.heal()
            unhealed += kind.path.read_bytes() != whole
    kind.path.write_bytes(whole)
    return Found(kind.name, flips, silent, unnoticed, unhealed)


def campaign(folder: Path, flips: int, seed: int = 0) -> Iterator[Found]:
    """The same number of flips of every kind of cache."""
    for make in KINDS:
        yield flipped(make(folder), -(-flips // len(KINDS)), seed)


def main(flips: int = FLIPS) -> int:
    """Prints a line for each kind of cache; 1 if any flip was silent or a file was not healed."""
    with tempfile.TemporaryDirectory() as folder:
        cache_folder.use(Path(folder))  # what is damaged here is no news
        found = list(campaign(Path(folder), flips))
    for each in found:
        print(f"{each.kind:18} {each.trials} flips: {each.silent} silent, {each.unhealed} not healed")
    return int(any(each.silent or each.unhealed for each in found))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
