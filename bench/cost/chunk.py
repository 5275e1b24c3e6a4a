"""The length K of a chunk: a cost model that picks it from the sizes and a limit on memory.

Seconds of one gradient, summed over its T / K chunks:

    flops / rate        of all products (flops.py): the longer the last chunk, the fewer for a trace; for RTRL
                        2 n^2 p / K of them update the influence
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
from typing import NamedTuple

from drtrl_bench.cost.flops import lower_bound
from drtrl_bench.cost.footprint import footprint
from drtrl_bench.cost.sizes import Sizes


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


def seconds(sizes: Sizes, device: str, framework: str) -> float:
    """Estimate what one gradient takes. Only ratios between chunk lengths mean something."""
    least, machine = lower_bound(sizes), MACHINES[device]
    chunks = math.ceil(sizes.steps / sizes.chunk)
    spilled = chunks * max(0, footprint(sizes).chunk - machine.cache)
    moved = (least.moved_bytes or 0) + 2 * spilled
    return (least.flops or 0) / machine.rate + moved / machine.bandwidth + chunks * machine.start[framework]


def best(sizes: Sizes, device: str, framework: str, limit_mib: float = 0.0) -> int:
    """Choose K, a power of two or T, of the least cost within a limit of memory by formula (see above if it is 0).

    Raises ValueError where not even K = 1 is within the limit.
    """
    if "chunk" in sizes.algorithm.by:
        return sizes.steps
    T = sizes.steps
    lengths = [1 << i for i in range(T.bit_length()) if 1 << i < T] + [T]
    tried = [replace(sizes, chunk=K, steps=T if limit_mib else ENDLESS) for K in lengths]
    least = footprint(tried[0])
    limit = limit_mib * 2**20 or least.carry + least.gradient + SHARE * max(least.carry, MACHINES[device].cache)
    within = [each for each in tried if footprint(each).total <= limit]
    if not within:
        raise ValueError(f"limit_mib is {limit_mib:g}, but it needs {least.total / 2**20:.1f} MiB at K = 1")
    return min(within, key=lambda each: seconds(each, device, framework)).chunk
