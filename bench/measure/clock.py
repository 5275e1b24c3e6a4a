"""Time repeated calls, and note whether the machine was busy meanwhile."""

import os
import resource
from collections.abc import Callable
from time import perf_counter, process_time
from typing import Any

from drtrl_bench.measure import stats

FEWEST, ENOUGH, MOST = 5, 10, 200
"""Samples that are taken at least; those after which their spread may end the timing; and at most."""


def once(call: Callable[[], Any]) -> float:
    """Return the seconds that one call takes; the call must not return before the device is done."""
    start = perf_counter()
    call()
    return perf_counter() - start


def sample(call: Callable[[], Any], budget_s: float) -> dict[str, Any]:
    """Time a call until its median is known to 2 % or `budget_s` seconds are spent, but at least `FEWEST` times.

    Returns all samples in seconds, by the clock (`samples_s`) and by the processor's time for this process
    (`cpu_samples_s`, which other work on the machine disturbs less); the summary of those by the clock; and the signs
    of a busy machine: `busy` is a load clearly above the cores that this process may use. Involuntary context switches
    are recorded but decide nothing, because the threads of a framework switch among themselves if they share a core.
    """
    switches = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
    samples: list[float] = []
    cpu_samples: list[float] = []
    while len(samples) < FEWEST or (
        sum(samples) < budget_s
        and len(samples) < MOST
        and not (len(samples) >= ENOUGH and len(samples) % 5 == 0 and stats.settled(samples))
    ):
        start = process_time()
        samples.append(once(call))
        cpu_samples.append(process_time() - start)
    switches = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw - switches
    load = os.getloadavg()[0]
    return {
        "samples_s": samples,
        "cpu_samples_s": cpu_samples if all(cpu_samples) else None,  # 0: the clock is too coarse for the call
        **stats.summary(samples),
        "load": load,
        "involuntary_switches": switches,
        "busy": load > len(os.sched_getaffinity(0)) + 0.5,
    }
