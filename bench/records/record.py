"""Records: one JSON line per measured case, append-only, each traceable to its code, its data and its machine.

A file holds two kinds of lines. An `environment` line describes machine, versions and, if there were any, the
environment variables that were set and can change a number (`variables`, by name) once; every `record` line
after it names it by `env_hash`. Files may be concatenated. Nothing read from a file is ever executed.

A record has the fields: schema_version, plan, run (when the run that measured it began, the same for all that it
measured), round, limit_s, case_key, case, status, reason, refused, env_hash, implementation_sha, commit and dirty,
plugins (a hash of each whose names the case uses), data (label, synthetic, fingerprint of its files; null where it is
computed), gate (reference, steps, batch, error, limit), time (phases, samples_s and what `stats.summary` makes of them,
cpu_samples_s, forward_s, busy), floor (`Floor`), memory (bytes per meter; working_bytes is the one to compare),
fidelity (overall, per_layer and per_parameter, against float64 BPTT), activity (firing_rate, silent and spike_mismatch
per layer), started, duration_s. Times are in seconds, memory in bytes; cpu_samples_s are of all threads together.
Records of earlier versions lack run, data.fingerprint and fidelity.per_layer.
"""

import fcntl
import json
import math
import os
import struct
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, BinaryIO

from drtrl_bench.case import Case
from drtrl_bench.files import regular
from drtrl_bench.records import schema
from drtrl_bench.view.escape import shown

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 1
AGREEMENT = ("cosine", "error", "norm_ratio", "sign_agreement")
STATUSES = ("ok", "skip", "wrong", "oom", "timeout", "error")
"""ok: measured. skip: cannot run here. wrong: gate failed, so no time or memory. The rest: how it ended."""

SCHEMA = Path(__file__).parent / "record_schema.json"
"""What a line must be, field by field, as a JSON schema."""
FIELDS = tuple(f.name for f in fields(Case))
DEFAULTS = {f.name: f.default for f in fields(Case) if f.metadata["later"]}
"""What the fields of a case are in records of versions that did not have them."""

LONGEST = 8 * 2**20
"""Bytes of a line, at most; the longest that a run writes have some thousands."""
MOST = 2 * 2**30
"""Bytes of a file that are read, at most."""
NAMED = 5
"""Bad lines of a file that are named one by one."""
HOPELESS = 100_000
"""After so many bad lines for each good one, a file is something else."""
FEW_PARTS, CELLS = 1000, 2**23
"""Columns of layers and weights that a frame may have in any case, and how many cells more of them may fill."""
PATIENCE_S = 60.0
"""How long to wait for another process that appends, which takes it milliseconds."""


TABLES = ("versions", "variables")
"""What an environment may have; `variables` are those that were set, if there were any. Of those, the records of a
baseline, which have no environment, have them themselves."""


class CorruptLine(UserWarning):
    """A line of a record file that is not a record; the others of the file were read."""


def append(path: Path, line: dict[str, Any]) -> None:
    """Adds one line and makes sure it is on disk, so that a crash loses at most the line being written.

    Takes as long for a long file as for a short one. Raises ValueError for what no reader would take, OSError for a
    place that is not a file or is full; the file is then as it was.
    """
    data = encoded(line)
    path.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(path) as (file, alone):
        end, removed = mended(file, alone)
        try:
            write(file, data)
        except OSError:
            os.ftruncate(file, end)
            raise
        os.fsync(file)
    told(path, removed)
    if end == 0:  # the file is new, its folders may be, and what is new is found again only if its folder is on disk
        for folder in path.absolute().parents:
            synced(folder)


def encoded(line: dict[str, Any]) -> bytes:
    """The bytes of a line, its end included. Raises ValueError for what no reader would take."""
    text = json.dumps(line, allow_nan=False)
    if "\\ud" in text:  # from a file's name, which need not be UTF-8
        text = json.dumps(json.loads(json.dumps(line, ensure_ascii=False).encode("utf-8", errors="replace")))
    if problem := complaint(json.loads(text)):
        raise ValueError(f"no line of a record file: {problem}")
    return text.encode() + b"\n"


@contextmanager
def exclusive(path: Path) -> Iterator[tuple[int, bool]]:
    """A record file, opened to be appended to, and whether no other process does so meanwhile."""
    file = regular.descriptor(path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
    try:
        yield file, locked(file, path)
    finally:
        os.close(file)


def locked(file: int, path: Path) -> bool:
    """Waits for the lock on an open file's content; False where the file system has none.

    It is apart from `flock`'s, with which a whole run keeps others away, and is lost only when this very descriptor is
    closed.
    """
    until, whole = time.monotonic() + PATIENCE_S, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    while True:
        try:
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, whole)
        except BlockingIOError:
            if time.monotonic() > until:
                raise OSError(f"{shown(path)}: locked by another program for {PATIENCE_S:g} s") from None
            time.sleep(0.002)
        except OSError:
            return False
        else:
            return True


def write(file: int, data: bytes) -> None:
    """Writes all of the data."""
    while data:
        data = data[os.write(file, data) :]


def synced(folder: Path) -> None:
    """Makes sure that what is in a folder is on disk, where the file system can."""
    with suppress(OSError):
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def mended(file: int, alone: bool) -> tuple[int, int]:
    """Makes the last line of a file a whole one; returns the file's length, and how many bytes were cut off.

    What a crash left of a line is: no record is in it. A line that only lacks its end gets it, and so does whatever a
    run has not written.
    """
    size = os.fstat(file).st_size
    if size == 0 or os.pread(file, 1, size - 1) == b"\n":
        return size, 0
    start = last_start(file, size)
    tail = os.pread(file, size - start, start) if size - start <= LONGEST else b""
    if alone and tail and torn(tail):
        os.ftruncate(file, start)
        os.fsync(file)
        return start, size - start
    write(file, b"\n")
    return size + 1, 0


def told(path: Path, removed: int) -> None:
    """Warns of what was cut off; once the new line is on disk, since a warning may be an error."""
    if removed:
        said = f"the last line was cut short, probably by a crash; its {removed} bytes are removed, the rest is kept"
        warnings.warn(f"{shown(path)}: {said}", CorruptLine, stacklevel=3)


def last_start(file: int, size: int, block: int = 2**16) -> int:
    """Where the last line of a file begins; looks no further back than the longest line reaches."""
    at = size
    while at > 0 and size - at <= LONGEST:
        before = max(at - block, 0)
        if (found := os.pread(file, at - before, before).rfind(b"\n")) >= 0:
            return before + found + 1
        at = before
    return at


def torn(tail: bytes) -> bool:
    """Whether the end of a file is the beginning of a line as runs write them, or what a power cut leaves of one."""
    tail = tail.strip(b"\0")
    if not tail:
        return True
    try:
        json.loads(tail)
    except (ValueError, RecursionError):
        return tail.startswith(b'{"') or tail == b"{"
    return False


def prepare(path: Path) -> None:
    """Makes a file ready to be appended to: mends its last line.

    Raises OSError for what is not a file, and for a file that has content but no line of a record file: it is
    somebody's, named by mistake.
    """
    if not path.exists():
        return
    with regular.opened(path) as file:
        start = file.read(2**16)
    if start.strip() and not torn(start):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CorruptLine)
            if next(lines(path), None) is None:
                raise OSError(f"{shown(path)}: not a record file; name another, or a new one, to keep records in")
    with exclusive(path) as (descriptor, alone):
        _, removed = mended(descriptor, alone)
    told(path, removed)


def files(path: str | Path) -> list[Path]:
    """The record files at `path`: itself, or the *.jsonl files of a folder."""
    path = Path(path)
    if path.is_dir():
        return sorted(path.glob("*.jsonl"))
    if path.exists():
        return [path]
    raise FileNotFoundError(f"no records at {shown(path)}; `drtrl-bench run PLAN` makes some")


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The valid lines of one file, environments and records; warns `CorruptLine` of those that are not.

    Each bad line is named once, by its number and what is wrong with it; of many, the first few are. Holds one line at
    a time.
    """
    bad = good = 0
    with regular.opened(path) as file:
        for number, raw in enumerate(raws(file), start=1):
            if raw.isspace():
                continue
            line, problem = parsed(raw)
            if problem is None:
                good += 1
                yield line
                continue
            bad += 1
            if bad <= NAMED:
                if not raw.endswith(b"\n") and len(raw) <= LONGEST and torn(raw):
                    problem = "cut short by a crash, which the next run repairs, or being written now"
                said = f"{shown(path)}, line {number}: {problem}; skipped, the rest is kept"
                warnings.warn(said, CorruptLine, stacklevel=2)
            if bad > HOPELESS * (good + 1):
                warnings.warn(f"{shown(path)}: hardly a record file, not read further", CorruptLine, stacklevel=2)
                break
        if file.tell() >= MOST:
            warnings.warn(f"{shown(path)}: only {MOST >> 30} GiB of it were read", CorruptLine, stacklevel=2)
    if bad > NAMED:
        warnings.warn(f"{shown(path)}: {bad - NAMED} more lines are bad and skipped", CorruptLine, stacklevel=2)


def raws(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file as bytes, which a line feed alone ends; of one that is too long, its beginning."""
    left = MOST
    while left > 0 and (raw := file.readline(LONGEST + 1)):
        left -= len(raw)
        yield raw
        while left > 0 and len(raw) > LONGEST and not raw.endswith(b"\n"):
            raw = file.readline(LONGEST + 1)
            left -= len(raw)


def parsed(raw: bytes) -> tuple[Any, str | None]:
    """A line, and what is wrong with it, or None."""
    if len(raw) > LONGEST:
        return None, f"longer than {LONGEST >> 20} MiB"
    try:
        line = upgraded(DECODER.decode(raw.decode("utf-8").removeprefix("\ufeff")))
    except UnicodeDecodeError as error:
        return None, f"not UTF-8 (byte {error.start + 1})"
    except RecursionError:
        return None, "not JSON (nested too deep)"
    except ValueError as error:
        return None, f"not JSON ({error!s:.80})"
    return line, complaint(line)


def no_number(text: str) -> float:
    """Refuses nan and infinity, which JSON does not know and Python's reader does."""
    raise ValueError(f"{text} is not a finite number")


DECODER = json.JSONDecoder(parse_constant=no_number)


def upgraded(line: Any) -> Any:
    """A line of an earlier version: a field that cases did not have was at its default."""
    if isinstance(line, dict) and isinstance(line.get("case"), dict) and not DEFAULTS.keys() <= line["case"].keys():
        line["case"] |= {name: value for name, value in DEFAULTS.items() if name not in line["case"]}
    return line


def complaint(line: Any) -> str | None:
    """What keeps a parsed line from being an environment or a record, or None."""
    kind = line.get("kind") if isinstance(line, dict) else None
    if kind != "environment" and kind != "record":
        return "neither an environment nor a record"
    if (found := line.get("schema_version")) != SCHEMA_VERSION:
        return f"schema version {schema.shown(found)}, this version reads {SCHEMA_VERSION}"
    return plain(schema.of(SCHEMA, kind)(line))


def plain(problem: str | None) -> str | None:
    """What a check found, as a sentence begins."""
    return problem and problem.lstrip(".: ")


def read(path: str | Path) -> list[dict[str, Any]]:
    """All records at `path`, each with its environment under "environment" (None if the file lacks it)."""
    return gathered(path, lambda record, found: found.setdefault(len(found), record))


def newest(path: str | Path) -> list[dict[str, Any]]:
    """The records at `path` but those that a later one replaces: of the same case, sources, data, plan and round.

    Holds no more of a file than these, however often its cases were measured again.
    """

    def keep(record: dict[str, Any], found: dict[Any, dict[str, Any]]) -> None:
        same = tuple(record[key] for key in ("case_key", "implementation_sha", "env_hash", "plan", "round"))
        found.pop(key := (*same, record["data"].get("label")), None)
        found[key] = record

    return gathered(path, keep)


def gathered(path: str | Path, keep: Callable[[dict[str, Any], dict[Any, Any]], Any]) -> list[dict[str, Any]]:
    """The records at `path` that `keep` puts into a table, each with its environment and its file's name.

    Of a folder, what cannot be read is named in a warning, and the rest is read.
    """
    found: dict[Any, dict[str, Any]] = {}
    environments: dict[str, dict[str, Any]] = {}
    for file in files(path):
        try:
            for line in lines(file):
                if line["kind"] == "environment":
                    environments[line["env_hash"]] = line
                else:
                    line["source"] = shown(Path(file.name))
                    keep(line, found)
        except OSError as error:
            if file == Path(path):
                raise
            said = error if error.errno is None else f"{shown(file)}: {error.strerror}"
            warnings.warn(f"{said}; skipped, the other files are read", CorruptLine, stacklevel=2)
    for line in found.values():
        line["environment"] = environments.get(line["env_hash"])
    return list(found.values())


def load(path: str | Path = "results/records") -> "pd.DataFrame":
    """Records of a file or folder as a pandas frame, a row per record, flat columns.

    Columns, empty where the record says nothing:

    - the case's fields (algorithm, framework, cell, steps ...), case_key, status, reason, plan, run, round, started;
    - time_s (median of the samples by the clock; low_s and high_s are its 95 % interval), samples (their number),
      samples_s, cpu_s (median of the processor's time for the same, of all threads together), cpu_samples_s, forward_s,
      compile_s, unstable, busy; forward_flops, flops and moved_bytes (bench/cost/flops.py);
    - working_bytes, analytic_bytes, rss_peak_bytes;
    - cosine, error, norm_ratio, sign_agreement: the gradient against float64 BPTT's, all weights as one vector. That
      mixes layers; the same of each layer's weights as one vector is in layer0.cosine, layer0.error ...
      readout.sign_agreement, and of each weight in layer0.x.cosine ... A layer of a record that has no per-layer
      values is empty, because those of its weights do not determine them, unless it has one weight only; per_layer and
      per_parameter hold the same as dicts, as the record has them;
    - firing_rate and silent (mean over spiking layers);
    - data (label), synthetic, data_fingerprint (of the data set's files), source (record file), implementation_sha,
      commit, dirty, plugins (where the case's names come from; empty for the project's own), env_hash, processor,
      cores, gpu, python_version and jax_, jaxlib_, torch_, numpy_version.
    """
    return frame(read(path))


def frame(records: Iterable[dict[str, Any]]) -> "pd.DataFrame":
    """The frame of `load`, from records that were read already; their environments, by hash, in its `attrs`."""
    import pandas as pd

    columns: dict[str, list[Any]] = {}
    environments: dict[str, dict[str, Any]] = {}
    left_out: set[str] = set()
    number = parts = 0
    for number, record in enumerate(records, start=1):
        if record["environment"]:
            environments[record["env_hash"]] = record["environment"]
        for name, value in row(record).items():
            if (column := columns.get(name)) is None:
                if name in left_out or ("." in name and parts >= FEW_PARTS and parts * number > CELLS):
                    left_out.add(name)
                    continue
                column = columns[name] = []
                parts += "." in name
            column += [math.nan] * (number - 1 - len(column))
            column.append(value)
    for column in columns.values():
        column += [math.nan] * (number - len(column))
    if left_out:
        said = f"{len(left_out)} columns of layers and weights are too many for a table and left out"
        warnings.warn(said, CorruptLine, stacklevel=2)
    found = pd.DataFrame(columns)
    found.attrs["environments"] = environments
    return found


def row(record: dict[str, Any]) -> dict[str, Any]:
    """One record, flattened to the columns of `load`."""
    time, memory, activity = record["time"], record["memory"], record["activity"]
    overall = record["fidelity"].get("overall") or {}
    environment = record.get("environment") or {}
    versions = environment.get("versions") or {}
    return {
        **{name: record["case"][name] for name in FIELDS},
        "status": record["status"],
        "reason": record.get("reason"),
        "plan": record.get("plan"),
        "run": record.get("run"),
        "round": record.get("round", 0),
        "time_s": time.get("median_s"),
        "low_s": time.get("low_s"),
        "high_s": time.get("high_s"),
        "samples": len(time.get("samples_s") or []),
        "samples_s": time.get("samples_s"),
        "cpu_s": median(time["cpu_samples_s"]) if time.get("cpu_samples_s") else None,
        "cpu_samples_s": time.get("cpu_samples_s"),
        "started": record.get("started"),
        "forward_s": time.get("forward_s"),
        "compile_s": (time.get("phases") or {}).get("compile_s"),
        "unstable": time.get("unstable"),
        "busy": time.get("busy"),
        **{key: (record.get("floor") or {}).get(key) for key in ("forward_flops", "flops", "moved_bytes")},
        "working_bytes": memory.get("working_bytes"),
        "analytic_bytes": memory.get("analytic_bytes"),
        "rss_peak_bytes": memory.get("rss_peak_bytes"),
        **{measure: overall.get(measure) for measure in AGREEMENT},
        **by_part(record["fidelity"], record["case"]["layers"]),
        "per_layer": record["fidelity"].get("per_layer"),
        "per_parameter": record["fidelity"].get("per_parameter"),
        "firing_rate": mean(activity.get("firing_rate")),
        "silent": mean(activity.get("silent")),
        "data": record["data"].get("label"),
        "synthetic": record["data"].get("synthetic"),
        "data_fingerprint": record["data"].get("fingerprint"),
        "case_key": record.get("case_key"),
        "source": record.get("source"),
        "env_hash": record["env_hash"],
        "implementation_sha": record.get("implementation_sha"),
        "commit": record.get("commit"),
        "dirty": record.get("dirty"),
        "plugins": ", ".join(record.get("plugins") or ()),
        "processor": environment.get("cpu"),
        **{fact: environment.get(fact) for fact in ("cores", "gpu")},
        "python_version": environment.get("python"),
        **{f"{name}_version": versions.get(name) for name in ("jax", "jaxlib", "torch", "numpy")},
    }


def by_part(fidelity: dict[str, Any], layers: int) -> dict[str, float | None]:
    """The agreement of each layer, as in "layer0.cosine", and of each known weight, as in "layer0.x.cosine"."""
    weights = fidelity.get("per_parameter") or {}
    of_layer = Counter(name.partition(".")[0] for name in weights)
    alone = {name.partition(".")[0]: each for name, each in weights.items() if of_layer[name.partition(".")[0]] == 1}
    every: dict[str, Any] = dict.fromkeys([*(f"layer{i}" for i in range(layers)), "readout"])
    parts = every | alone | (fidelity.get("per_layer") or {}) | weights
    return {f"{name}.{measure}": (each or {}).get(measure) for name, each in parts.items() for measure in AGREEMENT}


def mean(values: list[float] | None) -> float | None:
    return sum(values) / len(values) if values else None
