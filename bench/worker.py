"""The child process: one case, one framework. Gate, then time, then weigh; one result on the way out.

Started by `runner.py` as `python -m drtrl_bench.worker`, with the job as JSON on standard input and the file for the
result named in it. A case that fails its gate gets no time and no memory.
"""

import gc
import importlib
import json
import os
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from drtrl_bench import clock, fidelity, floor, memory, plugins, problem, registry
from drtrl_bench.case import Case
from drtrl_bench.problem import Problem

GATE_LIMIT = 1e-10
"""Largest relative L2 error of any parameter's gradient, in float64."""
GATE_BATCH = 2
PLAIN_LIMITS = {"bfloat16": 2e-2, "triton": 1e-4}
"""Largest relative L2 difference of any parameter's gradient from the plain one, by how the trace is kept or moved."""


def gate_steps(case: Case) -> int:
    """Long enough to cross two chunk boundaries and end in a shorter chunk, where the sequence allows."""
    return min(case.steps, max(2 * case.chunk + 3, 16))


def liveliest(whole: Problem, steps: int, batch: int) -> Problem:
    """The first samples of a problem, where their input is densest: where nothing happens, any gradient is right."""
    density = np.cumsum(np.abs(whole.inputs[:, :batch]).sum((1, 2)))
    sums = density[steps - 1 :] - np.concatenate([[0], density[: len(density) - steps]])
    part = slice(start := int(np.argmax(sums)), start + steps)
    return replace(whole, inputs=whole.inputs[part, :batch], targets=whole.targets[part, :batch])


def firing(net: Any, part: Problem) -> list[float]:
    """Mean firing rate of each spiking layer on a part of the problem."""
    return [float(spikes.mean()) for spikes in problem.spikes(net, part.params, part.inputs)]


def gate(case: Case, whole: Problem, subject: Any) -> dict[str, Any]:
    """The implementation in float64 on the first samples and steps, against its algorithm's NumPy reference."""
    net, batch = problem.network(case), min(case.batch, GATE_BATCH)
    part = liveliest(whole, gate_steps(case), batch)
    while (rates := firing(net, part)) and min(rates) == 0 and len(part.inputs) < case.steps:
        part = liveliest(whole, min(2 * len(part.inputs), case.steps), batch)
    steps = len(part.inputs)
    reference = registry.reference(case.algorithm)
    extra = {name: getattr(case, name) for name in registry.ALGORITHMS[case.algorithm].by}
    inputs = part.inputs.astype(np.float64)
    loss, gradient = reference(net, part.params, inputs, part.targets, **extra)
    small = replace(case, steps=steps, batch=batch, chunk=min(case.chunk, steps))
    found_loss, found = subject.Subject(small, part, "float64").gradient()
    name, error = fidelity.worst_error(found, gradient)
    return {
        "reference": getattr(reference, "__name__", type(reference).__name__),
        "steps": steps,
        "batch": batch,
        "firing_rate": rates,
        "parameter": name,
        "error": error if np.isfinite(error) else None,
        "loss_error": abs(found_loss - loss) / abs(loss) if np.isfinite(found_loss) and loss else None,
        "limit": GATE_LIMIT,
    }


def failure(found: dict[str, Any], activity: dict[str, Any]) -> str | None:
    """Why a case may not be measured, or None."""
    for kind in ("error", "loss_error"):
        if found[kind] is None:
            return f"gate: {kind.replace('_', ' ')} of {found['parameter']} is not finite"
        if found[kind] > found["limit"]:
            return f"gate: {found['parameter']} is off by {found[kind]:.1e}, allowed {found['limit']:.0e}"
    rates = zip(activity["firing_rate"], found["firing_rate"], strict=True)
    quiet = [str(i) for i, both in enumerate(rates) if min(both) == 0]
    if quiet:
        return f"layer {', '.join(quiet)} never spikes, so its gradient says nothing; raise scale_x"
    return None


def altered(case: Case, whole: Problem, gradient: Any, subject: Any, found: dict[str, Any]) -> str | None:
    """What is wrong with a gradient whose trace is stored or moved in a way that the gate in float64 cannot have.

    It is compared with the plain one in the same precision: both run the same forward pass, spike for spike.
    """
    limit = next((PLAIN_LIMITS[how] for how in (case.trace_dtype, case.mode) if how in PLAIN_LIMITS), None)
    if limit is None:
        return None
    _, plain = subject.Subject(replace(case, mode="plain", trace_dtype="same"), whole, case.dtype).gradient()
    name, error = fidelity.worst_error(gradient, plain)
    found |= {"plain_error": error if np.isfinite(error) else None, "plain_limit": limit}
    return f"gate: {name} is {error:.1e} off the plain gradient, allowed {limit:.0e}" if error > limit else None


def measure(case: Case, whole: Problem, budget_s: float) -> dict[str, Any]:
    """The fields of the record that only the child can know."""
    subject_module = importlib.import_module(f"drtrl_bench.subject_{case.framework}")
    stage("gate in float64")
    found = gate(case, whole, subject_module)
    activity: dict[str, Any] = fidelity.activity(whole.spikes)
    result: dict[str, Any] = {"gate": found, "activity": activity, "time": {}, "memory": {}, "fidelity": {}}
    if reason := failure(found, activity):
        return result | {"status": "wrong", "reason": reason}

    stage("compilation and first call")
    subject = subject_module.Subject(case, whole, case.dtype)
    result["time"] = {"phases": subject.phases | {"first_call_s": clock.once(subject.call)}}
    _, gradient = subject.gradient()
    if not all(np.isfinite(g).all() for g in fidelity.named(gradient).values()):
        return result | {"status": "wrong", "reason": "the gradient is not finite", "time": {}}
    if reason := altered(case, whole, gradient, subject_module, found):
        return result | {"status": "wrong", "reason": reason, "time": {}}
    result["fidelity"] = fidelity.compare(gradient, whole.gradient)
    forward = subject.forward()
    spikes = [subject.numpy(o) for cell, o in zip(subject.net, forward(), strict=True) if cell.spiking]
    activity["spike_mismatch"] = [float((s != true).mean()) for s, true in zip(spikes, whole.spikes, strict=True)]
    del gradient, spikes
    gc.collect()
    stage("timing")
    result["time"] |= clock.sample(subject.call, budget_s)
    if case.mode not in ("compile", "cuda_graph"):  # of which the forward pass alone is not made
        result["time"]["forward_s"] = clock.sample(forward, budget_s / 10)["median_s"]

    stage("weighing")
    isolated = memory.reset_rss_peak()
    subject.call()
    result["memory"] = {"rss_peak_bytes": memory.rss_peak_bytes() if isolated else None, **subject.weigh()}
    return result | {"status": "ok", "reason": None}


def stage(name: str) -> None:
    """A line of the log that says what the child is doing."""
    print(f"stage: {name}", flush=True)


def main() -> None:
    job = json.load(sys.stdin)
    case = Case(**job["case"])
    plugins.restore(job["plugins"], case.framework)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: case.threads])
    module = importlib.import_module(f"drtrl_bench.subject_{case.framework}")
    result: dict[str, Any]
    try:
        result = measure(case, problem.read(Path(job["problem"])), job["budget_s"])
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not any(sign in str(error) for sign in module.OUT_OF_MEMORY):
            raise
        result = {"status": "oom", "reason": str(error).splitlines()[0][:200] if str(error) else "out of memory"}
    if result["status"] != "wrong":
        result.setdefault("memory", {})["analytic_bytes"] = memory.analytic_bytes(case, *problem.shape(case))
        result["floor"] = asdict(floor.of(case, *problem.shape(case)))
    Path(job["result"]).write_text(json.dumps(result | {"case": asdict(case)}, allow_nan=False), encoding="utf-8")


if __name__ == "__main__":
    main()
