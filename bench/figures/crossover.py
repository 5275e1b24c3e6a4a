"""Draw memory and time against the length of the sequence, and mark where BPTT's memory overtakes the others'."""

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
    """Return the points of lines that were measured at three lengths T or more; all others are left out."""
    rows = selection.measured(selection.points(frame), "working_bytes", "time_s")
    long = rows.groupby(["panel", "line", "way"])["steps"].transform("nunique") > 2 if len(rows) else []
    points = selection.some(
        rows[long].assign(facet=selection.OVER_T), frame, "an algorithm with a time and a memory at three T"
    )
    if points["panel"].nunique() == 1:
        points = points.assign(panel="")  # the caption names the problem
    points.attrs = rows.attrs
    return points


def crossings(rows: Frame) -> Frame:
    """Return the T at which the memory of BPTT passes that of another algorithm, for each way to run and pair, or none.

    T is interpolated between two measured lengths, both axes logarithmic; `within` names the two.
    """
    crossed = []
    for (panel, way), group in rows.groupby(["panel", "way"], sort=False):
        lines = {
            line: points.set_index("steps")["working_bytes"].sort_index() for line, points in group.groupby("line")
        }
        for past in (line for line in lines if line.startswith("BPTT")):
            for other in (line for line in lines if not line.startswith("BPTT")):
                both = pd.concat([lines[past], lines[other]], axis=1, keys=["past", "other"]).dropna()
                if both.empty:
                    continue
                gap = np.log((both["past"] / both["other"]).to_numpy())
                steps = np.log(both.index.to_numpy(float))
                at = next((i for i in range(1, len(gap)) if gap[i - 1] <= 0 < gap[i]), None)
                pair = {"panel": panel, "way": way, "line": past, "other": other}
                if at is None:
                    ends = f"at every T from {both.index[0]}" if gap[0] > 0 else f"not by T = {both.index[-1]}"
                    crossed.append(pair | {"steps": None, "working_bytes": None, "within": ends})
                    continue
                share = -gap[at - 1] / (gap[at] - gap[at - 1])
                crossing = float(np.exp(steps[at - 1] + share * (steps[at] - steps[at - 1])))
                ends = np.log(both["other"].to_numpy(float))
                level = float(np.exp(ends[at - 1] + share * (ends[at] - ends[at - 1])))
                within = f"{both.index[at - 1]} to {both.index[at]}"
                crossed.append(pair | {"steps": round(crossing), "working_bytes": round(level), "within": within})
    return pd.DataFrame(crossed, columns=COLUMNS)


def data(frame: Frame) -> Frame:
    """Return the plotted points, and below them the crossings, which name another algorithm in `other`."""
    rows = swept(frame)
    plotted = ["panel", "way", "line", "algorithm", "chunk", "steps", "working_bytes", "analytic_bytes"]
    measured = rows[[*plotted, *time_vs_t.TIMES, "rounds", "case_key", "env_hash"]]
    crossed = crossings(rows)
    return pd.concat([measured, crossed], ignore_index=True) if len(crossed) else measured


def draw(frame: Frame) -> Figure:
    """Draw memory above time; the crossings are marked, and named in the caption."""
    rows, left_out = selection.readable(swept(frame))
    crossed = crossings(rows)

    def memory(axes: Axes, points: Frame, lines: dict[str, style.Line]) -> None:
        memory_vs_t.sweep(axes, points, lines)
        panel, way = points["panel"].iloc[0], points["way"].iloc[0]
        here = crossed[(crossed["panel"] == panel) & (crossed["way"] == way)].dropna()
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
    drawn = shown["case_key"].isin(rows["case_key"])
    shown = shown[drawn | ((shown["status"] != "ok") & shown["panel"].isin(shown.loc[drawn, "panel"]))]
    footer = captions.footer(
        shown, *crossing_words(crossed), memory_vs_t.by_formula(rows), captions.OWN_SCALES, left_out
    )
    return layout.sheet("Cost of one gradient over T", bands, footer)


def crossing_words(crossed: Frame) -> list[str]:
    """Write the crossings in words, a line for each panel and way to run."""
    lines = []
    for (panel, way), group in crossed.groupby(["panel", "way"], sort=False):
        where = f"{panel} · {way}" if panel else way
        pairs = [f"{row.line} takes more than {row.other}: {length(row)}" for row in group.itertuples()]
        lines.append(f"memory, {where}: {' · '.join(pairs)}")
    return lines


def length(crossing: Any) -> str:
    """Write from which T on BPTT takes more memory."""
    return crossing.within if pd.isna(crossing.steps) else f"from T ≈ {crossing.steps:.0f}"


if __name__ == "__main__":
    figures.main("crossover", __doc__)
