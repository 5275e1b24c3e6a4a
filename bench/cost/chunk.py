"""Pick the length K of a chunk by a cost model, from the sizes of a case and a limit on memory.

The seconds of one gradient, summed over its T / K chunks, are modelled as:

    flops / rate        flops of all products (flops.py); the longer the last chunk, the fewer update a trace; for
                        RTRL 2 n^2 p / K update the influence
    moved / bandwidth   bytes of the carry, read and written once a chunk
    start               seconds that a chunk costs before its first product
    spilled             bytes by which the chunk's arrays exceed the cache, moved once more through memory

K changes the cost of an algorithm. Where it changes the gradient, too, as for BPTT and windows, K stays T. Without a
limit, K is picked as if the sequence had no end, so that memory is constant in T (at K = T no carry would be moved at
all), and the chunk's arrays may take three times as much memory as the carry, or as the cache. The constants are those
of a CPU with two cores and of an H100, the latter not measured; only their ratios matter.
"""

import math
from dataclasses import replace
from typing import NamedTuple

from drtrl_bench.cost.flops import lower_bound
from drtrl_bench.cost.footprint import footprint
from drtrl_bench.cost.sizes import Sizes


class Machine(NamedTuple):
    """Flops a second, bytes a second, bytes of the cache, and seconds that a chunk costs in each framework."""

    rate: float
    bandwidth: float
    cache: int
    start: dict[str, float]


MACHINES = {
    "cpu": Machine(60e9, 12e9, 8 << 20, {"jax": 40e-6, "torch": 1.2e-3}),
    "gpu": Machine(40e12, 2.5e12, 50 << 20, {"jax": 200e-6, "torch": 200e-6}),
}
ENDLESS, SHARE = 1 << 24, 3
"""Steps that stand for a sequence without an end; times the carry or the cache that a chunk's arrays may take."""


def seconds(sizes: Sizes, device: str, framework: str) -> float:
    """Estimate the seconds of one gradient, good for comparing chunk lengths only."""
    least, machine = lower_bound(sizes), MACHINES[device]
    chunks = math.ceil(sizes.steps / sizes.chunk)
    spilled = chunks * max(0, footprint(sizes).chunk - machine.cache)
    moved = (least.moved_bytes or 0) + 2 * spilled
    return (least.flops or 0) / machine.rate + moved / machine.bandwidth + chunks * machine.start[framework]


def best(sizes: Sizes, device: str, framework: str, limit_mib: float = 0.0) -> int:
    """Choose the K, a power of two or T, that costs least within a limit on the memory by formula.

    limit_mib: 0 for no limit (see above). Raises ValueError if not even K = 1 is within the limit.
    """
    if "chunk" in sizes.algorithm.by:
        return sizes.steps
    T = sizes.steps
    lengths = [1 << i for i in range(T.bit_length()) if 1 << i < T] + [T]
    choices = [replace(sizes, chunk=K, steps=T if limit_mib else ENDLESS) for K in lengths]
    least = footprint(choices[0])
    limit = limit_mib * 2**20 or least.carry + least.gradient + SHARE * max(least.carry, MACHINES[device].cache)
    within = [choice for choice in choices if footprint(choice).total <= limit]
    if not within:
        raise ValueError(f"limit_mib is {limit_mib:g}, but it needs {least.total / 2**20:.1f} MiB at K = 1")
    return min(within, key=lambda choice: seconds(choice, device, framework)).chunk
