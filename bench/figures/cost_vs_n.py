"""Time per step of exact RTRL against the number of neurons, with the exponent that fits each line."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from drtrl_bench import caption, figures
from drtrl_bench.caption import Frame
from drtrl_bench.figures import style


def data(frame: Frame) -> Frame:
    """The plotted points of RTRL: seconds per step, and the exponent fitted to all points of their line."""
    rows = style.points(frame).drop_duplicates(["case_key", "setup", "data"])
    rows = style.measured(rows[rows["algorithm"] == "rtrl"], "time_s")
    found = []
    for _, group in rows.groupby(["framework", "chunk", "batch", "steps"], sort=False):
        if group["neurons"].nunique() > 2:
            group = group.sort_values("neurons").assign(step_s=group["time_s"] / group["steps"])
            slope = np.polyfit(np.log(group["neurons"]), np.log(group["step_s"]), 1)[0]
            found.append(group.assign(exponent=slope))
    columns = ["framework", "chunk", "neurons", "batch", "steps", "step_s", "exponent", "unstable", "busy", "case_key"]
    return pd.concat(found, ignore_index=True)[[*columns, "env_hash"]] if found else pd.DataFrame(columns=columns)


def draw(frame: Frame) -> Figure:
    """Double logarithmic; the slope of a line is its exponent."""
    found, rows = data(frame), style.points(frame)
    with style.matplotlib.rc_context(style.RC):
        figure = Figure(figsize=(5.6, 4.2), layout="constrained")
        style.FigureCanvasAgg(figure)
        axes = figure.subplots()
        axes.set_xscale("log", base=2)
        style.scale_values(axes, "time per step (ms)")
        chunks = sorted(found["chunk"].unique())
        for (framework, K, _, _), group in found.groupby(["framework", "chunk", "batch", "steps"]):
            shade = "#f0a673" if chunks[0] == K and len(chunks) > 1 else style.ALGORITHMS["rtrl"][1]
            label = f"{style.FRAMEWORKS[framework][0]}, K = {K}: n^{group['exponent'].iloc[0]:.2f}"
            axes.plot(group["neurons"], group["step_s"] * 1e3, color=shade, label=label, **style.look(framework))
        sizes = sorted(found["neurons"].unique())
        axes.set_xticks(sizes, [str(n) for n in sizes])
        axes.xaxis.set_minor_locator(style.NullLocator())
        axes.set_xlabel("n, neurons (one state each)")
        axes.set_title("Exact RTRL: cost of a step")
        if len(found):
            axes.legend()
            said = [caption.shared(rows[rows["case_key"].isin(found["case_key"])]), *caption.machines(rows)]
            text = "\n".join(caption.wrap(line, 95) for line in said)
            figure.supxlabel(text, x=0.012, ha="left", fontsize=7, color="#5b616b")
    return figure


if __name__ == "__main__":
    figures.main("cost_vs_n", __doc__)
