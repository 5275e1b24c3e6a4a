"""Files in the layouts of the published data sets, small and with known events, as a user would put them in place."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from drtrl_bench.datasets.events import published
from drtrl_bench.datasets.stand_ins import espeak

Known = dict[str, list[tuple[NDArray[Any], int]]]
"""For each part: events [E, 4] of x, y, p and t (us) in order of time, and class."""


def absences() -> dict[str, str]:
    """What is said where an optional package is not installed, by package; nothing where it is.

    A package that is there is asked for by nobody: whatever fails then is a failure.
    """
    absent = [name for name in ("tonic", "h5py", "espeakng_loader") if find_spec(name) is None]
    return {name: espeak.MISSING if name == "espeakng_loader" else published.needs(name) for name in absent}


def unread(error: BaseException) -> str | None:
    """Why a test that ended in an error could not run, if what is not installed is the cause; else None."""
    seen: BaseException | None = error
    while seen:  # another error may have been expected, or be raised on the way
        for package, said in absences().items():
            if said in str(seen) and isinstance(seen, OSError):
                return said
            if isinstance(seen, ModuleNotFoundError) and (seen.name or "").partition(".")[0] == package:
                return said
        seen = seen.__cause__ or seen.__context__
    return None


needs_tonic = pytest.mark.skipif(find_spec("tonic") is None, reason=published.needs("tonic"))
"""Skip what leaves reading to another process: the error stays there."""


def drawn(seed: int, sensor: tuple[int, int, int], length: int, unit: int, number: int = 60) -> NDArray[np.int64]:
    """Events of x, y, p and t: times are multiples of `unit` us below `length` us."""
    rng = np.random.default_rng(seed)
    t = np.sort(rng.integers(length // unit, size=number)) * unit
    return np.stack([*(rng.integers(limit, size=number) for limit in sensor), t], axis=1)


def words(folder: Path, prefix: str, parts: tuple[str, ...], classes: int) -> Known:
    """HDF5 as the Heidelberg data sets have it: two recordings of each class by each of four speakers."""
    import h5py

    folder.mkdir(parents=True)
    known: Known = {}
    for number, part in enumerate(parts):
        labels = np.repeat(np.arange(classes), 8)
        # Times are stored as half floats of seconds; steps of 1/1024 s below 1 s are exact in them.
        events = [drawn(1000 * number + i, (700, 1, 1), 512, 1) for i in range(len(labels))]
        with h5py.File(folder / f"{prefix}_{part}.h5", "w") as file:
            times = file.create_dataset("spikes/times", (len(labels),), h5py.vlen_dtype(np.float16))
            units = file.create_dataset("spikes/units", (len(labels),), h5py.vlen_dtype(np.uint16))
            for i, e in enumerate(events):
                times[i], units[i] = (e[:, 3] / 1024).astype(np.float16), e[:, 0].astype(np.uint16)
            file["labels"] = labels.astype(np.uint16)
            file["extra/speaker"] = np.tile([0, 0, 1, 1, 2, 2, 3, 3], classes).astype(np.uint16)
            file["extra/keys"] = [f"word {c}".encode() for c in range(classes)]
        for e in events:
            e[:, 3] = (e[:, 3] / 1024 * 1e6).astype(np.int64)
        known[part] = list(zip(events, labels.tolist(), strict=True))
    return known


def shd(base: Path) -> Known:
    return words(base / "SHD", "shd", ("train", "test"), 20)


def ssc(base: Path) -> Known:
    return words(base / "SSC", "ssc", ("train", "valid", "test"), 35)


def nmnist(base: Path) -> Known:
    """.bin files of 40 bits per event: x, y, polarity and 23 bits of time. Three recordings of each digit."""
    known: Known = {}
    for number, part in enumerate(("train", "test")):
        known[part] = []
        for digit in range(10):
            folder = base / "NMNIST" / part.capitalize() / str(digit)
            folder.mkdir(parents=True)
            for i in range(3):
                events = drawn(1000 * number + 10 * digit + i, (34, 34, 2), 315_000, 1)
                content = b"".join(
                    bytes((x, y)) + ((int(p) << 23) | int(t)).to_bytes(3, "big") for x, y, p, t in events.tolist()
                )
                (folder / f"{i:05d}.bin").write_bytes(content)
                known[part].append((events, digit))
    return known


def dvs_gesture(base: Path) -> Known:
    """.npy files of x, y, polarity and time in ms, a folder for each user and light."""
    known: Known = {}
    for part, users in (("train", (1, 2, 3)), ("test", (24,))):
        known[part] = []
        for user in users:
            folder = base / "DVSGesture" / f"ibmGesture{part.capitalize()}" / f"user{user:02d}_led"
            folder.mkdir(parents=True)
            for motion in range(11):
                events = drawn(100 * user + motion, (128, 128, 2), 2_000_000, 1000)
                np.save(folder / f"{motion}.npy", events // [1, 1, 1, 1000])
                known[part].append((events, motion))
    return known


WRITERS: dict[str, Callable[[Path], Known]] = {"shd": shd, "ssc": ssc, "nmnist": nmnist, "dvs_gesture": dvs_gesture}


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Known]]:
    """All data sets, in their genuine layouts, with what is in them."""
    base = tmp_path_factory.mktemp("data")
    return base, {name: write(base) for name, write in WRITERS.items()}


@pytest.fixture(name="cache")
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DRTRL_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DRTRL_BENCH_DATA", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def known(written: tuple[Path, dict[str, Known]], cache: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Known]:
    monkeypatch.setenv("DRTRL_BENCH_DATA", str(written[0]))
    return written[1]
