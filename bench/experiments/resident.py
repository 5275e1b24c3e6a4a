"""Read the resident memory of this process in MiB: what it holds now, and its peak from a moment on."""

import ctypes
import gc
from collections.abc import Callable

from drtrl_bench.measure import memory


def give_back() -> None:
    """Return to the system what the process has freed, such as what drawing a connectome took; the GNU library can."""
    gc.collect()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)


def peak() -> float | None:
    """Return the peak in MiB since it began anew, or since the process started; None where the system tells none."""
    found = memory.rss_peak_bytes()
    return None if found is None else found / 2**20


def peak_from_now() -> Callable[[], float | None]:
    """Begin the peak anew, from what is held now, and return a function that reads it in MiB.

    It reads None where the system begins no peak anew: what it tells there is the peak since the process started.
    """
    began = memory.reset_rss_peak()
    return lambda: peak() if began else None
