"""Hold work to seconds of the machine that goals are set on, on a machine that is slower or that others use, too."""

from collections.abc import Callable
from time import process_time

ADDITIONS = 5_000_000
THEIRS = 0.25
"""Seconds of processor time that so many additions take on the machine whose seconds the goals are."""
ATTEMPTS = 5


def slowness() -> float:
    """How many times the processor time of that machine this one needs now for work in plain Python: at least 1."""
    began = process_time()
    total = 0
    for i in range(ADDITIONS):
        total += i
    assert total == ADDITIONS * (ADDITIONS - 1) // 2
    return max(1.0, (process_time() - began) / THEIRS)


def processor_seconds(work: Callable[[], object]) -> float:
    """Seconds of the processor that this process needs for `work`."""
    began = process_time()
    work()
    return process_time() - began


def least(seconds: Callable[[], float], goal: float) -> float:
    """Return the least that `seconds` says, in seconds of that machine: of up to five calls, as long as it is over.

    What else runs on a machine makes work slower and never quicker, for a second or two: work that reaches its goal
    once can reach it, and work that cannot does not reach it the fifth time either.
    """
    found = float("inf")
    for _ in range(ATTEMPTS):
        found = min(found, seconds() / slowness())
        if found < goal:
            break
    return found
