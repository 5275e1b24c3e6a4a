"""Describe recordings: events, length, rate and density."""

from collections.abc import Callable, Sequence

import numpy as np

from .binning import Binning, cells
from .published import DamagedError
from .recordings import Recordings

STEPS = 100
"""The density is measured in this many bins over the whole recording."""


def statistics(
    recordings: Recordings,
    indices: Sequence[int] | None = None,
    report: Callable[[int, int], None] = lambda done, of: None,
    damaged: Callable[[DamagedError], None] | None = None,
) -> dict[str, float]:
    """Read recordings' files (all, if no indices are given) and describe them; an empty dict, if all are damaged.

    damaged: called with the error of each damaged recording, which is left out. events: mean number per recording,
    with fewest and most. seconds: mean time from first event to last. rate_hz: events per second and line. density:
    share of cells of STEPS bins that are not empty. on: share of polarity 1. Raises DamagedError if a recording is
    damaged and `damaged` is None.
    """
    chosen = range(len(recordings)) if indices is None else indices
    lines = int(np.prod(recordings.sensor))
    events, seconds, full, on = [], [], [], []
    for done, index in enumerate(chosen, start=1):
        report(done, len(chosen))
        try:
            recording = recordings.read(index, anew=True)
        except DamagedError as error:
            if damaged is None:
                raise
            damaged(error)
            continue
        events.append(len(recording.t))
        seconds.append((recording.t[-1] - recording.t[0]) / 1e6 if len(recording.t) else 0.0)
        counts = cells(recording, Binning(STEPS, recordings.sensor, lines)).counts
        full.append(np.count_nonzero(counts) / (STEPS * lines))
        on.append(recording.p.sum())
    if not events:
        return {}
    return {
        "recordings": len(events),
        "events": float(np.mean(events)),
        "fewest": int(np.min(events)),
        "most": int(np.max(events)),
        "seconds": float(np.mean(seconds)),
        "rate_hz": float(np.sum(events) / max(np.sum(seconds), 1e-9) / lines),
        "density": float(np.mean(full)),
        "on": float(np.sum(on) / max(np.sum(events), 1)),
    }
