"""A stand-in for SHD and SSC: synthetic speech in front of a model of the cochlea, in the data sets' own HDF5 files.

All of it is synthetic: no person was recorded, and accuracy on it says nothing about the genuine sets. `voices` says
who speaks and how, `espeak` lets them, `cochlea` makes spikes of it.
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
from . import espeak
from .voices import SHD_SPEAKERS, SPLITS, WORDS, Recording, recording, speaker, spikes


def make(
    path: Path,
    split: str,
    per_class: int,
    seed: int = 0,
    report: Callable[[int, int], None] = lambda done, of: None,
    layout: str | None = None,
    workers: int | None = None,
) -> Path:
    """Writes a part of the stand-in, `per_class` recordings of each class, as one HDF5 file. Returns its path.

    layout: "shd" or "ssc"; if left out, what the file's name begins with. split: of SPLITS. report: called with how
    many recordings are done, and of how many. workers: processes; one per core if left out. Recordings are kept in
    the cache: after an interruption the same call goes on, and `path` exists only when it is whole. EspeakError if
    espeak-ng is missing, ReaderError if h5py is; ValueError for an unknown layout or split, or none per class.
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
    wanted = [recording(layout, split, label, number, seed) for label in classes for number in range(per_class)]
    wanted = [wanted[i] for i in np.random.default_rng([seed, 3]).permutation(len(wanted))]
    with kept_folder() as folder:
        files = [kept_file(folder, one) for one in wanted]
        missing = [(one, file) for one, file in zip(wanted, files, strict=True) if read(file) is None]
        report(len(wanted) - len(missing), len(wanted))
        convert(missing, workers or cores(), lambda done: report(len(wanted) - len(missing) + done, len(wanted)))
        found = [read(file) for file in files]
        events = [one for one in found if one is not None]
        if len(events) < len(found):
            raise OSError(f"{folder}: {len(found) - len(events)} recordings cannot be read back; is the disk full?")
        write(path, layout, wanted, events)
    return path


def write(path: Path, layout: str, recordings: list[Recording], events: list[tuple[Any, Any]]) -> None:
    """The HDF5 file of the data sets: spikes/times and spikes/units of varying length, labels, extra/*."""
    h5py = hdf5()
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".writing-") as scratch:
        file = Path(scratch, path.name)
        with h5py.File(file, "w") as out:
            for k, (name, kind) in enumerate((("times", np.float16), ("units", np.uint16))):
                column = out.create_dataset(f"spikes/{name}", (len(events),), h5py.vlen_dtype(np.dtype(kind)))
                for i, spikes_of in enumerate(events):
                    column[i] = spikes_of[k]
            out["labels"] = np.array([one.label for one in recordings], np.uint16)
            out["extra/speaker"] = np.array([one.speaker for one in recordings], np.uint16)
            out["extra/keys"] = np.array([word.replace("ü", "ue").encode() for word in WORDS[layout]])
            if layout == "shd":
                voices = [speaker(layout, number) for number in range(SHD_SPEAKERS)]
                out["extra/meta_info/gender"] = np.array([voice.gender.encode() for voice in voices])
                # Synthetic voices have neither age nor height.
                for name in ("age", "body_height"):
                    out[f"extra/meta_info/{name}"] = np.zeros(SHD_SPEAKERS, np.uint16)
            out.attrs["stand_in"] = f"synthetic speech: espeak-ng {espeak.version()}"
        os.replace(file, path)


def convert(todo: list[tuple[Recording, Path]], workers: int, done: Callable[[int], None]) -> None:
    """Spikes of recordings into their files, by as many processes as asked for."""
    espeak.library()
    workers = min(workers, len(todo))
    if workers <= 1:
        for number, (what, file) in enumerate(todo):
            keep(file, spikes(what))
            done(number + 1)
        return
    idle: SimpleQueue[subprocess.Popen[str]] = SimpleQueue()

    def by_worker(what: Recording, file: Path) -> None:
        worker = idle.get()
        assert worker.stdin
        assert worker.stdout
        try:
            worker.stdin.write(json.dumps([asdict(what), str(file)]) + "\n")
            worker.stdin.flush()
            answer = worker.stdout.readline().strip()
        except BrokenPipeError:
            answer = ""
        finally:
            idle.put(worker)
        if answer != "done":
            raise espeak.EspeakError(answer or f"the process that should make {what.word!r} ended")

    with ExitStack() as stack:
        crew = [stack.enter_context(worker()) for _ in range(workers)]
        for one in crew:
            idle.put(one)
        with ThreadPoolExecutor(workers) as pool:
            futures = [pool.submit(by_worker, what, file) for what, file in todo]
            try:
                for number, future in enumerate(as_completed(futures)):
                    future.result()
                    done(number + 1)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for one in crew:
                    one.kill()
                raise


WORKER = """
import importlib, sys, types
package = types.ModuleType("data_sets")
package.__path__ = [sys.argv[1]]
sys.modules["data_sets"] = package
importlib.import_module("data_sets.stand_ins.speech").work()
"""


def worker() -> subprocess.Popen[str]:
    """A process that runs `work`; it ends when its input does. A session of its own, or Ctrl-C would hit it too."""
    command = [sys.executable, "-P", "-c", WORKER, str(Path(__file__).parent.parent)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", start_new_session=True
    )


def work() -> None:
    """Recordings from standard input, one JSON line each; "done" or what went wrong to standard output."""
    for line in sys.stdin:
        settings, file = json.loads(line)
        try:
            keep(Path(file), spikes(Recording(**{**settings, "seed": tuple(settings["seed"])})))
            print("done", flush=True)
        except Exception as error:
            print(" ".join(str(error).split()) or repr(error), flush=True)


@contextmanager
def kept_folder() -> Iterator[Path]:
    """Where recordings are kept between runs: $DRTRL_BENCH_CACHE, else ~/.cache/drtrl-bench, else nowhere for long.

    Its name carries a hash of all that decides about the spikes, so nothing old is read after a change.
    """
    sources = (Path(__file__).with_name(f"{name}.py") for name in ("cochlea", "espeak", "voices"))
    made_by = b"".join(file.read_bytes() for file in sources) + espeak.version().encode()
    name = f"speech-{hashlib.sha256(made_by).hexdigest()[:16]}"
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


def kept_file(folder: Path, what: Recording) -> Path:
    settings = json.dumps(asdict(what), sort_keys=True).encode()
    return folder / f"{hashlib.sha256(settings).hexdigest()[:24]}.npz"


def keep(file: Path, events: tuple[NDArray[Any], NDArray[Any]]) -> None:
    """Keeps the spikes of a recording, whole or not at all."""
    diskcache.save(file, {"times": events[0], "units": events[1]})


def read(file: Path) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Spikes that were kept, or None if there is no such file or it is damaged."""
    stored = diskcache.load(file)
    return (stored["times"], stored["units"]) if stored else None


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
