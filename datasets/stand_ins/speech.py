"""Make a stand-in for SHD and SSC: synthetic speech before a model of the cochlea, in the data sets' HDF5 format.

All of it is synthetic: no person was recorded, and accuracy on it says nothing about the genuine sets. `voices` says
who speaks and how, `espeak` makes the sound, `cochlea` its spikes.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drtrl_bench.files import diskcache
from drtrl_bench.files.cache_folder import make_folder

from ..events.folders import cache_folder
from ..events.speech import hdf5
from . import espeak, voices
from .voices import SHD_SPEAKERS, SPLITS, WORDS, Recording, spikes


def make(
    path: Path,
    split: str,
    per_class: int,
    seed: int = 0,
    report: Callable[[int, int], None] = lambda done, of: None,
    layout: str | None = None,
    workers: int | None = None,
) -> Path:
    """Write a part of the stand-in, `per_class` recordings of each class, as one HDF5 file. Return the file's path.

    layout: "shd" or "ssc"; if left out, the beginning of the file's name. split: of SPLITS. report: called with the
    number of recordings that are done and the number of all. workers: processes; one per core if left out. Recordings
    are kept in the cache: after an interruption the same call goes on, and `path` exists only when it is complete.
    Raises EspeakError if espeak-ng is missing, ReaderError if h5py is, ValueError for an unknown layout or split, or
    if `per_class` is below 1.
    """
    layout = layout or path.name[:3].lower()
    if layout not in WORDS:
        raise ValueError(f"{path.name}: layout must be one of {', '.join(WORDS)}, or begin the file's name")
    if split not in SPLITS[layout]:
        raise ValueError(f"{layout} has the parts {', '.join(SPLITS[layout])}, not {split!r}")
    if per_class < 1:
        raise ValueError(f"per_class must be at least 1, not {per_class}")
    hdf5()  # before hours of conversion
    classes = range(len(WORDS[layout]))
    recordings = [
        voices.recording(layout, split, label, number, seed) for label in classes for number in range(per_class)
    ]
    recordings = [recordings[i] for i in np.random.default_rng([seed, 3]).permutation(len(recordings))]
    total = len(recordings)
    with cached_recordings() as folder:
        files = [cache_file(folder, recording) for recording in recordings]
        missing = [(recording, file) for recording, file in zip(recordings, files, strict=True) if read(file) is None]
        report(total - len(missing), total)
        convert(missing, workers or cores(), lambda done: report(total - len(missing) + done, total))
        events = [columns for file in files if (columns := read(file)) is not None]
        if len(events) < total:
            raise OSError(f"{folder}: {total - len(events)} recordings cannot be read back; is the disk full?")
        write(path, layout, recordings, events)
    return path


def write(path: Path, layout: str, recordings: list[Recording], events: list[tuple[Any, Any]]) -> None:
    """Write the HDF5 file of a data set: spikes/times and spikes/units of varying length, labels, extra/*."""
    h5py = hdf5()
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".writing-") as scratch:
        file = Path(scratch, path.name)
        with h5py.File(file, "w") as out:
            for k, (name, kind) in enumerate((("times", np.float16), ("units", np.uint16))):
                column = out.create_dataset(f"spikes/{name}", (len(events),), h5py.vlen_dtype(np.dtype(kind)))
                for i, columns in enumerate(events):
                    column[i] = columns[k]
            out["labels"] = np.array([recording.label for recording in recordings], np.uint16)
            out["extra/speaker"] = np.array([recording.speaker for recording in recordings], np.uint16)
            out["extra/keys"] = np.array([word.replace("ü", "ue").encode() for word in WORDS[layout]])
            if layout == "shd":
                speakers = [voices.speaker(layout, number) for number in range(SHD_SPEAKERS)]
                out["extra/meta_info/gender"] = np.array([speaker.gender.encode() for speaker in speakers])
                # Synthetic voices have neither age nor height.
                for name in ("age", "body_height"):
                    out[f"extra/meta_info/{name}"] = np.zeros(SHD_SPEAKERS, np.uint16)
            out.attrs["stand_in"] = f"synthetic speech: espeak-ng {espeak.version()}"
        os.replace(file, path)


def convert(jobs: list[tuple[Recording, Path]], workers: int, done: Callable[[int], None]) -> None:
    """Convert recordings into spikes, in files of the cache, by `workers` processes; report the number done."""
    espeak.library()
    workers = min(workers, len(jobs))
    if workers <= 1:
        for number, (recording, file) in enumerate(jobs):
            save(file, spikes(recording))
            done(number + 1)
        return
    idle: SimpleQueue[subprocess.Popen[str]] = SimpleQueue()

    def by_worker(recording: Recording, file: Path) -> None:
        worker = idle.get()
        assert worker.stdin
        assert worker.stdout
        try:
            worker.stdin.write(json.dumps([asdict(recording), str(file)]) + "\n")
            worker.stdin.flush()
            answer = worker.stdout.readline().strip()
        except BrokenPipeError:
            answer = ""
        finally:
            idle.put(worker)
        if answer != "done":
            raise espeak.EspeakError(answer or f"the process that should make {recording.word!r} ended")

    with ExitStack() as stack:
        crew = [stack.enter_context(worker()) for _ in range(workers)]
        for process in crew:
            idle.put(process)
        with ThreadPoolExecutor(workers) as pool:
            futures = [pool.submit(by_worker, recording, file) for recording, file in jobs]
            try:
                for number, future in enumerate(as_completed(futures)):
                    future.result()
                    done(number + 1)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for process in crew:
                    process.kill()
                raise


WORKER = """
import importlib, sys, types
package = types.ModuleType("data_sets")
package.__path__ = [sys.argv[1]]
sys.modules["data_sets"] = package
importlib.import_module("data_sets.stand_ins.speech").work()
"""


def worker() -> subprocess.Popen[str]:
    """Start a process that runs `work` until its input ends, in a session of its own: Ctrl-C must not hit it."""
    command = [sys.executable, "-P", "-c", WORKER, str(Path(__file__).parent.parent)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", start_new_session=True
    )


def work() -> None:
    """Convert the recordings of standard input, a JSON line each; answer each with "done" or the error, in one line."""
    for line in sys.stdin:
        settings, file = json.loads(line)
        try:
            save(Path(file), spikes(Recording(**{**settings, "seed": tuple(settings["seed"])})))
            print("done", flush=True)
        except Exception as error:
            print(" ".join(str(error).split()) or repr(error), flush=True)


@contextmanager
def cached_recordings() -> Iterator[Path]:
    """Make the folder of recordings that are kept between runs, in $DRTRL_BENCH_CACHE or ~/.cache/drtrl-bench.

    The folder is temporary where neither can be written. The name carries a hash of all that the spikes depend on, so
    that nothing old is read after a change.
    """
    sources = (Path(__file__).with_name(f"{name}.py") for name in ("cochlea", "espeak", "voices"))
    generator = b"".join(file.read_bytes() for file in sources) + espeak.version().encode()
    name = f"speech-{hashlib.sha256(generator).hexdigest()[:16]}"
    try:
        folder = (cache_folder() / name).resolve()
        make_folder(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError:  # full
        with tempfile.TemporaryDirectory() as scratch:
            yield Path(scratch)
    else:
        yield folder


def cache_file(folder: Path, recording: Recording) -> Path:
    """Return the file of a recording in the folder of cached ones."""
    settings = json.dumps(asdict(recording), sort_keys=True).encode()
    return folder / f"{hashlib.sha256(settings).hexdigest()[:24]}.npz"


def save(file: Path, events: tuple[NDArray[Any], NDArray[Any]]) -> None:
    """Save the spikes of a recording, completely or not at all."""
    diskcache.save(file, {"times": events[0], "units": events[1]})


def read(file: Path) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Return the spikes in a file, or None if the file is missing or damaged."""
    stored = diskcache.load(file)
    return (stored["times"], stored["units"]) if stored else None


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
