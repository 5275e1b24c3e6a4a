"""Compare this machine with the one that goals in seconds are set on, so that they hold on a slower one too."""

from time import process_time

ADDITIONS = 5_000_000
THEIRS = 0.25
"""Seconds of processor time that so many additions take on the machine whose seconds the goals are."""


def slowness() -> float:
    """How many times the processor time of that machine this one needs now for work in plain Python: at least 1."""
    began = process_time()
    total = 0
    for i in range(ADDITIONS):
        total += i
    assert total == ADDITIONS * (ADDITIONS - 1) // 2
    return max(1.0, (process_time() - began) / THEIRS)
