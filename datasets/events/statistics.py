"""What recordings are like: events, length, rate and density."""

from collections.abc import Callable, Sequence

import numpy as np

from .binning import cells
from .place import DamagedError
from .recordings import Recordings

STEPS = 100
"""Density is that of this many bins over the whole recording."""


def statistics(
    held: Recordings,
    indices: Sequence[int] | None = None,
    report: Callable[[int, int], None] = lambda done, of: None,
    damaged: Callable[[DamagedError], None] | None = None,
) -> dict[str, float]:
    """Reads recordings' files (all, if no indices are given) and describes them; nothing, if none of them is whole.

    damaged: called with what is wrong with each bad one, which is left out; without it, raises DamagedError at the
    first.
    events: mean number per recording, with fewest and most. seconds: mean time from first to last. rate_hz: events per
    second and line. density: share of cells of STEPS bins that are not empty. on: share of polarity 1.
    """
    chosen = range(len(held)) if indices is None else indices
    lines = int(np.prod(held.sensor))
    events, seconds, full, on = [], [], [], []
    for done, index in enumerate(chosen, start=1):
        report(done, len(chosen))
        try:
            recording = held.read(index, anew=True)
        except DamagedError as error:
            if damaged is None:
                raise
            damaged(error)
            continue
        events.append(len(recording.t))
        seconds.append((recording.t[-1] - recording.t[0]) / 1e6 if len(recording.t) else 0.0)
        binned = cells(recording, STEPS, held.sensor, lines, None, False)
        full.append(np.count_nonzero(binned.counts) / (STEPS * lines))
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
