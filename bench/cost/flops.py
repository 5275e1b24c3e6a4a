"""The least that a gradient costs: flops of its matrix products, and bytes that its carry moves.

In forward passes of 2 B J G N flops a step: BPTT 1 + N / J + 1, D-RTRL 2 + S, each at least, because the trace's
product is left out of the last chunk; exact RTRL adds what it pulls back and moves, 2 n^2 p / K + 2 n^3 + 2 n p a step
and sample for n states and p parameters of a layer. Formulas, not counts: XLA's own count takes a loop's body once.
"""

from dataclasses import dataclass
from typing import Any

from drtrl_bench import registry
from drtrl_bench.case import Case
from drtrl_bench.measure import memory


@dataclass(frozen=True)
class Floor:
    """Of one gradient of the whole sequence."""

    forward_flops: int
    flops: Any
    """A whole number; None for a carry that no formula knows, as the next."""
    moved_bytes: Any
    """Of the carry, read and written once for each chunk but the last."""


def of(case: Case, features: int, classes: int) -> Floor:
    """The floor of a case."""
    net = registry.network(case.cell, case.readout, case.layers)
    sizes = [case.neurons] * case.layers + [classes]
    states = [cell.S * N for cell, N in zip(net, sizes, strict=True)]
    algorithm = registry.ALGORITHMS[case.algorithm]
    carried = algorithm.carry
    moves = (case.steps - 1) // case.chunk
    steps = moves * case.chunk  # in chunks after which the carry is needed
    itemsize = 8 if case.dtype == "float64" else 4
    stored = 2 if case.trace_dtype == "bfloat16" else itemsize
    forward = flops = moved = 0.0
    for layer, (cell, I, N) in enumerate(zip(net, [features, *sizes[:-1]], sizes, strict=True)):
        p = {k: cell.fan_in(k, I, N) * (reads.stop - reads.start) * N for k, reads in cell.reads.items()}
        once = 2 * case.batch * (p["x"] + p.get("r", 0))
        back = 2 * case.batch * p.get("r", 0) if algorithm.pulls("all") else 0
        down = 2 * case.batch * p["x"] if layer else 0
        if case.algorithm == "random_feedback":  # the error goes down to each hidden layer by itself
            down = 2 * case.batch * classes * N if layer < case.layers else 0
        forward += case.steps * once
        flops += case.steps * (2 * once + back + down)
        if memory.segmented(case):  # all but a chunk's last segment run twice
            flops += (moves * memory.twice(case, case.chunk) + memory.twice(case, case.steps - steps)) * once
        if carried == "trace":
            flops += steps * cell.S * once
            moved += moves * 2 * case.batch * sum(p.values()) * cell.S * stored
        if carried == "influence":
            n = sum(states[layer:])
            flops += moves * 2 * case.batch * n * n * sum(p.values()) + steps * n * (back + down + once)
            moved += moves * 2 * case.batch * n * sum(p.values()) * itemsize
    if carried == "other":
        return Floor(int(forward), None, None)
    return Floor(int(forward), int(flops), int(moved))
