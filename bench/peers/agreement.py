"""Compare each peer's gradient in float64 with the NumPy reference here, and with the emulation of its difference."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from drtrl_bench import lookup, registry
from drtrl_bench.case import Case
from drtrl_bench.measure import fidelity, problem
from drtrl_bench.measure.fidelity import Gradient
from drtrl_bench.measure.problem import Problem
from drtrl_bench.peers import environments, exchange, ways
from drtrl_bench.peers.ways import READOUTS, Difference, Way

LIMIT = 1e-10
"""Largest relative L2 error of any weight's gradient, and of the loss, in float64."""


@dataclass(frozen=True)
class Agreement:
    """How a peer's gradient of one cell and readout compares with the reference here.

    outcome: agrees; differs, where the named cause explains all of it; wrong, where nothing does; or the status of an
    answer without a gradient.
    """

    peer: str
    way: str
    cell: str
    readout: str
    outcome: str
    reason: str | None = None
    """The cause of a difference, or why there is no gradient."""
    error: float | None = None
    """The largest relative error of a weight's gradient against the reference here; None if it is not finite."""
    parameter: str | None = None
    """The weight that has it."""
    explained: float | None = None
    """The same against the emulation of the cause."""
    said: dict[str, Any] | None = None
    """Versions and Python of the peer."""

    @property
    def sound(self) -> bool:
        """Tell whether the gradient is what it should be: equal, or different for the named reason."""
        return self.outcome in ("agrees", "differs")

    def line(self) -> dict[str, Any]:
        """Return the fields of a record."""
        return asdict(self)


def case_of(way: Way, cell: str, readout: str) -> Case:
    """Return the small case of a check: active neurons, in sizes that all differ."""
    return Case(
        way.ours[0],
        cell=cell,
        readout=readout,
        dataset="bernoulli",
        features=12,
        neurons=8,
        batch=3,
        steps=24,
        chunk=24 if registry.ALGORITHMS[way.ours[0]].carry == "states" else 8,
        scale_x=6.0,
        scale_r=2.0,
        dtype="float64",
        threads=1,
    )


def reference(algorithm: str, case: Case, drawn: Problem) -> tuple[float, Gradient]:
    """Return loss and gradient of an algorithm here, in NumPy and float64."""
    extra = {name: getattr(case, name) for name in registry.ALGORITHMS[algorithm].by}
    net, inputs = problem.network(case), drawn.inputs.astype(np.float64)
    return lookup.reference(algorithm)(net, drawn.params, inputs, drawn.targets, **extra)


def emulated(difference: Difference, case: Case, drawn: Problem) -> tuple[float, Gradient]:
    """Return loss and gradient as a peer's difference makes them."""
    return difference.emulate(problem.network(case), drawn.params, drawn.inputs.astype(np.float64), drawn.targets)


def off(loss: float, gradient: Gradient, true_loss: float, true: Gradient) -> tuple[str, float]:
    """Return what is furthest off, a weight or the loss, and its relative error."""
    name, error = fidelity.worst_error(gradient, true)
    loss_error = abs(loss - true_loss) / abs(true_loss)
    return ("loss", loss_error) if not loss_error <= error else (name, error)


def check(name: str, way_name: str, cell: str, readout: str, folder: Path) -> Agreement:
    """Compare one gradient of a peer. folder: where the problem's file is kept."""
    way = ways.PEERS[name].ways[way_name]
    case = case_of(way, cell, readout)
    path = problem.prepared(case, folder)
    answer = exchange.ask(name, way_name, case, path, budget_s=0)
    if answer.status != "ok":
        return Agreement(name, way_name, cell, readout, answer.status, answer.reason)
    drawn = problem.read(path)
    if shapes(answer.gradient) != shapes(drawn.params):
        return Agreement(name, way_name, cell, readout, "error", "its gradients are not those of the case's weights")
    return judged(Agreement(name, way_name, cell, readout, "wrong", said=answer.said), way, case, drawn, answer)


def judged(blank: Agreement, way: Way, case: Case, drawn: Problem, answer: exchange.Answer) -> Agreement:
    """Complete an agreement by its outcome and errors."""
    true_loss, true = reference(way.ours[0], case, drawn)
    parameter, error = off(answer.loss, answer.gradient, true_loss, true)
    blank = replace(blank, parameter=parameter)
    if not np.isfinite(error):
        return replace(blank, reason=f"{parameter} is not finite")
    blank = replace(blank, error=error)
    difference = way.difference(case.cell, case.readout)
    if difference is None:
        if error <= LIMIT:
            return replace(blank, outcome="agrees")
        return replace(blank, reason=f"{parameter} is off by {error:.1e}, and no cause is known")
    _, explained = off(answer.loss, answer.gradient, *emulated(difference, case, drawn))
    blank = replace(blank, explained=explained)
    if explained <= LIMIT < error:
        return replace(blank, outcome="differs", reason=difference.cause)
    why = "it no longer differs" if error <= LIMIT else f"it is off by {explained:.1e} even so"
    return replace(blank, reason=f"should differ ({difference.cause}), but {why}")


def shapes(weights: Gradient) -> list[dict[str, tuple[int, ...]]]:
    """Return the shape of each weight."""
    return [{kind: array.shape for kind, array in sorted(layer.items())} for layer in weights]


def checked(names: list[str], folder: Path) -> Iterator[Agreement]:
    """Compare each way of these peers in each cell and readout; a peer that cannot run is one skipped comparison."""
    for name in names:
        if reason := environments.state(name).reason:
            yield Agreement(name, "", "", "", "skip", reason)
            continue
        for way_name, way in ways.PEERS[name].ways.items():
            for cell in way.cells:
                for readout in READOUTS:
                    yield check(name, way_name, cell, readout, folder)
