"""The lower bound of a gradient's cost: flops of its matrix products, and bytes that its carry moves.

In forward passes of 2 B J G N flops a step: BPTT 1 + N / J + 1, D-RTRL 2 + S, each at least, because the trace's
product is left out of the last chunk; exact RTRL adds the adjoints of its carry and the carry's update,
2 n^2 p / K + 2 n^3 + 2 n p a step and sample for n states and p parameters of a layer. Formulas, not counts: XLA's own
count takes a loop's body once.
"""

from dataclasses import dataclass

from drtrl_bench.cost.sizes import Sizes


@dataclass(frozen=True)
class LowerBound:
    """Of one gradient of the whole sequence; None for a carry that no formula knows."""

    forward_flops: int
    flops: int | None
    moved_bytes: int | None
    """Of the carry, read and written once for each chunk but the last."""


def lower_bound(sizes: Sizes) -> LowerBound:
    """Add up the products and the carry's traffic of all chunks."""
    algorithm, batch = sizes.algorithm, sizes.batch
    updates = (sizes.steps - 1) // sizes.chunk
    carried_steps = updates * sizes.chunk  # in chunks after which the carry is needed
    recomputed = updates * sizes.recomputed(sizes.chunk) + sizes.recomputed(sizes.steps - carried_steps)
    forward = flops = moved = 0
    for index, layer in enumerate(sizes.layers):
        weights = sum(layer.weights.values())
        once = 2 * batch * (layer.weights["x"] + layer.weights.get("r", 0))
        back = 2 * batch * layer.weights.get("r", 0) if algorithm.keeps("all") else 0
        down = 2 * batch * layer.weights["x"] if index else 0
        if algorithm.feedback == "direct":
            down = 2 * batch * sizes.classes * layer.neurons if index < len(sizes.layers) - 1 else 0
        forward += sizes.steps * once
        flops += sizes.steps * (2 * once + back + down) + recomputed * once
        if algorithm.carry == "trace":
            flops += carried_steps * layer.states * once
            moved += updates * 2 * batch * weights * layer.states * sizes.trace_itemsize
        if algorithm.carry == "influence":
            n = layer.states * layer.neurons + sizes.states_above[index]
            flops += updates * 2 * batch * n * n * weights + carried_steps * n * (back + down + once)
            moved += updates * 2 * batch * n * weights * sizes.itemsize
    if algorithm.carry == "other":
        return LowerBound(forward, None, None)
    return LowerBound(forward, flops, moved)
