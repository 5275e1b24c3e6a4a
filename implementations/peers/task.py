"""Carry out a task of the harness in a library's own environment: what all adapters share.

`PYTHON ADAPTER.py TASK.json` computes the gradient that a task asks for, times it and counts its memory. Nothing but
this folder, NumPy and the library is imported. The task names these files:

    problem      .npz: inputs [T, B, I], targets [T, B], and weights [J, Gk, N] as "param/LAYER/KIND", readout last
    gradients    .npz, to be written: the gradient of each weight as "gradient/LAYER/KIND", in the weight's shape
    result       JSON, to be written: status, reason, loss, times, memory, versions

and says which network (`cells`, readout last: a class's name and its options), which `way` of the library to take,
dtype, threads, and how many seconds of samples to take (`budget_s`; 0 is the gradient alone). The loss is the sum over
steps of the mean over samples of the cross-entropy; targets are whole numbers from 0.
"""

import gc
import json
import math
import os
import platform
import re
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

FEWEST, MOST = 5, 200
"""Samples that are taken at least and at most."""

Arrays = list[dict[str, Any]]
"""Weights or gradients: one dict per layer, the readout last."""


class UnsupportedError(Exception):
    """A network or a way that the library does not have, or cannot have as it is defined here."""


@dataclass(frozen=True)
class Task:
    """What is asked for: fields as in the module's docstring."""

    cells: tuple[dict[str, Any], ...]
    way: str
    options: dict[str, Any]
    dtype: str
    params: Arrays
    inputs: Any
    targets: Any

    def cell(self, *classes: str) -> dict[str, Any]:
        """Return the cell of the only hidden layer. Raises UnsupportedError if it is of none of these classes."""
        hidden = self.cells[:-1]
        if len(hidden) != 1:
            raise UnsupportedError(f"the adapter has one hidden layer, not {len(hidden)}")
        if hidden[0]["class"] not in classes:
            raise UnsupportedError(f"the adapter has no {hidden[0]['class']}; it has {', '.join(classes)}")
        return hidden[0]

    @property
    def leak(self) -> float:
        """Return what the readout keeps from step to step: exp(-1/tau), or 0 for a linear readout."""
        readout = self.cells[-1]
        return math.exp(-1 / readout["tau"]) if readout["class"] == "LeakyReadout" else 0.0

    def require_way(self, ways: Collection[str]) -> None:
        """Raise UnsupportedError unless the asked way is one of these."""
        if self.way not in ways:
            raise UnsupportedError(f"the adapter has no way {self.way!r}; it has {', '.join(ways)}")


@dataclass(frozen=True)
class Prepared:
    """A gradient that is ready to be called."""

    call: Callable[[], Any]
    """Computes loss and gradients; returns once they are there."""
    unpack: Callable[[Any], tuple[float, Arrays]]
    """Brings what `call` returned into the shapes of the weights."""
    memory: Callable[[], dict[str, Any]]
    """Counts the bytes of one call: `working_bytes`, and the `meter`."""


def lif_decay(
    cell: dict[str, Any],
    resets: tuple[str, ...] = ("soft", "hard"),
    width: float | None = None,
    states: Collection[str] = (),
) -> float:
    """Return the decay exp(-1/tau) of a LIF neuron with a triangular surrogate.

    states: those that the adapter has besides the potential: a, of an adaptive threshold, and g, of a current synapse.
    Raises UnsupportedError for any other cell, and for another `width` of the surrogate if one is given.
    """
    if lacking := [state for state in cell["states"] if state not in ("V", *states)]:
        raise UnsupportedError(f"the adapter has the LIF neuron without its state {', '.join(lacking)}")
    if cell["trainable"] or cell["density"] < 1 or cell["signed"] or cell["smooth"]:
        raise UnsupportedError("the adapter has no trainable constants, no masked or signed weights, no smooth spikes")
    if cell["surrogate"] != "relu" or width not in (None, cell["width"]):
        raise UnsupportedError(
            f"the adapter has the triangular surrogate, 'relu', only{f', of width {width:g}' if width else ''}"
        )
    if cell["threshold"] != 1:
        raise UnsupportedError("the adapter has a threshold of 1 only")
    if cell["reset"] not in resets:
        raise UnsupportedError(f"the adapter has no {cell['reset']} reset")
    if cell["detach_reset"]:
        raise UnsupportedError("the adapter has no detached reset but in a way of its own: leave detach_reset out")
    return math.exp(-1 / cell["tau"])


def serve(prepare: Callable[[Task], Prepared], *packages: str) -> None:
    """Carry out the task that the command line names. packages: those whose versions the answer has."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: job["threads"]])
    answer: dict[str, Any] = {"versions": {name: metadata.version(name) for name in packages}}
    answer["python"] = platform.python_version()
    try:
        answer |= carried_out(prepare, read(job), job)
    except UnsupportedError as error:
        answer |= {"status": "skip", "reason": str(error)}
    Path(job["result"]).write_text(json.dumps(answer, allow_nan=False), encoding="utf-8")


def read(job: dict[str, Any]) -> Task:
    """Read the problem of a task, in its dtype."""
    with np.load(job["problem"], allow_pickle=False) as arrays:
        params: Arrays = [{} for _ in job["cells"]]
        for name in arrays.files:
            if name.startswith("param/"):
                _, layer, kind = name.split("/")
                params[int(layer)][kind] = arrays[name].astype(job["dtype"])
        inputs, targets = arrays["inputs"].astype(job["dtype"]), arrays["targets"].astype(np.int64)
    return Task(tuple(job["cells"]), job["way"], job["options"], job["dtype"], params, inputs, targets)


def carried_out(prepare: Callable[[Task], Prepared], task: Task, job: dict[str, Any]) -> dict[str, Any]:
    """Compute, write, time and count the memory of a gradient; returns what the answer says of it."""
    stage("preparation and first call")
    start = perf_counter()
    prepared = prepare(task)
    loss, gradients = prepared.unpack(prepared.call())
    first = perf_counter() - start
    if reason := not_finite(loss, gradients):
        return {"status": "wrong", "reason": reason}
    np.savez(
        job["gradients"], **{f"gradient/{i}/{k}": v for i, layer in enumerate(gradients) for k, v in layer.items()}
    )
    answer: dict[str, Any] = {"status": "ok", "reason": None, "loss": loss, "first_call_s": first}
    if not job["budget_s"]:
        return answer
    del gradients
    gc.collect()
    stage("timing")
    samples: list[float] = []
    cpu_samples: list[float] = []
    while len(samples) < FEWEST or (sum(samples) < job["budget_s"] and len(samples) < MOST):
        start, cpu_start = perf_counter(), process_time()
        prepared.call()
        samples.append(perf_counter() - start)
        cpu_samples.append(process_time() - cpu_start)
    stage("measuring memory")
    reset_rss_peak()
    prepared.call()
    memory = {"rss_peak_bytes": rss_peak_bytes(), **prepared.memory()}
    return answer | {"samples_s": samples, "cpu_samples_s": cpu_samples, "memory": memory}


def not_finite(loss: float, gradients: Arrays) -> str | None:
    """Say that a loss, or else its gradient, is not finite; or None."""
    if not math.isfinite(loss):
        return "the loss is not finite"
    finite = all(np.isfinite(gradient).all() for layer in gradients for gradient in layer.values())
    return None if finite else "the gradient is not finite"


def stage(name: str) -> None:
    """Print what this process is doing: the reason of a failure names the last stage."""
    print(f"stage: {name}", flush=True)


def reset_rss_peak() -> None:
    """Reset the process's peak of resident memory, where the system allows it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def rss_peak_bytes() -> int | None:
    """Return the peak resident memory of this process since `reset_rss_peak`."""
    status = Path("/proc/self/status")
    match = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(match[1]) * 1024 if match else None
