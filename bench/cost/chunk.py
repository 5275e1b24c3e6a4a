"""The length K of a chunk: a cost model that picks it from the sizes and a limit on memory.

Seconds of one gradient, summed over its T / K chunks:

    flops / rate        of all products (flops.py): the longer the last chunk, the fewer for a trace; for RTRL
                        2 n^2 p / K of them move the influence
    moved / bandwidth   the carry is read and written once a chunk
    start               what a chunk costs before it does anything
    spilled             the chunk's arrays once more through memory, where they are larger than the cache

K changes only the cost of most rules. Where it changes the gradient, as for BPTT and windows, K stays T.
Without a limit, K is picked as if the sequence had no end, so that memory is constant in T (at K = T no carry would be
moved at all), and the chunk's arrays may take three times as much memory as the carry, or as the cache.
The constants are those of a CPU with two cores and, measured by nobody, of an H100; only their ratios matter.
"""

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from drtrl_bench.case import Case


class Machine(NamedTuple):
    """Flops and bytes a second, bytes that stay in the cache, and seconds that a chunk costs in each framework."""

    rate: float
    bandwidth: float
    cache: int
    start: dict[str, float]


MACHINES = {
    "cpu": Machine(60e9, 12e9, 8 << 20, {"jax": 40e-6, "torch": 1.2e-3}),
    "gpu": Machine(40e12, 2.5e12, 50 << 20, {"jax": 200e-6, "torch": 200e-6}),
}
ENDLESS, SHARE = 1 << 24, 3
"""Steps of a sequence without an end, and what a chunk's arrays may take of the carry or the cache without a limit."""


def seconds(case: "Case", features: int, classes: int) -> float:
    """What the model says one gradient takes. Only ratios between chunk lengths mean something."""
    from drtrl_bench.cost import flops as floor
    from drtrl_bench.measure import memory

    least = floor.of(case, features, classes)
    held = memory.held(case, features, classes)
    flops, moved = least.flops or 0, least.moved_bytes or 0
    chunks = math.ceil(case.steps / case.chunk)
    machine = MACHINES[case.device]
    spilled = chunks * max(0, held.chunk - machine.cache)
    return flops / machine.rate + (moved + 2 * spilled) / machine.bandwidth + chunks * machine.start[case.framework]


def best(case: "Case", features: int, classes: int) -> int:
    """The K, a power of two or T, of the least cost within `limit_mib` of memory by formula (see above if it is 0).

    Raises ValueError where not even K = 1 is, and for an algorithm that carries what no formula knows.
    """
    from drtrl_bench import registry
    from drtrl_bench.measure import memory

    algorithm = registry.ALGORITHMS[case.algorithm]
    if "chunk" in algorithm.by:
        return case.steps
    if algorithm.carry == "other":
        raise ValueError(f'chunk = "auto" needs to know what {case.algorithm} carries, which is "other": give a number')
    lengths = [1 << i for i in range(case.steps.bit_length()) if 1 << i < case.steps] + [case.steps]
    steps = case.steps if case.limit_mib else ENDLESS
    tried = [replace(case, chunk=K, steps=steps) for K in lengths]
    held = memory.held(tried[0], features, classes)
    limit = case.limit_mib * 2**20 or held.carry + held.gradient + SHARE * max(held.carry, MACHINES[case.device].cache)
    within = [c for c in tried if memory.held(c, features, classes).total <= limit]
    if not within:
        least = held.total / 2**20
        raise ValueError(f"limit_mib is {case.limit_mib:g}, but {case.algorithm} needs {least:.1f} MiB at K = 1")
    return min(within, key=lambda c: seconds(c, features, classes)).chunk
