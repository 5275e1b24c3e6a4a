"""Check the gradient of a case: its implementation in float64 against its algorithm's NumPy reference.

The check runs on a few samples, and on the steps in which a wrong gradient shows. An option that float64 cannot have,
such as a trace stored in bfloat16, is checked against the same implementation without that option.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from drtrl_bench import lookup, registry
from drtrl_bench.case import Case
from drtrl_bench.measure import fidelity
from drtrl_bench.measure.problem import Problem, network, spikes
from drtrl_bench.protocols import Backend, Weights

Make = Callable[[Case, Problem, str], Backend]
"""Makes the backend of a case, of its problem, in a dtype."""
LIMIT = 1e-10
"""Largest relative L2 error of any parameter's gradient, in float64."""
SAMPLES = 2
PLAIN_LIMITS = {"bfloat16": 2e-2}
"""Largest relative L2 difference of any parameter's gradient from the plain one, by the dtype of the stored trace."""


def check_steps(case: Case) -> int:
    """Choose the steps of the check: two chunk boundaries and a shorter last chunk, where the sequence allows."""
    return min(case.steps, max(2 * case.chunk + 3, 16))


def most_active_window(problem: Problem, steps: int, batch: int, chunk: int) -> Problem:
    """Cut a window out of a problem, `steps` of its first `batch` samples, in which a wrong gradient shows.

    In a window without a label every gradient is zero, and if no label comes after the first update of the carry, the
    carry is never read. So the window's latest label lies as far as possible towards its last chunk; of the windows
    that are equal in this, the one with the densest input before that label is taken.
    """
    last = (steps - 1) // chunk * chunk  # where the window's last chunk begins
    every, starts = np.arange(len(problem.targets)), np.arange(len(problem.targets) - steps + 1)
    labelled = (problem.targets[:, :batch] >= 0).any(1)
    label = np.maximum.accumulate(np.where(labelled, every, -1))[steps - 1 :]  # the latest of each window, if any
    reach = np.where(label < starts, -1, np.minimum(label - starts, last))
    density = np.concatenate([[0], np.cumsum(np.abs(problem.inputs[:, :batch]).sum((1, 2), dtype=np.float64))])
    before = np.where(reach == reach.max(), density[label + 1] - density[starts], -1)
    cut = slice(start := int(np.argmax(before)), start + steps)
    return replace(problem, inputs=problem.inputs[cut, :batch], targets=problem.targets[cut, :batch])


def firing_rates(net: tuple[Any, ...], window: Problem) -> list[float]:
    """Average the spikes of each spiking layer in a window, per step and neuron."""
    return [float(of_layer.mean()) for of_layer in spikes(net, window.params, window.inputs)]


def uninformative(window: Problem, rates: list[float], loss: float, gradient: Weights) -> str | None:
    """Say why no gradient could be wrong in a window, and what to choose instead; or None."""
    where = f"in {len(window.inputs)} steps of the first {window.targets.shape[1]} samples"
    if (window.targets < 0).all():
        return f"no step is labelled {where}, so there is no loss to differentiate; choose another data set or steps"
    if loss == 0:
        return f"the reference loss is 0 {where}, so its gradient says nothing; choose another data set or scale_x"
    if quiet := [str(i) for i, rate in enumerate(rates) if rate == 0]:
        return f"layer {', '.join(quiet)} never spikes {where}, so its gradient says nothing; raise scale_x"
    if zero := [name for name, vector in fidelity.named(gradient).items() if not vector.any()]:
        return f"the reference gradient of {', '.join(zero)} is 0 {where}, so it says nothing; raise steps or scale_x"
    return None


def gradient_check(case: Case, problem: Problem, make: Make) -> dict[str, Any]:
    """Compare the implementation in float64, on a few samples and steps, with its algorithm's NumPy reference.

    The steps are doubled until a gradient could be wrong in them, up to the whole sequence. Returns the field `gate` of
    a record: the reference, the size of the check, its errors and their limit, or why it is uninformative.
    """
    net, batch, steps = network(case), min(case.batch, SAMPLES), check_steps(case)
    reference = lookup.reference(case.algorithm)
    extra = {name: getattr(case, name) for name in registry.ALGORITHMS[case.algorithm].by}
    while True:
        window = most_active_window(problem, steps, batch, case.chunk)
        inputs, rates = window.inputs.astype(np.float64), firing_rates(net, window)
        loss, gradient = reference(net, window.params, inputs, window.targets, **extra)
        reason = uninformative(window, rates, loss, gradient)
        if reason is None or steps == case.steps:
            break
        steps = min(2 * steps, case.steps)
    check = {
        "reference": getattr(reference, "__name__", type(reference).__name__),
        "steps": steps,
        "batch": batch,
        "firing_rate": rates,
        "loss": loss,
        "limit": LIMIT,
    }
    if reason:
        return check | {"uninformative": reason}
    small = replace(case, steps=steps, batch=batch, chunk=min(case.chunk, steps))
    computed_loss, computed_gradient = make(small, window, "float64").gradient()
    name, error = fidelity.worst_error(computed_gradient, gradient)
    loss_error = abs(computed_loss - loss) / abs(loss)
    return check | {
        "parameter": name,
        "error": error if np.isfinite(error) else None,
        "loss_error": loss_error if np.isfinite(loss_error) else None,
    }


def failure(check: dict[str, Any], activity: dict[str, Any]) -> str | None:
    """Say why a case may not be measured, by its gradient check and the firing of its layers; or None."""
    if "uninformative" in check:
        return f"gradient check: {check['uninformative']}"
    for kind, what in (("error", f"the gradient of {check['parameter']}"), ("loss_error", "the loss")):
        if check[kind] is None:
            return f"gradient check: {what} is not finite"
        if check[kind] > check["limit"]:
            return f"gradient check: {what} is off by {check[kind]:.1e}, allowed {check['limit']:.0e}"
    if quiet := [str(i) for i, rate in enumerate(activity["firing_rate"]) if rate == 0]:
        return f"layer {', '.join(quiet)} never spikes, so its gradient says nothing; raise scale_x"
    return None


def check_against_plain(
    case: Case, problem: Problem, gradient: Weights, make: Make, check: dict[str, Any]
) -> str | None:
    """Say what is wrong with a gradient whose trace is stored in a dtype that the check in float64 leaves out; or None.

    The gradient is compared with that of a plain trace in the same mode and precision: both have the same forward
    pass, spike for spike. Adds `plain_error` and `plain_limit` to the check.
    """
    limit = PLAIN_LIMITS.get(case.trace_dtype)
    if limit is None:
        return None
    _, plain = make(replace(case, trace_dtype="same"), problem, case.dtype).gradient()
    name, error = fidelity.worst_error(gradient, plain)
    check |= {"plain_error": error if np.isfinite(error) else None, "plain_limit": limit}
    return (
        f"gradient check: {name} is {error:.1e} off the plain gradient, allowed {limit:.0e}" if error > limit else None
    )
