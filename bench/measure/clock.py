"""The clock: repeated samples of one synchronised call, and whether the machine was busy meanwhile."""

import os
import resource
from collections.abc import Callable
from time import perf_counter, process_time
from typing import Any

from drtrl_bench.measure import stats

FEWEST, ENOUGH, MOST = 5, 10, 200
"""At least, before the spread of the samples is believed, and at most."""


def once(call: Callable[[], Any]) -> float:
    """Seconds that one call takes; the call must not return before the device is done."""
    start = perf_counter()
    call()
    return perf_counter() - start


def sample(call: Callable[[], Any], budget_s: float) -> dict[str, Any]:
    """Samples until the median is known to 2 % or the budget is spent; at least `FEWEST` of them.

    Returns all of them in seconds, by the clock and by what the processor worked for this process (`cpu_samples_s`,
    which other work on the machine disturbs less), the summary of the former, and the signs of a busy machine: `busy`
    is a load clearly above the cores that this process may use. Involuntary context switches are recorded but decide
    nothing, because a framework's own threads switch among themselves where they share a core.
    """
    switches = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
    samples: list[float] = []
    worked: list[float] = []
    while len(samples) < FEWEST or (
        sum(samples) < budget_s
        and len(samples) < MOST
        and not (len(samples) >= ENOUGH and len(samples) % 5 == 0 and stats.settled(samples))
    ):
        start = process_time()
        samples.append(once(call))
        worked.append(process_time() - start)
    switches = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw - switches
    load = os.getloadavg()[0]
    return {
        "samples_s": samples,
        "cpu_samples_s": worked if all(worked) else None,  # a clock too coarse for the call says nothing of it
        **stats.summary(samples),
        "load": load,
        "involuntary_switches": switches,
        "busy": load > len(os.sched_getaffinity(0)) + 0.5,
    }
