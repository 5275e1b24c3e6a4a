"""Measure one case in one framework, in a process of its own: gradient check, then time, then memory.

`runner.py` starts it as `start.py drtrl_bench.measure.worker`, with the job as JSON on standard input, which names the
file for the result. A case that fails its gradient check gets no time and no memory.
"""

import gc
import importlib
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from drtrl_bench import data, plugins
from drtrl_bench.case import Case
from drtrl_bench.cost.flops import lower_bound
from drtrl_bench.cost.footprint import analytic_bytes
from drtrl_bench.cost.sizes import sizes
from drtrl_bench.measure import clock, fidelity, gradcheck, memory
from drtrl_bench.measure import problem as problems
from drtrl_bench.measure.problem import Problem
from drtrl_bench.protocols import BackendModule


def measure(case: Case, problem: Problem, budget_s: float) -> dict[str, Any]:
    """Check, time and measure the gradient of a case: the fields of a record that only this process can know.

    budget_s: seconds for the samples of the gradient's time; the forward pass gets a tenth of them.
    """
    module = backend_module(case.framework)
    stage("gradient check in float64")
    check = gradcheck.gradient_check(case, problem, module.Backend)
    activity: dict[str, Any] = fidelity.activity(problem.spikes)
    result: dict[str, Any] = {"gate": check, "activity": activity, "time": {}, "memory": {}, "fidelity": {}}
    if reason := gradcheck.failure(check, activity):
        return result | {"status": "wrong", "reason": reason}

    stage("compilation and first call")
    backend = module.Backend(case, problem, case.dtype)
    result["time"] = {"phases": backend.phases | {"first_call_s": clock.once(backend.call)}}
    _, gradient = backend.gradient()
    if not all(np.isfinite(g).all() for g in fidelity.named(gradient).values()):
        return result | {"status": "wrong", "reason": "the gradient is not finite", "time": {}}
    if reason := gradcheck.check_against_plain(case, problem, gradient, module.Backend, check):
        return result | {"status": "wrong", "reason": reason, "time": {}}
    result["fidelity"] = fidelity.compare(gradient, problem.gradient)
    forward = backend.forward()
    spikes = [backend.numpy(output) for cell, output in zip(backend.net, forward(), strict=True) if cell.spiking]
    activity["spike_mismatch"] = [float((s != true).mean()) for s, true in zip(spikes, problem.spikes, strict=True)]
    del gradient, spikes
    gc.collect()
    stage("timing")
    result["time"] |= clock.sample(backend.call, budget_s)
    if case.mode != "compile":  # whose forward pass alone is not compiled
        result["time"]["forward_s"] = clock.sample(forward, budget_s / 10)["median_s"]

    stage("measuring memory")
    isolated = memory.reset_rss_peak()
    backend.call()
    result["memory"] = {"rss_peak_bytes": memory.rss_peak_bytes() if isolated else None, **backend.measure_memory()}
    return result | {"status": "ok", "reason": None}


def backend_module(framework: str) -> BackendModule:
    """Import the module that runs cases in a framework."""
    module: Any = importlib.import_module(f"drtrl_bench.measure.backend_{framework}")
    return module


def stage(name: str) -> None:
    """Print what this process is doing: the reason of a record names the last stage."""
    print(f"stage: {name}", flush=True)


def main() -> None:
    """Measure the case of the job on standard input, and write the result to the file that the job names."""
    job = json.load(sys.stdin)
    case = Case(**job["case"])
    plugins.restore(job["plugins"], case.framework)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: case.threads])
    module = backend_module(case.framework)
    result: dict[str, Any]
    try:
        result = measure(case, problems.read(Path(job["problem"])), job["budget_s"])
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not any(sign in str(error) for sign in module.OUT_OF_MEMORY):
            raise
        result = {"status": "oom", "reason": str(error).splitlines()[0][:200] if str(error) else "out of memory"}
    if result["status"] != "wrong":
        of_case = sizes(case, *data.shape(case.dataset, case.features))
        result.setdefault("memory", {})["analytic_bytes"] = analytic_bytes(of_case)
        result["floor"] = asdict(lower_bound(of_case))
    Path(job["result"]).write_text(json.dumps(result | {"case": asdict(case)}, allow_nan=False), encoding="utf-8")


if __name__ == "__main__":
    main()
