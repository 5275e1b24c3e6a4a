"""The gradient check of a case: its implementation in float64 against its algorithm's NumPy reference.

It runs on a few samples, and on the steps in which a wrong gradient shows. What float64 cannot have, as a trace stored
in bfloat16, is compared with the same implementation without it.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from drtrl_bench import lookup, registry
from drtrl_bench.case import Case
from drtrl_bench.measure import fidelity, problem
from drtrl_bench.measure.problem import Problem
from drtrl_bench.protocols import Backend, Weights

Make = Callable[[Case, Problem, str], Backend]
"""Makes the backend of a case and its problem in a dtype."""
LIMIT = 1e-10
"""Largest relative L2 error of any parameter's gradient, in float64."""
SAMPLES = 2
PLAIN_LIMITS = {"bfloat16": 2e-2}
"""Largest relative L2 difference of any parameter's gradient from the plain one, by how the trace is kept."""


def check_steps(case: Case) -> int:
    """Long enough to cross two chunk boundaries and end in a shorter chunk, where the sequence allows."""
    return min(case.steps, max(2 * case.chunk + 3, 16))


def most_active_window(whole: Problem, steps: int, batch: int, chunk: int) -> Problem:
    """Cut out the steps and first samples of a problem in which a wrong gradient shows.

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


def firing_rates(net: tuple[Any, ...], part: Problem) -> list[float]:
    """Average the firing of each spiking layer on a part of the problem, per step and neuron."""
    return [float(spikes.mean()) for spikes in problem.spikes(net, part.params, part.inputs)]


def uninformative(part: Problem, rates: list[float], loss: float, gradient: Weights) -> str | None:
    """Say why no gradient could be wrong on a part of the problem, with the way out; or None."""
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


def gradient_check(case: Case, whole: Problem, make: Make) -> dict[str, Any]:
    """Compare the implementation in float64, on a few samples and steps, with its algorithm's NumPy reference.

    The steps are doubled until they say something, up to the whole sequence.
    """
    net, batch, steps = problem.network(case), min(case.batch, SAMPLES), check_steps(case)
    reference = lookup.reference(case.algorithm)
    extra = {name: getattr(case, name) for name in registry.ALGORITHMS[case.algorithm].by}
    while True:
        part = most_active_window(whole, steps, batch, case.chunk)
        inputs, rates = part.inputs.astype(np.float64), firing_rates(net, part)
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
        "limit": LIMIT,
    }
    if nothing:
        return found | {"uninformative": nothing}
    small = replace(case, steps=steps, batch=batch, chunk=min(case.chunk, steps))
    found_loss, found_gradient = make(small, part, "float64").gradient()
    name, error = fidelity.worst_error(found_gradient, gradient)
    loss_error = abs(found_loss - loss) / abs(loss)
    return found | {
        "parameter": name,
        "error": error if np.isfinite(error) else None,
        "loss_error": loss_error if np.isfinite(loss_error) else None,
    }


def failure(found: dict[str, Any], activity: dict[str, Any]) -> str | None:
    """Say why a case may not be measured; or None."""
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


def check_against_plain(case: Case, whole: Problem, gradient: Weights, make: Make, found: dict[str, Any]) -> str | None:
    """Say what is wrong with a gradient whose trace is stored in a way that the check in float64 cannot have; or None.

    It is compared with the plain one in the same mode and precision: both run the same forward pass, spike for spike.
    """
    limit = PLAIN_LIMITS.get(case.trace_dtype)
    if limit is None:
        return None
    _, plain = make(replace(case, trace_dtype="same"), whole, case.dtype).gradient()
    name, error = fidelity.worst_error(gradient, plain)
    found |= {"plain_error": error if np.isfinite(error) else None, "plain_limit": limit}
    return f"gate: {name} is {error:.1e} off the plain gradient, allowed {limit:.0e}" if error > limit else None
