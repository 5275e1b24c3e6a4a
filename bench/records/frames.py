"""Flattens records to the columns of a pandas frame."""

import math
import warnings
from collections import Counter
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from drtrl_bench.case import Case
from drtrl_bench.records import reading
from drtrl_bench.records.parsing import CorruptLine
from drtrl_bench.records.record import Environment, Fidelity, Record

if TYPE_CHECKING:
    import pandas as pd

AGREEMENT = ("cosine", "error", "norm_ratio", "sign_agreement")

FIELDS = tuple(f.name for f in fields(Case))

MOST_DOTTED = 4096
"""Columns of layers and weights, whose names have dots, of a frame: four for each of 100 layers with nine weights."""


class Environments(dict[str | None, Environment]):
    """The environments of a frame's records, by hash: shared by frames where pandas would copy them at every step."""

    def __deepcopy__(self, memo: Any) -> "Environments":
        return self


def load(path: str | Path = "results/records") -> "pd.DataFrame":
    """Read the records of a file or folder into a pandas frame, a row per record, flat columns.

    Columns, empty where a record lacks the field:

    - the case's fields (algorithm, framework, cell, steps ...), case_key, status, reason, plan, run, round, started;
    - time_s (median of the samples by the clock; low_s and high_s are its 95 % interval), samples (their number),
      samples_s, cpu_s (median of the processor's time for the same, of all threads together), cpu_samples_s, forward_s,
      compile_s, unstable, busy; forward_flops, flops and moved_bytes (bench/cost/flops.py);
    - working_bytes, analytic_bytes, rss_peak_bytes;
    - cosine, error, norm_ratio, sign_agreement: the gradient against float64 BPTT's, all weights as one vector, which
      mixes layers; layer0.cosine, layer0.error ... readout.sign_agreement: each layer's weights as one vector;
      layer0.x.cosine ...: each weight. A layer of a record without per-layer values is empty, because the values of
      its weights do not determine the layer's, unless the layer has one weight only; per_layer and per_parameter hold
      the same values as dicts, as the record has them;
    - firing_rate and silent (mean over spiking layers);
    - data (label), synthetic, data_fingerprint (of the data set's files), source (record file), implementation_sha,
      commit, dirty, plugins (where the case's names come from; empty for the project's own), env_hash, processor,
      cores, gpu, python_version and jax_, jaxlib_, torch_, numpy_version.
    """
    return frame(reading.read(path))


def frame(records: Iterable[Record]) -> "pd.DataFrame":
    """Make the frame of `load` from records in memory, with their environments, by hash, in its `attrs`."""
    import pandas as pd

    columns: dict[str, list[Any]] = {}
    environments: dict[str | None, Environment] = {}
    left_out: set[str] = set()
    number = dotted = 0
    for number, record in enumerate(records, start=1):
        if environment := record.get("environment"):
            environments[record["env_hash"]] = environment
        for name, value in row(record).items():
            if (column := columns.get(name)) is None:
                if name in left_out or ("." in name and dotted >= MOST_DOTTED):
                    left_out.add(name)
                    continue
                column = columns[name] = []
                dotted += "." in name
            column += [math.nan] * (number - 1 - len(column))
            column.append(value)
    for column in columns.values():
        column += [math.nan] * (number - len(column))
    if left_out:
        message = f"{len(left_out)} columns of layers and weights are too many for a table and left out"
        warnings.warn(message, CorruptLine, stacklevel=2)
    table = pd.DataFrame(columns)
    table.attrs["environments"] = Environments(environments)
    return table


def row(record: Record) -> dict[str, Any]:
    """Flatten a record to the columns of `load`."""
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
        "cpu_s": median(cpu_samples) if (cpu_samples := time.get("cpu_samples_s")) else None,
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
        **agreement_columns(record["fidelity"], record["case"]["layers"]),
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


def agreement_columns(fidelity: Fidelity, layers: int) -> dict[str, float | None]:
    """Return the agreement of each layer, as "layer0.cosine", and of each known weight, as "layer0.x.cosine"."""
    weights = fidelity.get("per_parameter") or {}
    layer_of = {name: name.partition(".")[0] for name in weights}
    weights_in = Counter(layer_of.values())
    single = {layer_of[name]: agreement for name, agreement in weights.items() if weights_in[layer_of[name]] == 1}
    unknown: dict[str, Any] = dict.fromkeys([*(f"layer{i}" for i in range(layers)), "readout"])
    agreements = unknown | single | (fidelity.get("per_layer") or {}) | weights
    return {
        f"{name}.{measure}": (agreement or {}).get(measure)
        for name, agreement in agreements.items()
        for measure in AGREEMENT
    }


def mean(values: list[float] | None) -> float | None:
    return sum(values) / len(values) if values else None


def of_run(records: list[Record], path: Path) -> "pd.DataFrame":
    """Make the frame of records that a run returned, with the environments in the file at `path`."""
    lines, _ = reading.quietly(lambda: list(reading.lines(path)))
    environments = {line["env_hash"]: line for line in lines if line["kind"] == "environment"}
    return frame({**r, "source": path.name, "environment": environments.get(r["env_hash"])} for r in records)
