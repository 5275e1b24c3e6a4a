"""What recordings are like: events, length, rate and density."""

from collections.abc import Callable, Sequence

import numpy as np

from .binning import cells
from .recordings import Recordings

STEPS = 100
"""Density is that of this many bins over the whole recording."""


def statistics(
    held: Recordings, indices: Sequence[int] | None = None, report: Callable[[int, int], None] = lambda done, of: None
) -> dict[str, float]:
    """Reads recordings (all, if no indices are given) and describes them. Raises DamagedError at the first bad one.

    events: mean number per recording, with fewest and most. seconds: mean time from first to last. rate_hz: events per
    second and line. density: share of cells of STEPS bins that are not empty. on: share of polarity 1.
    """
    chosen = range(len(held)) if indices is None else indices
    lines = int(np.prod(held.sensor))
    events, seconds, full, on = [], [], [], []
    for done, index in enumerate(chosen, start=1):
        recording = held[index]
        events.append(len(recording.t))
        seconds.append((recording.t[-1] - recording.t[0]) / 1e6 if len(recording.t) else 0.0)
        full.append(len(cells(recording, STEPS, held.sensor, lines, None, False).step) / (STEPS * lines))
        on.append(recording.p.sum())
        report(done, len(chosen))
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
