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

import json
import math
import os
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from drtrl_bench.case import Case

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 1
AGREEMENT = ("cosine", "error", "norm_ratio", "sign_agreement")
STATUSES = ("ok", "skip", "wrong", "oom", "timeout", "error")
"""ok: measured. skip: cannot run here. wrong: gate failed, so no time or memory. The rest: how it ended."""

ADDED = (
    *("initial", "decay", "bias_correction", "segments"),
    *("mode", "unroll", "precision", "trace_dtype", "auto", "limit_mib"),
)
"""Fields of a case that its first version did not have."""
REQUIRED: dict[str, Any] = {
    "plan": str,
    "round": int,
    "case_key": str,
    "implementation_sha": str,
    **{f"case.{f.name}": int | float if f.type is float else f.type for f in fields(Case)},
    **dict.fromkeys(("data", "time", "memory", "fidelity", "activity"), dict),
}
"""What every record has, as paths into it with the types of their values."""
OPTIONAL: dict[str, Any] = {
    **dict.fromkeys(("reason", "run", "started", "commit", "memory.meter", "gate.reference"), str),
    **dict.fromkeys(("data.label", "data.fingerprint"), str),
    **dict.fromkeys(("gate", "time.phases", "plugins", "variables"), dict),
    **dict.fromkeys(("fidelity.overall", "fidelity.per_layer", "fidelity.per_parameter"), dict),
    **dict.fromkeys(("time.samples_s", "time.cpu_samples_s", "activity.firing_rate", "activity.silent"), list),
    **dict.fromkeys(("limit_s", "gate.error", "gate.limit"), int | float),
    **dict.fromkeys(("gate.steps", "gate.batch"), int),
    **dict.fromkeys(("dirty", "refused"), bool),
    **dict.fromkeys((f"time.{name}_s" for name in ("median", "iqr", "low", "high", "forward")), int | float),
    **dict.fromkeys((f"memory.{name}_bytes" for name in ("working", "analytic", "rss_peak")), int),
    **{f"fidelity.overall.{k}": int | float for k in AGREEMENT},
}
"""What a record may have, or have as null; readers take the types for granted."""
TABLES = ("versions", "variables")
"""What an environment may have; `variables` are those that were set, if there were any (bench/variables.py). Of
those, the records of a baseline, which have no environment, have them themselves."""


class CorruptLine(UserWarning):
    """A line of a record file that is not a record; the others of the file were read."""


def append(path: Path, line: dict[str, Any]) -> None:
    """Adds one line and makes sure it is on disk, so that a crash loses at most the line being written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torn = path.exists() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
    with path.open("a", encoding="utf-8") as file:
        file.write(("\n" if torn else "") + json.dumps(line, allow_nan=False) + "\n")
        file.flush()
        os.fsync(file.fileno())


def files(path: str | Path) -> list[Path]:
    """The record files at `path`: itself, or the *.jsonl files of a folder."""
    path = Path(path)
    if path.is_dir():
        return sorted(path.glob("*.jsonl"))
    if path.exists():
        return [path]
    raise FileNotFoundError(f"no records at {path}; `drtrl-bench run PLAN` makes some")


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The valid lines of one file, environments and records; warns `CorruptLine` for each that is not."""
    for number, text in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        if not text.strip():
            continue
        line = None
        try:
            line = upgraded(json.loads(text, parse_float=finite, parse_constant=finite))
            problem = complaint(line)
        except (ValueError, RecursionError) as error:
            problem = f"not JSON ({error})"
        if problem or line is None:
            warnings.warn(f"{path}, line {number}: {problem}; skipped, the rest is kept", CorruptLine, stacklevel=2)
        else:
            yield line


def upgraded(line: Any) -> Any:
    """A line of an earlier version: a field that cases did not have was at its default."""
    if isinstance(line, dict) and isinstance(line.get("case"), dict):
        defaults = {f.name: f.default for f in fields(Case) if f.name in ADDED}
        line["case"] |= {name: value for name, value in defaults.items() if name not in line["case"]}
    return line


def finite(text: str) -> float:
    """A number of a record; JSON knows no nan and no infinity, Python's reader does."""
    if not math.isfinite(value := float(text)):
        raise ValueError(f"{text} is not a finite number")
    return value


def complaint(line: Any) -> str | None:
    """What keeps a parsed line from being an environment or a record, or None."""
    if not isinstance(line, dict) or line.get("kind") not in ("environment", "record"):
        return "neither an environment nor a record"
    if line.get("schema_version") != SCHEMA_VERSION:
        return f"schema version {line.get('schema_version')!r}, this version reads {SCHEMA_VERSION}"
    if not isinstance(line.get("env_hash"), str):
        return "no env_hash"
    if line["kind"] == "environment":
        return next((f"{name} is not a table" for name in TABLES if not isinstance(line.get(name) or {}, dict)), None)
    if line.get("status") not in STATUSES:
        return f"status {line.get('status')!r} is none of {', '.join(STATUSES)}"
    for path, kind in (REQUIRED | OPTIONAL).items():
        value = line
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        if value is None and path in REQUIRED:
            return f"no {path}"
        if value is not None and not isinstance(value, kind):
            return f"{path} is {value!r:.40}"
        numbers: Any = value if isinstance(value, list) else ()
        if path == "time.phases" and isinstance(value, dict):
            numbers = [v for v in value.values() if v is not None]
        if path in ("fidelity.per_layer", "fidelity.per_parameter") and isinstance(value, dict):
            if not all(isinstance(each, dict) for each in value.values()):
                return f"{path} is not a table of tables"
            numbers = [v for each in value.values() for v in each.values() if v is not None]
        if not all(isinstance(v, int | float) for v in numbers):
            return f"{path} holds more than numbers"
    return None


def read(path: str | Path) -> list[dict[str, Any]]:
    """All records at `path`, each with its environment under "environment" (None if the file lacks it)."""
    found, environments = [], {}
    for file in files(path):
        for line in lines(file):
            if line["kind"] == "environment":
                environments[line["env_hash"]] = line
            else:
                found.append(line | {"source": file.name})
    return [line | {"environment": environments.get(line["env_hash"])} for line in found]


def load(path: str | Path = "results/records") -> "pd.DataFrame":
    """Records of a file or folder as a pandas frame, a row per record, flat columns.

    Columns, empty where the record says nothing:

    - the case's fields (algorithm, framework, cell, steps ...), case_key, status, reason, plan, run, round, started;
    - time_s (median of the samples by the clock; low_s and high_s are its 95 % interval), samples (their number),
      samples_s, cpu_s (median of the processor's time for the same, of all threads together), cpu_samples_s, forward_s,
      compile_s, unstable, busy; forward_flops, flops and moved_bytes (bench/floor.py);
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


def frame(records: list[dict[str, Any]]) -> "pd.DataFrame":
    """The frame of `load`, from records that were read already; their environments, by hash, in its `attrs`."""
    import pandas as pd

    found = pd.DataFrame([row(record) for record in records])
    found.attrs["environments"] = {r["env_hash"]: r["environment"] for r in records if r["environment"]}
    return found


def row(record: dict[str, Any]) -> dict[str, Any]:
    """One record, flattened to the columns of `load`."""
    time, memory, activity = record["time"], record["memory"], record["activity"]
    overall = record["fidelity"].get("overall") or {}
    environment = record.get("environment") or {}
    versions = environment.get("versions") or {}
    return {
        **record["case"],
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
