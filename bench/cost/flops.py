"""Compute the least cost of a gradient: flops of its matrix products, and bytes of its carry, read and written.

A step of the forward pass takes 2 B J G N flops. In this unit, a step of BPTT takes 1 forward, N / J for the adjoint
recursion through the recurrent weights and 1 for the gradient; a step of D-RTRL takes 1 + 1, and S for the update of
the trace, which the last chunk leaves out. Exact RTRL takes those of BPTT, and the adjoints and the update of its
influence: 2 n^2 p / K + 2 n^3 + 2 n p flops a step and sample, for n states and p parameters of a layer. These are
formulas, because XLA counts the body of a loop once.
"""

from dataclasses import dataclass

from drtrl_bench.cost.sizes import Sizes


@dataclass(frozen=True)
class LowerBound:
    """The least cost of one gradient of the whole sequence; None where no formula knows the carry."""

    forward_flops: int
    flops: int | None
    moved_bytes: int | None
    """Bytes of the carry, read and written once for each chunk but the last."""


def lower_bound(sizes: Sizes) -> LowerBound:
    """Add up the products and the carry's traffic of all chunks."""
    algorithm, batch = sizes.algorithm, sizes.batch
    updates = (sizes.steps - 1) // sizes.chunk
    carried_steps = updates * sizes.chunk  # of the chunks that update the carry: all but the last
    recomputed = updates * sizes.recomputed(sizes.chunk) + sizes.recomputed(sizes.steps - carried_steps)
    forward = flops = moved = 0
    for index, layer in enumerate(sizes.layers):
        weights = sum(layer.weights.values())
        forward_step = 2 * batch * (layer.weights["x"] + layer.weights.get("r", 0))
        recurrent = 2 * batch * layer.weights.get("r", 0) if algorithm.keeps("all") else 0
        feedback = 2 * batch * layer.weights["x"] if index else 0
        if algorithm.feedback == "direct":
            feedback = 2 * batch * sizes.classes * layer.neurons if index < len(sizes.layers) - 1 else 0
        forward += sizes.steps * forward_step
        flops += sizes.steps * (2 * forward_step + recurrent + feedback) + recomputed * forward_step
        if algorithm.carry == "trace":
            flops += carried_steps * layer.states * forward_step
            moved += updates * 2 * batch * weights * layer.states * sizes.trace_itemsize
        if algorithm.carry == "influence":
            n = layer.states * layer.neurons + sizes.states_above[index]
            flops += updates * 2 * batch * n * n * weights
            flops += carried_steps * n * (recurrent + feedback + forward_step)
            moved += updates * 2 * batch * n * weights * sizes.itemsize
    if algorithm.carry == "other":
        return LowerBound(forward, None, None)
    return LowerBound(forward, flops, moved)
