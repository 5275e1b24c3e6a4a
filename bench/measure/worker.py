"""The child process: one case, one framework. Gate, then time, then weigh; one result on the way out.

Started by `runner.py` as `start.py drtrl_bench.measure.worker`, with the job as JSON on standard input and the file
for the result named in it. A case that fails its gate gets no time and no memory.
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

from drtrl_bench import data, lookup, plugins, registry
from drtrl_bench.case import Case
from drtrl_bench.cost.flops import lower_bound
from drtrl_bench.cost.footprint import analytic_bytes
from drtrl_bench.cost.sizes import sizes
from drtrl_bench.measure import clock, fidelity, memory, problem
from drtrl_bench.measure.problem import Problem

GATE_LIMIT = 1e-10
"""Largest relative L2 error of any parameter's gradient, in float64."""
GATE_BATCH = 2
PLAIN_LIMITS = {"bfloat16": 2e-2}
"""Largest relative L2 difference of any parameter's gradient from the plain one, by how the trace is kept."""


def gate_steps(case: Case) -> int:
    """Long enough to cross two chunk boundaries and end in a shorter chunk, where the sequence allows."""
    return min(case.steps, max(2 * case.chunk + 3, 16))


def window(whole: Problem, steps: int, batch: int, chunk: int) -> Problem:
    """Takes the steps and first samples of a problem in which a wrong gradient shows.

    A gradient is right for nothing where no step has a label, and a carry is never read where no label comes after it
    has moved. So the window's latest label comes as far as possible into its last chunk; of the windows in which it
    does, the one with the densest input before that label is taken.
    """
    last = (steps - 1) // chunk * chunk  # where the window's last chunk begins
    every, starts = np.arange(len(whole.targets)), np.arange(len(whole.targets) - steps + 1)
    labelled = (whole.targets[:, :batch] >= 0).any(1)
    label = np.maximum.accumulate(np.where(labelled, every, -1))[steps - 1 :]  # the latest of each window, if any
    reach = np.where(label < starts, -1, np.minimum(label - starts, last))
    density = np.concatenate([[0], np.cumsum(np.abs(whole.inputs[:, :batch]).sum((1, 2), dtype=np.float64))])
    before = np.where(reach == reach.max(), density[label + 1] - density[starts], -1)
    part = slice(start := int(np.argmax(before)), start + steps)
    return replace(whole, inputs=whole.inputs[part, :batch], targets=whole.targets[part, :batch])


def firing(net: Any, part: Problem) -> list[float]:
    """Mean firing rate of each spiking layer on a part of the problem."""
    return [float(spikes.mean()) for spikes in problem.spikes(net, part.params, part.inputs)]


def uninformative(part: Problem, rates: list[float], loss: float, gradient: fidelity.Gradient) -> str | None:
    """Why no gradient could be wrong on a part of the problem, with the way out, or None."""
    where = f"in {len(part.inputs)} steps of the first {part.targets.shape[1]} samples"
    if (part.targets < 0).all():
        return f"no step is labelled {where}, so there is no loss to differentiate; choose another data set or steps"
    if loss == 0:
        return f"the reference loss is 0 {where}, so its gradient says nothing; choose another data set or scale_x"
    if quiet := [str(i) for i, rate in enumerate(rates) if rate == 0]:
        return f"layer {', '.join(quiet)} never spikes {where}, so its gradient says nothing; raise scale_x"
    if zero := [name for name, vector in fidelity.named(gradient).items() if not vector.any()]:
        return f"the reference gradient of {', '.join(zero)} is 0 {where}, so it says nothing; raise steps or scale_x"
    return None


def gate(case: Case, whole: Problem, subject: Any) -> dict[str, Any]:
    """The implementation in float64 on a few samples and steps, against its algorithm's NumPy reference.

    The steps are doubled until they say something, up to the whole sequence.
    """
    net, batch, steps = problem.network(case), min(case.batch, GATE_BATCH), gate_steps(case)
    reference = lookup.reference(case.algorithm)
    extra = {name: getattr(case, name) for name in registry.ALGORITHMS[case.algorithm].by}
    while True:
        part = window(whole, steps, batch, case.chunk)
        inputs, rates = part.inputs.astype(np.float64), firing(net, part)
        loss, gradient = reference(net, part.params, inputs, part.targets, **extra)
        nothing = uninformative(part, rates, loss, gradient)
        if nothing is None or steps == case.steps:
            break
        steps = min(2 * steps, case.steps)
    found = {
        "reference": getattr(reference, "__name__", type(reference).__name__),
        "steps": steps,
        "batch": batch,
        "firing_rate": rates,
        "loss": loss,
        "limit": GATE_LIMIT,
    }
    if nothing:
        return found | {"uninformative": nothing}
    small = replace(case, steps=steps, batch=batch, chunk=min(case.chunk, steps))
    found_loss, found_gradient = subject.Subject(small, part, "float64").gradient()
    name, error = fidelity.worst_error(found_gradient, gradient)
    loss_error = abs(found_loss - loss) / abs(loss)
    return found | {
        "parameter": name,
        "error": error if np.isfinite(error) else None,
        "loss_error": loss_error if np.isfinite(loss_error) else None,
    }


def failure(found: dict[str, Any], activity: dict[str, Any]) -> str | None:
    """Why a case may not be measured, or None."""
    if "uninformative" in found:
        return f"gate: {found['uninformative']}"
    for kind, what in (("error", f"the gradient of {found['parameter']}"), ("loss_error", "the loss")):
        if found[kind] is None:
            return f"gate: {what} is not finite"
        if found[kind] > found["limit"]:
            return f"gate: {what} is off by {found[kind]:.1e}, allowed {found['limit']:.0e}"
    if quiet := [str(i) for i, rate in enumerate(activity["firing_rate"]) if rate == 0]:
        return f"layer {', '.join(quiet)} never spikes, so its gradient says nothing; raise scale_x"
    return None


def altered(case: Case, whole: Problem, gradient: Any, subject: Any, found: dict[str, Any]) -> str | None:
    """What is wrong with a gradient whose trace is stored in a way that the gate in float64 cannot have.

    It is compared with the plain one in the same mode and precision: both run the same forward pass, spike for spike.
    """
    limit = PLAIN_LIMITS.get(case.trace_dtype)
    if limit is None:
        return None
    _, plain = subject.Subject(replace(case, trace_dtype="same"), whole, case.dtype).gradient()
    name, error = fidelity.worst_error(gradient, plain)
    found |= {"plain_error": error if np.isfinite(error) else None, "plain_limit": limit}
    return f"gate: {name} is {error:.1e} off the plain gradient, allowed {limit:.0e}" if error > limit else None


def measure(case: Case, whole: Problem, budget_s: float) -> dict[str, Any]:
    """The fields of the record that only the child can know."""
    subject_module = importlib.import_module(f"drtrl_bench.measure.backend_{case.framework}")
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
    if case.mode != "compile":  # of which the forward pass alone is not made
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
    module = importlib.import_module(f"drtrl_bench.measure.backend_{case.framework}")
    result: dict[str, Any]
    try:
        result = measure(case, problem.read(Path(job["problem"])), job["budget_s"])
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
