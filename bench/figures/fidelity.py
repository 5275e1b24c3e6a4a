"""How close each gradient is to float64 BPTT: cosine, and relative error down to rounding."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from drtrl_bench import figures
from drtrl_bench.caption import Frame
from drtrl_bench.figures import style

ROUNDING = {"float32": np.finfo(np.float32).eps, "float64": np.finfo(np.float64).eps}
SMALLEST = 1e-17
"""An error of exactly 0 is drawn here: a logarithmic axis has no 0."""


def data(frame: Frame) -> Frame:
    """The plotted points."""
    columns = ["panel", "line", "algorithm", "framework", "chunk", "steps", "dtype", "cosine", "error", "norm_ratio"]
    rows = style.measured(style.points(frame), "cosine", "error")
    return rows[[*columns, "firing_rate", "rounds", "case_key", "env_hash"]]


def cosine(axes: Axes, rows: Frame, colours: style.Colours) -> None:
    """Cosine with the float64 BPTT gradient; 1 is the same direction."""
    axes.set_ylabel("cosine")
    known = style.measured(rows, "cosine", "error")
    for line, framework, group in style.curves(style.dodged(known, colours)):
        axes.plot(group["steps"], group["cosine"], color=colours[line], **style.look(framework))
    axes.set_ylim(min(0, known["cosine"].min() * 1.1) if len(known) else 0, 1.06)
    axes.set_yticks([tick for tick in (-1, -0.5, 0, 0.25, 0.5, 0.75, 1) if tick >= axes.get_ylim()[0]])
    if known["firing_rate"].notna().any():
        low, high = known["firing_rate"].min() * 100, known["firing_rate"].max() * 100
        span = f"{low:.1f}" if f"{low:.1f}" == f"{high:.1f}" else f"{low:.1f} to {high:.1f}"
        axes.text(0.02, 0.05, f"{span} % of the neurons fire in a step", transform=axes.transAxes, color="#5b616b")


def error(axes: Axes, rows: Frame, colours: style.Colours) -> None:
    """Relative error, logarithmic, with the rounding of the number format for scale."""
    axes.set_yscale("log")
    axes.set_ylabel("relative error")
    known = style.measured(rows, "cosine", "error")
    for line, framework, group in style.curves(style.dodged(known, colours)):
        axes.plot(group["steps"], group["error"].clip(lower=SMALLEST), color=colours[line], **style.look(framework))
    for dtype in sorted(known["dtype"].unique()):
        axes.axhline(ROUNDING[dtype], color=style.GREY, linewidth=0.8, linestyle=(0, (4, 3)))
        at = {"xy": (0.99, ROUNDING[dtype]), "xycoords": ("axes fraction", "data")}
        axes.annotate(f"{dtype} rounding", **at, xytext=(0, -9), textcoords="offset points", ha="right", fontsize=7)
    if len(known):
        smallest = min(known["error"].clip(lower=SMALLEST).min(), *(ROUNDING[d] for d in known["dtype"].unique()))
        axes.set_ylim(smallest / 10, max(known["error"].max(), 1) * 2)


def draw(frame: Frame) -> Figure:
    """Cosine above, relative error below, both against T."""
    rows = style.points(frame)
    zero = style.measured(rows, "error")["error"].eq(0).any()
    notes = [Line2D([], [], linestyle="none", label=f"an error of 0 is drawn\nat {SMALLEST:g}")] if zero else []
    return style.compose("Closeness to the float64 BPTT gradient", rows, [cosine, error], notes)


if __name__ == "__main__":
    figures.main("fidelity", __doc__)
