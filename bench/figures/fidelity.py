"""Draw how close each gradient is to float64 BPTT's, by layer: cosine, ratio of norms, and error down to rounding."""

import re
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from drtrl_bench import figures
from drtrl_bench.figures import annotations, captions, layers, layout, scales, selection, style
from drtrl_bench.figures.layers import BOUNDS, METRICS, OVERALL, READOUT
from drtrl_bench.view import caption
from drtrl_bench.view.caption import Frame

ROUNDING = {"float32": np.finfo(np.float32).eps, "float64": np.finfo(np.float64).eps}
SMALLEST = 1e-17
"""An error or a norm of exactly 0 is drawn here: a logarithmic axis has no 0."""
EXACT = 1e-3
"""Errors are drawn where one is below this: above, cosine and norm say more."""
SPREAD = "range over a layer's weights"
HIDDEN = ("o", "^", "v", "D", "<", ">", "p", "h")
"""Markers of the hidden layers, from the first."""
RINGS: list[dict[str, Any]] = [style.RING | {"markersize": 8.5, "markeredgewidth": 0.9, "marker": m} for m in "osDh"]
"""Marks of the second and later ways to run a case; those of the first way are filled."""


def data(frame: Frame) -> Frame:
    """Return the plotted points."""
    columns = ["panel", "line", "algorithm", "framework", "mode", "chunk", "steps", "dtype", "part"]
    return layers.points(frame)[[*columns, *METRICS, *BOUNDS, "firing_rate", "rounds", "case_key", "env_hash"]]


def draw(frame: Frame) -> Figure:
    """Draw cosine, norm and error of each problem against T; with one T only, the layers side by side."""
    rows, left_out = selection.readable(layers.points(frame))
    colours = {name: line.colour for name, line in style.lines(rows).items()}
    exact = (rows.loc[rows["part"] == OVERALL, "error"] < EXACT).any()
    metrics = [name for name in METRICS if name != "error" or exact]
    problems = sorted(rows["panel"].unique(), key=lambda problem: problem_order(rows[rows["panel"] == problem].iloc[0]))
    ways, bands = selection.ordered(rows), []
    if len(problems) == 1:
        panels = [layout.Panel("", panel(metric, rows, colours, ways)) for metric in metrics]
        bands.append(layout.Band(firing_words(rows), panels, 2.5))
    wide = problems_abreast(rows, len(problems))
    for group in (problems[i : i + wide] for i in range(0, len(problems) if len(problems) > 1 else 0, wide)):
        for metric in metrics:
            panels = []
            for problem in group:
                points = rows[rows["panel"] == problem]
                title = "\n".join(filter(None, (caption.wrap(problem, 23 if wide > 3 else 32), firing_words(points))))
                outer = (metric == metrics[-1] or points["steps"].nunique() == 1, problem == group[0])
                fill = panel(metric, points, colours, ways, outer)
                panels.append(layout.Panel(title if metric == metrics[0] else "", fill))
            bands.append(layout.Band("", panels, 1.5))
    title = "Closeness to the float64 BPTT gradient, layer by layer"
    with style.look():
        keys = legend_keys(rows, colours, ways)
    return layout.sheet(title, bands, [*caption_lines(rows, frame), left_out], keys)


def layer_style(part: str, depth: int) -> dict[str, Any]:
    """Choose marker and line of a layer."""
    if part == OVERALL:
        return {"marker": "", "linestyle": (0, (1.2, 1.5)), "linewidth": 1.4}
    if part == READOUT:
        return {"marker": "s", "linestyle": (0, (4, 1.5))}
    return {"marker": HIDDEN[depth % len(HIDDEN)], "linestyle": "-"}


def legend_keys(rows: Frame, colours: dict[str, Any], ways: list[str]) -> dict[str, Line2D]:
    """Say how lines, layers and ways look in the legend."""
    keys = {line: Line2D([], [], color=colour, linewidth=3) for line, colour in colours.items()}
    parts = rows.sort_values("depth")[["part", "depth"]].drop_duplicates("part")
    swept = rows.groupby("panel")["steps"].nunique().max() > 1  # else the layers are named on the axis
    for part, depth in parts.itertuples(index=False) if swept else ():
        how: dict[str, Any] = {"color": style.INK, "markeredgecolor": "white"} | layer_style(str(part), int(depth))
        keys[str(part)] = Line2D([], [], **how)
    if len(ways) > 1:
        keys[ways[0]] = Line2D([], [], color=style.INK, marker="o", linestyle="none", markeredgecolor="white")
        for way in ways[1:]:
            keys[way] = Line2D([], [], markeredgecolor=style.INK, **ring(way, ways))
    return keys


def ring(way: str, ways: list[str]) -> dict[str, Any]:
    """Choose the mark of a way behind the first."""
    return RINGS[ways.index(way) % len(RINGS) - 1]


def caption_lines(rows: Frame, frame: Frame) -> list[str]:
    """Write the caption."""
    spread = (rows["low_cosine"] < rows["high_cosine"]).any()
    zero = rows[[f"low_{metric}" for metric in ("error", "norm_ratio")]].eq(0).any(axis=None)
    return captions.footer(
        selection.points(frame),
        "all weights as one vector: dominated by the layers with the largest gradients",
        "fire: share of the neurons that spike in a step" if rows["firing_rate"].notna().any() else "",
        "layers: median over a layer's weights and biases, because the records lack layers as one vector"
        if spread
        else "",
        f"an error or a norm of 0 is drawn at {SMALLEST:g}" if zero else "",
    )


def problem_order(row: Any) -> tuple[Any, ...]:
    """Return the key that sorts problems: cells stand side by side, what else varies below each other."""
    apart = ("cell", "scale_x", "scale_r")
    return (*(str(row[name]) for name in caption.FIELDS if name not in apart), *(str(row[name]) for name in apart))


def problems_abreast(rows: Frame, problems: int) -> int:
    """Count the problems that stand side by side: the cells if they fill the rows, else four at most."""
    cells = rows["cell"].nunique()
    return cells if 1 < cells <= 5 and problems % cells == 0 else min(4, problems)


def firing_words(rows: Frame) -> str:
    """Say how many neurons fire; nothing for rows of cells that do not spike."""
    rates = rows["firing_rate"].dropna() * 100
    if rates.empty:
        return ""
    low, high = f"{rates.min():.1f}", f"{rates.max():.1f}"
    return f"{low if low == high else f'{low} to {high}'} % fire"


def panel(
    metric: str, rows: Frame, colours: dict[str, Any], ways: list[str], outer: tuple[bool, bool] = (True, True)
) -> layout.Draw:
    """Return what fills the axes of one metric; outer: whether its x axis and its y axis have their words."""

    def draw(axes: Axes) -> None:
        fill(axes, metric, rows, colours, ways)
        axes.set_xlabel(axes.get_xlabel() if outer[0] else "")
        axes.tick_params(axis="x", labelbottom=outer[0])
        axes.set_ylabel(axes.get_ylabel() if outer[1] else "")

    return draw


def fill(axes: Axes, metric: str, rows: Frame, colours: dict[str, Any], ways: list[str]) -> None:
    """Draw one metric over T, or over the layers if there is one T; lines a little apart sideways."""
    parts = rows.sort_values("depth")["part"].drop_duplicates().tolist()
    steps, lines = sorted(rows["steps"].unique()), rows["line"].unique().tolist()
    if len(steps) > 1:
        scales.scale_steps(axes, steps)
    else:
        axes.set_xticks(range(len(parts)), [scales.literal(layers.tick_title(part)) for part in parts])
        axes.set_xlim(-0.5, len(parts) - 0.5)
        axes.set_xlabel(f"layer (T = {steps[0]})")
        axes.grid(visible=False, axis="x")
    if logarithmic := metric != "cosine":
        scales.scale_values(axes, "y", METRICS[metric])
    axes.set_ylabel(METRICS[metric])
    by = ["line", "part", "depth", "way"] if len(steps) > 1 else ["line", "way"]
    read = [*dict.fromkeys([*by, "part", "steps"]), *(f"{end}{metric}" for end in ("", "low_", "high_"))]
    for key, group in rows.loc[rows[metric].notna(), read].groupby(by, sort=False):
        line, way = str(key[0]), str(key[-1])
        aside = (lines.index(line) + 0.5) / len(lines) - 0.5
        if len(steps) > 1:
            x, how = group["steps"] * 1.3**aside, layer_style(str(key[1]), int(key[2]))
            label = [line, str(key[1])]
        else:
            x, how = group["part"].map(parts.index) + 0.6 * aside, {"marker": "o", "linestyle": "none"}
            label = [line]
        label += [way] if len(ways) > 1 else []
        values = {end: drawable(group[f"{end}{metric}"], logarithmic) for end in ("", "low_", "high_")}
        order = np.argsort(x.to_numpy())
        points: dict[str, Any] = {"color": colours[line], "markeredgecolor": "white", **how}
        if way != ways[0]:
            points |= ring(way, ways) | {"markeredgecolor": colours[line]}
        points["label"] = style.SEPARATOR.join(label)
        axes.plot(x.to_numpy()[order], values[""].to_numpy()[order], **points)
        crowded = way == ways[0] and len(steps) > 1 and len(lines) == 1 and len(parts) > 3
        if crowded and (number := re.search(r"\d+$", str(key[1]))):
            annotations.annotate(axes, number[0], x.to_numpy()[order][-1], values[""].to_numpy()[order][-1])
        bars = (values[""] - values["low_"], values["high_"] - values[""])
        if any((bar > 0).any() for bar in bars):
            axes.errorbar(x, values[""], yerr=bars, color=colours[line], label=SPREAD, **style.BAR)
    limit(axes, metric, rows)


def drawable(values: Frame, logarithmic: bool) -> Frame:
    """Return values that the axis can show: on a logarithmic one no zero."""
    return values.clip(lower=SMALLEST) if logarithmic else values


def limit(axes: Axes, metric: str, rows: Frame) -> None:
    """Set the limits of the axis, and mark the rounding error below which an error says nothing."""
    if metric == "cosine":
        low = rows["low_cosine"].min()
        axes.set_ylim(-0.03 if low >= 0 else low - 0.08, 1.05)
        axes.set_yticks([tick for tick in (-1, -0.5, 0, 0.25, 0.5, 0.75, 1) if tick >= axes.get_ylim()[0]])
        return
    values = drawable(rows[[f"low_{metric}", f"high_{metric}"]].stack(), logarithmic=True)
    if metric == "norm_ratio":
        axes.set_ylim(min(values.min() / 1.6, 0.5), max(values.max(), 1) * 1.5)
        return
    dtypes = sorted(rows["dtype"].unique())
    for dtype in dtypes:
        label = f"rounding of {dtype}"
        axes.axhline(ROUNDING[dtype], color=style.GREY, linewidth=1, linestyle=(0, (4, 3)), label=label)
    axes.set_ylim(min(values.min(), *(ROUNDING[dtype] for dtype in dtypes)) / 6, max(values.max(), 1) * 2)


if __name__ == "__main__":
    figures.main("fidelity", __doc__)
