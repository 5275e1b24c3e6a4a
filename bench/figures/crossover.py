"""Memory and time against the length of the sequence, and where BPTT's memory overtakes the others'."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from drtrl_bench import figures
from drtrl_bench.figures import captions, layout, memory_vs_t, selection, style, time_vs_t
from drtrl_bench.view.caption import Frame

COLUMNS = ["panel", "way", "line", "other", "steps", "working_bytes", "within"]


def swept(frame: Frame) -> Frame:
    """The points of lines that were measured at three lengths T or more; all other sweeps are left out."""
    rows = selection.measured(selection.points(frame), "working_bytes", "time_s")
    kept = rows.groupby(["panel", "line", "way"])["steps"].transform("nunique") > 2 if len(rows) else []
    found = selection.some(
        rows[kept].assign(facet=selection.OVER_T), frame, "a rule with a time and a memory at three T"
    )
    if found["panel"].nunique() == 1:
        found = found.assign(panel="")  # the caption says it all
    found.attrs = rows.attrs
    return found


def crossings(rows: Frame) -> Frame:
    """For each way and pair of rules, the T at which the memory of a BPTT passes that of the other, or none.

    Between two measured lengths it is interpolated, both axes logarithmic; `within` says which two.
    """
    found = []
    for (panel, way), group in rows.groupby(["panel", "way"], sort=False):
        lines = {line: own.set_index("steps")["working_bytes"].sort_index() for line, own in group.groupby("line")}
        for past in (line for line in lines if line.startswith("BPTT")):
            for other in (line for line in lines if not line.startswith("BPTT")):
                both = pd.concat([lines[past], lines[other]], axis=1, keys=["past", "other"]).dropna()
                if both.empty:
                    continue
                gap = np.log((both["past"] / both["other"]).to_numpy())
                steps = np.log(both.index.to_numpy(float))
                at = next((i for i in range(1, len(gap)) if gap[i - 1] <= 0 < gap[i]), None)
                place = {"panel": panel, "way": way, "line": past, "other": other}
                if at is None:
                    ends = f"at every T from {both.index[0]}" if gap[0] > 0 else f"not by T = {both.index[-1]}"
                    found.append(place | {"steps": None, "working_bytes": None, "within": ends})
                    continue
                share = -gap[at - 1] / (gap[at] - gap[at - 1])
                crossing = float(np.exp(steps[at - 1] + share * (steps[at] - steps[at - 1])))
                ends = np.log(both["other"].to_numpy(float))
                level = float(np.exp(ends[at - 1] + share * (ends[at] - ends[at - 1])))
                within = f"{both.index[at - 1]} to {both.index[at]}"
                found.append(place | {"steps": round(crossing), "working_bytes": round(level), "within": within})
    return pd.DataFrame(found, columns=COLUMNS)


def data(frame: Frame) -> Frame:
    """The plotted points, and below them the crossings: those have another rule in `other`."""
    rows = swept(frame)
    plotted = ["panel", "way", "line", "algorithm", "chunk", "steps", "working_bytes", "analytic_bytes"]
    measured = rows[[*plotted, *time_vs_t.TIMES, "rounds", "case_key", "env_hash"]]
    crossed = crossings(rows)
    return pd.concat([measured, crossed], ignore_index=True) if len(crossed) else measured


def draw(frame: Frame) -> Figure:
    """Memory above, time below; the crossings are marked and named in the caption."""
    rows, left = selection.readable(swept(frame))
    found = crossings(rows)

    def memory(axes: Axes, own: Frame, looks: dict[str, style.Line]) -> None:
        memory_vs_t.sweep(axes, own, looks)
        here = found[(found["panel"] == own["panel"].iloc[0]) & (found["way"] == own["way"].iloc[0])].dropna()
        if len(here):
            at = here["steps"].astype(float), here["working_bytes"].astype(float) / memory_vs_t.MIB
            axes.plot(*at, label=style.EQUAL, markeredgecolor=style.INK, **style.RING)

    bands = [
        band
        for _, group in rows.groupby("panel", sort=False)
        for sweep in (memory, time_vs_t.sweep)
        for band in layout.bands(group, sweep, None)
    ]
    shown = selection.points(frame)
    shown = shown[shown["case_key"].isin(rows["case_key"]) | (shown["status"] != "ok")]
    said = captions.footer(shown, *told(found), memory_vs_t.by_formula(rows), captions.UNLIKE, left)
    return layout.sheet("Cost of one gradient over T", bands, said)


def told(found: Frame) -> list[str]:
    """The crossings, in words."""
    lines = []
    for (panel, way), group in found.groupby(["panel", "way"], sort=False):
        where = f"{panel} · {way}" if panel else way
        said = [f"{row.line} more than {row.other} {length(row)}" for row in group.itertuples()]
        lines.append(f"memory, {where}: {' · '.join(said)}")
    return lines


def length(crossing: Any) -> str:
    """Where a crossing is, in a few words."""
    return crossing.within if pd.isna(crossing.steps) else f"from T ≈ {crossing.steps:.0f}"


if __name__ == "__main__":
    figures.main("crossover", __doc__)
