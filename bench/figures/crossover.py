"""Memory and time against the length of the sequence, and where BPTT's memory overtakes the others'."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from drtrl_bench import figures
from drtrl_bench.caption import Frame
from drtrl_bench.figures import memory_vs_t, style, time_vs_t


def swept(frame: Frame) -> Frame:
    """The points of lines that were measured at three lengths T or more; all other sweeps are left out."""
    rows = style.points(frame)
    kept = rows.groupby(["panel", "line", "framework"])["steps"].transform("nunique") > 2 if len(rows) else []
    found = rows[kept]
    found.attrs = rows.attrs
    return found


def data(frame: Frame) -> Frame:
    """For each framework and pair of rules, the T at which the memory of a BPTT passes that of the other, or none.

    Between two measured lengths it is interpolated, both axes logarithmic; `within` says which two.
    """
    rows = style.measured(swept(frame), "working_bytes")
    found = []
    for (panel, framework), group in rows.groupby(["panel", "framework"], sort=False):
        lines = {line: own.set_index("steps")["working_bytes"].sort_index() for line, own in group.groupby("line")}
        for past in (line for line in lines if line.startswith("BPTT")):
            for other in (line for line in lines if not line.startswith("BPTT")):
                both = pd.concat([lines[past], lines[other]], axis=1, keys=["past", "other"]).dropna()
                if both.empty:
                    continue
                gap = np.log((both["past"] / both["other"]).to_numpy())
                steps = np.log(both.index.to_numpy(float))
                at = next((i for i in range(1, len(gap)) if gap[i - 1] <= 0 < gap[i]), None)
                place = {"panel": panel, "framework": framework, "bptt": past, "other": other}
                if at is None:
                    ends = f"at every T from {both.index[0]}" if gap[0] > 0 else f"not by T = {both.index[-1]}"
                    found.append(place | {"steps": None, "within": ends})
                    continue
                share = -gap[at - 1] / (gap[at] - gap[at - 1])
                crossing = float(np.exp(steps[at - 1] + share * (steps[at] - steps[at - 1])))
                found.append(place | {"steps": round(crossing), "within": f"{both.index[at - 1]} to {both.index[at]}"})
    return pd.DataFrame(found, columns=["panel", "framework", "bptt", "other", "steps", "within"])


def draw(frame: Frame) -> Figure:
    """Both panels, and the crossings of memory in the legend."""
    rows = swept(frame)
    if rows["panel"].nunique() == 1:
        rows = rows.assign(panel="")  # the caption says it all
    notes = [Line2D([], [], color=style.INK, label="by formula", **style.ANALYTIC)]
    for other, group in data(frame).groupby("other", sort=False):
        notes.append(Line2D([], [], linestyle="none", label=f"\nmore memory than {other}:"))
        for past, crossings in group.groupby("bptt", sort=False):
            said = (f"{style.FRAMEWORKS[row.framework][0]} {length(row)}" for row in crossings.itertuples())
            name = "checkpointed" if "checkpointed" in str(past) else "BPTT"
            notes.append(Line2D([], [], linestyle="none", label=f"{name}: {', '.join(said)}"))
    return style.compose("Cost of one gradient over T", rows, [memory_vs_t.panel, time_vs_t.panel], notes)


def length(crossing: Any) -> str:
    """Where a crossing is, in a few characters."""
    return crossing.within if pd.isna(crossing.steps) else f"from T = {crossing.steps:.0f}"


if __name__ == "__main__":
    figures.main("crossover", __doc__)
