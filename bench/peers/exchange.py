"""Give a task to a peer's adapter, a process in the peer's own environment, and read its answer.

`PYTHON ADAPTER.py TASK.json`; implementations/peers/task.py has the files and the fields of both sides.
"""

import json
import re
import tempfile
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from drtrl_bench.case import Case
from drtrl_bench.measure import environment
from drtrl_bench.measure.fidelity import Gradient
from drtrl_bench.measure.problem import network
from drtrl_bench.peers import environments
from drtrl_bench.process import result, supervised

ADAPTERS = Path(__file__).parent.parent / "implementations" / "peers"
FIELDS = (
    *("status", "reason", "loss", "first_call_s", "samples_s", "cpu_samples_s"),
    *("memory", "versions", "python"),
)
"""Fields of an answer."""
OF_OUR_PYTHON = ("PYTHON", "VIRTUAL_ENV", "CONDA_", "LD_LIBRARY_PATH")
"""How the names of variables begin by which our Python finds its packages and libraries."""


@dataclass(frozen=True)
class Answer:
    """What a peer computed and measured; `status` is a record's, and only `ok` has a gradient, which is finite."""

    status: str
    reason: str | None
    gradient: Gradient = field(default_factory=list)
    said: dict[str, Any] = field(default_factory=dict)
    """The other fields of the answer."""

    @property
    def loss(self) -> float:
        """Return the loss that the peer computed."""
        return self.said["loss"]


def adapter(name: str) -> Path:
    """Return the file of a peer's adapter."""
    return ADAPTERS / f"{name}_adapter.py"


def ask(name: str, way: str, case: Case, problem: Path, *, budget_s: float, limit_s: float = 300.0) -> Answer:
    """Let a peer compute the gradient of a case by one of its ways, and time it for `budget_s` seconds; 0: do not.

    problem: the file of the case's problem (`measure.problem`). A peer that is missing or broken is a skipped answer.
    """
    there = environments.state(name)
    if there.reason:
        return Answer("skip", there.reason)
    with tempfile.TemporaryDirectory() as own:
        folder = Path(own)
        task = {
            "problem": str(problem),
            "gradients": str(folder / "gradients.npz"),
            "result": str(folder / "result.json"),
            "cells": [{"class": type(cell).__name__, **asdict(cell)} for cell in network(case)],
            "way": way,
            "options": {"decay": case.decay, "chunk": case.chunk},
            "dtype": case.dtype,
            "threads": case.threads,
            "budget_s": budget_s,
        }
        (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")
        # Not -I or -P: the adapter imports what lies beside it. -s: nothing of the user's own; -B: no __pycache__ here.
        command = [str(there.executable), "-s", "-B", str(adapter(name)), str(folder / "task.json")]
        end = supervised.run(command, variables(case), folder=folder, limit_s=limit_s)
        if end.timed_out:
            return Answer("timeout", f"stopped after {limit_s:g} s, in: {end.stage}")
        if end.code:
            status = "oom" if end.for_memory else "error"
            return Answer(
                status,
                f"{name}: {end.reason}, in: {end.stage}; if it is broken: drtrl-bench peers remove "
                f"{name} && {there.command}",
            )
        return read(folder, case)


def variables(case: Case) -> dict[str, str]:
    """Return the environment variables of an adapter: those of a measured case, less those of our Python.

    What is preloaded, as another allocator, is preloaded for both sides.
    """
    return {
        name: value
        for name, value in environment.child(case).items()
        if name == "PYTHONHASHSEED" or not name.startswith(OF_OUR_PYTHON)
    }


def read(folder: Path, case: Case) -> Answer:
    """Read what an adapter wrote, and check that its gradients are those of the case's weights."""
    try:
        said = result.read(folder / "result.json", FIELDS)
        status = said.pop("status", None)
        reason = said.pop("reason", None)
        if status in ("skip", "wrong"):
            return Answer(status, str(reason), said=said)
        if status != "ok" or not isinstance(said.get("loss"), float):
            raise result.ResultError(f"its status is {status!r:.60}")
        with np.load(folder / "gradients.npz", allow_pickle=False) as arrays:
            found = {name: np.asarray(arrays[name], np.float64) for name in arrays.files}
    except (result.ResultError, OSError, ValueError, zipfile.BadZipFile) as error:
        return Answer("error", f"the answer is not valid: {error}"[:300])
    gradient: Gradient = [{} for _ in network(case)]
    for name, array in found.items():
        if not (match := re.fullmatch(r"gradient/(\d+)/(\w+)", name)) or int(match[1]) >= len(gradient):
            return Answer("error", f"the answer is not valid: no gradient of a weight: {name[:60]!r}")
        gradient[int(match[1])][match[2]] = array
    if not all(np.isfinite(array).all() for array in found.values()):
        return Answer("wrong", "the gradient is not finite", said=said)
    return Answer("ok", None, gradient, said)
